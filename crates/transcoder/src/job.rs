//! The job: one group of profiles of one asset, by one child, into S3 and the database.
//!
//! An upload id is the fence that S3 understands. Each attempt first aborts what earlier ones left open, then writes its own upload
//! ids down before the first part; it completes them only after a heartbeat. A worker that slept past its lease gets
//! `UploadGone` for its late Complete.

use std::{path::PathBuf, time::Duration};

use backon::Retryable;
use bytes::Bytes;
use media_blobs::{BlobError, Blobs, PartSize, PartWriter, SentUpload, UploadHandle, keys};
use media_domain::{
    BlobName, MediaInfo, Profiles, Reason, VariantId,
    event::{Event, VariantCreated},
    info::Look,
    plan::{Plan, plan},
    profile::{ProfileName, Recipe},
    reason::Verdict,
    work::{Group, Queue},
};
use media_storage::{
    Database, StorageError, TenantTx,
    assets::Asset,
    output_uploads::OutputUpload,
    variants::{Fragment, Variant},
    work::Lease,
};
use media_worker::{JobError, Progress, Work};
use tokio_util::sync::CancellationToken;

use crate::{
    child::lock::Layers,
    imported::{self, Imported, TrackToBe},
    parent::{BoxError, ChildFailure, FailureKind, Made, OutputWriter, RangeReader, run_child},
    protocol::{ChildJob, Limits, Output},
};

/// Probes originals and makes their variants.
pub struct Transcoder {
    pub database: Database,
    pub blobs: Blobs,
    pub profiles: Profiles,
    /// The program that is started as the child: this one.
    pub program: PathBuf,
    /// How long a heartbeat prolongs a lease.
    pub lease: Duration,
    /// What a child locks itself with.
    pub layers: Layers,
}

/// What an attempt came to.
pub enum Outcome {
    Probed {
        info: Box<MediaInfo>,
        plan: Plan,
        priority: i16,
    },
    /// `tracks` are texts, which are rows of their own; `lost` are those of further tracks that cannot be decoded: they fail alone.
    Made {
        variants: Vec<Variant>,
        tracks: Vec<Imported>,
        lost: Vec<ProfileName>,
        look: Option<Look>,
        priority: i16,
    },
}

impl Work for Transcoder {
    const QUEUE: Queue = Queue::Transcode;
    type Outcome = Outcome;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Outcome, JobError> {
        let (asset, outputs) = self.read(lease).await?;
        self.abort_earlier_attempts(lease).await?;
        if lease.group == Group::Probe { self.probe(&asset, stop).await } else { self.make(lease, &asset, outputs, progress, stop).await }
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, done: &Outcome) -> Result<(), StorageError> {
        match done {
            Outcome::Probed { info, plan, priority } => commit_probe(tx, lease, info, plan, *priority).await?,
            Outcome::Made { variants, tracks, lost, look, priority } => {
                for track in tracks {
                    imported::commit(tx, lease, track).await?;
                }
                for profile in lost {
                    tx.lose(lease, profile, Reason::Unsupported, "this track of the file cannot be decoded").await?;
                }
                if let Some(look) = look {
                    tx.assets().set_look(lease.asset, look).await?;
                }
                commit_variants(tx, lease, variants, *priority).await?;
            }
        }
        // Those who follow have it too.
        tx.share(lease.asset, &self.profiles).await
    }
}

/// In a roll-out, one worker plans what another does not know yet: the work waits for one that does.
#[derive(Debug, thiserror::Error)]
#[error("this worker does not know the profile {0}")]
struct UnknownProfile(ProfileName);

impl From<UnknownProfile> for JobError {
    fn from(error: UnknownProfile) -> Self {
        JobError::Unavailable(error.into())
    }
}

/// One variant to make, and where it goes.
struct Wanted {
    output: Output,
    blob: BlobName,
    generation: u32,
    /// Where it becomes a caption track and no variant.
    track: Option<TrackToBe>,
}

