//! An import: a file comes from elsewhere and goes to the store part by part, and then the asset goes the way of every upload.
//!
//! Memory is two parts. Each upload id is written to its row before the first part, so that the attempt after a lost one first
//! aborts what that has left, and the object is completed only while the lease is held.

use std::time::Duration;

use media_blobs::{BlobError, Blobs, PartSize, PartWriter, UploadHandle};
use media_domain::{
    BlobName, Reason,
    profile::{NotAProfileName, ProfileName},
    work::Queue,
};
use media_import_rules::ImportUrl;
use media_storage::{
    Database, StorageError, TenantTx,
    assets::Asset,
    output_uploads::OutputUpload,
    work::{Lease, MAX_FAILURES},
};
use media_worker::{JobError, Progress, Work};
use sha2::{Digest, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fetch::{Answer, Client, FetchError, SystemResolver};

/// As what an import's uploads are noted, among those of variants.
const ORIGINAL: &str = "original";
/// What the store calls an original until the scanner has looked at it: nothing that a browser would show.
const UNSEEN_TYPE: &str = "application/octet-stream";
/// Where the size is not known, so many more bytes may have come than are reserved.
const RESERVE_EVERY_BYTES: u64 = 8 << 20;

/// Fetches what is imported.
pub struct Importer {
    pub database: Database,
    pub blobs: Blobs,
    pub client: Client<SystemResolver>,
    pub lease: Duration,
}

/// A file that is whole in the store.
pub struct Fetched {
    blob: BlobName,
    size_bytes: u64,
    priority: i16,
}

/// What is to be fetched, and how much of it at the most.
struct Order {
    asset: Asset,
    url: ImportUrl,
    limit_bytes: u64,
}

impl Work for Importer {
    const QUEUE: Queue = Queue::Scan;
    type Outcome = Fetched;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Fetched, JobError> {
        Box::pin(stop.run_until_cancelled(self.import(lease, progress))).await.unwrap_or(Err(JobError::Stopped))
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, fetched: &Fetched) -> Result<(), StorageError> {
        tx.finish_import(lease.asset, &fetched.blob, fetched.size_bytes, fetched.priority).await?;
        tx.output_uploads().forget(lease.work).await
    }
}

impl Importer {
    async fn import(&self, lease: &Lease, progress: &Progress) -> Result<Fetched, JobError> {
        self.clear_earlier_attempts(lease).await?;
        let order = self.read(lease).await?;
        let fetching = timeout(self.client.whole_timeout(), self.fetch(lease, &order, progress));
        fetching.await.unwrap_or_else(|_| Err(refusal(lease, FetchError::TooLong)))
    }

    async fn read(&self, lease: &Lease) -> Result<Order, JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "importer.read").await?;
        let asset = tx.assets().lookup(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        // Where there is none, the import was given up a moment ago.
        let url = tx.imports().url(lease.asset).await?.ok_or(JobError::LeaseLost)?;
        let limit_bytes = tx.tenant_policies().current().await?.policy.max_bytes(asset.kind);
        let url = ImportUrl::parse(&url, self.client.rules()).map_err(|broken| refusal(lease, FetchError::Refused(broken)))?;
        Ok(Order { asset, url, limit_bytes })
    }

    async fn fetch(&self, lease: &Lease, order: &Order, progress: &Progress) -> Result<Fetched, JobError> {
        let asset = &order.asset;
        let Answer { length, mut body } = self.client.get(order.url.clone()).await.map_err(|error| refusal(lease, error))?;
        if let Some(length) = length {
            within_limit(order, length)?;
            as_announced(asset, length)?;
        }
        let known = length.or(asset.size_bytes);
        if let Some(known) = known {
            self.reserve(lease, known).await?;
        }
        let mut writer = self.open(lease, asset, PartSize::expecting(known.unwrap_or(order.limit_bytes))).await?;
        let (mut hash, mut came, mut reserved) = (Sha256::new(), 0, known.unwrap_or(0));
        while let Some(bytes) = body.next().await.map_err(|error| refusal(lease, error))? {
            came += bytes.len() as u64;
            within_limit(order, came)?;
            if asset.size_bytes.is_some_and(|announced| came > announced) {
                as_announced(asset, came)?;
            }
            if came >= reserved + RESERVE_EVERY_BYTES {
                self.reserve(lease, came).await?;
                reserved = came;
            }
            hash.update(&bytes);
            writer.write(bytes).await.map_err(store)?;
            if let Some(known) = known {
                progress.at(u8::try_from(came * 100 / known.max(1)).unwrap_or(100));
            }
        }
        if came == 0 {
            return Err(JobError::Permanent { reason: Reason::ImportFailed, detail: "the server sent an empty file".to_owned() });
        }
        as_announced(asset, came)?;
        as_hashed(asset, &hex::encode(hash.finalize()))?;
        if came != reserved {
            self.reserve(lease, came).await?;
        }
        let sent = writer.flush_last().await.map_err(store)?;
        let mut tx = self.database.in_tenant(lease.tenant, "importer.before_complete").await?;
        tx.work().heartbeat(lease, self.lease).await?;
        tx.commit().await?;
        sent.complete().await.map_err(store)?;
        Ok(Fetched { blob: asset.blob.clone(), size_bytes: came, priority: asset.priority })
    }

    async fn reserve(&self, lease: &Lease, bytes: u64) -> Result<(), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "importer.reserve").await?;
        match tx.reserve_for_import(lease, bytes).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(full @ StorageError::QuotaExceeded { .. }) => {
                Err(JobError::Permanent { reason: Reason::QuotaExceeded, detail: full.to_string() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Opens the upload and writes its id down, before the first part.
    async fn open(&self, lease: &Lease, asset: &Asset, part: PartSize) -> Result<PartWriter, JobError> {
        let original = ProfileName::try_from(ORIGINAL.to_owned()).map_err(internal)?;
        let handle = self.blobs.create(&asset.blob, UNSEEN_TYPE).await.map_err(store)?;
        let written = OutputUpload { blob: asset.blob.clone(), s3_upload_id: handle.upload_id.clone() };
        let mut tx = self.database.in_tenant(lease.tenant, "importer.open_upload").await?;
        let noted = async {
            tx.output_uploads().insert(lease, &original, &written).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            // Nobody will know of it: it goes now, or stays without a part until the bucket's own rule removes it.
            if let Err(error) = self.blobs.abort(&handle).await {
                tracing::warn!(error = %error, "an upload without a row is left behind");
            }
            return Err(error.into());
        }
        Ok(PartWriter::new(self.blobs.clone(), handle, part))
    }

    /// Ends the uploads of attempts before this one: what a lost worker still sends then meets no upload.
    async fn clear_earlier_attempts(&self, lease: &Lease) -> Result<(), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "importer.earlier").await?;
        let earlier = tx.output_uploads().of_earlier_attempts(lease).await?;
        drop(tx);
        if earlier.is_empty() {
            return Ok(());
        }
        for upload in earlier {
            self.blobs.abort(&UploadHandle { blob: upload.blob, upload_id: upload.s3_upload_id }).await.map_err(store)?;
        }
        let mut tx = self.database.in_tenant(lease.tenant, "importer.earlier").await?;
        tx.output_uploads().forget_earlier_attempts(lease.work, lease.attempt).await?;
        Ok(tx.commit().await?)
    }
}

