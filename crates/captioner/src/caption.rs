//! The job: from the `speech` variant to a transcript and a caption track, or from what was made before by the same recipe.
//!
//! A stranger's file is never opened here: the `speech` variant was made by our own child. The queue's other work, the copies of
//! approved tracks, is in [`crate::copies`].

use std::sync::Arc;

use bytes::Bytes;
use media_blobs::{BlobError, Blobs, LanguageTag, UploadHandle, keys};
use media_captions::{BYTES_MAX, Reading, write_vtt};
use media_domain::{
    AiArtifactId, BlobName, CaptionKind, CaptionSource, CaptionTrackId, Reason, TranscriptId,
    event::{AiArtifactRecorded, CaptionCreated, Event, TranscriptCreated},
    profile::ProfileName,
    provenance::{ArtifactKind, Provenance},
    work::{Group, Queue},
};
use media_runtime::trace_context;
use media_storage::{
    Database, StorageError, TenantTx,
    ai_artifacts::NewAiArtifact,
    caption_tracks::{CaptionOrigin, NewCaptionTrack},
    output_uploads::OutputUpload,
    transcripts::{NewTranscript, Recipe, StoredResult},
    variants::Variant,
    work::Lease,
};
use media_worker::{JobError, Progress, Work};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    speech::{RecognizeError, Segment, Transcript},
    windows::{ListenError, Listener},
};

const VTT: &str = "text/vtt";

/// Writes down what is said in assets.
pub struct Captioner {
    pub database: Database,
    pub blobs: Blobs,
    pub listener: Listener,
    /// The profile whose variant is heard.
    pub speech: ProfileName,
}

/// What an attempt came to.
pub enum Done {
    Heard(Box<Heard>),
    /// The copies at the asked-for keys were those of the approved tracks when they were last looked at.
    Copied,
}

/// What was heard, and where its captions lie. What was stored before is not stored again.
#[derive(Default)]
pub struct Heard {
    transcript: Option<NewTranscript>,
    /// None where nobody spoke.
    track: Option<NewCaptionTrack>,
    artifact: Option<NewAiArtifact>,
}

impl Work for Captioner {
    const QUEUE: Queue = Queue::Caption;
    type Outcome = Done;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Done, JobError> {
        if lease.group == Group::CaptionCopies {
            self.copy_approved(lease, stop).await?;
            return Ok(Done::Copied);
        }
        self.clear_earlier_attempts(lease).await?;
        let (variant, before) = self.read(lease).await?;
        if let Some(heard) = self.use_again(lease, before).await? {
            return Ok(Done::Heard(Box::new(heard)));
        }
        self.hear(lease, &variant, progress, stop).await.map(|heard| Done::Heard(Box::new(heard)))
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, done: &Done) -> Result<(), StorageError> {
        match done {
            Done::Heard(heard) => commit_heard(tx, lease, heard).await,
            Done::Copied => self.commit_copies(tx, lease).await,
        }
    }
}

async fn commit_heard(tx: &mut TenantTx, lease: &Lease, heard: &Heard) -> Result<(), StorageError> {
    let asset_id = lease.asset;
    if let Some(transcript) = &heard.transcript {
        tx.transcripts().insert(transcript).await?;
        let told = TranscriptCreated { asset_id, transcript_id: transcript.id, language: transcript.language.clone() };
        tx.outbox().event(&Event::TranscriptCreated(told)).await?;
    }
    if let Some(track) = &heard.track {
        tx.caption_tracks().insert(track).await?;
        tx.caption_tracks().supersede_unreviewed(track).await?;
        tx.output_uploads().forget(lease.work).await?;
        let (language, source) = (track.language.clone(), CaptionSource::Ai.to_string());
        let told = CaptionCreated { asset_id, caption_track_id: track.id, language, source };
        tx.outbox().event(&Event::CaptionCreated(told)).await?;
    }
    tx.transcode_jobs().succeed(lease.work, &ProfileName::captions()).await?;
    if let Some(artifact) = &heard.artifact {
        tx.ai_artifacts().insert(artifact).await?;
        let told = AiArtifactRecorded { asset_id, ai_artifact_id: artifact.id, kind: artifact.kind };
        tx.outbox().event(&Event::AiArtifactRecorded(told)).await?;
    }
    tx.next_language(lease).await?;
    tx.share_ends(lease.asset).await
}

