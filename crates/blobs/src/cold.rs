//! The cold tier: an object moved to another storage class where it lies, and asked back.
//!
//! What a store can do is not to be told from its name, so it is tried ([`Blobs::try_class`]) before anything is entrusted to it.

use aws_sdk_s3::{
    error::ProvideErrorMetadata as _,
    primitives::ByteStream,
    types::{GlacierJobParameters, MetadataDirective, RestoreRequest, StorageClass, Tier},
};
use media_domain::{AssetId, BlobName, archive::ArchiveClass};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::{
    BlobError, Blobs,
    error::Cause,
    store::{COPY_PART_BYTES, MAX_COPY_BYTES, copy_source, required},
};

/// Where what is tried lies, for a moment: beside every tenant's folder.
const PROBE_PREFIX: &str = "probes/storage-class-";
/// How many uploads of one object are thrown away at a time.
const MAX_LEFT_UPLOADS: usize = 100;

/// Where an object lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where it was uploaded to, or in a class that we do not move things to.
    Hot,
    Cold(ArchiveClass, Restore),
}

/// How far a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// Nobody asked, or what was brought back is gone again.
    None,
    Ongoing,
    /// Until then.
    Done(OffsetDateTime),
}

/// What a store said to a wish for a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is on its way, or its end was moved.
    Taken,
    /// The object is not in a class that things are restored from.
    NotArchived,
}

impl Blobs {
    /// Where an object lies.
    ///
    /// # Errors
    /// [`BlobError::NotFound`], [`BlobError::Denied`], [`BlobError::Transient`].
    #[tracing::instrument(level = "debug", skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key))]
    pub async fn place(&self, blob: &BlobName) -> Result<Place, BlobError> {
        let head = self.client.head_object().bucket(&blob.bucket).key(&blob.key).send().await?;
        let class = head.storage_class().and_then(|class| class.as_str().parse::<ArchiveClass>().ok());
        match class {
            None => Ok(Place::Hot),
            Some(class) => Ok(Place::Cold(class, head.restore().map_or(Ok(Restore::None), read_restore)?)),
        }
    }

