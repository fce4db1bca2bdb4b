//! Rows as players see them: which variants can be played, and which tracks may be shown.

use media_domain::{CaptionSource, MediaInfo, caption::TrackState, policy::CaptionVisibility, variant::Tiles};
use media_manifests::{Caption, CaptionKind, Fragment, FragmentIndex, ManifestError, Rendition, Storyboard, Track};
use media_storage::{caption_tracks::CaptionTrack, variants::Variant};

/// What a row of sound means that does not say its channels.
const STEREO: u32 = 2;
/// The profile of the moments that stand for a video.
const PREVIEW: &str = "preview";

/// Whether a variant is a rung or an audio rendition: a CMAF object with its index.
pub fn is_playable(variant: &Variant) -> bool {
    matches!(variant.mime.as_str(), "video/mp4" | "audio/mp4") && !variant.fragments.is_empty()
}

pub fn is_image(variant: &Variant) -> bool {
    variant.mime.starts_with("image/")
}

/// Whether a player may have a variant's object. The captioner's speech, for one, is nobody else's.
pub fn is_for_players(variant: &Variant) -> bool {
    is_image(variant) || matches!(variant.mime.as_str(), "video/mp4" | "audio/mp4" | "application/json")
}

/// Whether a variant is one file that a browser plays without a playlist.
pub fn is_progressive(variant: &Variant) -> bool {
    variant.mime == "video/mp4" && variant.fragments.is_empty() && !is_preview(variant)
}

pub fn is_preview(variant: &Variant) -> bool {
    variant.profile.as_str() == PREVIEW
}

/// The frames from all over a video, if a variant is that.
pub fn storyboard(variant: &Variant) -> Option<Storyboard> {
    let tiles = variant.details.tiles.filter(Tiles::are_of_a_sheet)?;
    Some(Storyboard { profile: variant.profile.clone(), mime: variant.mime.clone(), size_bytes: variant.size_bytes, tiles })
}

