//! The `speech` variant: 16 kHz mono 16-bit PCM behind a WAV header of 44 bytes.
//!
//! It was streamed while it was made, so the sizes in its header are placeholders; its length is the object's. Nothing here decodes:
//! a sample is two bytes, at a place that can be computed.

use std::ops::Range;

use crate::speech::SAMPLE_RATE;

/// RIFF, `fmt ` and `data` headers without extensions (Microsoft/IBM, Multimedia Programming Interface 1.0, chapter 3).
pub const HEADER_BYTES: u64 = 44;
const SAMPLE_BYTES: u64 = 2;

/// An object that is no `speech` variant. Our own child made it, so this is a defect and not a stranger's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSpeech {
    #[error("the object has {bytes} bytes, and a WAV header has {HEADER_BYTES}")]
    TooShort { bytes: u64 },
    #[error("the header is none of a WAV file of 44 bytes")]
    Header,
    #[error(
        "the sound has {channels} channels of {bits} bits at {rate} Hz in format {format}, not one of 16 bits at {SAMPLE_RATE} Hz in PCM"
    )]
    Format { format: u16, channels: u16, rate: u32, bits: u16 },
}

/// Looks at the first [`HEADER_BYTES`] of the object.
///
/// # Errors
/// If what follows is not 16 kHz mono 16-bit PCM. Sizes are not looked at.
pub fn check_header(header: &[u8]) -> Result<(), NotSpeech> {
    let bytes: &[u8; HEADER_BYTES as usize] = header.first_chunk().ok_or(NotSpeech::TooShort { bytes: header.len() as u64 })?;
    let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let tagged = |at: usize, tag: &[u8; 4]| &bytes[at..at + 4] == tag;
    if !(tagged(0, b"RIFF") && tagged(8, b"WAVE") && tagged(12, b"fmt ") && u32_at(16) == 16 && tagged(36, b"data")) {
        return Err(NotSpeech::Header);
    }
    let (format, channels, rate, bits) = (u16_at(20), u16_at(22), u32_at(24), u16_at(34));
    if (format, channels, rate, bits) != (1, 1, SAMPLE_RATE, 16) {
        return Err(NotSpeech::Format { format, channels, rate, bits });
    }
    Ok(())
}

/// How many samples an object of this length holds.
pub fn samples_in(object_bytes: u64) -> u64 {
    object_bytes.saturating_sub(HEADER_BYTES) / SAMPLE_BYTES
}

/// Where in the object these samples are.
pub fn bytes_of(samples: Range<u64>) -> Range<u64> {
    HEADER_BYTES + samples.start * SAMPLE_BYTES..HEADER_BYTES + samples.end * SAMPLE_BYTES
}

/// Samples from -1 to 1. An odd byte at the end is no sample.
pub fn to_samples(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect()
}

/// When a sample is heard, in milliseconds from the first.
pub fn ms_of(samples: u64) -> u64 {
    samples * 1_000 / u64::from(SAMPLE_RATE)
}

/// The sample that is heard at a time.
pub fn sample_at(ms: u64) -> u64 {
    ms * u64::from(SAMPLE_RATE) / 1_000
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The header that the transcoder streams.
    pub(crate) fn streamed_header() -> Vec<u8> {
        let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec();
        header.extend([16, 0, 0, 0, 1, 0, 1, 0]);
        header.extend(16_000_u32.to_le_bytes());
        header.extend(32_000_u32.to_le_bytes());
        header.extend([2, 0, 16, 0]);
        header.extend(b"data\xff\xff\xff\xff");
        header
    }

    #[test]
    fn a_streamed_header_is_accepted_whatever_its_sizes() {
        let mut header = streamed_header();
        assert_eq!(header.len() as u64, HEADER_BYTES);
        assert_eq!(check_header(&header), Ok(()));
        header[4..8].copy_from_slice(&[0; 4]);
        header[40..44].copy_from_slice(&[0; 4]);
        assert_eq!(check_header(&header), Ok(()));
    }

    #[test]
    fn another_sound_is_refused_with_what_it_is() {
        let mut stereo = streamed_header();
        stereo[22] = 2;
        assert_eq!(check_header(&stereo), Err(NotSpeech::Format { format: 1, channels: 2, rate: 16_000, bits: 16 }));
        assert_eq!(check_header(&streamed_header()[..43]), Err(NotSpeech::TooShort { bytes: 43 }));
        assert_eq!(check_header(&[0; 44]), Err(NotSpeech::Header));
    }

    #[test]
    fn samples_stand_where_they_are_computed_to() {
        assert_eq!((samples_in(44), samples_in(43), samples_in(44 + 7)), (0, 0, 3));
        assert_eq!(bytes_of(10..20), 64..84);
        assert_eq!((ms_of(16_000), sample_at(500)), (1_000, 8_000));
        assert_eq!(to_samples(&[0, 0x80, 0, 0x40, 9]), [-1.0, 0.5]);
    }
}