impl Captioner {
    /// What is to be heard, and what was made before of the same bytes by this engine and model in the same language.
    async fn read(&self, lease: &Lease) -> Result<(Variant, Option<StoredResult>), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.read").await?;
        let variant = tx.variants().lookup(lease.asset, &self.speech).await?.ok_or(StorageError::Missing { what: "speech variant" })?;
        let asset = tx.assets().lookup(lease.asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let Some(sha256) = &asset.sha256 else { return Ok((variant, None)) };
        let info = self.listener.recognizer().info();
        let recipe = Recipe { sha256, engine: &self.engine(), model_sha256: &info.model_sha256, language: lease.language.as_deref() };
        let before = tx.transcripts().stored_result(lease.asset, &recipe).await?;
        Ok((variant, before))
    }

    /// Makes rows of a stored result, without listening. `None` where there is none, or its text is gone.
    async fn use_again(&self, lease: &Lease, before: Option<StoredResult>) -> Result<Option<Heard>, JobError> {
        let Some(StoredResult { transcript, provenance, track }) = before else { return Ok(None) };
        let is_own = transcript.asset == lease.asset;
        if is_own && track.as_ref().is_none_or(|track| track.stands) {
            return Ok(Some(Heard::default()));
        }
        let language = lease.language.clone().unwrap_or(transcript.language);
        let id = if is_own { transcript.id } else { TranscriptId::generate() };
        let track = match track {
            None => None,
            Some(track) => {
                let text = match self.blobs.read_whole(&track.blob, BYTES_MAX as u64).await {
                    Ok(text) => text,
                    Err(BlobError::NotFound) => return Ok(None),
                    Err(error) => return Err(store(error)),
                };
                let origin = CaptionOrigin::Ai { provenance: provenance.clone(), transcript: id };
                Some(self.store_track(lease, &language, text, origin).await?)
            }
        };
        tracing::info!("a stored result of the same recipe is used again");
        metrics::counter!("media_captions_used_again_total").increment(1);
        let segments = transcript.segments;
        let new = NewTranscript { id, asset: lease.asset, language, asked_language: lease.language.clone(), segments, provenance };
        Ok(Some(Heard { transcript: (!is_own).then_some(new), track, artifact: None }))
    }

    /// Listens, and stores the captions.
    async fn hear(&self, lease: &Lease, variant: &Variant, progress: &Progress, stop: &CancellationToken) -> Result<Heard, JobError> {
        let heard = self.listen(lease, &variant.blob, variant.size_bytes, progress, stop).await?;
        let (provenance, id) = (self.provenance(), TranscriptId::generate());
        let language = lease.language.clone().unwrap_or_else(|| heard.language.clone());
        let track = if heard.segments.is_empty() {
            None
        } else {
            let text = write_vtt(&heard.cues(&Reading::default()));
            let origin = CaptionOrigin::Ai { provenance: provenance.clone(), transcript: id };
            Some(self.store_track(lease, &language, text.into(), origin).await?)
        };
        Ok(Heard {
            transcript: Some(NewTranscript {
                id,
                asset: lease.asset,
                language,
                asked_language: lease.language.clone(),
                segments: heard.segments.into_iter().map(stored).collect(),
                provenance: provenance.clone(),
            }),
            track,
            artifact: Some(NewAiArtifact {
                id: AiArtifactId::generate(),
                kind: ArtifactKind::Transcript,
                prompt_ref: None,
                output: None,
                source: Some(lease.asset),
                cost_micro_usd: 0,
                provenance,
            }),
        })
    }

