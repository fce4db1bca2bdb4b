//! Rows as players see them: which variants can be played, and which tracks may be shown.

use media_domain::MediaInfo;
use media_manifests::{Caption, CaptionKind, Fragment, FragmentIndex, ManifestError, Rendition, Track};
use media_storage::{caption_tracks::CaptionTrack, variants::Variant};

/// What our AAC profiles make (`Recipe::Aac`).
const AAC_CHANNELS: u32 = 2;

/// Whether a variant is a rung or an audio rendition: a CMAF object with its index.
pub fn is_playable(variant: &Variant) -> bool {
    matches!(variant.mime.as_str(), "video/mp4" | "audio/mp4") && !variant.fragments.is_empty()
}

pub fn is_image(variant: &Variant) -> bool {
    variant.mime.starts_with("image/")
}

/// Whether a player may have a variant's object. The captioner's speech, for one, is nobody else's.
pub fn is_for_players(variant: &Variant) -> bool {
    is_playable(variant) || is_image(variant)
}

/// Players see approved tracks only.
pub fn is_shown(track: &CaptionTrack) -> bool {
    track.approved
}

/// A rung or audio rendition, as playlists are rendered from it.
///
/// # Errors
/// [`ManifestError::BrokenIndex`] if the row cannot be right.
pub fn rendition(variant: &Variant, info: Option<&MediaInfo>) -> Result<Rendition, ManifestError> {
    let fragment = |fragment: &media_storage::variants::Fragment| Fragment {
        offset: fragment.offset,
        size: fragment.size,
        duration_us: fragment.duration_us,
    };
    let index = FragmentIndex::new(variant.init_bytes.unwrap_or_default().into(), variant.fragments.iter().map(fragment).collect())?;
    let track = if variant.mime == "audio/mp4" {
        Track::Audio { channels: AAC_CHANNELS, language: info.and_then(|info| info.audio.as_ref()?.language.clone()) }
    } else {
        Track::Video {
            width: variant.width.unwrap_or_default(),
            height: variant.height.unwrap_or_default(),
            frame_rate: variant.frame_rate.as_deref().and_then(frame_rate).unwrap_or((0, 1)),
        }
    };
    Ok(Rendition { profile: variant.profile.clone(), codec: variant.codec.clone().unwrap_or_default(), track, index })
}

/// Reads `30000/1001`.
fn frame_rate(text: &str) -> Option<(u32, u32)> {
    let (frames, seconds) = text.split_once('/')?;
    Some((frames.parse().ok()?, seconds.parse().ok()?))
}

pub fn caption(track: &CaptionTrack) -> Caption {
    let kind = match track.kind.as_str() {
        "subtitles" => CaptionKind::Subtitles,
        "descriptions" => CaptionKind::Descriptions,
        _ => CaptionKind::Captions,
    };
    Caption { track: track.id, language: track.language.clone(), kind }
}

#[cfg(test)]
pub(crate) mod tests {
    use media_domain::{
        AssetId, BlobName, Kind, OwnerId, Source, Status, TenantId, VariantDetails, VariantId, asset::RetentionClass, info::AudioInfo,
    };
    use media_storage::assets::Asset;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    fn blob(key: &str) -> BlobName {
        BlobName { bucket: "media".into(), key: key.into() }
    }

    pub(crate) fn asset() -> Asset {
        Asset {
            id: AssetId::generate(),
            tenant: TenantId(Uuid::from_u128(1)),
            owner: OwnerId::generate(),
            kind: Kind::Video,
            source: Source::Upload,
            status: Status::Ready,
            mime: Some("video/mp4".into()),
            blob: blob("original"),
            size_bytes: Some(12),
            sha256: None,
            filename: Some("holiday.mov".into()),
            width: None,
            height: None,
            duration_seconds: Some(12),
            retention_class: RetentionClass::Operational,
            retention_until: None,
            created_at: datetime!(2026-11-24 12:00 UTC),
            deleted_at: None,
            etag: 1,
            priority: 1,
            asked_profiles: None,
            declared_mime: None,
            declared_sha256: None,
            failure_reason: None,
            failure_detail: None,
            verdict: None,
            info: None,
            playback_epoch: 0,
            traceparent: None,
        }
    }

    pub(crate) fn rung() -> Variant {
        Variant {
            id: VariantId::generate(),
            asset: AssetId::generate(),
            profile: "h264-360p".to_owned().try_into().unwrap(),
            blob: blob("rung"),
            size_bytes: 1_500,
            mime: "video/mp4".into(),
            width: Some(640),
            height: Some(360),
            bitrate: Some(800_000),
            generation: 0,
            codec: Some("avc1.64001e".into()),
            frame_rate: Some("30000/1001".into()),
            duration_ms: Some(12_000),
            init_bytes: Some(700),
            fragments: vec![media_storage::variants::Fragment { offset: 700, size: 800, duration_us: 6_000_000 }],
            language: None,
            channels: None,
            details: VariantDetails::default(),
        }
    }

    #[test]
    fn a_rung_keeps_its_size_rate_and_index() {
        let rendition = rendition(&rung(), None).unwrap();
        assert_eq!(rendition.track, Track::Video { width: 640, height: 360, frame_rate: (30_000, 1_001) });
        assert_eq!((rendition.index.object_bytes(), rendition.codec.as_str()), (1_500, "avc1.64001e"));
    }

    #[test]
    fn audio_is_in_the_language_that_the_file_says() {
        let audio = Variant { mime: "audio/mp4".into(), ..rung() };
        let heard = AudioInfo { codec: "aac".into(), channels: 6, sample_rate: 48_000, language: Some("de".into()) };
        let info = MediaInfo { audio: Some(heard), ..MediaInfo::default() };
        assert_eq!(rendition(&audio, Some(&info)).unwrap().track, Track::Audio { channels: 2, language: Some("de".into()) });
    }

    #[test]
    fn speech_is_not_for_players_and_an_object_without_an_index_is_not_played() {
        assert!(is_for_players(&rung()) && is_playable(&rung()));
        assert!(!is_for_players(&Variant { mime: "audio/wav".into(), ..rung() }));
        assert!(!is_playable(&Variant { fragments: Vec::new(), ..rung() }));
        assert!(is_for_players(&Variant { mime: "image/webp".into(), fragments: Vec::new(), ..rung() }));
    }
}