impl Transcoder {
    /// The asset, and what this piece of work is to make of it. A variant that exists is made beside the old one.
    async fn read(&self, lease: &Lease) -> Result<(Asset, Vec<Wanted>), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "transcoder.read").await?;
        let asset = tx.assets().lookup(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let existing = tx.variants().list(lease.asset).await?;
        let mut wanted = Vec::new();
        for profile in tx.transcode_jobs().of_work(lease.work).await? {
            let (found, track) =
                self.profiles.find_with_track(asset.kind, profile.as_str()).ok_or_else(|| UnknownProfile(profile.clone()))?;
            let generation = existing.iter().find(|variant| variant.profile == profile).map_or(0, |variant| variant.generation + 1);
            let output = Output { profile, make: found.make.clone(), track, damaged: found.damaged, limits: found.limits };
            let track = TrackToBe::of(&asset, &output);
            let key = match &track {
                Some(track) => keys::caption(lease.tenant, lease.asset, &track.language, track.id),
                None => keys::variant(lease.tenant, lease.asset, &output.profile, generation),
            };
            wanted.push(Wanted { output, blob: self.blobs.in_bucket(&key), generation, track });
        }
        Ok((asset, wanted))
    }

    async fn abort_earlier_attempts(&self, lease: &Lease) -> Result<(), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "transcoder.earlier").await?;
        let earlier = tx.output_uploads().of_earlier_attempts(lease).await?;
        drop(tx);
        if earlier.is_empty() {
            return Ok(());
        }
        for upload in earlier {
            self.blobs.abort(&UploadHandle { blob: upload.blob, upload_id: upload.s3_upload_id }).await.map_err(store)?;
        }
        let mut tx = self.database.in_tenant(lease.tenant, "transcoder.earlier").await?;
        tx.output_uploads().forget_earlier_attempts(lease.work, lease.attempt).await?;
        Ok(tx.commit().await?)
    }

    async fn probe(&self, asset: &Asset, stop: &CancellationToken) -> Result<Outcome, JobError> {
        let job = self.child_job(asset, Group::Probe, Vec::new(), false);
        let source = Original { blobs: &self.blobs, blob: &asset.blob };
        let no_outputs: &mut [Upload] = &mut [];
        let done = run_child(&self.program, &job, &source, no_outputs, |_| (), stop).await.map_err(refusal)?;
        let plan = plan(asset.kind, &done.info, &self.profiles, asset.asked_profiles.as_deref())
            .map_err(|refused| JobError::Permanent { reason: refused.reason, detail: refused.detail })?;
        Ok(Outcome::Probed { info: Box::new(done.info), plan, priority: asset.priority })
    }

    async fn make(
        &self,
        lease: &Lease,
        asset: &Asset,
        wanted: Vec<Wanted>,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<Outcome, JobError> {
        let may_copy = may_copy(asset.verdict, lease.failures);
        let job = self.child_job(asset, lease.group, wanted.iter().map(|wanted| wanted.output.clone()).collect(), may_copy);
        let duration_ms = job.info.as_ref().and_then(|info| info.duration_ms).unwrap_or(0);
        let mut uploads = self.open_uploads(lease, &wanted, duration_ms).await?;
        let source = Original { blobs: &self.blobs, blob: &asset.blob };
        let report = |position: Duration| {
            let percent = (position.as_millis() * 100).checked_div(u128::from(duration_ms)).unwrap_or(0);
            progress.at(u8::try_from(percent).unwrap_or(99));
        };
        let done = run_child(&self.program, &job, &source, &mut uploads, report, stop).await.map_err(refusal)?;
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for (upload, made) in uploads.into_iter().zip(&done.outputs) {
            if made.is_lost {
                self.blobs.abort(&upload.handle).await.map_err(store)?;
                lost.push(made.profile.clone());
            } else {
                kept.push(upload);
            }
        }
        self.complete(lease, kept).await?;
        let (mut variants, mut tracks) = (Vec::new(), Vec::new());
        for (wanted, made) in wanted.into_iter().zip(done.outputs).filter(|(_, made)| !made.is_lost) {
            match wanted.track {
                Some(track) => {
                    tracks.push(Imported { track, profile: made.profile, blob: wanted.blob, bytes: made.bytes, cues: made.frames })
                }
                None => variants.push(describe(asset, wanted, made, &done.info)),
            }
        }
        // Only what is well-formed: the child is not trusted.
        let look = done.info.look.filter(Look::is_well_formed);
        Ok(Outcome::Made { variants, tracks, lost, look, priority: asset.priority })
    }

    fn child_job(&self, asset: &Asset, group: Group, outputs: Vec<Output>, may_copy: bool) -> ChildJob {
        let size = asset.size_bytes.unwrap_or(0);
        let limits = Limits::of(group, size, asset.info.as_ref(), &outputs);
        ChildJob {
            size,
            mime: asset.mime.clone().unwrap_or_default(),
            kind: asset.kind,
            group,
            outputs,
            info: asset.info.clone(),
            limits,
            may_copy,
            layers: self.layers,
        }
    }

    /// Opens an upload for each output and writes its id down, before the first part.
    async fn open_uploads(&self, lease: &Lease, wanted: &[Wanted], duration_ms: u64) -> Result<Vec<Upload>, JobError> {
        let mut uploads = Vec::with_capacity(wanted.len());
        for Wanted { output, blob, .. } in wanted {
            let handle = self.blobs.create(blob, output.make.mime()).await.map_err(store)?;
            let written = OutputUpload { blob: blob.clone(), s3_upload_id: handle.upload_id.clone() };
            let mut tx = self.database.in_tenant(lease.tenant, "transcoder.open_upload").await?;
            let inserted = async {
                tx.output_uploads().insert(lease, &output.profile, &written).await?;
                tx.commit().await
            };
            if let Err(error) = inserted.await {
                // Nobody will know of it: it goes now, or stays without a part until the bucket's own rule removes it.
                if let Err(error) = self.blobs.abort(&handle).await {
                    tracing::warn!(error = %error, "an upload without a row is left behind");
                }
                return Err(error.into());
            }
            let part = PartSize::expecting(expected_bytes(&output.make, duration_ms));
            let writer = PartWriter::new(self.blobs.clone(), handle.clone(), part);
            uploads.push(Upload { handle, writer });
        }
        Ok(uploads)
    }

    /// Sends the last parts, and completes the uploads if the lease is still held.
    async fn complete(&self, lease: &Lease, uploads: Vec<Upload>) -> Result<(), JobError> {
        let mut sent: Vec<SentUpload> = Vec::with_capacity(uploads.len());
        for upload in uploads {
            sent.push(upload.writer.flush_last().await.map_err(store)?);
        }
        let mut tx = self.database.in_tenant(lease.tenant, "transcoder.before_complete").await?;
        tx.work().heartbeat(lease, self.lease).await?;
        tx.commit().await?;
        for upload in sent {
            upload.complete().await.map_err(store)?;
        }
        Ok(())
    }
}

