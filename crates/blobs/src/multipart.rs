//! Multipart uploads. The upload id comes first, alone: the caller writes it into its row before the first part, so that
//! whoever takes the work over can abort what an earlier attempt left. That makes the id a fence which S3 understands.

use std::{collections::BTreeMap, error::Error};

use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use md5::{Digest, Md5};
use media_domain::BlobName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    BlobError, Blobs, Head,
    error::Cause,
    part_plan::{MAX_PART_BYTES, MAX_PARTS},
    store::{length, part_number, required},
};

/// The most pages of parts that are read: ten hold [`MAX_PARTS`], and a server may list a part that was sent again twice.
const MAX_PART_PAGES: usize = 20;

/// An upload that was begun and neither completed nor aborted by us.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UploadHandle {
    pub blob: BlobName,
    pub upload_id: String,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// As the store writes it, with its quotes.
    pub etag: String,
    pub size: u64,
}

/// An upload that became an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// As the store writes it, with its quotes.
    pub etag: String,
    /// What the store says, and what the parts sum to.
    pub size: u64,
}

/// An upload that the store still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedUpload {
    pub upload: UploadHandle,
    pub initiated: Option<OffsetDateTime>,
}

/// One page of uploads, at most 1,000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPage {
    pub uploads: Vec<ListedUpload>,
    /// Where the next page begins, if there is one.
    pub next: Option<UploadMarker>,
}

/// The upload after which a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadMarker {
    key: String,
    upload_id: String,
}

