//! Takes metadata out of a WebP file: version 8.14 of libvips writes EXIF also when it is told to strip.
//!
//! A file is `RIFF size WEBP` and chunks of name, size, bytes, padded to even (WebP container specification).

use super::failed::Failed;

const KEPT: &[&[u8; 4]] = &[b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"];
/// The flags of `VP8X` that announce a profile, EXIF and XMP.
const METADATA_FLAGS: u8 = 0x20 | 0x08 | 0x04;

/// The same picture without profile, EXIF and XMP. Its pixels are sRGB.
///
/// # Errors
/// [`Failed`] where this is no WebP: our fault.
pub fn bare(file: &[u8]) -> Result<Vec<u8>, Failed> {
    let broken = || Failed::internal("an encoder's WebP that is none");
    let mut rest = file.strip_prefix(b"RIFF").and_then(|rest| rest.get(4..)?.strip_prefix(b"WEBP")).ok_or_else(broken)?;
    let mut kept = b"WEBP".to_vec();
    while !rest.is_empty() {
        let (header, body) = rest.split_at_checked(8).ok_or_else(broken)?;
        let size = u32::from_le_bytes(header[4..].try_into().map_err(|_| broken())?) as usize;
        let (chunk, after) = body.split_at_checked(size + size % 2).ok_or_else(broken)?;
        if KEPT.iter().any(|name| header.starts_with(*name)) {
            kept.extend(header);
            let flags = kept.len();
            kept.extend(chunk);
            if header.starts_with(b"VP8X") {
                *kept.get_mut(flags).ok_or_else(broken)? &= !METADATA_FLAGS;
            }
        }
        rest = after;
    }
    let size = u32::try_from(kept.len()).map_err(|_| broken())?;
    Ok([b"RIFF".as_slice(), &size.to_le_bytes(), &kept].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut inside = b"WEBP".to_vec();
        for (name, bytes) in chunks {
            inside.extend(*name);
            inside.extend((bytes.len() as u32).to_le_bytes());
            inside.extend(*bytes);
            inside.extend(std::iter::repeat_n(0, bytes.len() % 2));
        }
        [b"RIFF".as_slice(), &(inside.len() as u32).to_le_bytes(), &inside].concat()
    }

    #[test]
    fn metadata_goes_and_its_flags_go_with_it() {
        let with = file(&[(b"VP8X", &[0x3c, 0, 0]), (b"ICCP", b"abc"), (b"VP8 ", b"pixels"), (b"EXIF", b"home"), (b"XMP ", b"x")]);
        assert_eq!(bare(&with), Ok(file(&[(b"VP8X", &[0x10, 0, 0]), (b"VP8 ", b"pixels")])));
    }

    #[test]
    fn what_is_no_webp_is_an_error() {
        for broken in [b"".as_slice(), b"RIFF", b"RIFF\0\0\0\0WEBPVP8 \xff\0\0\0"] {
            assert!(bare(broken).is_err());
        }
    }
}
