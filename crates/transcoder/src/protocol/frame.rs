//! The sink socket: the header before each thing that the child sends.

use super::ProtocolError;

pub const HEADER_BYTES: usize = 28;

const KEYFRAME: u16 = 1;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// What was found in the file, as JSON. The probe sends one, first.
    Hello = 1,
    /// The `ftyp` and `moov` boxes of an output, before its first fragment.
    Init = 2,
    /// A `styp`, `moof` and `mdat` of an output.
    Fragment = 3,
    /// How far the slowest output has come, in its pts; no payload. Also the sign of life.
    Progress = 4,
    /// How it ended, as JSON. The last frame.
    Result = 5,
    /// Bytes of an output that has no fragments: a picture, a WAV file.
    Data = 6,
    /// An output begins with bytes that are known last; the payload is their number, a `u64`. Before its first data.
    Room = 7,
    /// Those bytes, in order, after all other data.
    Front = 8,
}

impl FrameKind {
    /// The longest payload of this kind in bytes. A fragment is six seconds of one rung: 64 MiB are 85 Mbit/s.
    pub const fn max_bytes(self) -> u32 {
        match self {
            FrameKind::Hello | FrameKind::Init | FrameKind::Result => 64 << 10,
            FrameKind::Fragment => 64 << 20,
            FrameKind::Progress => 0,
            FrameKind::Data | FrameKind::Front => 16 << 20,
            FrameKind::Room => 8,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => FrameKind::Hello,
            2 => FrameKind::Init,
            3 => FrameKind::Fragment,
            4 => FrameKind::Progress,
            5 => FrameKind::Result,
            6 => FrameKind::Data,
            7 => FrameKind::Room,
            8 => FrameKind::Front,
            _ => return None,
        })
    }
}

/// `u8 kind, u8 output, u16 flags, u32 length, u64 pts, u64 duration, u32 keyframe_bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    /// Which of the job's outputs; 0 where the kind has none.
    pub output: u8,
    /// Whether a fragment begins with a keyframe.
    pub keyframe: bool,
    /// Of the payload, in bytes.
    pub length: u32,
    /// Nanoseconds of output time.
    pub pts_ns: u64,
    /// Nanoseconds.
    pub duration_ns: u64,
    /// From the start of a fragment to the end of its first sample; 0 where the kind has none.
    pub keyframe_bytes: u32,
}

impl FrameHeader {
    /// A header without times.
    pub const fn new(kind: FrameKind, output: u8, length: u32) -> Self {
        Self { kind, output, keyframe: false, length, pts_ns: 0, duration_ns: 0, keyframe_bytes: 0 }
    }

    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = self.kind as u8;
        bytes[1] = self.output;
        bytes[2..4].copy_from_slice(&(if self.keyframe { KEYFRAME } else { 0 }).to_le_bytes());
        bytes[4..8].copy_from_slice(&self.length.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.pts_ns.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.duration_ns.to_le_bytes());
        bytes[24..].copy_from_slice(&self.keyframe_bytes.to_le_bytes());
        bytes
    }

    /// Reads a header.
    ///
    /// # Errors
    /// [`ProtocolError`] where kind or flags are unknown, the payload is longer than its kind may be, or a part of it is longer than it.
    pub fn decode(bytes: [u8; HEADER_BYTES]) -> Result<Self, ProtocolError> {
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let kind = FrameKind::from_code(bytes[0]).ok_or(ProtocolError::UnknownKind(bytes[0]))?;
        let flags = u16::from_le_bytes([bytes[2], bytes[3]]);
        if flags & !KEYFRAME != 0 {
            return Err(ProtocolError::UnknownFlags(flags));
        }
        let (length, keyframe_bytes) = (u32_at(4), u32_at(24));
        if length > kind.max_bytes() {
            return Err(ProtocolError::TooLong { kind, bytes: length, max: kind.max_bytes() });
        }
        if keyframe_bytes > length {
            return Err(ProtocolError::TooLong { kind, bytes: keyframe_bytes, max: length });
        }
        let keyframe = flags & KEYFRAME != 0;
        Ok(Self { kind, output: bytes[1], keyframe, length, pts_ns: u64_at(8), duration_ns: u64_at(16), keyframe_bytes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_header_round_trips(code in 1u8..=8, output: u8, keyframe: bool, length: u32, pts_ns: u64, duration_ns: u64, first: u32) {
            let kind = FrameKind::from_code(code).unwrap();
            let length = length % (kind.max_bytes() + 1);
            let header = FrameHeader { kind, output, keyframe, length, pts_ns, duration_ns, keyframe_bytes: first % (length + 1) };
            prop_assert_eq!(FrameHeader::decode(header.encode()), Ok(header));
        }

        #[test]
        fn arbitrary_bytes_are_a_header_within_its_limit_or_refused(bytes in any::<[u8; HEADER_BYTES]>()) {
            if let Ok(header) = FrameHeader::decode(bytes) {
                prop_assert!(header.length <= header.kind.max_bytes() && header.keyframe_bytes <= header.length);
            }
        }
    }

    #[test]
    fn a_payload_over_the_limit_of_its_kind_is_refused() {
        let header = FrameHeader::new(FrameKind::Progress, 0, 1);
        assert_eq!(FrameHeader::decode(header.encode()), Err(ProtocolError::TooLong { kind: FrameKind::Progress, bytes: 1, max: 0 }));
    }

    #[test]
    fn a_first_sample_that_ends_behind_its_fragment_is_refused() {
        let header = FrameHeader { keyframe_bytes: 11, ..FrameHeader::new(FrameKind::Fragment, 0, 10) };
        let refused = ProtocolError::TooLong { kind: FrameKind::Fragment, bytes: 11, max: 10 };
        assert_eq!(FrameHeader::decode(header.encode()), Err(refused));
    }
}
