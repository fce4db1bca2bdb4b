//! From pixels to files, without any metadata.

use std::{
    ffi::{c_int, c_void},
    ptr,
};

use libvips::bindings;

use super::{
    super::{failed::Failed, webp},
    Picture, last_error, to_int,
};

/// How hard libaom tries, from 0 to 9 (it is 9 less its own "speed"). Each step up from here doubles the time, and saves
/// a few percent of the bytes: docs/media.md has the figures.
const AVIF_EFFORT: c_int = 2;

impl Picture<'_> {
    /// Encodes as WebP: all frames.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn webp(&self, quality: u32) -> Result<Vec<u8>, Failed> {
        let quality = to_int(quality)?;
        // SAFETY: the image is alive; options come in pairs of the types that the properties have, and end in NULL.
        let file = taken(|bytes, length| unsafe {
            bindings::vips_webpsave_buffer(self.as_ptr(), bytes, length, c"Q".as_ptr(), quality, ptr::null::<c_void>())
        })?;
        webp::bare(&file)
    }

    /// Encodes as AVIF: a still.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn avif(&self, quality: u32) -> Result<Vec<u8>, Failed> {
        let quality = to_int(quality)?;
        // SAFETY: as above.
        taken(|bytes, length| unsafe {
            bindings::vips_heifsave_buffer(
                self.as_ptr(),
                bytes,
                length,
                c"compression".as_ptr(),
                bindings::VipsForeignHeifCompression_VIPS_FOREIGN_HEIF_COMPRESSION_AV1,
                c"Q".as_ptr(),
                quality,
                c"effort".as_ptr(),
                AVIF_EFFORT,
                c"strip".as_ptr(),
                1 as c_int,
                ptr::null::<c_void>(),
            )
        })
    }

    /// Encodes as JPEG: a still without alpha.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn jpeg(&self, quality: u32) -> Result<Vec<u8>, Failed> {
        let quality = to_int(quality)?;
        // SAFETY: as above.
        taken(|bytes, length| unsafe {
            bindings::vips_jpegsave_buffer(
                self.as_ptr(),
                bytes,
                length,
                c"Q".as_ptr(),
                quality,
                c"optimize-coding".as_ptr(),
                1 as c_int,
                c"strip".as_ptr(),
                1 as c_int,
                ptr::null::<c_void>(),
            )
        })
    }
}

/// What a saver made: it answers 0 and hands over bytes.
fn taken(save: impl FnOnce(*mut *mut c_void, *mut u64) -> c_int) -> Result<Vec<u8>, Failed> {
    let (mut bytes, mut length) = (ptr::null_mut(), 0);
    if save(&mut bytes, &mut length) != 0 || bytes.is_null() {
        return Err(Failed::internal(last_error()));
    }
    // SAFETY: on success libvips hands over `length` bytes, which are freed with `g_free` once.
    unsafe {
        let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap_or(0)).to_vec();
        bindings::g_free(bytes);
        Ok(copy)
    }
}