async fn commit_probe(tx: &mut TenantTx, lease: &Lease, info: &MediaInfo, plan: &Plan, priority: i16) -> Result<(), StorageError> {
    tx.assets().set_probed(lease.asset, info).await?;
    let captions = tx.tenant_policies().current().await?.policy.captions;
    let asked = tx.assets().lookup(lease.asset).await?.and_then(|asset| asset.asked_profiles);
    let mut plan = plan.clone();
    plan.follow_captions(captions, asked.as_deref());
    tx.carry_out(lease.asset, &plan, priority).await
}

async fn commit_variants(tx: &mut TenantTx, lease: &Lease, variants: &[Variant], priority: i16) -> Result<(), StorageError> {
    for variant in variants {
        let variant_id = tx.variants().put(variant).await?;
        tx.transcode_jobs().succeed(lease.work, &variant.profile).await?;
        let created = VariantCreated {
            asset_id: lease.asset,
            variant_id,
            profile: variant.profile.clone(),
            mime: variant.mime.clone(),
            size_bytes: variant.size_bytes,
            width: variant.width,
            height: variant.height,
            missing_ms: variant.details.loss.map(|loss| loss.missing_ms),
            missing_frames: variant.details.loss.map(|loss| loss.missing_frames),
        };
        tx.outbox().event(&Event::VariantCreated(created)).await?;
    }
    tx.output_uploads().forget(lease.work).await?;
    if lease.group == Group::Speech {
        tx.captions_follow(lease, priority).await?;
    }
    tx.ready_if_complete(lease.asset).await.map(|_ready| ())
}

