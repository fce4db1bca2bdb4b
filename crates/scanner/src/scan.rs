//! The one pass over an original: hash, clamd and sniffing share each byte that is read.

use std::time::Duration;

use media_blobs::{BlobError, Blobs, keys};
use media_domain::{
    BlobName, Kind, Profiles, Reason, Status,
    event::{AssetQuarantined, AssetScanned, Event},
    plan,
    reason::Verdict,
    work::{Group, Queue},
};
use media_storage::{
    Database, StorageError, TenantTx,
    assets::{Asset, Scanned},
    work::Lease,
};
use media_worker::{JobError, Progress, Work};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    clamd::{Answer, ClamdConfig, ClamdError, Scan},
    sniff,
};

/// Scans originals.
pub struct Scanner {
    pub database: Database,
    pub blobs: Blobs,
    pub profiles: Profiles,
    pub clamd: ClamdConfig,
}

/// What the pass found, and where the original is now.
pub struct Found {
    kind: Kind,
    scanned: Scanned,
    original: BlobName,
    /// The copy in quarantine, of an infected file.
    quarantined: Option<BlobName>,
    priority: i16,
}

impl Work for Scanner {
    const QUEUE: Queue = Queue::Scan;
    type Outcome = Found;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Found, JobError> {
        Box::pin(stop.run_until_cancelled(self.scan(lease, progress))).await.unwrap_or(Err(JobError::Stopped))
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, found: &Found) -> Result<(), StorageError> {
        let id = lease.asset;
        let Scanned { sha256, mime, size_bytes, verdict, signature } = &found.scanned;
        tx.assets().lock(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        tx.assets().set_scanned(id, &found.scanned).await?;
        let told = AssetScanned { asset_id: id, verdict: *verdict, sha256: sha256.clone(), mime: mime.clone(), size_bytes: *size_bytes };
        tx.outbox().event(&Event::AssetScanned(told)).await?;
        if let Some(quarantined) = &found.quarantined {
            tx.assets().advance(id, Status::Quarantined).await?;
            tx.assets().set_blob(id, quarantined).await?;
            tx.blobs().put(quarantined, Some(sha256), Some(*size_bytes)).await?;
            tx.blobs().doom(&found.original, Duration::ZERO).await?;
            let told = AssetQuarantined { asset_id: id, signature: signature.clone().unwrap_or_default(), sha256: sha256.clone() };
            return tx.outbox().event(&Event::AssetQuarantined(told)).await;
        }
        tx.blobs().put(&found.original, Some(sha256), Some(*size_bytes)).await?;
        tx.assets().advance(id, Status::Transcoding).await?;
        match plan::after_scan(found.kind, mime, &self.profiles) {
            // Nothing is required of these: they pass through, so that consumers see one path.
            Some(plan) => tx.carry_out(id, &plan, found.priority).await,
            None => tx.work().plan(id, Group::Probe, found.priority).await.map(|_planned| ()),
        }
    }
}

impl Scanner {
    async fn scan(&self, lease: &Lease, progress: &Progress) -> Result<Found, JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "scanner.read").await?;
        let asset = tx.assets().lookup(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        drop(tx);

        let pass = self.pass(&asset, progress).await?;
        let verdict = match (&pass.answer, pass.sent_whole) {
            (Answer::Found { .. }, _) => Verdict::Infected,
            (Answer::NothingFound, true) => Verdict::Clean,
            (Answer::NothingFound, false) | (Answer::LimitHit, _) => Verdict::Partial,
        };
        let signature = match pass.answer {
            Answer::Found { signature } => Some(signature),
            _ => None,
        };
        let media_type = sniff::media_type(&pass.head);
        let quarantined = if verdict == Verdict::Infected {
            // A move is copy, commit, delete: the janitor removes the original after the commit has doomed it.
            let target = self.blobs.in_quarantine(&keys::original(asset.tenant, asset.id));
            self.blobs.copy(&asset.blob, &target).await.map_err(store)?;
            Some(target)
        } else {
            accept(&asset, &pass.sha256, pass.size_bytes, verdict, media_type)?;
            None
        };
        let mime = media_type.unwrap_or("application/octet-stream").to_owned();
        Ok(Found {
            kind: asset.kind,
            scanned: Scanned { sha256: pass.sha256, mime, size_bytes: pass.size_bytes, verdict, signature },
            original: asset.blob,
            quarantined,
            priority: asset.priority,
        })
    }

