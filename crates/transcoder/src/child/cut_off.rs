//! Whether a file ends before its own end: by the length that its outermost chunk says, or for want of a last page or packet.

use media_domain::info::CutOff;

use super::{boxes::ReadAt, codecs, failed::Failed, transport};

/// A writer may count the header of the outermost chunk, or a byte that makes it even.
const SLACK_BYTES: u64 = 64;
/// A length from here on was never filled in: whoever streams a file does not know it, and says 2³¹ or 2³² less a little.
const NEVER_FILLED_IN: u32 = 0x7fff_0000;
/// More chunks than this beside each other are no file that a camera made: each has a gigabyte (OpenDML 1.02).
const CHUNKS_MAX: usize = 4096;
/// A page of Ogg is at most as long (RFC 3533, 6), and what is not Ogg behind it no longer.
const PAGE_BYTES: u64 = 2 * 65_307;
/// In a page's header, the bit that says that it is the last of its stream.
const LAST_PAGE: u8 = 4;

/// What the file's end says.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn cut_off(file: &impl ReadAt, mime: &str) -> Result<Option<CutOff>, Failed> {
    match codecs::demuxer(mime) {
        Some("wavparse" | "avidemux") => chunks(file, b"RIFF", u32::from_le_bytes),
        Some("aiffparse") => chunks(file, b"FORM", u32::from_be_bytes),
        Some("oggdemux") => Ok((!ends_in_a_last_page(file)?).then_some(CutOff::Likely)),
        Some("tsdemux") => Ok((!transport::ends_in_a_packet(file)?).then_some(CutOff::Likely)),
        _ => Ok(None),
    }
}

/// Of the files that are one chunk, or several of them in a row.
fn chunks(file: &impl ReadAt, name: &[u8; 4], read: fn([u8; 4]) -> u32) -> Result<Option<CutOff>, Failed> {
    let mut start = 0;
    for _ in 0..CHUNKS_MAX {
        if start + 8 > file.size() {
            break;
        }
        let header = file.read_at(start, 8)?;
        let (Some(found), Some(length)) = (header.first_chunk::<4>(), header.last_chunk::<4>()) else { break };
        let length = read(*length);
        if found != name || length == 0 || length >= NEVER_FILLED_IN {
            break;
        }
        // Chunks begin at even places.
        start += 8 + u64::from(length).next_multiple_of(2);
        if start > file.size() + SLACK_BYTES {
            return Ok(Some(CutOff::Certain));
        }
    }
    Ok(None)
}

fn ends_in_a_last_page(file: &impl ReadAt) -> Result<bool, Failed> {
    let length = PAGE_BYTES.min(file.size());
    let tail = file.read_at(file.size() - length, length)?;
    let last = tail.windows(6).rev().find(|bytes| bytes.starts_with(b"OggS\0"));
    Ok(last.is_some_and(|page| page[5] & LAST_PAGE != 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Bytes(Vec<u8>);

    impl ReadAt for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failed> {
            let start = usize::try_from(offset).unwrap();
            Ok(self.0[start..start + usize::try_from(length).unwrap()].to_vec())
        }
    }

    fn riff(length: u32, bytes: usize) -> Vec<u8> {
        [b"RIFF".as_slice(), &length.to_le_bytes(), &vec![0; bytes]].concat()
    }

    fn of(bytes: Vec<u8>, mime: &str) -> Option<CutOff> {
        cut_off(&Bytes(bytes), mime).unwrap()
    }

    #[test]
    fn a_chunk_that_is_longer_than_the_file_was_cut_off() {
        assert_eq!(of(riff(1000, 1000), "audio/x-wav"), None);
        assert_eq!(of(riff(1000, 500), "audio/x-wav"), Some(CutOff::Certain));
        assert_eq!(of([b"FORM".as_slice(), &1000u32.to_be_bytes(), &[0; 500]].concat(), "audio/x-aiff"), Some(CutOff::Certain));
        assert_eq!(of([riff(1000, 1000), riff(1000, 500)].concat(), "video/x-msvideo"), Some(CutOff::Certain), "in its second gigabyte");
    }

    #[test]
    fn a_length_that_was_never_filled_in_or_counts_its_header_says_nothing() {
        for length in [0, 0x7fff_ff00, 0xffff_ffff, 1008, 1001] {
            assert_eq!(of(riff(length, 1000), "audio/x-wav"), None, "{length}");
        }
    }

    #[test]
    fn an_ogg_file_ends_in_a_last_page() {
        let page = |flags| [b"OggS\0".as_slice(), &[flags], &[7; 100]].concat();
        assert_eq!(of([page(2), page(0), page(4)].concat(), "audio/ogg"), None);
        assert_eq!(of([page(2), page(0)].concat(), "audio/ogg"), Some(CutOff::Likely));
        assert_eq!(of(Vec::new(), "audio/ogg"), Some(CutOff::Likely));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_panic(bytes: Vec<u8>) {
            for mime in ["audio/x-wav", "audio/x-aiff", "audio/ogg", "video/mp2t"] {
                of(bytes.clone(), mime);
            }
        }
    }
}
