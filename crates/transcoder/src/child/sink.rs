//! What the child sends: frames on the sink socket.

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
};

use media_domain::MediaInfo;

use super::{activity::Activity, process};
use crate::protocol::{ChildResult, FrameHeader, FrameKind};

/// How much of a picture or of sound goes into one frame.
const DATA_BYTES: usize = 1 << 20;

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

    /// Says how it ended. The last frame.
    pub fn result(&self, result: &ChildResult) {
        let json = result.encode().unwrap_or_default();
        self.frame(FrameHeader::new(FrameKind::Result, 0, length(&json)), &[&json]);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