    async fn pass(&self, asset: &Asset, progress: &Progress) -> Result<Pass, JobError> {
        let mut stream = self.blobs.open(&asset.blob, .., None).await.map_err(store)?;
        let total = stream.object_size().max(1);
        let mut scan = Scan::begin(&self.clamd).await.map_err(clamd)?;
        let mut hash = Sha256::new();
        let mut head = Vec::new();
        let mut size_bytes = 0u64;
        while let Some(chunk) = stream.next().await.map_err(store)? {
            hash.update(&chunk);
            size_bytes += chunk.len() as u64;
            head.extend_from_slice(&chunk[..chunk.len().min(sniff::HEAD_BYTES - head.len())]);
            scan.send(&chunk).await.map_err(clamd)?;
            progress.at(u8::try_from(size_bytes * 100 / total).unwrap_or(100));
        }
        let (answer, sent_whole) = scan.finish().await.map_err(clamd)?;
        Ok(Pass { sha256: hex::encode(hash.finalize()), size_bytes, head, answer, sent_whole })
    }
}

struct Pass {
    sha256: String,
    size_bytes: u64,
    head: Vec<u8>,
    answer: Answer,
    /// Whether clamd was sent every byte.
    sent_whole: bool,
}

/// Refuses a file that is not what its uploader declared, or that its kind does not take.
fn accept(asset: &Asset, sha256: &str, size_bytes: u64, verdict: Verdict, media_type: Option<&'static str>) -> Result<(), JobError> {
    let refuse = |reason, detail| Err(JobError::Permanent { reason, detail });
    if let Some(declared) = asset.size_bytes.filter(|declared| *declared != size_bytes) {
        return refuse(Reason::SizeMismatch, format!("size_bytes: {declared} were declared, and {size_bytes} are stored"));
    }
    if let Some(declared) = asset.declared_sha256.as_deref().filter(|declared| *declared != sha256) {
        return refuse(Reason::HashMismatch, format!("sha256: {declared} was declared, and the stored bytes have {sha256}"));
    }
    if !media_type.is_some_and(|found| sniff::fits(asset.kind, found)) {
        let found = media_type.unwrap_or("of no type that is known");
        return refuse(Reason::MimeUnsupported, format!("the bytes are {found}, which an asset of kind {} cannot be", asset.kind));
    }
    // What our own child decodes and encodes anew is safe to show though not every byte was scanned; the rest is not.
    if verdict == Verdict::Partial && !matches!(asset.kind.pipeline(), Kind::Video | Kind::Audio) {
        return refuse(Reason::ScanPartial, format!("the file could not be scanned whole, which an asset of kind {} must be", asset.kind));
    }
    Ok(())
}

fn store(error: BlobError) -> JobError {
    match error {
        // Rotated credentials or a missing right are an operator's matter, and no fault of the file.
        error if error.is_transient() || matches!(error, BlobError::Denied(_)) => JobError::Unavailable(error.into()),
        error => JobError::Failed { reason: Reason::Internal, source: error.into() },
    }
}

/// Without a verdict the file is never called clean: it waits for clamd, and fails if clamd cannot do it.
fn clamd(error: ClamdError) -> JobError {
    match error {
        ClamdError::Unavailable(_) => JobError::Unavailable(error.into()),
        ClamdError::Refused(_) => JobError::Failed { reason: Reason::Internal, source: error.into() },
    }
}