fn within_limit(order: &Order, bytes: u64) -> Result<(), JobError> {
    if bytes <= order.limit_bytes {
        return Ok(());
    }
    let (kind, limit) = (order.asset.kind, order.limit_bytes);
    Err(JobError::Permanent {
        reason: Reason::SizeExceedsLimit,
        detail: format!("the file has more than the {limit} bytes that a {kind} may have"),
    })
}

fn as_announced(asset: &Asset, bytes: u64) -> Result<(), JobError> {
    let Some(announced) = asset.size_bytes.filter(|announced| *announced != bytes) else { return Ok(()) };
    // Of a file that goes on, nobody knows how much is still to come.
    let has = if bytes > announced { "more".to_owned() } else { bytes.to_string() };
    let detail = format!("size_bytes: {announced} were announced, and the server's file has {has}");
    Err(JobError::Permanent { reason: Reason::SizeMismatch, detail })
}

fn as_hashed(asset: &Asset, sha256: &str) -> Result<(), JobError> {
    match asset.declared_sha256.as_deref().filter(|declared| *declared != sha256) {
        None => Ok(()),
        Some(declared) => Err(JobError::Permanent {
            reason: Reason::HashMismatch,
            detail: format!("sha256: {declared} was declared, and the bytes that came have {sha256}"),
        }),
    }
}

/// What may pass is tried again; the last time, the owner is told what it was.
fn refusal(lease: &Lease, error: FetchError) -> JobError {
    if error.may_pass() && lease.failures + 1 < MAX_FAILURES {
        return JobError::Failed { reason: error.reason(), source: error.into() };
    }
    JobError::Permanent { reason: error.reason(), detail: error.to_string() }
}

fn store(error: BlobError) -> JobError {
    match error {
        // Another attempt aborted our upload: it holds the lease.
        BlobError::UploadGone => JobError::LeaseLost,
        // Rotated credentials or a missing right are an operator's matter, and no fault of the file.
        error if error.is_transient() || matches!(error, BlobError::Denied(_)) => JobError::Unavailable(error.into()),
        error => JobError::Failed { reason: Reason::Internal, source: error.into() },
    }
}

fn internal(error: NotAProfileName) -> JobError {
    JobError::Failed { reason: Reason::Internal, source: error.into() }
}
