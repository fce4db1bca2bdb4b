//! Reading: as a stream or as one buffer, all of an object or a range. What is promised arrives, or an error does.

use std::ops::{Bound, Range, RangeBounds};

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use media_domain::BlobName;

use crate::{
    BlobError, Blobs,
    error::Cause,
    store::{length, required},
};

/// The most bytes that [`Blobs::read`] holds in memory.
pub const MAX_READ_BYTES: u64 = 64 << 20;
/// How often one stream is taken up again where its connection broke, before that is the caller's to handle.
const RESUMES: u32 = 3;

/// Bytes of one object as they come. A connection that breaks is taken up where it broke, a few times, and only on the
/// very same object (`If-Match`).
pub struct ObjectStream {
    blobs: Blobs,
    blob: BlobName,
    body: ByteStream,
    /// What has not been given yet.
    ahead: Range<u64>,
    resumes_left: u32,
    length: u64,
    object_size: u64,
    etag: String,
    content_type: Option<String>,
}

impl Blobs {
    /// Opens an object for reading: `..` is all of it, `10..20` are ten bytes. With `if_match`, only if its ETag is that.
    ///
    /// # Errors
    /// [`BlobError::NotFound`]; [`BlobError::Changed`] if the ETag is another; [`BlobError::Invalid`] if the range is empty
    /// or goes past the object's end.
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn open(
        &self,
        blob: &BlobName,
        range: impl RangeBounds<u64> + Send,
        if_match: Option<&str>,
    ) -> Result<ObjectStream, BlobError> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(last) => Some(last.saturating_add(1)),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => None,
        };
        let opened = self.get(blob, start, end, if_match).await?;
        Ok(ObjectStream {
            blobs: self.clone(),
            blob: blob.clone(),
            body: opened.body,
            length: opened.range.end - opened.range.start,
            ahead: opened.range,
            resumes_left: RESUMES,
            object_size: opened.object_size,
            etag: opened.etag,
            content_type: opened.content_type,
        })
    }

    /// Reads `len` bytes from `offset`, exactly, into memory.
    ///
    /// # Errors
    /// As [`Blobs::open`], [`BlobError::Limit`] for more than 64 MiB, and [`BlobError::Transient`] if the bytes do not all come.
    pub async fn read(&self, blob: &BlobName, offset: u64, len: u64, if_match: Option<&str>) -> Result<Bytes, BlobError> {
        if len > MAX_READ_BYTES {
            return Err(Cause::TooManyBytes { bytes: len, limit: MAX_READ_BYTES }.limit());
        }
        if len == 0 {
            return Ok(Bytes::new());
        }
        let mut stream = self.open(blob, offset..offset.saturating_add(len), if_match).await?;
        let mut all = BytesMut::with_capacity(usize::try_from(len).unwrap_or_default());
        while let Some(bytes) = stream.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Reads a small object whole, into memory.
    ///
    /// # Errors
    /// As [`Blobs::open`], and [`BlobError::Limit`] if it has more than `bytes_max`.
    pub async fn read_whole(&self, blob: &BlobName, bytes_max: u64) -> Result<Bytes, BlobError> {
        let mut object = self.open(blob, .., None).await?;
        if object.length() > bytes_max {
            return Err(Cause::TooManyBytes { bytes: object.length(), limit: bytes_max }.limit());
        }
        let mut all = BytesMut::with_capacity(usize::try_from(object.length()).unwrap_or_default());
        while let Some(bytes) = object.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    async fn get(&self, blob: &BlobName, start: u64, end: Option<u64>, if_match: Option<&str>) -> Result<Opened, BlobError> {
        let range = match (start, end) {
            (0, None) => None,
            (start, None) => Some(format!("bytes={start}-")),
            (start, Some(end)) if start < end => Some(format!("bytes={start}-{}", end - 1)),
            (start, Some(end)) => return Err(Cause::RangeEmpty { start, end }.invalid()),
        };
        let request = self.client.get_object().bucket(&blob.bucket).key(&blob.key).set_range(range.clone());
        let answer = request.set_if_match(if_match.map(str::to_owned)).send().await?;
        let length = length(answer.content_length())?;
        let (sent, object_size) = match (&range, answer.content_range()) {
            (None, _) => (0..length, length),
            (Some(_), Some(header)) => content_range(header).ok_or_else(|| Cause::Incomplete("readable Content-Range").transient())?,
            (Some(_), None) => return Err(Cause::Incomplete("Content-Range").transient()),
        };
        let asked = start..end.unwrap_or(object_size);
        if asked.end > object_size {
            return Err(Cause::RangeOutside { start, end: asked.end, size: object_size }.invalid());
        }
        if sent != asked || length != sent.end - sent.start {
            return Err(Cause::OtherRange { sent: format!("{sent:?}"), asked: format!("{asked:?}") }.transient());
        }
        Ok(Opened {
            range: asked,
            object_size,
            etag: required(answer.e_tag(), "ETag")?,
            content_type: answer.content_type().map(str::to_owned),
            body: answer.body,
        })
    }
}

/// One answer to a GET, found to be the one that was asked for.
struct Opened {
    range: Range<u64>,
    object_size: u64,
    etag: String,
    content_type: Option<String>,
    body: ByteStream,
}

impl ObjectStream {
    /// How many bytes this stream gives in all.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The size of the whole object.
    pub fn object_size(&self) -> u64 {
        self.object_size
    }

    /// The object's ETag, with its quotes: for a later read that must see the same bytes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The next bytes; `None` only after exactly [`ObjectStream::length`] of them.
    ///
    /// # Errors
    /// [`BlobError::Transient`] if the body was cut or stands still, again and again; [`BlobError::Changed`] or
    /// [`BlobError::NotFound`] if the object was replaced or deleted meanwhile.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        let stall_timeout = self.blobs.config.stall_timeout;
        while !self.ahead.is_empty() {
            let broken = match tokio::time::timeout(stall_timeout, self.body.next()).await {
                Ok(Some(Ok(bytes))) if bytes.is_empty() => continue,
                Ok(Some(Ok(bytes))) => {
                    let after = self.ahead.start + bytes.len() as u64;
                    if after > self.ahead.end {
                        return Err(Cause::BodyTooLong { promised: self.length }.transient());
                    }
                    self.ahead.start = after;
                    return Ok(Some(bytes));
                }
                Ok(Some(Err(error))) => BlobError::Transient(error.into()),
                Ok(None) => {
                    Cause::BodyCut { received: self.length - (self.ahead.end - self.ahead.start), promised: self.length }.transient()
                }
                Err(_) => Cause::BodyStalled { seconds: stall_timeout.as_secs() }.transient(),
            };
            self.resumes_left = self.resumes_left.checked_sub(1).ok_or(broken)?;
            tracing::debug!(blob.key = self.blob.key, offset = self.ahead.start, "the body was cut: taking it up where it broke");
            self.body = self.blobs.get(&self.blob, self.ahead.start, Some(self.ahead.end), Some(&self.etag)).await?.body;
        }
        Ok(None)
    }

    /// The same as a stream, which ends after its first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, BlobError>> + Send {
        stream::try_unfold(self, |mut object| async move { Ok(object.next().await?.map(|bytes| (bytes, object))) })
    }
}

/// Reads `bytes 10-19/100` (RFC 9110, 14.4) into 10..20 and 100.
fn content_range(header: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_as_a_half_open_range() {
        assert_eq!(content_range("bytes 10-19/100"), Some((10..20, 100)));
        for header in ["", "bytes */100", "bytes 10-19/*", "10-19/100", "bytes 1-18446744073709551615/3"] {
            assert_eq!(content_range(header), None, "{header}");
        }
    }
}
