//! The few calls into libvips. They go to the C functions themselves: version 1.6.1 of the crate passes empty profile
//! names to 8.14, later ones properties that it does not have (notes/stills.md).
//!
//! From bytes to bytes: [`loaders`] says who may read what, [`Picture`] is what libvips holds, [`decode`] and [`encode`] lead in
//! and out of it. What is decoded has one form, 8-bit sRGB with or without alpha, and no metadata.

mod decode;
mod encode;
mod loaders;
mod look;
mod picture;

use std::ffi::{CStr, c_int};

use libvips::bindings;

pub use look::look;
pub use picture::Picture;

use super::failed::Failed;

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
        for loader in loaders::all() {
            bindings::vips_operation_block_set(loader.as_ptr(), 0);
        }
    }
    Ok(())
}

fn to_int(number: u32) -> Result<c_int, Failed> {
    c_int::try_from(number).map_err(|_| Failed::internal("a number that is too large"))
}

fn to_u32(number: c_int) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// What libvips complained of since the last call of this.
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
