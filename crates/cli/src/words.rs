//! The enums of the contract as the words of the design, and back.

use media_domain::{
    CaptionKind, CaptionSource, Kind, Source, Status,
    asset::{Priority, RetentionClass},
    policy::{CaptionMode, CaptionVisibility},
    provenance::ArtifactKind,
    work::{Queue, WorkState},
};
use media_proto::v1;

fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

pub fn kind(kind: v1::AssetKind) -> String {
    word(kind.as_str_name(), "ASSET_KIND_")
}

pub fn status(status: v1::AssetStatus) -> String {
    word(status.as_str_name(), "ASSET_STATUS_")
}

pub fn source(source: v1::AssetSource) -> String {
    word(source.as_str_name(), "ASSET_SOURCE_")
}

pub fn verdict(verdict: v1::ScanVerdict) -> String {
    word(verdict.as_str_name(), "SCAN_VERDICT_")
}

pub fn retention(class: v1::RetentionClass) -> String {
    word(class.as_str_name(), "RETENTION_CLASS_")
}

pub fn retention_named(class: RetentionClass) -> v1::RetentionClass {
    v1::RetentionClass::from_str_name(&format!("RETENTION_CLASS_{}", class.as_str().to_uppercase())).unwrap_or_default()
}

pub fn archive(state: v1::ArchiveState) -> String {
    word(state.as_str_name(), "ARCHIVE_STATE_")
}

pub fn job(status: v1::JobStatus) -> String {
    word(status.as_str_name(), "JOB_STATUS_")
}

pub fn caption_kind(kind: v1::CaptionKind) -> String {
    word(kind.as_str_name(), "CAPTION_KIND_")
}

pub fn caption_source(source: v1::CaptionSource) -> String {
    word(source.as_str_name(), "CAPTION_SOURCE_")
}

pub fn caption_status(status: v1::CaptionStatus) -> String {
    word(status.as_str_name(), "CAPTION_STATUS_")
}

pub fn caption_kind_named(kind: CaptionKind) -> v1::CaptionKind {
    v1::CaptionKind::from_str_name(&format!("CAPTION_KIND_{}", kind.as_str().to_uppercase())).unwrap_or_default()
}

pub fn caption_source_named(source: CaptionSource) -> v1::CaptionSource {
    v1::CaptionSource::from_str_name(&format!("CAPTION_SOURCE_{}", source.as_str().to_uppercase())).unwrap_or_default()
}

pub fn queue(queue: v1::WorkQueue) -> String {
    word(queue.as_str_name(), "WORK_QUEUE_")
}

pub fn outcome(outcome: v1::RedriveOutcome) -> String {
    word(outcome.as_str_name(), "REDRIVE_OUTCOME_")
}

pub fn decision(kind: v1::QuarantineDecisionKind) -> String {
    word(kind.as_str_name(), "QUARANTINE_DECISION_KIND_")
}

pub fn queue_named(queue: Queue) -> v1::WorkQueue {
    v1::WorkQueue::from_str_name(&format!("WORK_QUEUE_{}", queue.as_str().to_uppercase())).unwrap_or_default()
}

pub fn job_status_named(state: WorkState) -> v1::JobStatus {
    v1::JobStatus::from_str_name(&format!("JOB_STATUS_{}", state.as_str().to_uppercase())).unwrap_or_default()
}

pub fn caption_mode(mode: v1::CaptionMode) -> String {
    word(mode.as_str_name(), "CAPTION_MODE_")
}

pub fn caption_visibility(visibility: v1::CaptionVisibility) -> String {
    word(visibility.as_str_name(), "CAPTION_VISIBILITY_")
}

pub fn caption_mode_named(mode: CaptionMode) -> v1::CaptionMode {
    v1::CaptionMode::from_str_name(&format!("CAPTION_MODE_{}", mode.as_str().to_uppercase())).unwrap_or_default()
}

pub fn caption_visibility_named(visibility: CaptionVisibility) -> v1::CaptionVisibility {
    v1::CaptionVisibility::from_str_name(&format!("CAPTION_VISIBILITY_{}", visibility.as_str().to_uppercase())).unwrap_or_default()
}

pub fn artifact_kind(kind: v1::AiArtifactKind) -> String {
    word(kind.as_str_name(), "AI_ARTIFACT_KIND_")
}

pub fn artifact_kind_named(kind: ArtifactKind) -> v1::AiArtifactKind {
    v1::AiArtifactKind::from_str_name(&format!("AI_ARTIFACT_KIND_{}", kind.as_str().to_uppercase())).unwrap_or_default()
}

pub fn kind_named(kind: Kind) -> v1::AssetKind {
    v1::AssetKind::from_str_name(&format!("ASSET_KIND_{}", kind.as_str().to_uppercase())).unwrap_or_default()
}

pub fn status_named(status: Status) -> v1::AssetStatus {
    v1::AssetStatus::from_str_name(&format!("ASSET_STATUS_{}", status.as_str().to_uppercase())).unwrap_or_default()
}

pub fn source_named(source: Source) -> v1::AssetSource {
    v1::AssetSource::from_str_name(&format!("ASSET_SOURCE_{}", source.as_str().to_uppercase())).unwrap_or_default()
}

pub fn priority_named(priority: Priority) -> v1::Priority {
    v1::Priority::from_str_name(&format!("PRIORITY_{}", priority.as_str().to_uppercase())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_design_has_its_place_in_the_contract() {
        for &each in Kind::ALL {
            assert_eq!(kind(kind_named(each)), each.as_str());
        }
        for &each in CaptionKind::ALL {
            assert_eq!(caption_kind(caption_kind_named(each)), each.as_str());
        }
        for &each in CaptionSource::ALL {
            assert_eq!(caption_source(caption_source_named(each)), each.as_str());
        }
        for &each in ArtifactKind::ALL {
            assert_eq!(artifact_kind(artifact_kind_named(each)), each.as_str());
        }
        for &each in Status::ALL {
            assert_eq!(status(status_named(each)), each.as_str());
        }
        for &each in CaptionMode::ALL {
            assert_eq!(caption_mode(caption_mode_named(each)), each.as_str());
        }
        for &each in CaptionVisibility::ALL {
            assert_eq!(caption_visibility(caption_visibility_named(each)), each.as_str());
        }
        for &each in RetentionClass::ALL {
            assert_eq!(retention(retention_named(each)), each.as_str());
        }
        for &each in Source::ALL {
            assert_eq!(source(source_named(each)), each.as_str());
        }
        for &each in Queue::ALL {
            assert_eq!(queue(queue_named(each)), each.as_str());
        }
        for &each in WorkState::ALL {
            assert_eq!(job(job_status_named(each)), each.as_str());
        }
        for &each in Priority::ALL {
            assert_ne!(priority_named(each), v1::Priority::Unspecified, "{each}");
        }
    }
}
