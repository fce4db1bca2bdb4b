//! From encoded pictures to pixels: upright, in sRGB, never larger than they are, and nothing else of the file.

use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
};

use libvips::bindings;

use super::{super::failed::Failed, Picture, last_error, to_int};

/// The highest picture that every format of ours can hold, in pixels: WebP has 14 bits for it.
const HEIGHT_MAX: u32 = 16_383;

/// What stays with the pixels of an animation. All other fields may come out of the file, and go.
const FIELDS_KEPT: &[&CStr] = &[c"n-pages", c"page-height", c"delay", c"loop"];

impl Picture<'_> {
    /// Decodes an encoded picture to at most `width`, an animation whole. All pixels are then in memory. `self` is its header.
    ///
    /// # Errors
    /// [`Failed`] where the picture is damaged or ends too early.
    pub fn thumbnail(&self, bytes: &[u8], width: u32) -> Result<Picture<'static>, Failed> {
        self.decode(bytes, width, bindings::VipsSize_VIPS_SIZE_DOWN)
    }

    /// Draws the first page of a document at this width, or lower where it would be too high. `self` is its header.
    ///
    /// # Errors
    /// [`Failed`] where the page is damaged.
    pub fn page(&self, bytes: &[u8], width: u32) -> Result<Picture<'static>, Failed> {
        self.decode(bytes, width, bindings::VipsSize_VIPS_SIZE_BOTH)
    }

    fn decode(&self, bytes: &[u8], width: u32, size: bindings::VipsSize) -> Result<Picture<'static>, Failed> {
        let mut image = ptr::null_mut();
        // Of a picture without a profile the conversion would shift colours: it takes them through Lab of another white.
        let (profile, srgb) = if self.has_profile() { (c"export-profile".as_ptr(), c"srgb".as_ptr()) } else { (ptr::null(), ptr::null()) };
        let options = if self.frames() > 1 { c"[fail_on=truncated,n=-1]" } else { c"[fail_on=truncated]" };
        // SAFETY: libvips reads `bytes` for as long as the lazy image lives, which ends in this function; options come in
        // pairs of the types that the properties have, and end in NULL, perhaps at the profile's name.
        let lazy = unsafe {
            let failed = bindings::vips_thumbnail_buffer(
                bytes.as_ptr().cast_mut().cast(),
                bytes.len() as u64,
                &mut image,
                to_int(width)?,
                c"height".as_ptr(),
                to_int(HEIGHT_MAX)?,
                c"size".as_ptr(),
                size,
                // The property of that name is not handed on to the loader by 8.14.
                c"option-string".as_ptr(),
                options.as_ptr(),
                profile,
                srgb,
                ptr::null::<c_void>(),
            );
            Picture::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::corrupt)?
        };
        lazy.in_srgb()?.decoded(Failed::corrupt)
    }

    /// A smaller copy, at most `width`.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn smaller(&self, width: u32) -> Result<Picture<'static>, Failed> {
        let mut image = ptr::null_mut();
        // SAFETY: the image is alive; options as above.
        let lazy = unsafe {
            let failed = bindings::vips_thumbnail_image(
                self.as_ptr(),
                &mut image,
                to_int(width)?,
                c"height".as_ptr(),
                to_int(HEIGHT_MAX)?,
                c"size".as_ptr(),
                bindings::VipsSize_VIPS_SIZE_DOWN,
                ptr::null::<c_void>(),
            );
            Picture::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::internal)?
        };
        lazy.decoded(Failed::internal)
    }

    /// The first frame alone.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn first_frame(&self) -> Result<Picture<'static>, Failed> {
        let (width, height) = self.size();
        let mut image = ptr::null_mut();
        // SAFETY: the image is alive, the area inside of it; the option list ends in NULL.
        let lazy = unsafe {
            let failed =
                bindings::vips_extract_area(self.as_ptr(), &mut image, 0, 0, to_int(width)?, to_int(height)?, ptr::null::<c_void>());
            Picture::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::internal)?
        };
        let first = lazy.decoded(Failed::internal)?;
        first.keep_fields(&[]);
        Ok(first)
    }

    /// Laid on white where it is transparent: all frames.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn on_white(self) -> Result<Self, Failed> {
        if !self.has_alpha() {
            return Ok(self);
        }
        let mut image = ptr::null_mut();
        // SAFETY: the image is alive, and the new one keeps what it needs of it; the array is copied by libvips, and freed here
        // once; the option list ends in NULL.
        unsafe {
            let white = bindings::vips_array_double_new([255.0f64; 3].as_ptr(), 3);
            let failed = bindings::vips_flatten(self.as_ptr(), &mut image, c"background".as_ptr(), white, ptr::null::<c_void>());
            bindings::vips_area_unref(white.cast());
            Self::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::internal)
        }
    }

    /// Rows of RGB or RGBA, without gaps, all frames below each other.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn pixels(&self) -> Result<Vec<u8>, Failed> {
        let mut length = 0;
        // SAFETY: the image is alive; libvips hands over `length` bytes, which are freed with `g_free` once.
        unsafe {
            let bytes = bindings::vips_image_write_to_memory(self.as_ptr(), &mut length);
            if bytes.is_null() {
                return Err(Failed::internal(last_error()));
            }
            let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap_or(0)).to_vec();
            bindings::g_free(bytes);
            Ok(copy)
        }
    }

    /// Whether its pixels have a fourth number.
    fn has_alpha(&self) -> bool {
        // SAFETY: the image is alive.
        unsafe { bindings::vips_image_hasalpha(self.as_ptr()) != 0 }
    }

    /// Whether it carries a profile that fits its pixels. One of ink in a picture of light is passed over.
    fn has_profile(&self) -> bool {
        let (mut bytes, mut length) = (ptr::null(), 0);
        let name = c"icc-profile-data";
        // SAFETY: the image is alive, and owns the bytes, which are only looked at here.
        self.has(name)
            && unsafe {
                bindings::vips_image_get_blob(self.as_ptr(), name.as_ptr(), &mut bytes, &mut length) == 0
                    && bindings::vips_icc_is_compatible_profile(self.as_ptr(), bytes, length) != 0
            }
    }

    /// Gray becomes three bands, and more than 8 bits become 8.
    fn in_srgb(self) -> Result<Self, Failed> {
        let mut image = ptr::null_mut();
        // SAFETY: the image is alive, and the new one keeps what it needs of it; the option list ends in NULL.
        unsafe {
            let srgb = bindings::VipsInterpretation_VIPS_INTERPRETATION_sRGB;
            let failed = bindings::vips_colourspace(self.as_ptr(), &mut image, srgb, ptr::null::<c_void>());
            Self::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::corrupt)
        }
    }

    /// The same pixels, now in memory.
    fn decoded(self, failed: impl FnOnce(String) -> Failed) -> Result<Picture<'static>, Failed> {
        // SAFETY: the image is alive; the copy holds its pixels itself.
        let image = unsafe { bindings::vips_image_copy_memory(self.as_ptr()) };
        let picture = Picture::own(image, failed)?;
        picture.keep_fields(FIELDS_KEPT);
        Ok(picture)
    }

    /// Removes all fields but these. Those that make the picture, such as its width, cannot be removed.
    fn keep_fields(&self, kept: &[&CStr]) {
        // SAFETY: the image is alive and ours alone; the list of names ends in NULL, is ours, and is freed once.
        unsafe {
            let names = bindings::vips_image_get_fields(self.as_ptr());
            let mut name = names;
            while !name.is_null() && !(*name).is_null() {
                if !kept.contains(&CStr::from_ptr(*name)) {
                    let _was_there: c_int = bindings::vips_image_remove(self.as_ptr(), *name);
                }
                name = name.add(1);
            }
            bindings::g_strfreev(names);
        }
    }
}