impl Blobs {
    /// Begins an upload. If its answer is lost, an upload is left that nobody knows: [`Blobs::list_uploads`] finds it.
    ///
    /// # Errors
    /// [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn create(&self, blob: &BlobName, mime: &str) -> Result<UploadHandle, BlobError> {
        let answer = self.client.create_multipart_upload().bucket(&blob.bucket).key(&blob.key).content_type(mime).send().await?;
        Ok(UploadHandle { blob: blob.clone(), upload_id: required(answer.upload_id(), "upload id")? })
    }

    /// Sends one part; the same number again replaces it. The store checks its MD5 (`Content-MD5`, which every S3 has;
    /// other checksums must be declared at the start and named again at the end, and not every S3 has them).
    ///
    /// # Errors
    /// [`BlobError::UploadGone`]: somebody completed or aborted the upload. [`BlobError::Limit`] for more than 5 GiB.
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = upload.blob.bucket, blob.key = upload.blob.key, part = number, bytes = body.len()))]
    pub async fn upload_part(&self, upload: &UploadHandle, number: u32, body: Bytes) -> Result<Part, BlobError> {
        let size = body.len() as u64;
        if size > MAX_PART_BYTES {
            return Err(Cause::TooManyBytes { bytes: size, limit: MAX_PART_BYTES }.limit());
        }
        let put = self.client.upload_part().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
        let put = put.part_number(part_number(number)?).content_md5(BASE64_STANDARD.encode(Md5::digest(&body)));
        let answer = put.body(ByteStream::from(body)).customize().config_override(self.limits(size)).send().await?;
        Ok(Part { number, etag: required(answer.e_tag(), "ETag")?, size })
    }

    /// Makes the parts an object. May be called again after any error.
    ///
    /// If the store no longer knows the upload, an earlier answer of our own may have been lost: then the object is there
    /// with exactly these parts, by size and by ETag, and this succeeds.
    ///
    /// # Errors
    /// [`BlobError::UploadGone`]: somebody aborted the upload, or completed it with other parts; write nothing.
    /// [`BlobError::Changed`]: the store has other parts than these, or another object than the one that they make.
    #[tracing::instrument(skip_all, fields(blob.bucket = upload.blob.bucket, blob.key = upload.blob.key, parts = parts.len()))]
    pub async fn complete(&self, upload: &UploadHandle, parts: &[Part]) -> Result<Completed, BlobError> {
        let parts = in_order(parts)?;
        let size = parts.iter().map(|part| part.size).sum();
        let list = parts.iter().map(|part| Ok(CompletedPart::builder().part_number(part_number(part.number)?).e_tag(&part.etag).build()));
        let list = CompletedMultipartUpload::builder().set_parts(Some(list.collect::<Result<_, BlobError>>()?)).build();
        let request =
            self.client.complete_multipart_upload().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
        // Putting the parts together takes the store a while.
        let request = request.multipart_upload(list).customize().config_override(self.limits(size / 64));
        let expected = match request.send().await.map_err(BlobError::from) {
            Ok(answer) => Some(required(answer.e_tag(), "ETag")?),
            Err(BlobError::UploadGone) => {
                tracing::debug!("the upload is gone: looking whether it was completed by a request whose answer was lost");
                None
            }
            Err(error) => return Err(error),
        };
        let stored = self.head(&upload.blob).await?;
        match (expected, stored) {
            (Some(etag), Some(head)) if head.size == size && unquoted(&head.etag) == unquoted(&etag) => {
                Ok(Completed { etag: head.etag, size })
            }
            (Some(_), _) => Err(BlobError::Changed),
            (None, Some(head)) if is_made_of(&head, &parts, size) => Ok(Completed { etag: head.etag, size }),
            (None, _) => Err(BlobError::UploadGone),
        }
    }

    /// Throws an upload and its parts away. Done already is done; an upload that was completed stays an object.
    ///
    /// # Errors
    /// [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(skip_all, fields(blob.bucket = upload.blob.bucket, blob.key = upload.blob.key))]
    pub async fn abort(&self, upload: &UploadHandle) -> Result<(), BlobError> {
        let request = self.client.abort_multipart_upload().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
        match request.send().await.map_err(BlobError::from) {
            Ok(_) | Err(BlobError::UploadGone | BlobError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The parts that the store has, by number.
    ///
    /// # Errors
    /// [`BlobError::UploadGone`]: somebody completed or aborted the upload.
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = upload.blob.bucket, blob.key = upload.blob.key))]
    pub async fn list_parts(&self, upload: &UploadHandle) -> Result<Vec<Part>, BlobError> {
        let mut newest: BTreeMap<u32, (i128, Part)> = BTreeMap::new();
        let mut marker = None;
        for _ in 0..MAX_PART_PAGES {
            let request = self.client.list_parts().bucket(&upload.blob.bucket).key(&upload.blob.key).upload_id(&upload.upload_id);
            let page = request.set_part_number_marker(marker).send().await?;
            for part in page.parts() {
                let number = part
                    .part_number()
                    .and_then(|number| u32::try_from(number).ok())
                    .ok_or_else(|| Cause::Incomplete("part number").transient())?;
                let found = Part { number, etag: required(part.e_tag(), "ETag")?, size: length(part.size())? };
                let modified = part.last_modified().map_or(0, |at| at.as_nanos());
                // SeaweedFS lists a part that was sent twice twice, in any order; the later one counts.
                if newest.get(&number).is_none_or(|(earlier, _)| *earlier <= modified) {
                    newest.insert(number, (modified, found));
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(newest.into_values().map(|(_, part)| part).collect());
            }
            marker = Some(required(page.next_part_number_marker(), "next part number")?);
        }
        Err(Cause::TooManyPages(MAX_PART_PAGES).limit())
    }

    /// One page of the uploads under a prefix of `bucket` that are neither completed nor aborted.
    ///
    /// # Errors
    /// [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = bucket, prefix))]
    pub async fn list_uploads(&self, bucket: &str, prefix: &str, after: Option<UploadMarker>) -> Result<UploadPage, BlobError> {
        let (key, upload_id) = after.map(|marker| (marker.key, marker.upload_id)).unzip();
        let request = self.client.list_multipart_uploads().bucket(bucket).prefix(prefix);
        let page = request.set_key_marker(key).set_upload_id_marker(upload_id).send().await?;
        let listed = |upload: &aws_sdk_s3::types::MultipartUpload| {
            let blob = BlobName { bucket: bucket.to_owned(), key: required(upload.key(), "key")? };
            let initiated = upload.initiated().and_then(|at| OffsetDateTime::from_unix_timestamp(at.secs()).ok());
            Ok(ListedUpload { upload: UploadHandle { blob, upload_id: required(upload.upload_id(), "upload id")? }, initiated })
        };
        let next = match page.is_truncated() {
            Some(true) => Some(UploadMarker {
                key: required(page.next_key_marker(), "next key")?,
                upload_id: required(page.next_upload_id_marker(), "next upload id")?,
            }),
            _ => None,
        };
        Ok(UploadPage { uploads: page.uploads().iter().map(listed).collect::<Result<_, BlobError>>()?, next })
    }

    /// Aborts after a failure whose error matters more.
    pub(crate) async fn abort_or_warn(&self, upload: &UploadHandle) {
        if let Err(error) = self.abort(upload).await {
            tracing::warn!(error = &error as &dyn Error, blob.key = upload.blob.key, "the parts of a failed upload stay until it is swept");
        }
    }
}