    /// Moves an object to a class, where it lies; over 5 GiB in parts. Done already is done. Its bytes and type stay; nobody may write
    /// it meanwhile.
    ///
    /// # Errors
    /// [`BlobError::NotFound`] if there is nothing, [`BlobError::Changed`] if it was replaced meanwhile, or does not lie in the class
    /// though the store said so.
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key, class = %class))]
    pub async fn move_to_class(&self, blob: &BlobName, class: ArchiveClass) -> Result<(), BlobError> {
        if self.is_in(blob, class).await? {
            return Ok(());
        }
        let source = self.head(blob).await?.ok_or(BlobError::NotFound)?;
        if source.size > MAX_COPY_BYTES {
            self.move_in_parts(blob, class, COPY_PART_BYTES).await?;
        } else {
            let copy = self.client.copy_object().bucket(&blob.bucket).key(&blob.key).copy_source(copy_source(blob));
            // Not every store takes a copy onto itself that changes nothing but the class.
            let copy = copy.copy_source_if_match(&source.etag).metadata_directive(MetadataDirective::Replace);
            let copy = copy.set_content_type(source.content_type.clone()).storage_class(storage_class(class));
            copy.customize().config_override(self.limits(source.size)).send().await?;
        }
        // An answer of 200 is no proof.
        let after = self.head(blob).await?.ok_or(BlobError::Changed)?;
        if after.size == source.size && self.is_in(blob, class).await? { Ok(()) } else { Err(BlobError::Changed) }
    }

    /// What [`Blobs::move_to_class`] does over 5 GiB. What an earlier try left of it is thrown away first.
    ///
    /// # Errors
    /// As [`Blobs::move_to_class`]. On an error the upload is aborted.
    pub async fn move_in_parts(&self, blob: &BlobName, class: ArchiveClass, part_bytes: u64) -> Result<(), BlobError> {
        let source = self.head(blob).await?.ok_or(BlobError::NotFound)?;
        let left = self.list_uploads(&blob.bucket, &blob.key, None).await?.uploads;
        for listed in left.into_iter().filter(|listed| listed.upload.blob == *blob).take(MAX_LEFT_UPLOADS) {
            self.abort(&listed.upload).await?;
        }
        let upload = self.client.create_multipart_upload().bucket(&blob.bucket).key(&blob.key).storage_class(storage_class(class));
        let answer = upload.set_content_type(source.content_type.clone()).send().await?;
        let upload = crate::UploadHandle { blob: blob.clone(), upload_id: required(answer.upload_id(), "upload id")? };
        let copied = self.copy_parts(blob, &source, &upload, part_bytes).await;
        if copied.is_err() {
            self.abort_or_warn(&upload).await;
        }
        copied.map(drop)
    }

    async fn is_in(&self, blob: &BlobName, class: ArchiveClass) -> Result<bool, BlobError> {
        Ok(matches!(self.place(blob).await?, Place::Cold(found, _) if found == class))
    }

    /// Asks for an archived object for so many days; of one that is there already, moves the end. It takes hours: [`Blobs::place`] tells
    /// how far it is.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] if the store knows no restores.
    #[tracing::instrument(skip_all, fields(blob.bucket = blob.bucket, blob.key = blob.key, days))]
    pub async fn restore(&self, blob: &BlobName, days: u32) -> Result<Asked, BlobError> {
        let days = i32::try_from(days).map_err(|error| BlobError::Invalid(error.into()))?;
        // The cheap one, which is enough for what nobody has wanted for a year.
        let job = GlacierJobParameters::builder().tier(Tier::Standard).build().map_err(|error| BlobError::Invalid(error.into()))?;
        let wish = RestoreRequest::builder().days(days).glacier_job_parameters(job).build();
        match self.client.restore_object().bucket(&blob.bucket).key(&blob.key).restore_request(wish).send().await {
            Ok(_) => Ok(Asked::Taken),
            Err(error) => match error.code() {
                Some("RestoreAlreadyInProgress") => Ok(Asked::Taken),
                Some("InvalidObjectState") => Ok(Asked::NotArchived),
                _ => Err(error.into()),
            },
        }
    }

    /// Tries whether the store knows a class, by an object of a few bytes, which goes again; and whether it brings back what needs it.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] if it does not: then nothing must be moved there. [`BlobError::Denied`] if it may, and not by us.
    pub async fn try_class(&self, class: ArchiveClass) -> Result<(), BlobError> {
        let blob = BlobName { bucket: self.config.bucket.clone(), key: format!("{PROBE_PREFIX}{}", AssetId::generate()) };
        let tried = match self.try_with(&blob, class).await {
            Err(BlobError::Invalid(refused)) => {
                tracing::error!(error = &*refused as &dyn std::error::Error, %class, "the store does not take what was tried with a storage class");
                Err(Cause::NoClass(class).invalid())
            }
            tried => tried,
        };
        // What cannot be removed is told, unless there is something worse to tell.
        let removed = self.erase(&blob).await;
        tried.and(removed)
    }

    async fn try_with(&self, blob: &BlobName, class: ArchiveClass) -> Result<(), BlobError> {
        let body = ByteStream::from_static(b"whether this store knows the class");
        self.client.put_object().bucket(&blob.bucket).key(&blob.key).storage_class(storage_class(class)).body(body).send().await?;
        if !self.is_in(blob, class).await? {
            return Err(Cause::NoClass(class).invalid());
        }
        if class.needs_restore() && self.restore(blob, 1).await? == Asked::NotArchived {
            return Err(Cause::NoClass(class).invalid());
        }
        Ok(())
    }
}

fn storage_class(class: ArchiveClass) -> StorageClass {
    StorageClass::from(class.as_str())
}

/// Reads `x-amz-restore`: `ongoing-request="true"`, or `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>).
fn read_restore(header: &str) -> Result<Restore, BlobError> {
    if header.contains("ongoing-request=\"true\"") {
        return Ok(Restore::Ongoing);
    }
    let expiry = header.split("expiry-date=\"").nth(1).and_then(|rest| rest.split('"').next());
    let expiry = expiry.and_then(|text| OffsetDateTime::parse(text, &Rfc2822).ok());
    expiry.map(Restore::Done).ok_or_else(|| Cause::Incomplete("restore's end").transient())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn how_far_a_restore_is_is_read_from_its_header() {
        assert_eq!(read_restore("ongoing-request=\"true\"").unwrap(), Restore::Ongoing);
        let done = read_restore("ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"").unwrap();
        assert_eq!(done, Restore::Done(datetime!(2012-12-21 00:00 UTC)));
        for broken in ["", "ongoing-request=\"false\"", "ongoing-request=\"false\", expiry-date=\"soon\""] {
            assert!(read_restore(broken).is_err(), "{broken}");
        }
    }
}
