//! Which loader reads which type: the sniffed type alone decides, and a file cannot talk us into another.

use std::ffi::CStr;

/// How one type of file is read.
#[derive(Debug, PartialEq, Eq)]
pub struct Loader {
    mime: &'static str,
    /// The name of libvips' class, without what follows for files, buffers and streams.
    pub class: &'static CStr,
    /// Whether its pages may be frames that follow each other in time.
    pub is_animated: bool,
}

const fn still(mime: &'static str, class: &'static CStr) -> Loader {
    Loader { mime, class, is_animated: false }
}

const fn animated(mime: &'static str, class: &'static CStr) -> Loader {
    Loader { mime, class, is_animated: true }
}

/// All others are blocked: ImageMagick above all, and whatever a Debian update adds. JPEG 2000 also: of a large one, 8.14 makes
/// less than was asked for.
static LOADERS: &[Loader] = &[
    still("image/jpeg", c"VipsForeignLoadJpeg"),
    still("image/png", c"VipsForeignLoadPng"),
    animated("image/gif", c"VipsForeignLoadNsgif"),
    animated("image/webp", c"VipsForeignLoadWebp"),
    still("image/avif", c"VipsForeignLoadHeif"),
    still("image/heif", c"VipsForeignLoadHeif"),
    still("image/tiff", c"VipsForeignLoadTiff"),
    still("image/svg+xml", c"VipsForeignLoadSvg"),
    still("application/pdf", c"VipsForeignLoadPdf"),
];

/// The classes that may be used at all.
pub fn all() -> impl Iterator<Item = &'static CStr> {
    LOADERS.iter().map(|loader| loader.class)
}

/// The loader of a sniffed type.
pub fn of_type(mime: &str) -> Option<&'static Loader> {
    LOADERS.iter().find(|loader| loader.mime == mime)
}

/// The loader that libvips would take for a file, where it is one of ours.
pub fn of_class(class: &[u8]) -> Option<&'static Loader> {
    LOADERS.iter().find(|loader| class.starts_with(loader.class.to_bytes()))
}
