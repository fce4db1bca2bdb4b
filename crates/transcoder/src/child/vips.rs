//! The few calls into libvips. They go to the C functions themselves: version 1.6.1 of the crate passes empty profile
//! names to 8.14, later ones properties that it does not have (notes/stills.md).

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::{self, NonNull},
};

use libvips::bindings;

use super::{failed::Failed, webp};

/// The loaders of pictures that we take. All others are blocked: ImageMagick above all, and whatever a Debian update adds.
const LOADERS: &[&CStr] = &[
    c"VipsForeignLoadJpeg",
    c"VipsForeignLoadPng",
    c"VipsForeignLoadNsgif",
    c"VipsForeignLoadWebp",
    c"VipsForeignLoadHeif",
    c"VipsForeignLoadTiff",
];

/// No limit on a height: libvips has none beyond its 10 million.
const UNBOUNDED: c_int = 10_000_000;

/// Starts libvips with one thread, no cache, and only the loaders that we take.
///
/// # Errors
/// [`Failed`] where it does not start.
pub fn start() -> Result<(), Failed> {
    // SAFETY: called once, before any other call into libvips; all strings are constants that end in NUL.
    unsafe {
        if bindings::vips_init(c"media-transcoder".as_ptr()) != 0 {
            return Err(Failed::internal(last_error()));
        }
        bindings::vips_concurrency_set(1);
        bindings::vips_cache_set_max(0);
        bindings::vips_block_untrusted_set(1);
        bindings::vips_operation_block_set(c"VipsForeignLoad".as_ptr(), 1);
        for loader in LOADERS {
            bindings::vips_operation_block_set(loader.as_ptr(), 0);
        }
    }
    Ok(())
}

/// A picture that libvips holds, perhaps not yet decoded. `'a` is the life of the bytes that it decodes from.
#[derive(Debug)]
pub struct Picture<'a> {
    image: NonNull<bindings::VipsImage>,
    bytes: std::marker::PhantomData<&'a [u8]>,
}

impl Drop for Picture<'_> {
    fn drop(&mut self) {
        // SAFETY: we hold one reference to this object, and give it up here once.
        unsafe { bindings::g_object_unref(self.image.as_ptr().cast()) }
    }
}

