//! S3 and what speaks like it: keys, streams, multipart uploads and signatures. Nobody else of ours talks to the store.
//!
//! What this room promises:
//! - A key is made of typed ids ([`keys`]) and never of a client's text.
//! - A body arrives whole or as an error, never short ([`ranges`]).
//! - An upload id is a fence ([`multipart`]): once another attempt aborted it, a late Complete gets
//!   [`BlobError::UploadGone`] and the object stays as it was.
//! - Every request has a limit on time and tries, every buffer a limit on bytes.
//! - Nothing is asked of the store that AWS S3, Cloudflare R2, Garage, Ceph and SeaweedFS do not all have: no conditional
//!   PUT, no tags, no trailing checksums.
//!
//! ```no_run
//! # async fn example(config: media_blobs::S3Config, tenant: media_domain::TenantId, asset: media_domain::AssetId) -> Result<(), media_blobs::BlobError> {
//! use media_blobs::{Blobs, PartSize, PartWriter, keys};
//!
//! let blobs = Blobs::connect(&config)?;
//! let blob = blobs.in_bucket(&keys::original(tenant, asset));
//! let upload = blobs.create(&blob, "video/mp4").await?;
//! // … the upload id goes into its row here, before the first part …
//! let mut writer = PartWriter::new(blobs.clone(), upload, PartSize::expecting(10_000_000));
//! writer.write("frames".into()).await?;
//! let sent = writer.flush_last().await?;
//! // … a heartbeat goes here: whoever lost its lease stops …
//! let completed = sent.complete().await?;
//! assert_eq!(completed.size, 6);
//! # Ok(())
//! # }
//! ```

pub mod cold;
mod config;
mod error;
mod examination;
pub mod keys;
pub mod multipart;
mod part_plan;
mod part_writer;
pub mod ranges;
pub mod signing;
pub mod store;

use std::{sync::Arc, time::Duration};

use aws_sdk_s3::{Client, config::Builder};
use aws_smithy_types::retry::RetryConfig;
use backon::ExponentialBuilder;
use media_domain::BlobName;

pub use config::S3Config;
pub use error::{BlobError, Cause};
pub use examination::{BucketRules, Probe};
pub use keys::{Key, LanguageTag};
pub use multipart::{Completed, Part, UploadHandle};
pub use part_plan::{PartPlan, PartSize};
pub use part_writer::{PartWriter, SentUpload};
pub use ranges::ObjectStream;
pub use signing::{PresignGet, SignedUrl, content_disposition};
pub use store::{Head, MAX_SMALL_BYTES};

/// How long a transfer in the middle of hours of work waits for a store that is away, beyond the tries of each request: about a
/// minute.
pub fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(15))
        .with_max_times(7)
        .with_jitter()
}

/// The store. Cheap to clone; all clones share one pool of connections.
#[derive(Clone)]
pub struct Blobs {
    client: Client,
    /// Signs for the host that clients reach. It never sends a request.
    signer: Client,
    config: Arc<S3Config>,
}

impl Blobs {
    /// Makes the clients. Nothing is sent: [`Blobs::check`] says whether the store is there.
    ///
    /// # Errors
    /// [`BlobError::Invalid`] naming the setting that cannot be right.
    pub fn connect(config: &S3Config) -> Result<Self, BlobError> {
        config.validate()?;
        let public_endpoint = config.public_endpoint.as_ref().unwrap_or(&config.endpoint);
        Ok(Self {
            client: Client::from_conf(config.client(&config.endpoint).build()),
            signer: Client::from_conf(config.client(public_endpoint).build()),
            config: Arc::new(config.clone()),
        })
    }

    /// The name of an object in the bucket that players read.
    pub fn in_bucket(&self, key: &Key) -> BlobName {
        BlobName { bucket: self.config.bucket.clone(), key: key.to_string() }
    }

    /// The name of an object in quarantine.
    pub fn in_quarantine(&self, key: &Key) -> BlobName {
        BlobName { bucket: self.config.quarantine_bucket.clone(), key: key.to_string() }
    }

    /// Whether the store answers and lets us at the bucket: one try of at most 3 seconds, for readiness.
    ///
    /// # Errors
    /// [`BlobError::Denied`] also where the bucket does not exist.
    pub async fn check(&self) -> Result<(), BlobError> {
        let limits = self.limits(0).retry_config(RetryConfig::disabled()).timeout_config(
            aws_smithy_types::timeout::TimeoutConfig::builder()
                .connect_timeout(self.config.connect_timeout)
                .operation_attempt_timeout(Duration::from_secs(3))
                .operation_timeout(Duration::from_secs(3))
                .build(),
        );
        match self
            .client
            .head_bucket()
            .bucket(&self.config.bucket)
            .customize()
            .config_override(limits)
            .send()
            .await
            .map_err(BlobError::from)
        {
            Ok(_) => Ok(()),
            Err(BlobError::NotFound) => Err(BlobError::Denied(Cause::NoBucket.into())),
            Err(error) => Err(error),
        }
    }

    /// The limits on a request that moves so many bytes, here or inside the store.
    fn limits(&self, body_bytes: u64) -> Builder {
        Builder::new().timeout_config(self.config.timeouts(body_bytes))
    }
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs")
            .field("endpoint", &self.config.endpoint.as_str())
            .field("bucket", &self.config.bucket)
            .finish_non_exhaustive()
    }
}
