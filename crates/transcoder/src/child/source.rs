//! The original, read by asking the parent for ranges.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
};

use super::{activity::Activity, failed::Failed, process};
use crate::protocol::{ANSWER_BYTES, ASK_BYTES_MAX, Answer, Ask, FailureCode, Status};

const BLOCK_BYTES: u64 = 1 << 20;
/// Demuxers hop between a few places: audio, video and index (notes/child.md: with 8 the file is read once).
const BLOCKS: usize = 8;

/// The original. All its callers share one socket and one cache.
#[derive(Debug)]
pub struct Source {
    size: u64,
    activity: Arc<Activity>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: UnixStream,
    /// The latest used first.
    blocks: Vec<(u64, Arc<Vec<u8>>)>,
}

/// A part of a block, without a copy.
#[derive(Clone, Debug)]
pub struct Piece {
    block: Arc<Vec<u8>>,
    from: usize,
    to: usize,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.block[self.from..self.to]
    }
}

impl Source {
    pub fn new(socket: UnixStream, size: u64, activity: Arc<Activity>) -> Self {
        Self { size, activity, inner: Mutex::new(Inner { socket, blocks: Vec::with_capacity(BLOCKS + 1) }) }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes from `offset`, as many as there are up to `length`, in the pieces that the cache holds them in.
    ///
    /// # Errors
    /// [`Failed`] where the parent could not read.
    pub fn pieces(&self, offset: u64, length: u64) -> Result<Vec<Piece>, Failed> {
        let end = offset.saturating_add(length).min(self.size);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pieces = Vec::new();
        let mut at = offset;
        while at < end {
            let start = at / BLOCK_BYTES * BLOCK_BYTES;
            let to = (start + BLOCK_BYTES).min(end);
            let block = self.block(&mut inner, start)?;
            pieces.push(Piece { block, from: to_usize(at - start)?, to: to_usize(to - start)? });
            at = to;
        }
        Ok(pieces)
    }

    /// The bytes from `offset`, as many as there are up to `length`, as one.
    ///
    /// # Errors
    /// [`Failed`] where the parent could not read.
    pub fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>, Failed> {
        Ok(self.pieces(offset, length)?.iter().map(AsRef::as_ref).collect::<Vec<&[u8]>>().concat())
    }

    /// The whole file, which must not be longer than `most` bytes.
    ///
    /// # Errors
    /// [`Failed`] where it is longer, or the parent could not read.
    pub fn whole(&self, most: u64) -> Result<Vec<u8>, Failed> {
        if self.size > most {
            return Err(Failed::new(FailureCode::TooLarge, format!("{} bytes, and the limit is {most}", self.size)));
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = Vec::with_capacity(to_usize(self.size)?);
        while (whole.len() as u64) < self.size {
            let at = whole.len() as u64;
            whole.extend(self.ask(&mut inner.socket, at, (self.size - at).min(u64::from(ASK_BYTES_MAX)))?);
        }
        Ok(whole)
    }

    fn block(&self, inner: &mut Inner, start: u64) -> Result<Arc<Vec<u8>>, Failed> {
        let entry = match inner.blocks.iter().position(|(at, _)| *at == start) {
            Some(index) => inner.blocks.remove(index),
            None => (start, Arc::new(self.ask(&mut inner.socket, start, BLOCK_BYTES.min(self.size - start))?)),
        };
        let block = entry.1.clone();
        inner.blocks.insert(0, entry);
        inner.blocks.truncate(BLOCKS);
        Ok(block)
    }

    /// One ask. A parent that hangs up ends this process: there is nobody to tell.
    fn ask(&self, socket: &mut UnixStream, offset: u64, length: u64) -> Result<Vec<u8>, Failed> {
        let ask = Ask { offset, length: u32::try_from(length).map_err(|_| Failed::internal("an ask that is too long"))? };
        let mut header = [0; ANSWER_BYTES];
        let mut bytes = vec![0; to_usize(length)?];
        let answer = self.activity.waiting(|| {
            socket
                .write_all(&ask.encode())
                .and_then(|()| socket.read_exact(&mut header))
                .unwrap_or_else(|_| process::leave(process::ALONE));
            let answer = Answer::decode(header, ask).map_err(|error| Failed::internal(error.to_string()))?;
            if answer.status == Status::Ok {
                socket.read_exact(&mut bytes).unwrap_or_else(|_| process::leave(process::ALONE));
            }
            Ok(answer)
        })?;
        match answer.status {
            Status::Ok => Ok(bytes),
            status => Err(Failed::new(FailureCode::SourceFailed, format!("{length} bytes at {offset}: {status:?}"))),
        }
    }
}

fn to_usize(number: u64) -> Result<usize, Failed> {
    usize::try_from(number).map_err(|_| Failed::internal("a number that is too large"))
}
