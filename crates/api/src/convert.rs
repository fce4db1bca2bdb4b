//! Rows to protobuf.

pub mod operations;
pub mod provenance;

use media_domain::{
    CaptionKind, CaptionSource, CaptionTrackId, Kind, Source, Status,
    archive::{Archive, ArchiveState},
    asset::{Priority, RetentionClass},
    caption::TrackState,
    provenance::ArtifactKind,
    reason::Verdict,
    work::WorkState,
};
use media_proto::{Timestamp, v1};
use media_storage::{assets::Asset, caption_tracks::CaptionTrack, transcode_jobs::Job, variants::Variant};
use time::OffsetDateTime;
use uuid::Uuid;

/// Gives a row's word its protobuf counterpart, and back where callers send it; the compiler sees that none is missing.
macro_rules! words {
    ($to:ident, $from:ident: $domain:ident <-> $proto:ident { $($word:ident),+ $(,)? }) => {
        pub fn $to(word: $domain) -> v1::$proto {
            match word { $($domain::$word => v1::$proto::$word),+ }
        }

        /// `None` for unspecified.
        pub fn $from(word: v1::$proto) -> Option<$domain> {
            match word { v1::$proto::Unspecified => None, $(v1::$proto::$word => Some($domain::$word)),+ }
        }
    };
}

words!(kind, read_kind: Kind <-> AssetKind { Image, Audio, Video, Document, Subtitle, AiImage, AiAudio });
words!(source, read_source: Source <-> AssetSource { Upload, AiGenerated, Imported });
words!(caption_kind, read_caption_kind: CaptionKind <-> CaptionKind { Captions, Subtitles, Descriptions });
words!(caption_source, read_caption_source: CaptionSource <-> CaptionSource { Ai, Human, Imported });
words!(artifact_kind, read_artifact_kind: ArtifactKind <-> AiArtifactKind { Transcript, AiImage, AiAudio });
words!(status, read_status: Status <-> AssetStatus { Uploading, Scanning, Transcoding, Ready, Failed, Quarantined });

/// `None` for unspecified.
pub fn read_priority(priority: v1::Priority) -> Option<Priority> {
    match priority {
        v1::Priority::Unspecified => None,
        v1::Priority::Interactive => Some(Priority::Interactive),
        v1::Priority::Normal => Some(Priority::Normal),
        v1::Priority::Backfill => Some(Priority::Backfill),
    }
}

fn verdict(verdict: Option<Verdict>) -> v1::ScanVerdict {
    match verdict {
        None => v1::ScanVerdict::Unspecified,
        Some(Verdict::Clean) => v1::ScanVerdict::Clean,
        Some(Verdict::Partial) => v1::ScanVerdict::Partial,
        Some(Verdict::Infected) => v1::ScanVerdict::Infected,
        Some(Verdict::Released) => v1::ScanVerdict::Released,
    }
}

fn retention_class(class: RetentionClass) -> v1::RetentionClass {
    match class {
        RetentionClass::Operational => v1::RetentionClass::Operational,
        RetentionClass::Bundle => v1::RetentionClass::Bundle,
        RetentionClass::AiGenerated => v1::RetentionClass::AiGenerated,
        RetentionClass::Authored => v1::RetentionClass::Authored,
    }
}

pub fn read_retention_class(class: v1::RetentionClass) -> Option<RetentionClass> {
    match class {
        v1::RetentionClass::Unspecified => None,
        v1::RetentionClass::Operational => Some(RetentionClass::Operational),
        v1::RetentionClass::Bundle => Some(RetentionClass::Bundle),
        v1::RetentionClass::AiGenerated => Some(RetentionClass::AiGenerated),
        v1::RetentionClass::Authored => Some(RetentionClass::Authored),
    }
}

fn job_status(state: WorkState) -> v1::JobStatus {
    match state {
        WorkState::Waiting => v1::JobStatus::Waiting,
        WorkState::Running => v1::JobStatus::Running,
        WorkState::Succeeded => v1::JobStatus::Succeeded,
        WorkState::Failed => v1::JobStatus::Failed,
        WorkState::Skipped => v1::JobStatus::Skipped,
        WorkState::Cancelled => v1::JobStatus::Cancelled,
    }
}

pub fn asset(asset: &Asset) -> v1::Asset {
    let info = asset.info.as_ref();
    let look = info.and_then(|info| info.look.as_ref());
    v1::Asset {
        id: asset.id.to_string(),
        tenant_id: asset.tenant.to_string(),
        owner_user_id: asset.owner.to_string(),
        kind: kind(asset.kind).into(),
        source: source(asset.source).into(),
        status: status(asset.status).into(),
        mime: asset.mime.clone().unwrap_or_default(),
        size_bytes: asset.size_bytes.unwrap_or_default().cast_signed(),
        sha256: asset.sha256.clone().or_else(|| asset.declared_sha256.clone()).unwrap_or_default(),
        filename: asset.filename.clone().unwrap_or_default(),
        width: asset.width.map(u32::cast_signed),
        height: asset.height.map(u32::cast_signed),
        duration_seconds: asset.duration_seconds.map(u32::cast_signed),
        failure_reason: asset.failure_reason.map(|reason| reason.to_string()).unwrap_or_default(),
        failure_detail: asset.failure_detail.clone().unwrap_or_default(),
        scan_verdict: verdict(asset.verdict).into(),
        retention_class: retention_class(asset.retention_class).into(),
        retention_until: asset.retention_until.map(timestamp),
        create_time: Some(timestamp(asset.created_at)),
        delete_time: asset.deleted_at.map(timestamp),
        etag: asset.etag.to_string(),
        blurhash: look.map(|look| look.blurhash.clone()).unwrap_or_default(),
        dominant_color: look.map(|look| look.color.clone()).unwrap_or_default(),
        page_count: info.and_then(|info| info.document.as_ref()).map(|document| document.pages.cast_signed()),
        deduplicated: asset.deduplicated,
        archive_state: asset.archive.map_or(v1::ArchiveState::Unspecified, archive_state).into(),
        archive_available_until: asset.archive.and_then(|archive| archive.available_until).map(timestamp),
    }
}