/// The tracks that players see: those that are approved. Where the tenant's policy asks for no approval, also those that nobody has
/// looked at, but of each language and kind one: a person's rather than a machine's, and the newest.
pub fn shown_tracks(tracks: &[CaptionTrack], visibility: CaptionVisibility) -> Vec<&CaptionTrack> {
    if visibility == CaptionVisibility::Approved {
        return tracks.iter().filter(|track| track.approved).collect();
    }
    let weight = |track: &CaptionTrack| (track.source != CaptionSource::Ai, track.id);
    let mut shown: Vec<&CaptionTrack> = Vec::new();
    for track in tracks.iter().filter(|track| matches!(track.state(), TrackState::Approved | TrackState::Waiting)) {
        match shown.iter_mut().find(|other| other.language == track.language && other.kind == track.kind) {
            Some(other) if weight(track) > weight(other) => *other = track,
            Some(_) => {}
            None => shown.push(track),
        }
    }
    shown
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
        keyframe_bytes: fragment.keyframe_bytes,
    };
    let index = FragmentIndex::new(variant.init_bytes.unwrap_or_default().into(), variant.fragments.iter().map(fragment).collect())?;
    let track = if variant.mime == "audio/mp4" {
        let of_the_file = || info.and_then(|info| info.audio.as_ref()?.language.clone());
        Track::Audio { channels: variant.channels.unwrap_or(STEREO), language: variant.language.clone().or_else(of_the_file) }
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
    let kind = match track.kind {
        media_domain::CaptionKind::Captions => CaptionKind::Captions,
        media_domain::CaptionKind::Subtitles => CaptionKind::Subtitles,
        media_domain::CaptionKind::Descriptions => CaptionKind::Descriptions,
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
            deduplicated: false,
            archive: None,
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
            fragments: vec![media_storage::variants::Fragment { offset: 700, size: 800, duration_us: 6_000_000, keyframe_bytes: 90 }],
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
        let heard =
            AudioInfo { codec: "aac".into(), channels: 6, sample_rate: 48_000, language: Some("de".into()), ..AudioInfo::default() };
        let info = MediaInfo { audio: Some(heard), ..MediaInfo::default() };
        assert_eq!(rendition(&audio, Some(&info)).unwrap().track, Track::Audio { channels: 2, language: Some("de".into()) });
        let own = Variant { language: Some("fr".into()), channels: Some(6), ..audio };
        assert_eq!(rendition(&own, Some(&info)).unwrap().track, Track::Audio { channels: 6, language: Some("fr".into()) });
    }

    #[test]
    fn speech_is_not_for_players_and_an_object_without_an_index_is_not_played() {
        assert!(is_for_players(&rung()) && is_playable(&rung()));
        assert!(!is_for_players(&Variant { mime: "audio/wav".into(), ..rung() }));
        let whole = Variant { fragments: Vec::new(), ..rung() };
        assert!(!is_playable(&whole) && is_for_players(&whole) && is_progressive(&whole) && !is_progressive(&rung()));
        let preview = Variant { profile: "preview".to_owned().try_into().unwrap(), ..whole };
        assert!(is_preview(&preview) && !is_progressive(&preview));
        assert!(is_for_players(&Variant { mime: "image/webp".into(), fragments: Vec::new(), ..rung() }));
    }

    fn track(source: CaptionSource, approved: bool, rejected: bool) -> CaptionTrack {
        CaptionTrack {
            id: media_domain::CaptionTrackId::generate(),
            asset: AssetId::generate(),
            language: "en".into(),
            kind: media_domain::CaptionKind::Captions,
            format: "vtt".into(),
            source,
            approved,
            rejected,
            version: 1,
            based_on: None,
            superseded_by: None,
            reviewed_by: None,
            reviewed_at: None,
            blob: blob("track"),
        }
    }

    #[test]
    fn without_approval_one_track_of_each_language_is_shown_and_a_persons_first() {
        use media_domain::CaptionSource::{Ai, Human};
        let shown = |tracks: &[CaptionTrack], visibility| shown_tracks(tracks, visibility).iter().map(|track| track.id).collect::<Vec<_>>();
        let (waiting, approved, rejected, person) =
            (track(Ai, false, false), track(Ai, true, false), track(Ai, false, true), track(Human, false, false));
        let german = CaptionTrack { language: "de".into(), ..track(Ai, false, false) };
        let all = [waiting.clone(), rejected.clone(), person.clone(), german.clone()];
        assert_eq!(shown(&all, CaptionVisibility::Approved), []);
        assert_eq!(shown(&all, CaptionVisibility::All), [person.id, german.id]);
        assert_eq!(shown(&[waiting.clone(), rejected.clone()], CaptionVisibility::All), [waiting.id]);
        let edit = CaptionTrack { superseded_by: Some(person.id), ..approved.clone() };
        assert_eq!(shown(&[edit.clone(), person.clone()], CaptionVisibility::Approved), [approved.id], "until its edit is approved");
        assert_eq!(shown(&[edit.clone(), person.clone()], CaptionVisibility::All), [person.id]);
        let no = CaptionTrack { rejected: true, ..person };
        assert_eq!(shown(&[edit, no], CaptionVisibility::All), [approved.id], "its edit was rejected");
    }

    #[test]
    fn a_sheet_whose_numbers_cannot_be_is_no_storyboard() {
        let tiles = Tiles { columns: 10, count: 100, width: 160, height: 90, interval_ms: 1_000 };
        let sheet = |tiles| Variant {
            mime: "image/jpeg".into(),
            details: VariantDetails { tiles: Some(tiles), ..VariantDetails::default() },
            ..rung()
        };
        assert_eq!(storyboard(&sheet(tiles)).unwrap().tiles, tiles);
        assert_eq!(storyboard(&sheet(Tiles { columns: 0, ..tiles })), None);
        assert_eq!(storyboard(&sheet(Tiles { interval_ms: 0, ..tiles })), None);
        assert_eq!(storyboard(&rung()), None);
    }
}
