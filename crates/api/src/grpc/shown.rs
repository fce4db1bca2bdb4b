//! An asset's rows as the URLs that it is shown by.

use media_domain::{Kind, policy::CaptionVisibility};
use media_proto::v1;
use media_storage::{assets::Asset, caption_tracks::CaptionTrack, variants::Variant};
use time::OffsetDateTime;

use super::Api;
use crate::{
    convert,
    door::{
        links::Links,
        renditions::{is_image, is_playable, is_preview, is_progressive, shown_tracks, storyboard},
        token::{self, PlaybackToken},
    },
};

/// The profile of the picture that stands for a video, or is the cover of a piece of music.
const POSTER: &str = "poster";
/// The profile of the peaks of a sound.
const WAVEFORM: &str = "waveform";

/// What a player gets of an asset that is ready, under a token of its own.
pub fn playback(api: &Api, asset: &Asset, variants: &[Variant], tracks: &[CaptionTrack], visibility: CaptionVisibility) -> v1::Playback {
    let expires_at = OffsetDateTime::now_utc() + token::lifetime(asset.duration_seconds);
    let token = PlaybackToken { tenant: asset.tenant, asset: asset.id, epoch: asset.playback_epoch, expires_at };
    let links = Links::new(&api.public_url, &token.seal(&api.keys));
    let is_of_pictures = matches!(asset.kind.pipeline(), Kind::Image | Kind::Document);
    let mut images: Vec<&Variant> = variants.iter().filter(|variant| is_of_pictures && is_image(variant)).collect();
    images.sort_by_key(|variant| variant.width);
    let streams = variants.iter().any(is_playable);
    let object = |variant: Option<&Variant>| variant.map(|variant| links.media(&variant.profile)).unwrap_or_default();
    let of_profile = |profile: &str| object(variants.iter().find(|variant| variant.profile.as_str() == profile));
    v1::Playback {
        asset_id: asset.id.to_string(),
        hls_url: if streams { links.hls() } else { String::new() },
        dash_url: if streams { links.dash() } else { String::new() },
        progressive_url: object(variants.iter().filter(|variant| is_progressive(variant)).max_by_key(|variant| variant.width)),
        preview_url: object(variants.iter().find(|variant| is_preview(variant))),
        storyboard_url: if variants.iter().any(|variant| storyboard(variant).is_some()) { links.storyboard() } else { String::new() },
        waveform_url: of_profile(WAVEFORM),
        poster_url: of_profile(POSTER),
        images: images.into_iter().map(|variant| image(variant, &links)).collect(),
        captions: shown_tracks(tracks, visibility)
            .into_iter()
            .map(|track| v1::PlaybackCaption {
                language: track.language.clone(),
                kind: convert::caption_kind(track.kind).into(),
                url: links.captions(track.id),
            })
            .collect(),
        expire_time: Some(convert::timestamp(token.expires_at)),
    }
}

fn image(variant: &Variant, links: &Links) -> v1::PlaybackImage {
    v1::PlaybackImage {
        profile: variant.profile.to_string(),
        mime: variant.mime.clone(),
        width: variant.width.unwrap_or_default().cast_signed(),
        height: variant.height.unwrap_or_default().cast_signed(),
        url: links.media(&variant.profile),
    }
}