/// The parts by number, each once, at least one.
fn in_order(parts: &[Part]) -> Result<Vec<Part>, BlobError> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| part.number);
    if parts.is_empty() {
        return Err(Cause::Empty.invalid());
    }
    if parts.len() > MAX_PARTS as usize {
        return Err(Cause::TooManyParts(MAX_PARTS).limit());
    }
    match parts.windows(2).find(|pair| pair[0].number == pair[1].number) {
        Some(pair) => Err(Cause::PartTwice(pair[0].number).invalid()),
        None => Ok(parts),
    }
}

fn is_made_of(head: &Head, parts: &[Part], size: u64) -> bool {
    head.size == size && multipart_etag(parts).is_some_and(|etag| etag == unquoted(&head.etag))
}

/// The ETag of an object made of these parts: the MD5 of the parts' MD5s, and their number. `None` where the store's ETags
/// are no MD5s (encryption with KMS); then an answer of ours that was lost cannot be told from another's upload.
fn multipart_etag(parts: &[Part]) -> Option<String> {
    let mut digest = Md5::new();
    for part in parts {
        let md5 = hex::decode(unquoted(&part.etag)).ok().filter(|md5| md5.len() == 16)?;
        digest.update(md5);
    }
    Some(format!("{}-{}", hex::encode(digest.finalize()), parts.len()))
}

fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, body: &[u8]) -> Part {
        Part { number, etag: format!("\"{}\"", hex::encode(Md5::digest(body))), size: body.len() as u64 }
    }

    #[test]
    fn the_etag_of_an_object_in_parts_is_the_md5_of_their_md5s() {
        // printf a | md5sum; printf b | md5sum; both binary digests together | md5sum
        assert_eq!(multipart_etag(&[part(1, b"a"), part(2, b"b")]).unwrap(), "96e024ba2074fe77e8e965ba43a704be-2");
    }

    #[test]
    fn an_etag_that_is_no_md5_proves_nothing() {
        let opaque = Part { number: 1, etag: "\"opaque\"".into(), size: 1 };
        assert_eq!(multipart_etag(std::slice::from_ref(&opaque)), None);
        let head = Head { size: 1, etag: "\"opaque-1\"".into(), content_type: None };
        assert!(!is_made_of(&head, &[opaque], 1));
    }

    #[test]
    fn an_object_of_the_same_parts_and_another_size_is_another_object() {
        let parts = [part(1, b"a")];
        let head = Head { size: 1, etag: format!("\"{}\"", multipart_etag(&parts).unwrap()), content_type: None };
        assert!(is_made_of(&head, &parts, 1));
        assert!(!is_made_of(&Head { size: 2, ..head }, &parts, 1));
    }

    #[test]
    fn parts_are_completed_in_order_and_each_once() {
        let numbers: Vec<u32> = in_order(&[part(2, b"b"), part(1, b"a")]).unwrap().iter().map(|part| part.number).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(matches!(in_order(&[part(1, b"a"), part(1, b"b")]), Err(BlobError::Invalid(_))));
        assert!(matches!(in_order(&[]), Err(BlobError::Invalid(_))));
    }
}
