//! A picture that libvips holds, and what can be asked of it.

use std::{
    ffi::{CStr, c_int, c_void},
    marker::PhantomData,
    ptr::{self, NonNull},
};

use libvips::bindings;

use super::{
    super::failed::Failed,
    last_error,
    loaders::{self, Loader},
    to_int, to_u32,
};

/// Perhaps not yet decoded. `'a` is the life of the bytes that it decodes from.
#[derive(Debug)]
pub struct Picture<'a> {
    image: NonNull<bindings::VipsImage>,
    /// Of one that was opened.
    pub(super) loader: Option<&'static Loader>,
    bytes: PhantomData<&'a [u8]>,
}

impl Drop for Picture<'_> {
    fn drop(&mut self) {
        // SAFETY: we hold one reference to this object, and give it up here once.
        unsafe { bindings::g_object_unref(self.image.as_ptr().cast()) }
    }
}

impl<'a> Picture<'a> {
    /// Reads the header of an encoded picture of any type that we take; no pixel is decoded.
    ///
    /// # Errors
    /// [`Failed`] where it is of no such type, or broken.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Failed> {
        let loader = sniffed(bytes).ok_or_else(|| Failed::unsupported("no picture of a kind that is taken"))?;
        // SAFETY: libvips reads `bytes` for as long as the image lives; `'a` keeps them. The option list ends in NULL.
        let image =
            unsafe { bindings::vips_image_new_from_buffer(bytes.as_ptr().cast(), bytes.len() as u64, c"".as_ptr(), ptr::null::<c_void>()) };
        let mut picture = Self::own(image, Failed::corrupt)?;
        picture.loader = Some(loader);
        Ok(picture)
    }

    /// Reads the header of an encoded picture of this type.
    ///
    /// # Errors
    /// [`Failed`] where it is of another type, of one that we do not take, or broken.
    pub fn open_as(mime: &str, bytes: &'a [u8]) -> Result<Self, Failed> {
        let loader = loaders::of_type(mime).ok_or_else(|| Failed::unsupported(format!("no loader for {mime}")))?;
        if sniffed(bytes).is_none_or(|sniffed| sniffed.class != loader.class) {
            return Err(Failed::unsupported(format!("the bytes are no {mime}")));
        }
        Self::open(bytes)
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

    /// Width and height of one frame as stored: before orientation.
    pub fn size(&self) -> (u32, u32) {
        // SAFETY: the image is alive.
        let (width, height) =
            unsafe { (bindings::vips_image_get_width(self.as_ptr()), bindings::vips_image_get_page_height(self.as_ptr())) };
        (to_u32(width), to_u32(height))
    }

    /// How many pictures follow each other in the file.
    pub fn pages(&self) -> u32 {
        // SAFETY: the image is alive.
        to_u32(unsafe { bindings::vips_image_get_n_pages(self.as_ptr()) }).max(1)
    }

    /// How many frames an animation has; 1 of a still, also where its file has further pictures in it.
    pub fn frames(&self) -> u32 {
        if self.loader.is_none_or(|loader| loader.is_animated) { self.pages() } else { 1 }
    }

    /// Whether showing it upright swaps width and height (EXIF orientation 5 to 8).
    pub fn is_sideways(&self) -> bool {
        // SAFETY: the image is alive.
        unsafe { bindings::vips_image_get_orientation_swap(self.as_ptr()) != 0 }
    }

    /// How long each frame is shown, in milliseconds as the file says it; empty for a still.
    pub fn delays_ms(&self) -> Vec<u32> {
        let (mut delays, mut count) = (ptr::null_mut::<c_int>(), 0);
        // SAFETY: the image is alive, and owns the `count` numbers that are copied here at once.
        unsafe {
            if !self.has(c"delay") || bindings::vips_image_get_array_int(self.as_ptr(), c"delay".as_ptr(), &mut delays, &mut count) != 0 {
                return Vec::new();
            }
            std::slice::from_raw_parts(delays, usize::try_from(count).unwrap_or(0)).iter().map(|delay| to_u32(*delay)).collect()
        }
    }

    pub(super) fn has(&self, field: &CStr) -> bool {
        // SAFETY: the image is alive, and the name ends in NUL.
        unsafe { bindings::vips_image_get_typeof(self.as_ptr(), field.as_ptr()) != 0 }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::VipsImage {
        self.image.as_ptr()
    }

    /// Takes over what a call made: NULL where it failed.
    pub(super) fn own(image: *mut bindings::VipsImage, failed: impl FnOnce(String) -> Failed) -> Result<Self, Failed> {
        let image = NonNull::new(image).ok_or_else(|| failed(last_error()))?;
        Ok(Self { image, loader: None, bytes: PhantomData })
    }
}

fn sniffed(bytes: &[u8]) -> Option<&'static Loader> {
    // SAFETY: only the first bytes are looked at; the answer is NULL or a name of libvips' own that ends in NUL.
    let class = unsafe {
        let name = bindings::vips_foreign_find_load_buffer(bytes.as_ptr().cast(), bytes.len() as u64);
        name.as_ref().map(|name| CStr::from_ptr(name).to_bytes())
    };
    loaders::of_class(class?)
}
