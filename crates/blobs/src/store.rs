//! Whole objects: look, put a small one, copy, delete.

use aws_sdk_s3::{error::ProvideErrorMetadata as _, primitives::ByteStream, types::MetadataDirective};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use media_domain::BlobName;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::{BlobError, Blobs, Completed, Part, error::Cause, part_plan::MAX_PARTS};

/// The most bytes of an object that is put whole: caption tracks and other text.
pub const MAX_SMALL_BYTES: u64 = 5 << 20;
/// The largest object that one CopyObject takes.
pub(crate) const MAX_COPY_BYTES: u64 = 5 << 30;
/// The size of the parts in which a larger one is copied: 5 TiB are 5,120.
pub(crate) const COPY_PART_BYTES: u64 = 1 << 30;

/// How many pages of versions of one object are deleted at a time.
const MAX_VERSION_PAGES: usize = 100;

/// What is unreserved in a URL's path (RFC 3986, 2.3), and the slash.
const COPY_SOURCE_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What the store says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    /// As the store writes it, with its quotes.
    pub etag: String,
    pub content_type: Option<String>,
}

impl Blobs {
    /// Size, ETag and type of an object, or `None` if there is none.
    ///
    /// # Errors
    /// [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn head(&self, blob: &BlobName) -> Result<Option<Head>, BlobError> {
        let answer = self.client.head_object().bucket(&blob.bucket).key(&blob.key).send().await.map_err(BlobError::from);
        match answer {
            Ok(head) => Ok(Some(Head {
                size: length(head.content_length())?,
                etag: required(head.e_tag(), "ETag")?,
                content_type: head.content_type().map(str::to_owned),
            })),
            Err(BlobError::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts an object of at most 5 MiB, whose SHA-256 the store checks before it keeps it. Overwrites.
    ///
    /// Nothing that a stranger may still hold a signature for is put this way (DESIGN: uploads are always multipart).
    ///
    /// # Errors
    /// [`BlobError::Limit`] for more bytes.
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key, bytes = body.len()))]
    pub async fn put_small(&self, blob: &BlobName, body: Bytes, mime: &str) -> Result<(), BlobError> {
        let bytes = body.len() as u64;
        if bytes > MAX_SMALL_BYTES {
            return Err(Cause::TooManyBytes { bytes, limit: MAX_SMALL_BYTES }.limit());
        }
        let put = self.client.put_object().bucket(&blob.bucket).key(&blob.key).content_type(mime);
        // `checksum_algorithm` alone sends no checksum under WhenRequired.
        let put = put.checksum_sha256(BASE64_STANDARD.encode(Sha256::digest(&body))).body(ByteStream::from(body));
        put.customize().config_override(self.limits(bytes)).send().await?;
        Ok(())
    }

    /// Copies an object within the store, with its content type; over 5 GiB in parts. Overwrites `to`.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] if there is nothing at `from`, [`BlobError::Changed`] if it was replaced meanwhile.
    #[tracing::instrument(skip_all, fields(blob.bucket = from.bucket, blob.key = from.key, to.bucket = to.bucket, to.key = to.key))]
    pub async fn copy(&self, from: &BlobName, to: &BlobName) -> Result<Head, BlobError> {
        let source = self.head(from).await?.ok_or(BlobError::NotFound)?;
        if source.size > MAX_COPY_BYTES {
            return self.copy_in_parts(from, to, COPY_PART_BYTES).await;
        }
        let copy = self.client.copy_object().bucket(&to.bucket).key(&to.key).copy_source(copy_source(from));
        let copy = copy.copy_source_if_match(&source.etag).metadata_directive(MetadataDirective::Copy);
        copy.customize().config_override(self.limits(source.size)).send().await?;
        self.copied(&source, to).await
    }

    /// What [`Blobs::copy`] does over 5 GiB: a multipart upload whose parts the store fills from `from`.
    ///
    /// # Errors
    /// As [`Blobs::copy`], and [`BlobError::Limit`] if `part_bytes` makes too many parts. On an error the upload is aborted.
    pub async fn copy_in_parts(&self, from: &BlobName, to: &BlobName, part_bytes: u64) -> Result<Head, BlobError> {
        let source = self.head(from).await?.ok_or(BlobError::NotFound)?;
        if source.size == 0 || part_bytes == 0 {
            return Err(Cause::Empty.invalid());
        }
        if source.size.div_ceil(part_bytes) > u64::from(MAX_PARTS) {
            return Err(Cause::TooManyParts(MAX_PARTS).limit());
        }
        let upload = self.create(to, source.content_type.as_deref().unwrap_or("application/octet-stream")).await?;
        match self.copy_parts(from, &source, &upload, part_bytes).await {
            Ok(_) => self.copied(&source, to).await,
            Err(error) => {
                self.abort_or_warn(&upload).await;
                Err(error)
            }
        }
    }

    /// Fills an upload from an object, part by part within the store, and completes it.
    pub(crate) async fn copy_parts(
        &self,
        from: &BlobName,
        source: &Head,
        upload: &crate::UploadHandle,
        part_bytes: u64,
    ) -> Result<Completed, BlobError> {
        let mut parts = Vec::new();
        for (number, start) in
            (1_u32..).zip((0..source.size).step_by(usize::try_from(part_bytes).map_err(|error| BlobError::Invalid(error.into()))?))
        {
            let size = part_bytes.min(source.size - start);
            let copy = self.client.upload_part_copy().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
            let copy = copy.part_number(part_number(number)?).copy_source(copy_source(from)).copy_source_if_match(&source.etag);
            let copy = copy.copy_source_range(format!("bytes={start}-{}", start + size - 1));
            let answer = copy.customize().config_override(self.limits(size)).send().await?;
            let etag = required(answer.copy_part_result().and_then(|part| part.e_tag()), "ETag")?;
            parts.push(Part { number, etag, size });
        }
        self.complete(upload, &parts).await
    }

    /// An answer of 200 is no proof: looks at what lies there now.
    async fn copied(&self, source: &Head, to: &BlobName) -> Result<Head, BlobError> {
        let copy = self.head(to).await?.ok_or(BlobError::Changed)?;
        if copy.size == source.size { Ok(copy) } else { Err(BlobError::Changed) }
    }

    /// Deletes an object. Done already is done.
    ///
    /// # Errors
    /// [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn delete(&self, blob: &BlobName) -> Result<(), BlobError> {
        match self.client.delete_object().bucket(&blob.bucket).key(&blob.key).send().await.map_err(BlobError::from) {
            Ok(_) | Err(BlobError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes an object with every version that a bucket with versions keeps of it. Done already is done.
    ///
    /// # Errors
    /// [`BlobError::Denied`], also where versions may not be listed; [`BlobError::Transient`].
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn erase(&self, blob: &BlobName) -> Result<(), BlobError> {
        self.delete(blob).await?;
        // In a bucket without versions nothing is left to list. Each page is of what is still there, so that no place is kept.
        for _ in 0..MAX_VERSION_PAGES {
            let listed = self.client.list_object_versions().bucket(&blob.bucket).prefix(&blob.key).send().await;
            let page = match listed {
                Ok(page) => page,
                // R2 has no versions, and says so.
                Err(error) if error.code() == Some("NotImplemented") => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let kept = page.versions().iter().map(|version| (version.key(), version.version_id()));
            let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
            let ids: Vec<&str> =
                kept.chain(markers).filter(|(key, _)| *key == Some(blob.key.as_str())).filter_map(|(_, version)| version).collect();
            if ids.is_empty() {
                return Ok(());
            }
            for id in ids {
                match self.client.delete_object().bucket(&blob.bucket).key(&blob.key).version_id(id).send().await.map_err(BlobError::from) {
                    Ok(_) | Err(BlobError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Err(Cause::TooManyPages(MAX_VERSION_PAGES).transient())
    }
}

pub(crate) fn copy_source(from: &BlobName) -> String {
    utf8_percent_encode(&format!("{}/{}", from.bucket, from.key), COPY_SOURCE_ESCAPES).to_string()
}

/// A length that an answer must carry. An answer without it is damaged.
pub(crate) fn length(content_length: Option<i64>) -> Result<u64, BlobError> {
    content_length.and_then(|length| u64::try_from(length).ok()).ok_or_else(|| Cause::Incomplete("length").transient())
}

/// A field that an answer must carry.
pub(crate) fn required(field: Option<&str>, name: &'static str) -> Result<String, BlobError> {
    field.map(str::to_owned).ok_or_else(|| Cause::Incomplete(name).transient())
}

/// A part's number as the SDK wants it.
pub(crate) fn part_number(number: u32) -> Result<i32, BlobError> {
    if !(1..=MAX_PARTS).contains(&number) {
        return Err(Cause::NoSuchPart(number).invalid());
    }
    i32::try_from(number).map_err(|error| BlobError::Invalid(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_names_its_source_so_that_no_header_can_be_broken() {
        let from = BlobName { bucket: "media".into(), key: "tenants/1/a b?\r\nü.vtt".into() };
        assert_eq!(copy_source(&from), "media/tenants/1/a%20b%3F%0D%0A%C3%BC.vtt");
    }
}
