//! Facts that consumers follow, past tense. They carry ids, sizes and reasons; never file names, text or URLs.
//!
//! The data is protobuf JSON (lowerCamelCase names, 64-bit numbers as strings) of the message that `proto/media/v1/events.proto`
//! has for the type.

use serde::Serialize;

use crate::{
    AiArtifactId, AssetId, CaptionKind, CaptionTrackId, JobId, Kind, OwnerId, Reason, Source, TranscriptId, VariantId,
    profile::ProfileName, reason::Verdict,
};

/// A fact about one aggregate. Every type here has an asset for its aggregate.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Event {
    AssetCreated(AssetCreated),
    AssetUploaded(AssetUploaded),
    AssetScanned(AssetScanned),
    AssetQuarantined(AssetQuarantined),
    AssetReleased(AssetReleased),
    AssetReady(AssetReady),
    AssetFailed(AssetFailed),
    AssetDeleted(AssetDeleted),
    VariantCreated(VariantCreated),
    VariantFailed(VariantFailed),
    CaptionCreated(CaptionCreated),
    CaptionApproved(CaptionReviewed),
    CaptionRejected(CaptionReviewed),
    CaptionDeleted(CaptionDeleted),
    TranscriptCreated(TranscriptCreated),
    AiArtifactRecorded(AiArtifactRecorded),
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetCreated {
    pub asset_id: AssetId,
    pub owner_user_id: OwnerId,
    pub kind: Kind,
    pub source: Source,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetUploaded {
    pub asset_id: AssetId,
    #[serde(serialize_with = "int64")]
    pub size_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetScanned {
    pub asset_id: AssetId,
    pub verdict: Verdict,
    pub sha256: String,
    pub mime: String,
    #[serde(serialize_with = "int64")]
    pub size_bytes: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetQuarantined {
    pub asset_id: AssetId,
    pub signature: String,
    pub sha256: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetReleased {
    pub asset_id: AssetId,
    /// What had been found, and may pass from now on.
    pub signature: String,
    pub sha256: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetReady {
    pub asset_id: AssetId,
    pub kind: Kind,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetFailed {
    pub asset_id: AssetId,
    pub reason: Reason,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetDeleted {
    pub asset_id: AssetId,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantCreated {
    pub asset_id: AssetId,
    pub variant_id: VariantId,
    pub profile: ProfileName,
    pub mime: String,
    #[serde(serialize_with = "int64")]
    pub size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Of a damaged file: how much is missing at its end.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_int64")]
    pub missing_ms: Option<u64>,
    /// Of a damaged file: how many frames are missing.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "optional_int64")]
    pub missing_frames: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantFailed {
    pub asset_id: AssetId,
    pub job_id: JobId,
    pub profile: ProfileName,
    pub reason: Reason,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptionCreated {
    pub asset_id: AssetId,
    pub caption_track_id: CaptionTrackId,
    pub language: String,
    pub source: String,
}

/// Of an approval and of a rejection.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptionReviewed {
    pub asset_id: AssetId,
    pub caption_track_id: CaptionTrackId,
    pub language: String,
    pub kind: CaptionKind,
    pub reviewed_by: OwnerId,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaptionDeleted {
    pub asset_id: AssetId,
    pub caption_track_id: CaptionTrackId,
    pub language: String,
    pub kind: CaptionKind,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TranscriptCreated {
    pub asset_id: AssetId,
    pub transcript_id: TranscriptId,
    pub language: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AiArtifactRecorded {
    pub asset_id: AssetId,
    pub ai_artifact_id: AiArtifactId,
    pub kind: String,
}

impl Event {
    /// The CloudEvents type, which is also the routing key.
    pub const fn event_type(&self) -> &'static str {
        match self {
            Event::AssetCreated(_) => "media.asset.created.v1",
            Event::AssetUploaded(_) => "media.asset.uploaded.v1",
            Event::AssetScanned(_) => "media.asset.scanned.v1",
            Event::AssetQuarantined(_) => "media.asset.quarantined.v1",
            Event::AssetReleased(_) => "media.asset.released.v1",
            Event::AssetReady(_) => "media.asset.ready.v1",
            Event::AssetFailed(_) => "media.asset.failed.v1",
            Event::AssetDeleted(_) => "media.asset.deleted.v1",
            Event::VariantCreated(_) => "media.variant.created.v1",
            Event::VariantFailed(_) => "media.variant.failed.v1",
            Event::CaptionCreated(_) => "media.caption.created.v1",
            Event::CaptionApproved(_) => "media.caption.approved.v1",
            Event::CaptionRejected(_) => "media.caption.rejected.v1",
            Event::CaptionDeleted(_) => "media.caption.deleted.v1",
            Event::TranscriptCreated(_) => "media.transcript.created.v1",
            Event::AiArtifactRecorded(_) => "media.ai_artifact.recorded.v1",
        }
    }

    /// The aggregate: events of one asset are numbered 1, 2, 3 and arrive in that order.
    pub const fn asset(&self) -> AssetId {
        match self {
            Event::AssetCreated(e) => e.asset_id,
            Event::AssetUploaded(e) => e.asset_id,
            Event::AssetScanned(e) => e.asset_id,
            Event::AssetQuarantined(e) => e.asset_id,
            Event::AssetReleased(e) => e.asset_id,
            Event::AssetReady(e) => e.asset_id,
            Event::AssetFailed(e) => e.asset_id,
            Event::AssetDeleted(e) => e.asset_id,
            Event::VariantCreated(e) => e.asset_id,
            Event::VariantFailed(e) => e.asset_id,
            Event::CaptionCreated(e) => e.asset_id,
            Event::CaptionApproved(e) | Event::CaptionRejected(e) => e.asset_id,
            Event::CaptionDeleted(e) => e.asset_id,
            Event::TranscriptCreated(e) => e.asset_id,
            Event::AiArtifactRecorded(e) => e.asset_id,
        }
    }
}

/// 64-bit numbers are strings in protobuf JSON.
fn int64<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Of those that are there; the others are skipped before.
fn optional_int64<S: serde::Serializer>(value: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_is_protobuf_json_and_holds_no_tag() {
        let asset_id = AssetId::generate();
        let event = Event::AssetUploaded(AssetUploaded { asset_id, size_bytes: 12 });
        assert_eq!(serde_json::to_value(&event).unwrap(), serde_json::json!({"assetId": asset_id.to_string(), "sizeBytes": "12"}));
    }
}
