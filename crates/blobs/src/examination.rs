//! Whether a store is fit for the service, for `media doctor`: tried with an object of a few bytes, which goes again.

use aws_sdk_s3::{
    error::ProvideErrorMetadata as _,
    types::{BucketVersioningStatus, ExpirationStatus, LifecycleRule},
};
use bytes::Bytes;
use media_domain::{AssetId, BlobName};
use time::OffsetDateTime;

use crate::{BlobError, Blobs, SignedUrl, signing::PresignGet};

/// Beside every tenant's folder.
const PROBE_PREFIX: &str = "probes/doctor-";
/// What the keys of all that we keep begin with.
const TENANTS: &str = "tenants/";
const PROBE: &[u8] = b"whether this store keeps what it is given";

/// An object that was put to be looked at; [`Blobs::remove_probe`] takes it away.
#[derive(Clone, Debug)]
pub struct Probe {
    pub blob: BlobName,
    /// By which a client reads it.
    pub signed: SignedUrl,
}

/// What a bucket does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketRules {
    pub keeps_versions: bool,
    /// Rules by which objects vanish that our rows still name, by their ids.
    pub expiring: Vec<String>,
    /// Whether a rule removes the parts of uploads that nobody finished.
    pub aborts_uploads: bool,
}

impl Blobs {
    /// Puts a probe into a bucket, by the way that uploads go, and reads it back.
    ///
    /// # Errors
    /// [`BlobError::Changed`] if the store gives back other bytes; else the store's own word.
    pub async fn put_probe(&self, bucket: &str) -> Result<Probe, BlobError> {
        let blob = BlobName { bucket: bucket.to_owned(), key: format!("{PROBE_PREFIX}{}", AssetId::generate()) };
        let upload = self.create(&blob, "text/plain").await?;
        let made = async {
            let part = self.upload_part(&upload, 1, Bytes::from_static(PROBE)).await?;
            self.complete(&upload, &[part]).await
        };
        if let Err(error) = made.await {
            self.abort_or_warn(&upload).await;
            return Err(error);
        }
        let looked = async {
            if self.read(&blob, 0, PROBE.len() as u64, None).await? != PROBE {
                return Err(BlobError::Changed);
            }
            self.presign_get(&blob, &PresignGet::default(), OffsetDateTime::now_utc()).await
        };
        match looked.await {
            Ok(signed) => Ok(Probe { blob, signed }),
            Err(error) => {
                if let Err(left) = self.erase(&blob).await {
                    tracing::warn!(error = %left, blob.key = blob.key, "a probe is left behind");
                }
                Err(error)
            }
        }
    }

    /// # Errors
    /// As [`Blobs::erase`].
    pub async fn remove_probe(&self, probe: &Probe) -> Result<(), BlobError> {
        self.erase(&probe.blob).await
    }

    /// What a bucket does by itself. A store without such rules has none.
    ///
    /// # Errors
    /// [`BlobError::Denied`] where we may not ask; [`BlobError::Transient`].
    pub async fn bucket_rules(&self, bucket: &str) -> Result<BucketRules, BlobError> {
        let keeps_versions = match self.client.get_bucket_versioning().bucket(bucket).send().await {
            Ok(answer) => answer.status() == Some(&BucketVersioningStatus::Enabled),
            Err(error) if is_unknown(error.code()) => false,
            Err(error) => return Err(error.into()),
        };
        let rules = match self.client.get_bucket_lifecycle_configuration().bucket(bucket).send().await {
            Ok(answer) => answer.rules.unwrap_or_default(),
            Err(error) if is_unknown(error.code()) || error.code() == Some("NoSuchLifecycleConfiguration") => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let enabled = || rules.iter().filter(|rule| rule.status() == &ExpirationStatus::Enabled);
        Ok(BucketRules {
            keeps_versions,
            expiring: enabled().filter(|rule| expires(rule)).map(|rule| rule.id().unwrap_or("(without an id)").to_owned()).collect(),
            aborts_uploads: enabled().any(|rule| rule.abort_incomplete_multipart_upload().is_some()),
        })
    }
}

/// Whether a rule removes objects of a tenant. One that asks for tags or sizes besides is taken for one that does.
fn expires(rule: &LifecycleRule) -> bool {
    let prefix = rule.filter().and_then(|filter| filter.prefix().or(filter.and().and_then(|and| and.prefix()))).unwrap_or_default();
    let reaches = prefix.starts_with(TENANTS) || TENANTS.starts_with(prefix);
    reaches && rule.expiration().is_some_and(|expiration| expiration.days().is_some() || expiration.date().is_some())
}

fn is_unknown(code: Option<&str>) -> bool {
    matches!(code, Some("NotImplemented" | "MethodNotAllowed"))
}
