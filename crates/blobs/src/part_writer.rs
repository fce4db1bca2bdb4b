//! Bytes pushed one way, parts sent the other: for an encode, whose size is not known before its end.
//!
//! Memory is two parts: one in flight and one filling. Whoever pushes faster than the store takes waits in
//! [`PartWriter::write`]. Where an object begins with bytes that are known last, its first part stays in memory and goes
//! last, and the others one by one.

use backon::Retryable;
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::{BlobError, Blobs, Completed, Part, PartSize, UploadHandle, error::Cause, part_plan::MAX_PARTS, patience};

/// Sends what is pushed as equal parts. Dropped, it stops the part in flight and completes nothing; the upload stays for
/// whoever knows its id to abort.
pub struct PartWriter {
    blobs: Blobs,
    upload: UploadHandle,
    part_bytes: usize,
    filling: BytesMut,
    /// At most one.
    in_flight: JoinSet<Result<Part, BlobError>>,
    parts: Vec<Part>,
    written: u64,
    /// Of the room at the object's begin.
    room: usize,
    room_filled: usize,
    /// The part with that room, once it is full.
    first: Option<BytesMut>,
}

impl PartWriter {
    pub fn new(blobs: Blobs, upload: UploadHandle, part: PartSize) -> Self {
        let part_bytes = usize::try_from(part.bytes()).unwrap_or(usize::MAX);
        Self {
            blobs,
            upload,
            part_bytes,
            filling: BytesMut::new(),
            in_flight: JoinSet::new(),
            parts: Vec::new(),
            written: 0,
            room: 0,
            room_filled: 0,
            first: None,
        }
    }

    /// How many bytes were pushed.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// Leaves room at the begin for bytes that are known last. Parts become as large as that room, where they were smaller.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] where something was written, [`BlobError::Limit`] where no part is so large.
    pub fn reserve(&mut self, bytes: usize) -> Result<(), BlobError> {
        if self.written > 0 {
            return Err(Cause::RoomBehind(self.written).invalid());
        }
        let part = PartSize::holding(bytes as u64)?;
        self.part_bytes = self.part_bytes.max(usize::try_from(part.bytes()).unwrap_or(usize::MAX));
        self.filling.reserve(self.part_bytes);
        self.filling.resize(bytes, 0);
        (self.room, self.written) = (bytes, bytes as u64);
        Ok(())
    }

    /// Fills that room, from its begin on.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] where there is no room for so much.
    pub fn write_front(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let end = self.room_filled + bytes.len();
        let part = self.first.as_mut().unwrap_or(&mut self.filling);
        let place = part.get_mut(self.room_filled..end).filter(|_| end <= self.room);
        place.ok_or_else(|| Cause::NoRoom { room: self.room }.invalid())?.copy_from_slice(bytes);
        self.room_filled = end;
        Ok(())
    }

    /// Takes bytes; waits while a part is full and the one before it is not yet with the store.
    ///
    /// # Errors
    /// What sending a part gave, once; [`BlobError::Limit`] when the output outgrows 10,000 parts. After an error the
    /// upload has a hole: abort it.
    pub async fn write(&mut self, mut bytes: Bytes) -> Result<(), BlobError> {
        while !bytes.is_empty() {
            if self.filling.is_empty() {
                self.filling.reserve(self.part_bytes);
            }
            let room = self.part_bytes - self.filling.len();
            let taken = bytes.split_to(room.min(bytes.len()));
            self.filling.extend_from_slice(&taken);
            self.written += taken.len() as u64;
            if self.filling.len() == self.part_bytes {
                self.send_filled().await?;
            }
        }
        Ok(())
    }

    /// Sends what is left and waits until the store has every part. Completing is a step of its own, so that a heartbeat
    /// goes between: whoever lost its lease must not complete.
    ///
    /// # Errors
    /// As [`PartWriter::write`]; [`BlobError::Invalid`] if nothing was written.
    pub async fn flush_last(mut self) -> Result<SentUpload, BlobError> {
        if self.written == 0 {
            return Err(Cause::Empty.invalid());
        }
        if self.room_filled < self.room {
            return Err(Cause::EmptyRoom { room: self.room, filled: self.room_filled }.invalid());
        }
        self.room = 0;
        if !self.filling.is_empty() {
            self.send_filled().await?;
        }
        if let Some(first) = self.first.take() {
            self.send(1, first.freeze()).await?;
        }
        self.wait_for_part().await?;
        self.parts.sort_unstable_by_key(|part| part.number);
        let sent: u64 = self.parts.iter().map(|part| part.size).sum();
        if sent != self.written {
            return Err(Cause::Hole { sent, written: self.written }.invalid());
        }
        Ok(SentUpload { blobs: self.blobs, upload: self.upload, parts: self.parts })
    }

    async fn send_filled(&mut self) -> Result<(), BlobError> {
        let body = self.filling.split();
        if self.room > 0 && self.first.is_none() {
            self.first = Some(body);
            return Ok(());
        }
        self.wait_for_part().await?;
        let number = self.parts.len() as u64 + 1 + u64::from(self.first.is_some());
        let number =
            u32::try_from(number).ok().filter(|number| *number <= MAX_PARTS).ok_or_else(|| Cause::TooManyParts(MAX_PARTS).limit())?;
        self.send(number, body.freeze()).await?;
        // The first is in memory, too.
        if self.first.is_some() { self.wait_for_part().await } else { Ok(()) }
    }

    async fn send(&mut self, number: u32, body: Bytes) -> Result<(), BlobError> {
        self.wait_for_part().await?;
        let (blobs, upload) = (self.blobs.clone(), self.upload.clone());
        let send = async move {
            let send = async || blobs.upload_part(&upload, number, body.clone()).await;
            send.retry(patience()).when(BlobError::is_transient).await
        };
        self.in_flight.spawn(send.in_current_span());
        Ok(())
    }

    async fn wait_for_part(&mut self) -> Result<(), BlobError> {
        if let Some(ended) = self.in_flight.join_next().await {
            self.parts.push(ended.map_err(|panic| BlobError::Transient(panic.into()))??);
        }
        Ok(())
    }
}

/// An upload whose every part is with the store, and which is no object yet.
pub struct SentUpload {
    blobs: Blobs,
    upload: UploadHandle,
    parts: Vec<Part>,
}

impl SentUpload {
    pub fn upload(&self) -> &UploadHandle {
        &self.upload
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The bytes of all parts.
    pub fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.size).sum()
    }

    /// Makes it an object. May be called again after a transient error.
    ///
    /// # Errors
    /// As [`Blobs::complete`].
    pub async fn complete(&self) -> Result<Completed, BlobError> {
        self.blobs.complete(&self.upload, &self.parts).await
    }
}
