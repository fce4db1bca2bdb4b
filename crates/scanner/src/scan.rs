//! The one pass over an original: hash, clamd and sniffing share each byte that is read.

use std::time::{Duration, Instant};

use media_blobs::{BlobError, Blobs, Key, keys};
use media_clamd::{Answer, ClamdConfig, ClamdError, Scan};
use media_domain::{
    BlobName, Kind, Profiles, Reason, Status, WorkId,
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
use tracing::warn;

use crate::sniff;

/// How long a copy is kept that no row names yet: longer than any commit takes.
const NAMED_WITHIN: Duration = Duration::from_secs(3600);

/// Scans originals.
pub struct Scanner {
    pub database: Database,
    pub blobs: Blobs,
    pub profiles: Profiles,
    pub clamd: ClamdConfig,
}

/// What the pass found, where the original was, and where it is from the commit on.
pub struct Found {
    kind: Kind,
    scanned: Scanned,
    before: BlobName,
    after: BlobName,
    priority: i16,
}

/// From the start: an increase of what is not there is no increase.
pub fn count_from_zero() {
    metrics::counter!("media_scanned_bytes_total").absolute(0);
    for verdict in Verdict::ALL {
        metrics::counter!("media_scans_total", "verdict" => verdict.as_str()).absolute(0);
    }
}

/// How large the source is, in few words: a label of a metric needs a bound.
fn source_size(bytes: u64) -> &'static str {
    const MIB: u64 = 1 << 20;
    match bytes.div_ceil(MIB) {
        0..=10 => "up_to_10mib",
        11..=100 => "up_to_100mib",
        101..=1024 => "up_to_1gib",
        _ => "larger",
    }
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
        let is_moved = found.after != found.before;
        if is_moved {
            tx.assets().set_blob(id, &found.after).await?;
        } else {
            tx.blobs().put(&found.after, Some(sha256), Some(*size_bytes)).await?;
        }
        if *verdict == Verdict::Infected {
            // What is still made of it cannot be read any more.
            tx.work().revoke_of_asset(id).await?;
            tx.assets().advance(id, Status::Quarantined).await?;
            let told = AssetQuarantined { asset_id: id, signature: signature.clone().unwrap_or_default(), sha256: sha256.clone() };
            tx.outbox().event(&Event::AssetQuarantined(told)).await?;
            tx.rescan_twins(id, sha256).await?;
        } else {
            tx.assets().advance(id, Status::Transcoding).await?;
            self.go_on(tx, lease, found, is_moved).await?;
        }
        if !is_moved {
            return Ok(());
        }
        // Last, for it counts for the quota.
        tx.blobs().keep(&found.after).await?;
        tx.blobs().put(&found.after, Some(sha256), Some(*size_bytes)).await?;
        tx.blobs().doom_left(std::slice::from_ref(&found.before), Duration::ZERO).await
    }
}

impl Scanner {
    /// What follows on a scan that lets the file pass.
    async fn go_on(&self, tx: &mut TenantTx, lease: &Lease, found: &Found, is_moved: bool) -> Result<(), StorageError> {
        let id = lease.asset;
        if lease.group == Group::Rescan {
            tx.ready_again(id).await?;
            return tx.share(id, &self.profiles).await;
        }
        // What was made before, or let out of quarantine, is made for itself.
        let is_first = !is_moved && tx.transcode_jobs().list(id).await?.is_empty();
        if is_first && tx.join_twin(id, Some(&self.profiles)).await? {
            return Ok(());
        }
        match plan::after_scan(found.kind, &found.scanned.mime, &self.profiles) {
            // Nothing is required of these: they pass through, so that consumers see one path.
            Some(plan) => tx.carry_out(id, &plan, found.priority).await,
            None => tx.work().plan(id, Group::Probe, found.priority).await.map(|_planned| ()),
        }
    }