/// Whether the file's own pictures may become a rung: what was not scanned whole is only shown as we encode it, and so is what did
/// not work as it is.
fn may_copy(verdict: Option<Verdict>, failures: u32) -> bool {
    verdict == Some(Verdict::Clean) && failures == 0
}

/// What an output may come to: its duration at twice its bitrate, as many frames a second may take. It decides the size of parts.
fn expected_bytes(make: &Recipe, duration_ms: u64) -> u64 {
    make.bits_per_second() / 8 * (duration_ms / 1000 + 1) * 2
}

fn describe(asset: &Asset, wanted: Wanted, made: Made, info: &MediaInfo) -> Variant {
    let is_rung = wanted.output.make.mime().starts_with("video/");
    let rate = info.video.as_ref().map(|video| video.frame_rate).filter(|(numerator, _)| is_rung && *numerator > 0);
    Variant {
        id: VariantId::generate(),
        asset: asset.id,
        profile: made.profile,
        blob: wanted.blob,
        size_bytes: made.bytes,
        mime: made.mime.to_owned(),
        width: made.width,
        height: made.height,
        bitrate: made.bitrate.map(|bits| u32::try_from(bits).unwrap_or(u32::MAX)),
        generation: wanted.generation,
        codec: made.codec,
        frame_rate: rate.map(|(numerator, denominator)| format!("{numerator}/{denominator}")),
        duration_ms: made.duration_ms,
        init_bytes: (made.init_bytes > 0).then_some(made.init_bytes),
        fragments: made.fragments.iter().map(fragment).collect(),
        language: language(&wanted.output, info),
        channels: made.channels,
        details: made.details,
    }
}

fn fragment(made: &crate::parent::Fragment) -> Fragment {
    Fragment {
        offset: made.offset,
        size: made.bytes.into(),
        duration_us: made.duration_us,
        keyframe_bytes: if made.keyframe { made.keyframe_bytes.into() } else { 0 },
    }
}

/// Of the track that an output is made of.
fn language(output: &Output, info: &MediaInfo) -> Option<String> {
    let track = match output.make {
        Recipe::Aac { .. } | Recipe::Opus { .. } | Recipe::Pcm { .. } => {
            info.audio.iter().chain(&info.further_audio).nth(output.track as usize)
        }
        _ => None,
    };
    track.and_then(|track| track.language.clone())
}

/// An original in S3, read by ranges.
struct Original<'a> {
    blobs: &'a Blobs,
    blob: &'a BlobName,
}

impl RangeReader for Original<'_> {
    async fn read(&self, offset: u64, length: u64) -> Result<Bytes, BoxError> {
        let read = async || self.blobs.read(self.blob, offset, length, None).await;
        Ok(read.retry(media_blobs::patience()).when(BlobError::is_transient).await?)
    }
}

/// An output on its way to S3.
struct Upload {
    handle: UploadHandle,
    writer: PartWriter,
}

impl OutputWriter for Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        Ok(self.writer.write(bytes).await?)
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), BoxError> {
        Ok(self.writer.reserve(bytes)?)
    }

    fn write_front(&mut self, bytes: Bytes) -> Result<(), BoxError> {
        Ok(self.writer.write_front(&bytes)?)
    }
}

fn store(error: BlobError) -> JobError {
    match error {
        // Another attempt aborted our upload: it holds the lease.
        BlobError::UploadGone => JobError::LeaseLost,
        BlobError::Limit(_) => outgrown(),
        // Rotated credentials or a missing right are an operator's matter, and no fault of the file.
        error if error.is_transient() || matches!(error, BlobError::Denied(_)) => JobError::Unavailable(error.into()),
        error => JobError::Failed { reason: Reason::Internal, source: error.into() },
    }
}