fn archive_state(archive: Archive) -> v1::ArchiveState {
    match archive.state {
        ArchiveState::Archived if !archive.class.needs_restore() => v1::ArchiveState::Available,
        ArchiveState::Archiving | ArchiveState::Archived => v1::ArchiveState::Archived,
        ArchiveState::Restoring => v1::ArchiveState::Restoring,
        ArchiveState::Available => v1::ArchiveState::Available,
    }
}

pub fn variant(variant: &Variant) -> v1::Variant {
    let loss = variant.details.loss;
    v1::Variant {
        id: variant.id.to_string(),
        profile: variant.profile.to_string(),
        mime: variant.mime.clone(),
        size_bytes: variant.size_bytes.cast_signed(),
        width: variant.width.map(u32::cast_signed),
        height: variant.height.map(u32::cast_signed),
        bitrate_bps: variant.bitrate.map(u32::cast_signed),
        create_time: time_of_id(variant.id.as_uuid()),
        duration_ms: variant.duration_ms.map(u64::cast_signed),
        language: variant.language.clone().unwrap_or_default(),
        channels: variant.channels.map(u32::cast_signed),
        missing_ms: loss.map(|loss| loss.missing_ms.cast_signed()),
        missing_frames: loss.map(|loss| loss.missing_frames.cast_signed()),
    }
}

pub fn job(job: &Job) -> v1::Job {
    // A skipped job has its why in words, a failed one a word that programs know.
    let reason = match job.state {
        WorkState::Skipped => job.error_message.clone(),
        _ => job.reason.map(|reason| reason.to_string()),
    };
    v1::Job {
        id: job.id.to_string(),
        profile: job.profile.to_string(),
        status: job_status(job.state).into(),
        progress_percent: job.progress_percent.into(),
        required: job.required,
        reason: reason.unwrap_or_default(),
        detail: job.error_message.clone().filter(|_| job.state == WorkState::Failed).unwrap_or_default(),
    }
}

pub fn caption_track(track: &CaptionTrack) -> v1::CaptionTrack {
    let status = match track.state() {
        TrackState::Waiting => v1::CaptionStatus::Waiting,
        TrackState::Approved => v1::CaptionStatus::Approved,
        TrackState::Rejected => v1::CaptionStatus::Rejected,
        TrackState::Superseded => v1::CaptionStatus::Superseded,
    };
    let version = |id: Option<CaptionTrackId>| id.map(|id| id.to_string()).unwrap_or_default();
    v1::CaptionTrack {
        id: track.id.to_string(),
        language: track.language.clone(),
        kind: caption_kind(track.kind).into(),
        source: caption_source(track.source).into(),
        approved: track.approved,
        create_time: time_of_id(track.id.as_uuid()),
        status: status.into(),
        version: i32::try_from(track.version).unwrap_or(i32::MAX),
        based_on: version(track.based_on),
        superseded_by: version(track.superseded_by),
        reviewed_by: track.reviewed_by.map(|id| id.to_string()).unwrap_or_default(),
        review_time: track.reviewed_at.map(timestamp),
        asset_id: track.asset.to_string(),
    }
}

pub fn timestamp(time: OffsetDateTime) -> Timestamp {
    Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
}

/// `None` for a time outside the years 1 to 9999 (google.protobuf.Timestamp).
pub fn read_timestamp(time: &Timestamp) -> Option<OffsetDateTime> {
    let time = OffsetDateTime::from_unix_timestamp(time.seconds).ok()?.replace_nanosecond(u32::try_from(time.nanos).ok()?).ok()?;
    (1..=9999).contains(&time.year()).then_some(time)
}

/// When a row was made: a ULID opens with 48 bits of milliseconds since 1970.
fn time_of_id(id: Uuid) -> Option<Timestamp> {
    let millis = i128::try_from(id.as_u128() >> 80).ok()?;
    OffsetDateTime::from_unix_timestamp_nanos(millis * 1_000_000).ok().map(timestamp)
}

#[cfg(test)]
mod tests {
    use media_domain::VariantId;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_go_there_and_back() {
        let time = datetime!(2026-11-24 12:00:00.123456 UTC);
        assert_eq!(read_timestamp(&timestamp(time)), Some(time));
        assert_eq!(read_timestamp(&Timestamp { seconds: 0, nanos: -1 }), None);
        assert_eq!(read_timestamp(&Timestamp { seconds: i64::MAX, nanos: 0 }), None);
    }

    #[test]
    fn a_row_was_made_when_its_id_was() {
        let made: VariantId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
        assert_eq!(time_of_id(made.as_uuid()).unwrap().seconds, 1_469_922_850);
    }

    #[test]
    fn every_word_reads_back() {
        assert!(Kind::ALL.iter().all(|word| read_kind(kind(*word)) == Some(*word)));
        assert!(Status::ALL.iter().all(|word| read_status(status(*word)) == Some(*word)));
        assert!(CaptionKind::ALL.iter().all(|word| read_caption_kind(caption_kind(*word)) == Some(*word)));
        assert!(CaptionSource::ALL.iter().all(|word| read_caption_source(caption_source(*word)) == Some(*word)));
        assert!(Source::ALL.iter().all(|word| read_source(source(*word)) == Some(*word)));
    }
}
