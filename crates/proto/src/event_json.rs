//! The data of an event, as `domain` writes it, is protobuf JSON of its message: both sides of the outbox agree.

use media_domain::{
    AiArtifactId, AssetId, CaptionKind, CaptionTrackId, ErasureId, JobId, Kind, OwnerId, Reason, Source, TranscriptId, VariantId, event::*,
    provenance::ArtifactKind, reason::Verdict,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::v1;

/// Says that data is as `docs/events/schemas` describes it.
fn fits(event_type: &str, data: &serde_json::Value) {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/events/schemas/{}.json"), event_type);
    let schema: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(data).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{event_type}: {errors:?}");
}

/// Reads an event's data as a message `M` and writes it again: what comes out has to be what went in, field by field.
fn agrees<M: Serialize + DeserializeOwned>(event: &Event) {
    let data = serde_json::to_value(event).unwrap();
    fits(event.event_type(), &data);
    let message: M = serde_json::from_value(data.clone()).unwrap_or_else(|error| panic!("{}: {error}: {data}", event.event_type()));
    assert_eq!(serde_json::to_value(&message).unwrap(), data, "{}", event.event_type());
}

#[test]
fn every_event_reads_as_its_message_and_loses_nothing() {
    let asset_id = AssetId::generate();
    let profile = || "h264-720p".to_owned().try_into().unwrap();
    let sha256 = || "a".repeat(64);
    agrees::<v1::AssetCreated>(&Event::AssetCreated(AssetCreated {
        asset_id,
        owner_user_id: OwnerId::generate(),
        kind: Kind::AiImage,
        source: Source::Upload,
    }));
    agrees::<v1::AssetUploaded>(&Event::AssetUploaded(AssetUploaded { asset_id, size_bytes: 1 << 40 }));
    agrees::<v1::AssetScanned>(&Event::AssetScanned(AssetScanned {
        asset_id,
        verdict: Verdict::Partial,
        sha256: sha256(),
        mime: "video/mp4".into(),
        size_bytes: 7,
    }));
    agrees::<v1::AssetQuarantined>(&Event::AssetQuarantined(AssetQuarantined {
        asset_id,
        signature: "Eicar-Signature".into(),
        sha256: sha256(),
    }));
    agrees::<v1::AssetReleased>(&Event::AssetReleased(AssetReleased { asset_id, signature: "Eicar-Signature".into(), sha256: sha256() }));
    agrees::<v1::AssetReady>(&Event::AssetReady(AssetReady { asset_id, kind: Kind::Video }));
    agrees::<v1::AssetFailed>(&Event::AssetFailed(AssetFailed { asset_id, reason: Reason::HashMismatch }));
    agrees::<v1::AssetDeleted>(&Event::AssetDeleted(AssetDeleted { asset_id }));
    agrees::<v1::AssetUndeleted>(&Event::AssetUndeleted(AssetUndeleted { asset_id }));
    agrees::<v1::AssetErased>(&Event::AssetErased(AssetErased { asset_id }));
    agrees::<v1::AssetArchived>(&Event::AssetArchived(AssetArchived { asset_id }));
    let available_until = time::OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    // A time is written with a Z, as ProtoJSON has it; pbjson reads that, and itself writes +00:00.
    let restored = serde_json::to_value(Event::AssetRestored(AssetRestored { asset_id, available_until })).unwrap();
    fits("media.asset.restored.v1", &restored);
    assert_eq!(restored, serde_json::json!({ "assetId": asset_id.to_string(), "availableUntil": "2027-01-15T08:00:00Z" }));
    let read: v1::AssetRestored = serde_json::from_value(restored).unwrap();
    assert_eq!((read.asset_id, read.available_until.unwrap().seconds), (asset_id.to_string(), 1_800_000_000));
    agrees::<v1::TenantErased>(&Event::TenantErased(TenantErased {
        tenant_id: "7d444840-9dc0-11d1-b245-5ffdce74fad2".parse().unwrap(),
        erasure_id: ErasureId::generate(),
    }));
    agrees::<v1::QuotaWarned>(&Event::QuotaWarned(QuotaWarned {
        tenant_id: "7d444840-9dc0-11d1-b245-5ffdce74fad2".parse().unwrap(),
        percent: 80,
        used_bytes: 1 << 40,
        reserved_bytes: 7,
        quota_bytes: 1 << 50,
    }));
    let variant = |width, height| {
        Event::VariantCreated(VariantCreated {
            asset_id,
            variant_id: VariantId::generate(),
            profile: profile(),
            mime: "video/mp4".into(),
            size_bytes: 9,
            width,
            height,
            missing_ms: width.map(|_| 3_000),
            missing_frames: width.map(|_| 90),
        })
    };
    agrees::<v1::VariantCreated>(&variant(Some(1280), Some(720)));
    agrees::<v1::VariantCreated>(&variant(None, None));
    agrees::<v1::VariantFailed>(&Event::VariantFailed(VariantFailed {
        asset_id,
        job_id: JobId::generate(),
        profile: profile(),
        reason: Reason::TimedOut,
    }));
    agrees::<v1::CaptionCreated>(&Event::CaptionCreated(CaptionCreated {
        asset_id,
        caption_track_id: CaptionTrackId::generate(),
        language: "en".into(),
        source: "ai".into(),
    }));
    let reviewed = || CaptionReviewed {
        asset_id,
        caption_track_id: CaptionTrackId::generate(),
        language: "en".into(),
        kind: CaptionKind::Subtitles,
        reviewed_by: OwnerId::generate(),
    };
    agrees::<v1::CaptionReviewed>(&Event::CaptionApproved(reviewed()));
    agrees::<v1::CaptionReviewed>(&Event::CaptionRejected(reviewed()));
    agrees::<v1::CaptionDeleted>(&Event::CaptionDeleted(CaptionDeleted {
        asset_id,
        caption_track_id: CaptionTrackId::generate(),
        language: "en".into(),
        kind: CaptionKind::Captions,
    }));
    agrees::<v1::TranscriptCreated>(&Event::TranscriptCreated(TranscriptCreated {
        asset_id,
        transcript_id: TranscriptId::generate(),
        language: "en".into(),
    }));
    agrees::<v1::AiArtifactRecorded>(&Event::AiArtifactRecorded(AiArtifactRecorded {
        asset_id,
        ai_artifact_id: AiArtifactId::generate(),
        kind: ArtifactKind::AiImage,
    }));
}

#[test]
fn the_descriptors_hold_every_service() {
    let text = String::from_utf8_lossy(crate::FILE_DESCRIPTOR_SET);
    for service in [
        "UploadService",
        "AssetService",
        "PlaybackService",
        "CaptionService",
        "TranscriptService",
        "OperationsService",
        "QuarantineService",
        "RetentionService",
    ] {
        assert!(text.contains(service), "{service}");
    }
}
