//! The job: from the `speech` variant to a transcript and a caption track.
//!
//! A stranger's file is never opened here: the `speech` variant was made by our own child.

use std::sync::Arc;

use media_blobs::{BlobError, Blobs, LanguageTag, UploadHandle, keys};
use media_captions::{Reading, write_vtt};
use media_domain::{
    AiArtifactId, BlobName, CaptionTrackId, Reason, TranscriptId,
    event::{AiArtifactRecorded, CaptionCreated, Event, TranscriptCreated},
    profile::ProfileName,
    provenance::Provenance,
    work::Queue,
};
use media_runtime::trace_context;
use media_storage::{
    Database, StorageError, TenantTx,
    ai_artifacts::NewAiArtifact,
    caption_tracks::{CaptionOrigin, NewCaptionTrack},
    output_uploads::OutputUpload,
    transcripts::NewTranscript,
    work::Lease,
};
use media_worker::{JobError, Progress, Work};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::{
    speech::{RecognizeError, Segment, Transcript},
    windows::{ListenError, Listener},
};

/// What the artifact's row says that it is.
const ARTIFACT_KIND: &str = "transcript";
const VTT: &str = "text/vtt";

/// Writes down what is said in assets.
pub struct Captioner {
    pub database: Database,
    pub blobs: Blobs,
    pub listener: Listener,
    /// The profile whose variant is heard.
    pub speech: ProfileName,
}

/// What was heard, and where its captions lie.
pub struct Heard {
    transcript: NewTranscript,
    /// None where nobody spoke.
    track: Option<NewCaptionTrack>,
    artifact: NewAiArtifact,
}

impl Work for Captioner {
    const QUEUE: Queue = Queue::Caption;
    type Outcome = Heard;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Heard, JobError> {
        self.clear_earlier_attempts(lease).await?;
        let variant = self.speech_variant(lease).await?;
        let heard = self.listen(&variant.blob, variant.size_bytes, progress, stop).await?;
        let provenance = self.provenance();
        let language = heard.language.clone();
        let track = if heard.segments.is_empty() { None } else { Some(self.store_track(lease, &heard, provenance.clone()).await?) };
        Ok(Heard {
            transcript: NewTranscript {
                id: TranscriptId::generate(),
                asset: lease.asset,
                language,
                segments: heard.segments.into_iter().map(stored).collect(),
                provenance: provenance.clone(),
            },
            track,
            artifact: NewAiArtifact {
                id: AiArtifactId::generate(),
                kind: ARTIFACT_KIND,
                source: lease.asset,
                cost_micro_usd: 0,
                provenance,
            },
        })
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, heard: &Heard) -> Result<(), StorageError> {
        let asset_id = lease.asset;
        tx.transcripts().insert(&heard.transcript).await?;
        let told = TranscriptCreated { asset_id, transcript_id: heard.transcript.id, language: heard.transcript.language.clone() };
        tx.outbox().event(&Event::TranscriptCreated(told)).await?;
        if let Some(track) = &heard.track {
            tx.caption_tracks().insert(track).await?;
            tx.output_uploads().forget(lease.work).await?;
            let told = CaptionCreated { asset_id, caption_track_id: track.id, language: track.language.clone(), source: "ai".to_owned() };
            tx.outbox().event(&Event::CaptionCreated(told)).await?;
        }
        tx.transcode_jobs().succeed(lease.work, &ProfileName::captions()).await?;
        tx.ai_artifacts().insert(&heard.artifact).await?;
        let told = AiArtifactRecorded { asset_id, ai_artifact_id: heard.artifact.id, kind: heard.artifact.kind.to_owned() };
        tx.outbox().event(&Event::AiArtifactRecorded(told)).await
    }
}

impl Captioner {
    async fn speech_variant(&self, lease: &Lease) -> Result<media_storage::variants::Variant, JobError> {
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.read").await?;
        let variant = tx.variants().lookup(lease.asset, &self.speech).await?;
        Ok(variant.ok_or(StorageError::Missing { what: "speech variant" })?)
    }

    async fn listen(&self, blob: &BlobName, bytes: u64, progress: &Progress, stop: &CancellationToken) -> Result<Transcript, JobError> {
        // The listener reports from its own thread, and this job's progress lives no longer than the job.
        let (reporter, mut reports) = tokio::sync::watch::channel(0u8);
        let report = Arc::new(move |part: f32| {
            reporter.send_replace((part * 100.0) as u8);
        });
        let read = |range: std::ops::Range<u64>| async move { self.blobs.read(blob, range.start, range.end - range.start, None).await };
        let listening = self.listener.transcribe(bytes, read, None, stop, report);
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
            self.blobs.delete(&blob).await.map_err(store)?;
        }
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.earlier").await?;
        tx.output_uploads().forget_earlier_attempts(lease.work, lease.attempt).await?;
        Ok(tx.commit().await?)
    }

    /// Puts the captions where no version has been before. The upload id is written down first, so that a later attempt can clear
    /// them away if this one does not come to its commit.
    async fn store_track(&self, lease: &Lease, heard: &Transcript, provenance: Provenance) -> Result<NewCaptionTrack, JobError> {
        let id = CaptionTrackId::generate();
        let language: LanguageTag = heard.language.parse().map_err(internal)?;
        let blob = self.blobs.in_bucket(&keys::caption(lease.tenant, lease.asset, &language, id));
        let text = write_vtt(&heard.cues(&Reading::default()));
        let size_bytes = text.len() as u64;
        let upload = self.blobs.create(&blob, VTT).await.map_err(store)?;
        let mut tx = self.database.in_tenant(lease.tenant, "captioner.open_upload").await?;
        let written = OutputUpload { blob: blob.clone(), s3_upload_id: upload.upload_id.clone() };
        tx.output_uploads().insert(lease, &self.speech, &written).await?;
        tx.commit().await?;
        let part = self.blobs.upload_part(&upload, 1, text.into()).await.map_err(store)?;
        self.blobs.complete(&upload, &[part]).await.map_err(store)?;
        Ok(NewCaptionTrack {
            id,
            asset: lease.asset,
            language: heard.language.clone(),
            blob,
            size_bytes,
            origin: CaptionOrigin::Ai(provenance),
        })
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
            engine: Some(format!("{} {}", info.engine, info.engine_version)),
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

fn store(error: BlobError) -> JobError {
    match error {
        // Another attempt aborted our upload: it holds the lease.
        BlobError::UploadGone => JobError::LeaseLost,
        // Rotated credentials or a missing right are an operator's matter, and no fault of the file.
        error if error.is_transient() || matches!(error, BlobError::Denied(_)) => JobError::Unavailable(error.into()),
        error => internal(error),
    }
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> JobError {
    JobError::Failed { reason: Reason::Internal, source: Box::new(error) }
}
