//! Answers the child's asks from storage.

use std::future::Future;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::failure::BoxError;
use crate::protocol::{ASK_BYTES, Answer, Ask, ChildJob, ProtocolError, Status};

/// Read at once from storage: few requests, and ahead of a child that reads on.
const BLOCK_BYTES: u64 = 8 << 20;
/// Audio, video and index of one file seldom lie in more places.
const BLOCKS: usize = 4;

/// Reads an original in storage.
pub trait RangeReader: Send + Sync {
    /// Exactly `length` bytes from `offset`. Tries again by itself what is worth trying.
    fn read(&self, offset: u64, length: u64) -> impl Future<Output = Result<Bytes, BoxError>> + Send;
}

/// Why the child gets no more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the original cannot be read")]
    Source(#[source] BoxError),
    #[error("the child has read {bytes} bytes of storage")]
    BudgetSpent { bytes: u64 },
    #[error("the child has been answered {bytes} bytes, most of them again and again")]
    RoundAndRound { bytes: u64 },
    #[error("the child asked wrongly")]
    Protocol(#[from] ProtocolError),
}

/// Sends the job and answers until the child hangs up.
///
/// # Errors
/// [`ServeError`], after the child was told.
pub async fn serve(mut socket: impl AsyncRead + AsyncWrite + Unpin, job: &ChildJob, reader: &impl RangeReader) -> Result<(), ServeError> {
    // A child that hangs up is no error here: its result, or its missing result, says what happened.
    if socket.write_all(&job.encode()?).await.is_err() {
        return Ok(());
    }
    let limits = &job.limits;
    let mut blocks = Blocks {
        reader,
        size: job.size,
        budget: limits.source_bytes,
        spent: 0,
        answered_max: limits.answered_bytes,
        answered: 0,
        held: Vec::with_capacity(BLOCKS + 1),
    };
    let mut header = [0; ASK_BYTES];
    while socket.read_exact(&mut header).await.is_ok() {
        let ask = match Ask::decode(header, job.size) {
            Ok(ask) => ask,
            Err(error) => {
                refuse(&mut socket, Status::OutOfRange).await;
                return Err(error.into());
            }
        };
        let pieces = match blocks.read(ask).await {
            Ok(pieces) => pieces,
            Err(error) => {
                let status = if matches!(error, ServeError::Source(_)) { Status::StorageFailed } else { Status::BudgetSpent };
                refuse(&mut socket, status).await;
                return Err(error);
            }
        };
        let answer = Answer { status: Status::Ok, length: ask.length };
        if socket.write_all(&answer.encode()).await.is_err() {
            return Ok(());
        }
        for piece in pieces {
            if socket.write_all(&piece).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn refuse(socket: &mut (impl AsyncWrite + Unpin), status: Status) {
    if let Err(error) = socket.write_all(&Answer { status, length: 0 }.encode()).await {
        tracing::debug!(%error, "a child was gone before it could be refused");
    }
}

struct Blocks<'a, R> {
    reader: &'a R,
    size: u64,
    /// Read from storage, and the most of it.
    spent: u64,
    budget: u64,
    /// Answered, also out of what is held, and the most of it.
    answered: u64,
    answered_max: u64,
    /// The latest used first.
    held: Vec<(u64, Bytes)>,
}

impl<R: RangeReader> Blocks<'_, R> {
    async fn read(&mut self, ask: Ask) -> Result<Vec<Bytes>, ServeError> {
        self.answered += u64::from(ask.length);
        if self.answered > self.answered_max {
            return Err(ServeError::RoundAndRound { bytes: self.answered });
        }
        let (mut at, end) = (ask.offset, ask.offset + u64::from(ask.length));
        let mut pieces = Vec::new();
        while at < end {
            let start = at / BLOCK_BYTES * BLOCK_BYTES;
            let block = self.block(start).await?;
            let to = (start + BLOCK_BYTES).min(end);
            pieces.push(block.slice((at - start) as usize..(to - start) as usize));
            at = to;
        }
        Ok(pieces)
    }

    async fn block(&mut self, start: u64) -> Result<Bytes, ServeError> {
        let entry = match self.held.iter().position(|(at, _)| *at == start) {
            Some(index) => self.held.remove(index),
            None => (start, self.fetch(start).await?),
        };
        let block = entry.1.clone();
        self.held.insert(0, entry);
        self.held.truncate(BLOCKS);
        Ok(block)
    }

    async fn fetch(&mut self, start: u64) -> Result<Bytes, ServeError> {
        let length = BLOCK_BYTES.min(self.size - start);
        self.spent += length;
        if self.spent > self.budget {
            return Err(ServeError::BudgetSpent { bytes: self.spent });
        }
        let bytes = self.reader.read(start, length).await.map_err(ServeError::Source)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(ServeError::Source(format!("{} bytes came of {length}", bytes.len()).into()))
        }
    }
}