    async fn listen(
        &self,
        lease: &Lease,
        blob: &BlobName,
        bytes: u64,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> Result<Transcript, JobError> {
        // The listener reports from its own thread, and this job's progress lives no longer than the job.
        let (reporter, mut reports) = tokio::sync::watch::channel(0u8);
        let report = Arc::new(move |part: f32| {
            reporter.send_replace((part * 100.0) as u8);
        });
        let read = |range: std::ops::Range<u64>| async move { self.blobs.read(blob, range.start, range.end - range.start, None).await };
        let listening = self.listener.transcribe(bytes, read, lease.language.clone(), stop, report);
        let watching = async {
            while reports.changed().await.is_ok() {
                progress.at(*reports.borrow_and_update());
            }
            std::future::pending().await
        };
        tokio::select! {
            heard = listening => heard.map_err(refusal),
            never = watching => never,
        }
    }

    /// Removes what attempts before this one left in the bucket. No row names it: only a commit would have.
    async fn clear_earlier_attempts(&self, lease: &Lease) -> Result<(), JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.earlier").await?;
        let earlier = tx.output_uploads().of_earlier_attempts(lease).await?;
        drop(tx);
        if earlier.is_empty() {
            return Ok(());
        }
        for OutputUpload { blob, s3_upload_id } in earlier {
            // First the upload: after that it cannot become an object any more.
            self.blobs.abort(&UploadHandle { blob: blob.clone(), upload_id: s3_upload_id }).await.map_err(store)?;
            self.blobs.erase(&blob).await.map_err(store)?;
        }
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.earlier").await?;
        tx.output_uploads().forget_earlier_attempts(lease.work, lease.attempt).await?;
        Ok(tx.commit().await?)
    }

    /// Puts the captions where no version has been before. The upload id is written down first, so that a later attempt can clear
    /// them away if this one does not come to its commit.
    async fn store_track(&self, lease: &Lease, language: &str, text: Bytes, origin: CaptionOrigin) -> Result<NewCaptionTrack, JobError> {
        let id = CaptionTrackId::generate();
        let language: LanguageTag = language.parse().map_err(internal)?;
        let blob = self.blobs.in_bucket(&keys::caption(lease.tenant, lease.asset, &language, id));
        let size_bytes = text.len() as u64;
        let upload = self.blobs.create(&blob, VTT).await.map_err(store)?;
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.open_upload").await?;
        let written = OutputUpload { blob: blob.clone(), s3_upload_id: upload.upload_id.clone() };
        tx.output_uploads().insert(lease, &self.speech, &written).await?;
        tx.commit().await?;
        let part = self.blobs.upload_part(&upload, 1, text).await.map_err(store)?;
        self.blobs.complete(&upload, &[part]).await.map_err(store)?;
        let kind = CaptionKind::Captions;
        Ok(NewCaptionTrack { id, asset: lease.asset, language: language.to_string(), kind, blob, size_bytes, origin })
    }

    /// The engine with its version, as provenance names it.
    fn engine(&self) -> String {
        let info = self.listener.recognizer().info();
        format!("{} {}", info.engine, info.engine_version)
    }

    fn provenance(&self) -> Provenance {
        let info = self.listener.recognizer().info();
        let trace = trace_context::current_traceparent();
        Provenance {
            model: info.model.clone(),
            trace_id: trace.as_deref().and_then(|traceparent| traceparent.split('-').nth(1)).unwrap_or_default().to_owned(),
            generated_at: OffsetDateTime::now_utc(),
            prompt_id: None,
            prompt_version: None,
            decision_id: None,
            engine: Some(self.engine()),
            model_sha256: Some(info.model_sha256.clone()),
        }
    }
}

fn stored(segment: Segment) -> media_storage::transcripts::Segment {
    media_storage::transcripts::Segment {
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        text: segment.text,
        speaker_label: segment.speaker_label,
        confidence: Some(segment.confidence),
    }
}

fn refusal(error: ListenError<BlobError>) -> JobError {
    match error {
        ListenError::Read(error) => store(error),
        ListenError::Recognize(RecognizeError::Cancelled) => JobError::Stopped,
        ListenError::Recognize(RecognizeError::UnsupportedLanguage { asked, model }) => JobError::Permanent {
            reason: Reason::LanguageUnsupported,
            detail: format!("the model {model} does not know the language {asked}"),
        },
        error => internal(error),
    }
}

pub(crate) fn store(error: BlobError) -> JobError {
    match error {
        // Another attempt aborted our upload: it holds the lease.
        BlobError::UploadGone => JobError::LeaseLost,
        // Rotated credentials or a missing right are an operator's matter, and no fault of the file.
        error if error.is_transient() || matches!(error, BlobError::Denied(_)) => JobError::Unavailable(error.into()),
        error => internal(error),
    }
}

pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> JobError {
    JobError::Failed { reason: Reason::Internal, source: Box::new(error) }
}