impl<'a> Picture<'a> {
    /// Reads the header of an encoded picture; no pixel is decoded.
    ///
    /// # Errors
    /// [`Failed`] where it is of no kind that we take, or broken.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Failed> {
        // SAFETY: only the first bytes are looked at; the answer is NULL or a name of libvips' own that ends in NUL.
        let loader = unsafe { bindings::vips_foreign_find_load_buffer(bytes.as_ptr().cast(), bytes.len() as u64).as_ref() };
        // SAFETY: as above.
        let loader = loader.map(|name| unsafe { CStr::from_ptr(name) }).map(CStr::to_bytes).unwrap_or_default();
        if !LOADERS.iter().any(|taken| loader.starts_with(taken.to_bytes())) {
            return Err(Failed::unsupported("no picture of a kind that is taken"));
        }
        // SAFETY: libvips reads `bytes` for as long as the image lives; `'a` keeps them. The option list ends in NULL.
        let image =
            unsafe { bindings::vips_image_new_from_buffer(bytes.as_ptr().cast(), bytes.len() as u64, c"".as_ptr(), ptr::null::<c_void>()) };
        Self::own(image, Failed::corrupt)
    }

    /// A picture from rows of RGB, without gaps.
    ///
    /// # Errors
    /// [`Failed`] where the size does not fit the bytes.
    pub fn from_rgb(bytes: &[u8], width: u32, height: u32) -> Result<Picture<'static>, Failed> {
        let (columns, rows) = (to_int(width)?, to_int(height)?);
        let format = bindings::VipsBandFormat_VIPS_FORMAT_UCHAR;
        // SAFETY: libvips copies `bytes` and checks their number against the size.
        let image =
            unsafe { bindings::vips_image_new_from_memory_copy(bytes.as_ptr().cast(), bytes.len() as u64, columns, rows, 3, format) };
        Picture::own(image, Failed::internal)
    }

    /// Width and height as stored: before orientation.
    pub fn size(&self) -> (u32, u32) {
        // SAFETY: the image is alive.
        let (width, height) =
            unsafe { (bindings::vips_image_get_width(self.image.as_ptr()), bindings::vips_image_get_height(self.image.as_ptr())) };
        (u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0))
    }

    /// How many pictures follow each other in the file.
    pub fn pages(&self) -> u32 {
        // SAFETY: the image is alive.
        u32::try_from(unsafe { bindings::vips_image_get_n_pages(self.image.as_ptr()) }).unwrap_or(1).max(1)
    }

    /// Whether showing it upright swaps width and height (EXIF orientation 5 to 8).
    pub fn is_sideways(&self) -> bool {
        // SAFETY: the image is alive.
        unsafe { bindings::vips_image_get_orientation_swap(self.image.as_ptr()) != 0 }
    }

    /// Decodes an encoded picture to at most `width`: upright, in sRGB, never upscaled. All pixels are then in memory.
    /// `self` is its header.
    ///
    /// # Errors
    /// [`Failed`] where the picture is damaged or ends too early.
    pub fn thumbnail(&self, bytes: &[u8], width: u32) -> Result<Picture<'static>, Failed> {
        let mut image = ptr::null_mut();
        // Of a picture without a profile the conversion would shift colours: it takes them through Lab of another white.
        let (profile, srgb) = if self.has_profile() { (c"export-profile".as_ptr(), c"srgb".as_ptr()) } else { (ptr::null(), ptr::null()) };
        // SAFETY: libvips reads `bytes` for as long as the lazy image lives, which ends in this function; options come in
        // pairs of the types that the properties have, and end in NULL, perhaps at the profile's name.
        let lazy = unsafe {
            let failed = bindings::vips_thumbnail_buffer(
                bytes.as_ptr().cast_mut().cast(),
                bytes.len() as u64,
                &mut image,
                to_int(width)?,
                c"height".as_ptr(),
                UNBOUNDED,
                c"size".as_ptr(),
                bindings::VipsSize_VIPS_SIZE_DOWN,
                // The property of that name is not handed on to the loader by 8.14.
                c"option-string".as_ptr(),
                c"[fail_on=truncated]".as_ptr(),
                profile,
                srgb,
                ptr::null::<c_void>(),
            );
            Picture::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::corrupt)?
        };
        lazy.decoded()
    }

    fn has_profile(&self) -> bool {
        // SAFETY: the image is alive, and the name ends in NUL.
        unsafe { bindings::vips_image_get_typeof(self.image.as_ptr(), c"icc-profile-data".as_ptr()) != 0 }
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
                self.image.as_ptr(),
                &mut image,
                to_int(width)?,
                c"height".as_ptr(),
                UNBOUNDED,
                c"size".as_ptr(),
                bindings::VipsSize_VIPS_SIZE_DOWN,
                ptr::null::<c_void>(),
            );
            Picture::own(if failed == 0 { image } else { ptr::null_mut() }, Failed::internal)?
        };
        lazy.decoded()
    }

    /// Encodes as WebP without any metadata.
    ///
    /// # Errors
    /// [`Failed`] where libvips cannot.
    pub fn webp(&self, quality: u32) -> Result<Vec<u8>, Failed> {
        let (mut bytes, mut length) = (ptr::null_mut(), 0);
        // SAFETY: the image is alive; on success libvips hands over `length` bytes, which are freed with `g_free` once.
        unsafe {
            let failed = bindings::vips_webpsave_buffer(
                self.image.as_ptr(),
                &mut bytes,
                &mut length,
                c"Q".as_ptr(),
                to_int(quality)?,
                ptr::null::<c_void>(),
            );
            if failed != 0 || bytes.is_null() {
                return Err(Failed::internal(last_error()));
            }
            let copy = std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap_or(0)).to_vec();
            bindings::g_free(bytes);
            webp::bare(&copy)
        }
    }

    fn decoded(self) -> Result<Picture<'static>, Failed> {
        // SAFETY: the image is alive; the copy holds its pixels itself.
        let image = unsafe { bindings::vips_image_copy_memory(self.image.as_ptr()) };
        Picture::own(image, Failed::corrupt)
    }

    fn own(image: *mut bindings::VipsImage, failed: impl FnOnce(String) -> Failed) -> Result<Self, Failed> {
        let image = NonNull::new(image).ok_or_else(|| failed(last_error()))?;
        Ok(Self { image, bytes: std::marker::PhantomData })
    }
}

fn to_int(number: u32) -> Result<c_int, Failed> {
    c_int::try_from(number).map_err(|_| Failed::internal("a number that is too large"))
}

fn last_error() -> String {
    // SAFETY: the copy is ours, ends in NUL, and is freed once.
    unsafe {
        let text = bindings::vips_error_buffer_copy();
        if text.is_null() {
            return String::new();
        }
        let copy = CStr::from_ptr(text).to_string_lossy().trim().to_owned();
        bindings::g_free(text.cast());
        copy
    }
}
