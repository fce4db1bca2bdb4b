//! What parent and child say to each other, over two sockets. All numbers are little endian.
//!
//! - The *source* socket: the parent first sends the [`job`](ChildJob) as JSON behind a length; then the child [asks](Ask)
//!   for ranges of the original, one at a time, and gets a status, a length and the bytes.
//! - The *sink* socket: the child sends [frames](FrameHeader), each a header of 24 bytes and its payload; the
//!   [result](ChildResult) is the last.
//!
//! Neither side trusts a number: every length has a limit, and what does not fit ends in a [`ProtocolError`].

mod ask;
mod extent;
mod frame;
mod job;
mod result;

pub use ask::{ANSWER_BYTES, ASK_BYTES, ASK_BYTES_MAX, Answer, Ask, Status};
pub use extent::{Extent, ROOM_BYTES_MAX};
pub use frame::{FrameHeader, FrameKind, HEADER_BYTES};
pub use job::{ChildJob, JOB_BYTES_MAX, Limits, Output};
pub use result::{ChildResult, Counts, FailureCode, OutputCounts, TrackCounts};

/// The other side said something that the protocol does not know. For the parent this fails the job: a child that does
/// not keep to it is broken or no longer ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("a frame of unknown kind {0}")]
    UnknownKind(u8),
    #[error("a frame with unknown flags {0:#x}")]
    UnknownFlags(u16),
    #[error("a {kind:?} frame of {bytes} bytes, and the limit is {max}")]
    TooLong { kind: FrameKind, bytes: u32, max: u32 },
    #[error("output {output} of a job that has {outputs}")]
    NoSuchOutput { output: u8, outputs: usize },
    #[error("a frame out of order: {0}")]
    OutOfOrder(&'static str),
    #[error("the stream ended inside a frame, or before the result")]
    Ended,
    #[error("a message that is not the JSON it should be")]
    NotJson,
    #[error("a job of {0} bytes")]
    JobTooLong(u32),
    #[error("an ask for {length} bytes at {offset} of a file of {size}")]
    OutOfRange { offset: u64, length: u32, size: u64 },
    #[error("an answer of unknown status {0}, or of another length than was asked for")]
    BadAnswer(u32),
}
