//! Facts that consumers follow, past tense. They carry ids, sizes and reasons; never file names, text or URLs.
//!
//! The data is protobuf JSON (lowerCamelCase names, 64-bit numbers as strings) of the message that `proto/media/v1/events.proto`
//! has for the type.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    AiArtifactId, AssetId, CaptionKind, CaptionTrackId, ErasureId, JobId, Kind, OwnerId, Reason, Source, TenantId, TranscriptId, VariantId,
    profile::ProfileName, provenance::ArtifactKind, reason::Verdict,
};

/// What an event is about. Its events are numbered 1, 2, 3 and arrive in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    Asset(AssetId),
    /// The tenant itself.
    Tenant(TenantId),
}

impl Aggregate {
    /// The word that is stored.
    pub const fn word(self) -> &'static str {
        match self {
            Aggregate::Asset(_) => "asset",
            Aggregate::Tenant(_) => "tenant",
        }
    }

    /// What [`word`](Self::word) and id stand for; `None` for a word that this version does not know.
    pub fn of(word: &str, id: Uuid) -> Option<Self> {
        match word {
            "asset" => Some(Aggregate::Asset(id.into())),
            "tenant" => Some(Aggregate::Tenant(TenantId(id))),
            _ => None,
        }
    }

    pub fn as_uuid(self) -> Uuid {
        match self {
            Aggregate::Asset(asset) => asset.as_uuid(),
            Aggregate::Tenant(tenant) => tenant.0,
        }
    }
}

/// As the event's `subject` has it: an asset's ULID, a tenant's UUID.
impl std::fmt::Display for Aggregate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Aggregate::Asset(asset) => asset.fmt(f),
            Aggregate::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// A fact about one aggregate.
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
    AssetUndeleted(AssetUndeleted),
    AssetErased(AssetErased),
    AssetArchived(AssetArchived),
    AssetRestored(AssetRestored),
    VariantCreated(VariantCreated),
    VariantFailed(VariantFailed),
    CaptionCreated(CaptionCreated),
    CaptionApproved(CaptionReviewed),
    CaptionRejected(CaptionReviewed),
    CaptionDeleted(CaptionDeleted),
    TranscriptCreated(TranscriptCreated),
    AiArtifactRecorded(AiArtifactRecorded),
    QuotaWarned(QuotaWarned),
    TenantErased(TenantErased),
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
pub struct AssetUndeleted {
    pub asset_id: AssetId,
}

/// Its row is gone, and nothing names its bytes any more.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetErased {
    pub asset_id: AssetId,
}

/// Its original went to the cold tier, also again after it had been back. Its variants are where they were.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetArchived {
    pub asset_id: AssetId,
}

/// Its original can be read for a while.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetRestored {
    pub asset_id: AssetId,
    #[serde(with = "time::serde::rfc3339")]
    pub available_until: OffsetDateTime,
}

/// Nothing of a tenant is left; the last event of all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TenantErased {
    pub tenant_id: TenantId,
    pub erasure_id: ErasureId,
}

/// A step of the quota was reached by what is stored and what is reserved.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuotaWarned {
    pub tenant_id: TenantId,
    /// The step: one of [`crate::policy::WARNING_PERCENTS`].
    pub percent: u8,
    #[serde(serialize_with = "int64")]
    pub used_bytes: u64,
    #[serde(serialize_with = "int64")]
    pub reserved_bytes: u64,
    #[serde(serialize_with = "int64")]
    pub quota_bytes: u64,
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
    pub kind: ArtifactKind,
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
            Event::AssetUndeleted(_) => "media.asset.undeleted.v1",
            Event::AssetErased(_) => "media.asset.erased.v1",
            Event::AssetArchived(_) => "media.asset.archived.v1",
            Event::AssetRestored(_) => "media.asset.restored.v1",
            Event::VariantCreated(_) => "media.variant.created.v1",
            Event::VariantFailed(_) => "media.variant.failed.v1",
            Event::CaptionCreated(_) => "media.caption.created.v1",
            Event::CaptionApproved(_) => "media.caption.approved.v1",
            Event::CaptionRejected(_) => "media.caption.rejected.v1",
            Event::CaptionDeleted(_) => "media.caption.deleted.v1",
            Event::TranscriptCreated(_) => "media.transcript.created.v1",
            Event::AiArtifactRecorded(_) => "media.ai_artifact.recorded.v1",
            Event::QuotaWarned(_) => "media.quota.warned.v1",
            Event::TenantErased(_) => "media.tenant.erased.v1",
        }
    }

    /// What it is about: the CloudEvent's `subject`.
    pub const fn aggregate(&self) -> Aggregate {
        Aggregate::Asset(match self {
            Event::AssetCreated(e) => e.asset_id,
            Event::AssetUploaded(e) => e.asset_id,
            Event::AssetScanned(e) => e.asset_id,
            Event::AssetQuarantined(e) => e.asset_id,
            Event::AssetReleased(e) => e.asset_id,
            Event::AssetReady(e) => e.asset_id,
            Event::AssetFailed(e) => e.asset_id,
            Event::AssetDeleted(e) => e.asset_id,
            Event::AssetUndeleted(e) => e.asset_id,
            Event::AssetErased(e) => e.asset_id,
            Event::AssetArchived(e) => e.asset_id,
            Event::AssetRestored(e) => e.asset_id,
            Event::VariantCreated(e) => e.asset_id,
            Event::VariantFailed(e) => e.asset_id,
            Event::CaptionCreated(e) => e.asset_id,
            Event::CaptionApproved(e) | Event::CaptionRejected(e) => e.asset_id,
            Event::CaptionDeleted(e) => e.asset_id,
            Event::TranscriptCreated(e) => e.asset_id,
            Event::AiArtifactRecorded(e) => e.asset_id,
            Event::QuotaWarned(e) => return Aggregate::Tenant(e.tenant_id),
            Event::TenantErased(e) => return Aggregate::Tenant(e.tenant_id),
        })
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
    fn a_subject_is_an_assets_ulid_or_a_tenants_uuid_and_reads_back_from_its_row() {
        let (asset, tenant) = (AssetId::generate(), TenantId(uuid::uuid!("7d444840-9dc0-11d1-b245-5ffdce74fad2")));
        for (aggregate, subject) in [(Aggregate::Asset(asset), asset.to_string()), (Aggregate::Tenant(tenant), tenant.to_string())] {
            assert_eq!(aggregate.to_string(), subject);
            assert_eq!(Aggregate::of(aggregate.word(), aggregate.as_uuid()), Some(aggregate));
        }
        assert_eq!(Aggregate::of("person", tenant.0), None);
    }

    #[test]
    fn the_data_is_protobuf_json_and_holds_no_tag() {
        let asset_id = AssetId::generate();
        let event = Event::AssetUploaded(AssetUploaded { asset_id, size_bytes: 12 });
        assert_eq!(serde_json::to_value(&event).unwrap(), serde_json::json!({"assetId": asset_id.to_string(), "sizeBytes": "12"}));
    }
}
