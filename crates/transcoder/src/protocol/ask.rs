//! The source socket: how the child asks for ranges of the original.

use super::ProtocolError;

pub const ASK_BYTES: usize = 12;
pub const ANSWER_BYTES: usize = 8;
/// The most bytes that one ask may name.
pub const ASK_BYTES_MAX: u32 = 16 << 20;

/// "Give me this range."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    pub offset: u64,
    /// In bytes; never 0.
    pub length: u32,
}

impl Ask {
    pub fn encode(self) -> [u8; ASK_BYTES] {
        let mut bytes = [0; ASK_BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads an ask for a file of `size` bytes.
    ///
    /// # Errors
    /// [`ProtocolError::OutOfRange`] where the range is empty, too long or not inside the file.
    pub fn decode(bytes: [u8; ASK_BYTES], size: u64) -> Result<Self, ProtocolError> {
        let [o0, o1, o2, o3, o4, o5, o6, o7, l0, l1, l2, l3] = bytes;
        let ask = Self { offset: u64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]), length: u32::from_le_bytes([l0, l1, l2, l3]) };
        let inside = ask.offset.checked_add(u64::from(ask.length)).is_some_and(|end| end <= size);
        if inside && (1..=ASK_BYTES_MAX).contains(&ask.length) {
            Ok(ask)
        } else {
            Err(ProtocolError::OutOfRange { offset: ask.offset, length: ask.length, size })
        }
    }
}

/// How an ask went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    OutOfRange = 1,
    StorageFailed = 2,
    /// The child has read more than the job allows.
    BudgetSpent = 3,
}

/// What stands before the bytes of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: Status,
    /// In bytes; as asked for, or 0 where the status is not [`Status::Ok`].
    pub length: u32,
}

impl Answer {
    pub fn encode(self) -> [u8; ANSWER_BYTES] {
        let mut bytes = [0; ANSWER_BYTES];
        bytes[..4].copy_from_slice(&(self.status as u32).to_le_bytes());
        bytes[4..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    /// Reads the answer to `ask`.
    ///
    /// # Errors
    /// [`ProtocolError::BadAnswer`] where the status is unknown or the length is not the one that was asked for.
    pub fn decode(bytes: [u8; ANSWER_BYTES], ask: Ask) -> Result<Self, ProtocolError> {
        let [s0, s1, s2, s3, l0, l1, l2, l3] = bytes;
        let (code, length) = (u32::from_le_bytes([s0, s1, s2, s3]), u32::from_le_bytes([l0, l1, l2, l3]));
        let status = match code {
            0 => Status::Ok,
            1 => Status::OutOfRange,
            2 => Status::StorageFailed,
            3 => Status::BudgetSpent,
            _ => return Err(ProtocolError::BadAnswer(code)),
        };
        let expected = if status == Status::Ok { ask.length } else { 0 };
        if length == expected { Ok(Self { status, length }) } else { Err(ProtocolError::BadAnswer(code)) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_ask_inside_the_file_round_trips(size in 1u64..=u64::MAX, at in any::<u64>(), length in 1..=ASK_BYTES_MAX) {
            let length = length.min(u32::try_from(size).unwrap_or(u32::MAX));
            let ask = Ask { offset: at % (size - u64::from(length) + 1), length };
            prop_assert_eq!(Ask::decode(ask.encode(), size), Ok(ask));
        }

        #[test]
        fn an_ask_of_arbitrary_bytes_is_inside_the_file_or_refused(bytes in any::<[u8; ASK_BYTES]>(), size in any::<u64>()) {
            if let Ok(ask) = Ask::decode(bytes, size) {
                prop_assert!(ask.offset + u64::from(ask.length) <= size && ask.length > 0);
            }
        }

        #[test]
        fn an_answer_of_arbitrary_bytes_has_the_length_asked_for_or_is_refused(bytes in any::<[u8; ANSWER_BYTES]>(), length in 1..=ASK_BYTES_MAX) {
            if let Ok(answer) = Answer::decode(bytes, Ask { offset: 0, length }) {
                prop_assert_eq!(answer.length, if answer.status == Status::Ok { length } else { 0 });
            }
        }
    }

    #[test]
    fn an_answer_round_trips() {
        let ask = Ask { offset: 7, length: 5 };
        for status in [Status::Ok, Status::OutOfRange, Status::StorageFailed, Status::BudgetSpent] {
            let answer = Answer { status, length: if status == Status::Ok { 5 } else { 0 } };
            assert_eq!(Answer::decode(answer.encode(), ask), Ok(answer));
        }
    }

    #[test]
    fn a_range_past_the_end_and_one_that_overflows_are_refused() {
        for (offset, length) in [(0, 0), (0, 11), (10, 1), (u64::MAX, 2), (0, ASK_BYTES_MAX + 1)] {
            assert!(Ask::decode(Ask { offset, length }.encode(), 10).is_err(), "{offset} {length}");
        }
    }
}