fn outgrown() -> JobError {
    JobError::Permanent { reason: Reason::LimitHit, detail: "an output outgrew what can be stored".to_owned() }
}

/// What a failed child means for the job. The child's own words may come out of the file: they are logged for whoever looks for a fault.
fn refusal(failure: ChildFailure) -> JobError {
    let permanent = |reason, detail: &str| JobError::Permanent { reason, detail: detail.to_owned() };
    if !failure.said.is_empty() {
        tracing::debug!(failure.kind = ?failure.kind, failure.said = failure.said, "what the child said of its failure");
    }
    match failure.kind {
        FailureKind::Cancelled => JobError::Stopped,
        FailureKind::SourceFailed | FailureKind::OutputFailed => storage_failed(failure),
        kind => {
            tracing::warn!(failure.kind = ?kind, failure.text = failure.text, "the child's work failed");
            match kind {
                FailureKind::Unsupported => permanent(Reason::Unsupported, "the file's type, codec or shape is not processed"),
                FailureKind::Corrupt => permanent(Reason::Corrupt, "the file holds less than it promises, or cannot be read"),
                FailureKind::Encrypted => permanent(Reason::Unsupported, "the file is encrypted: it cannot be read without a password"),
                FailureKind::BadLine(line) => permanent(Reason::Corrupt, &format!("line {line}")),
                FailureKind::TooLarge => permanent(Reason::PixelsExceedLimit, "the picture has more pixels than the limit"),
                FailureKind::LimitHit => permanent(Reason::LimitHit, "the file needs more memory, time or output than the limit"),
                FailureKind::PolicyViolation => {
                    // Either somebody attacks us, or our list has a hole: a person must look.
                    tracing::error!(failure.text = failure.text, "policy violation: a child was killed by its lock");
                    metrics::counter!("media_child_policy_violations_total").increment(1);
                    permanent(Reason::Internal, "processing was stopped")
                }
                // It looks like anybody's kill: only one that comes every time is the file's fault.
                FailureKind::Killed => JobError::Failed { reason: Reason::LimitHit, source: failure.into() },
                FailureKind::TimedOut => JobError::Failed { reason: Reason::TimedOut, source: failure.into() },
                _ => JobError::Failed { reason: Reason::Internal, source: failure.into() },
            }
        }
    }
}

/// The store's own word on what kept the child from reading or writing.
fn storage_failed(failure: ChildFailure) -> JobError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = failure.source.as_deref().map(|source| source as _);
    while let Some(error) = cause {
        match error.downcast_ref::<BlobError>() {
            Some(BlobError::UploadGone) => return JobError::LeaseLost,
            Some(BlobError::Limit(_)) => return outgrown(),
            Some(BlobError::Denied(_)) => break,
            Some(blob) if !blob.is_transient() => return JobError::Failed { reason: Reason::Internal, source: failure.into() },
            Some(_) => break,
            None => cause = error.source(),
        }
    }
    JobError::Unavailable(failure.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_scanned_whole_and_has_not_failed_is_copied() {
        assert!(may_copy(Some(Verdict::Clean), 0));
        assert!(!may_copy(Some(Verdict::Partial), 0) && !may_copy(None, 0) && !may_copy(Some(Verdict::Clean), 1));
    }

    #[test]
    fn only_what_may_end_better_is_tried_again() {
        use FailureKind::*;
        for kind in
            [Unsupported, Corrupt, TooLarge, LimitHit, PolicyViolation, Killed, TimedOut, Internal, SourceFailed, OutputFailed, Cancelled]
        {
            let failure = ChildFailure::new(kind, "");
            let again = failure.is_worth_another_try();
            let is_final = matches!(refusal(failure), JobError::Permanent { .. } | JobError::Stopped);
            assert_eq!(again, !is_final, "{kind:?}");
        }
    }
}
