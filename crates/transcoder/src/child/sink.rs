//! What the child sends: frames on the sink socket.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use media_domain::MediaInfo;

use super::{activity::Activity, journal, process};
use crate::protocol::{ChildResult, FailureCode, FrameHeader, FrameKind};

/// How much of a picture or of sound goes into one frame.
const DATA_BYTES: usize = 1 << 20;
/// How long the word that nothing moves waits for its way out.
const RESULT_WAITS: Duration = Duration::from_secs(1);
const RESULT_LOOKS: Duration = Duration::from_millis(10);

/// The sink socket. Its backpressure is the parent's: a slow upload stops the encoder. A parent that hangs up ends this
/// process, so nothing here fails.
#[derive(Debug)]
pub struct Sink {
    socket: Mutex<UnixStream>,
    activity: Arc<Activity>,
}

impl Sink {
    pub fn new(socket: UnixStream, activity: Arc<Activity>) -> Self {
        Self { socket: Mutex::new(socket), activity }
    }

    /// Sends one frame. The header's length must be that of all parts together.
    pub fn frame(&self, header: FrameHeader, parts: &[&[u8]]) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        self.activity.waiting(|| {
            for part in std::iter::once(header.encode().as_slice()).chain(parts.iter().copied()) {
                socket.write_all(part).unwrap_or_else(|_| process::leave(process::ALONE));
            }
        });
    }

    /// Sends bytes of an output that has no fragments.
    pub fn data(&self, output: u8, bytes: &[u8]) {
        for chunk in bytes.chunks(DATA_BYTES) {
            self.frame(FrameHeader::new(FrameKind::Data, output, length(chunk)), &[chunk]);
        }
    }

    /// Says that an output begins with so many bytes that are known last.
    pub fn room(&self, output: u8, bytes: u64) {
        let bytes = bytes.to_le_bytes();
        self.frame(FrameHeader::new(FrameKind::Room, output, length(&bytes)), &[&bytes]);
    }

    /// Sends the bytes that an output begins with, as many as were told.
    pub fn front(&self, output: u8, bytes: &[u8]) {
        for chunk in bytes.chunks(DATA_BYTES) {
            self.frame(FrameHeader::new(FrameKind::Front, output, length(chunk)), &[chunk]);
        }
    }

    /// Says what was found.
    pub fn hello(&self, info: &MediaInfo) {
        let json = serde_json::to_vec(info).unwrap_or_default();
        self.frame(FrameHeader::new(FrameKind::Hello, 0, length(&json)), &[&json]);
    }

    /// Says how far the slowest output has come.
    pub fn progress(&self, output_time_ns: u64) {
        self.frame(FrameHeader { pts_ns: output_time_ns, ..FrameHeader::new(FrameKind::Progress, 0, 0) }, &[]);
    }

    /// Says how it ended. The last frame. A thread that hangs with the socket in its hands cannot keep the word in.
    pub fn result(&self, result: &ChildResult) {
        let json = result.encode().unwrap_or_default();
        let stands_still = matches!(result, ChildResult::Failed { code: FailureCode::TimedOut, .. });
        if stands_still && self.is_held_for(RESULT_WAITS) {
            journal::complain(&String::from_utf8_lossy(&json));
            process::leave(process::STUCK);
        }
        self.frame(FrameHeader::new(FrameKind::Result, 0, length(&json)), &[&json]);
    }

    /// Whether others have the socket for all of that time.
    fn is_held_for(&self, time: Duration) -> bool {
        let begun = Instant::now();
        while matches!(self.socket.try_lock(), Err(TryLockError::WouldBlock)) {
            if begun.elapsed() >= time {
                return true;
            }
            std::thread::park_timeout(RESULT_LOOKS);
        }
        false
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