    async fn scan(&self, lease: &Lease, progress: &Progress) -> Result<Found, JobError> {
        let began = Instant::now();
        let mut tx = self.database.in_tenant(lease.tenant, "scanner.read").await?;
        let asset = tx.assets().lookup(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        drop(tx);

        let pass = self.pass(&asset, progress).await?;
        let (verdict, signature) = match (pass.answer, pass.sent_whole) {
            (Answer::Found { signature }, sent_whole) => {
                let verdict = self.judge(lease, &pass.sha256, &signature).await?;
                // What lies behind a finding that was released was seen by nobody.
                (if verdict == Verdict::Released && !sent_whole { Verdict::Partial } else { verdict }, Some(signature))
            }
            (Answer::NothingFound, true) => (Verdict::Clean, None),
            (Answer::NothingFound, false) | (Answer::LimitHit, _) => (Verdict::Partial, None),
        };
        let media_type = sniff::media_type(&pass.head);
        if verdict != Verdict::Infected {
            accept(&asset, &pass.sha256, pass.size_bytes, verdict, media_type)?;
        }
        let after = place(&self.blobs, &asset, verdict, lease.work);
        if after != asset.blob {
            self.expect(lease, &after).await?;
            // A move is copy, commit, delete: the janitor removes what was left after the commit has doomed it.
            self.blobs.copy(&asset.blob, &after).await.map_err(store)?;
        }
        if verdict == Verdict::Infected {
            warn!(
                asset.id = %lease.asset, tenant.id = %lease.tenant, work.id = %lease.work, signature,
                "the file is infected, and goes into quarantine"
            );
        }
        metrics::counter!("media_scans_total", "verdict" => verdict.as_str()).increment(1);
        metrics::counter!("media_scanned_bytes_total").increment(pass.size_bytes);
        metrics::histogram!("media_scan_seconds", "source" => source_size(pass.size_bytes)).record(began.elapsed());
        let mime = media_type.unwrap_or("application/octet-stream").to_owned();
        Ok(Found {
            kind: asset.kind,
            scanned: Scanned { sha256: pass.sha256, mime, size_bytes: pass.size_bytes, verdict, signature },
            before: asset.blob,
            after,
            priority: asset.priority,
        })
    }

    /// Notes a copy before it is made: nobody else would know of it if this attempt ended before its commit.
    async fn expect(&self, lease: &Lease, copy: &BlobName) -> Result<(), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "scanner.expect").await?;
        tx.work().hold(lease).await?;
        match tx.blobs().expect(copy, NAMED_WITHIN).await {
            // What an earlier attempt left is just being removed: later its name is free again.
            Err(error @ StorageError::Changed { .. }) => return Err(JobError::Unavailable(error.into())),
            expected => expected?,
        }
        Ok(tx.commit().await?)
    }

    /// Whether what was found in these bytes was released by an administrator. clamd names the first that it finds.
    async fn judge(&self, lease: &Lease, sha256: &str, signature: &str) -> Result<Verdict, JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "scanner.judge").await?;
        let may_pass = tx.quarantine().may_pass(sha256, signature).await?;
        Ok(if may_pass { Verdict::Released } else { Verdict::Infected })
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

/// Where an original belongs by its verdict: in quarantine, or out of it. One that is moved out gets a name that it never had: what was
/// doomed when it was moved in may still be deleted by a janitor that is late.
fn place(blobs: &Blobs, asset: &Asset, verdict: Verdict, work: WorkId) -> BlobName {
    let own = asset.blob.key.parse::<Key>().ok().filter(|key| key.asset == asset.id);
    let moved = keys::moved_original(asset.tenant, asset.id, work);
    let quarantined = blobs.in_quarantine(own.as_ref().unwrap_or(&moved));
    match (verdict == Verdict::Infected, quarantined.bucket == asset.blob.bucket) {
        (true, true) | (false, false) => asset.blob.clone(),
        (true, false) => quarantined,
        (false, true) => blobs.in_bucket(&moved),
    }
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

/// Without a verdict the file is never called clean: it waits for clamd, and fails if clamd cannot do it. A file that clamd dies of would
/// end it again at every try, and all that is scanned beside it, if each try did not count.
fn clamd(error: ClamdError) -> JobError {
    match error {
        ClamdError::Unavailable(_) => JobError::Unavailable(error.into()),
        ClamdError::Lost(_) | ClamdError::Refused(_) => JobError::Failed { reason: Reason::Internal, source: error.into() },
    }
}
