//! How many frames an MP3 file promises: what LAME and its kin write into a first frame that is silent. Without it a file that was
//! cut off looks whole. (The header has no standard: <https://www.codeproject.com/Articles/8295/MPEG-Audio-Frame-Header>, 2.3.)

use super::{boxes::ReadAt, failed::Failed};

/// Where the first frame is looked for, behind a tag.
const SEARCH_BYTES: u64 = 4096;
/// Of an ID3 tag's header, and of its footer.
const TAG_HEADER_BYTES: u64 = 10;

/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn frames_promised(file: &impl ReadAt) -> Result<Option<u64>, Failed> {
    let start = behind_tag(file)?;
    let length = SEARCH_BYTES.min(file.size().saturating_sub(start));
    let head = if length == 0 { Vec::new() } else { file.read_at(start, length)? };
    let frame = head.windows(4).position(is_layer_three).and_then(|at| head.get(at..));
    Ok(frame.and_then(promise).filter(|frames| *frames > 0).map(u64::from))
}

/// Where an ID3v2 tag ends (ID3v2.4, 3.1: its length has seven bits in a byte).
fn behind_tag(file: &impl ReadAt) -> Result<u64, Failed> {
    if file.size() < TAG_HEADER_BYTES {
        return Ok(0);
    }
    let header = file.read_at(0, TAG_HEADER_BYTES)?;
    let (b"ID3", Some(length), Some(flags)) = (header.first_chunk::<3>().unwrap_or(b"   "), header.last_chunk::<4>(), header.get(5)) else {
        return Ok(0);
    };
    let length = length.iter().fold(0, |length, seven| length << 7 | u64::from(seven & 0x7f));
    let footer = if flags & 0x10 != 0 { TAG_HEADER_BYTES } else { 0 };
    Ok(TAG_HEADER_BYTES + length + footer)
}

/// The begin of a frame of layer III, with a bitrate and a sample rate (ISO/IEC 11172-3, 2.4.1.3).
fn is_layer_three(header: &[u8]) -> bool {
    header[0] == 0xff && header[1] & 0xe6 == 0xe2 && header[1] & 0x18 != 0x08 && header[2] >> 4 != 0xf && header[2] & 0x0c != 0x0c
}

fn promise(frame: &[u8]) -> Option<u32> {
    let number = |at: usize| frame.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
    // It stands behind the side information, which is shorter in MPEG-2 and for one channel.
    let side = match (frame[1] & 0x18 == 0x18, frame[3] >> 6 == 3) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    };
    match frame.get(4 + side..)?.first_chunk()? {
        b"Xing" | b"Info" if number(4 + side + 4)? & 1 == 1 => number(4 + side + 8),
        _ if frame.get(36..)?.starts_with(b"VBRI") => number(36 + 14),
        _ => None,
    }
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

    fn file(tag: &[u8], header: [u8; 4], side: usize, what: &[u8]) -> Option<u64> {
        frames_promised(&Bytes([tag, &header, &vec![0; side], what, &[0; 100]].concat())).unwrap()
    }

    #[test]
    fn the_number_stands_behind_the_side_information_and_a_tag() {
        let info = [b"Info".as_slice(), &1u32.to_be_bytes(), &766u32.to_be_bytes()].concat();
        let tag = [b"ID3\x04\0\0\0\0\x01\x01".as_slice(), &[0; 129]].concat();
        assert_eq!(file(b"", [0xff, 0xfb, 0x90, 0x00], 32, &info), Some(766));
        assert_eq!(file(&tag, [0xff, 0xfb, 0x90, 0xc0], 17, &info), Some(766));
        assert_eq!(file(b"", [0xff, 0xf3, 0x90, 0xc0], 9, &info), Some(766));
        assert_eq!(file(b"", [0xff, 0xfb, 0x90, 0x00], 32, &[0; 12]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_panic(tag in any::<bool>(), bytes: Vec<u8>) {
            let before: &[u8] = if tag { b"ID3" } else { &[0xff, 0xfb] };
            frames_promised(&Bytes([before, &bytes].concat())).unwrap();
        }
    }
}
