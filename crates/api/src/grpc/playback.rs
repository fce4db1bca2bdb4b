//! PlaybackService: URLs that need no further credential and end by themselves.

use std::{sync::Arc, time::Duration};

use media_blobs::{PresignGet, content_disposition};
use media_domain::{AssetId, BlobName, Kind, Status, profile::ProfileName, reason::Verdict};
use media_proto::v1::{self, playback_service_server::PlaybackService};
use media_storage::{assets::Asset, variants::Variant};
use time::OffsetDateTime;
use tonic::{Request, Response};

use super::{Api, asset_id, there};
use crate::{
    auth::Caller,
    convert,
    door::{
        links::Links,
        renditions::{is_image, is_playable, is_preview, is_progressive, is_shown, storyboard},
        token::{self, PlaybackToken},
    },
    error::{ApiError, Violations},
};

/// The profile of the picture that stands for a video, or is the cover of a piece of music.
const POSTER: &str = "poster";
/// The profile of the peaks of a sound.
const WAVEFORM: &str = "waveform";

pub struct Playback(pub Arc<Api>);

#[tonic::async_trait]
impl PlaybackService for Playback {
    async fn get_playback(&self, request: Request<v1::GetPlaybackRequest>) -> Result<Response<v1::GetPlaybackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let playback = self.playback(&caller, asset_id(&request.asset_id)?).await?;
        Ok(Response::new(v1::GetPlaybackResponse { playback: Some(playback) }))
    }

    async fn get_download_url(
        &self,
        request: Request<v1::GetDownloadUrlRequest>,
    ) -> Result<Response<v1::GetDownloadUrlResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.download(&caller, &request).await?))
    }

    async fn revoke_playback(
        &self,
        request: Request<v1::RevokePlaybackRequest>,
    ) -> Result<Response<v1::RevokePlaybackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.revoke(&caller, asset_id(&request.asset_id)?).await?;
        Ok(Response::new(v1::RevokePlaybackResponse {}))
    }
}

impl Playback {
    async fn playback(&self, caller: &Caller, id: AssetId) -> Result<v1::Playback, ApiError> {
        let mut tx = self.0.begin(caller, "api.get_playback").await?;
        let asset = there(tx.assets().lookup(id).await?)?;
        ready(&asset)?;
        let variants = tx.variants().list(id).await?;
        let tracks = tx.caption_tracks().list(id).await?;
        tx.note_use(id).await?;
        tx.commit().await?;

        let expires_at = OffsetDateTime::now_utc() + token::lifetime(asset.duration_seconds);
        let token = PlaybackToken { tenant: asset.tenant, asset: id, epoch: asset.playback_epoch, expires_at };
        let links = Links::new(&self.0.public_url, &token.seal(&self.0.keys));
        let is_of_pictures = matches!(asset.kind.pipeline(), Kind::Image | Kind::Document);
        let mut images: Vec<&Variant> = variants.iter().filter(|variant| is_of_pictures && is_image(variant)).collect();
        images.sort_by_key(|variant| variant.width);
        let streams = variants.iter().any(is_playable);
        let object = |variant: Option<&Variant>| variant.map(|variant| links.media(&variant.profile)).unwrap_or_default();
        let of_profile = |profile: &str| object(variants.iter().find(|variant| variant.profile.as_str() == profile));
        Ok(v1::Playback {
            asset_id: id.to_string(),
            hls_url: if streams { links.hls() } else { String::new() },
            dash_url: if streams { links.dash() } else { String::new() },
            progressive_url: object(variants.iter().filter(|variant| is_progressive(variant)).max_by_key(|variant| variant.width)),
            preview_url: object(variants.iter().find(|variant| is_preview(variant))),
            storyboard_url: if variants.iter().any(|variant| storyboard(variant).is_some()) { links.storyboard() } else { String::new() },
            waveform_url: of_profile(WAVEFORM),
            poster_url: of_profile(POSTER),
            images: images.into_iter().map(|variant| image(variant, &links)).collect(),
            captions: tracks
                .iter()
                .filter(|track| is_shown(track))
                .map(|track| v1::PlaybackCaption {
                    language: track.language.clone(),
                    kind: convert::caption_kind(track.kind).into(),
                    url: links.captions(track.id),
                })
                .collect(),
            expire_time: Some(convert::timestamp(token.expires_at)),
        })
    }

    async fn revoke(&self, caller: &Caller, id: AssetId) -> Result<(), ApiError> {
        let mut tx = self.0.begin(caller, "api.revoke_playback").await?;
        tx.assets().revoke_playback(id).await?;
        Ok(tx.commit().await?)
    }

    async fn download(&self, caller: &Caller, request: &v1::GetDownloadUrlRequest) -> Result<v1::GetDownloadUrlResponse, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let profile = match request.profile.as_str() {
            "" => None,
            text => Some(ProfileName::try_from(text.to_owned()).map_err(|error| Violations::of("profile", format!("is none: {error}")))?),
        };
        let mut tx = self.0.begin(caller, "api.get_download_url").await?;
        let asset = there(tx.assets().lookup(id).await?)?;
        let object = match profile {
            None => {
                let original = original(&asset)?;
                tx.refuse_if_archived(&asset)?;
                original
            }
            Some(profile) => {
                ready(&asset)?;
                variant(&asset, tx.variants().lookup(id, &profile).await?.ok_or(ApiError::VariantNotFound)?)
            }
        };
        tx.note_use(id).await?;
        tx.commit().await?;
        let how = PresignGet {
            shared_for: Duration::ZERO,
            content_disposition: Some(content_disposition(&object.filename)),
            content_type: Some(object.mime),
            ..PresignGet::default()
        };
        let signed = self.0.blobs.presign_get(&object.blob, &how, OffsetDateTime::now_utc()).await?;
        Ok(v1::GetDownloadUrlResponse { url: signed.url, expire_time: Some(convert::timestamp(signed.expires_at)) })
    }
}

/// What a download gives.
#[derive(Debug)]
struct Download {
    blob: BlobName,
    filename: String,
    mime: String,
}

fn ready(asset: &Asset) -> Result<(), ApiError> {
    match asset.status {
        Status::Ready => Ok(()),
        Status::Quarantined => Err(ApiError::Quarantined),
        other => Err(ApiError::NotReady(other)),
    }
}

/// The original is given out once it has been scanned whole, and nothing was found.
fn original(asset: &Asset) -> Result<Download, ApiError> {
    match asset.status {
        Status::Transcoding | Status::Ready => {}
        Status::Quarantined => return Err(ApiError::Quarantined),
        other => return Err(ApiError::NotReady(other)),
    }
    match asset.verdict {
        Some(Verdict::Clean | Verdict::Released) => {}
        Some(Verdict::Partial) => return Err(ApiError::ScanPartial),
        Some(Verdict::Infected) => return Err(ApiError::Quarantined),
        None => return Err(ApiError::NotReady(asset.status)),
    }
    Ok(Download {
        blob: asset.blob.clone(),
        filename: asset.filename.clone().unwrap_or_else(|| asset.id.to_string()),
        mime: asset.mime.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
    })
}

fn variant(asset: &Asset, variant: Variant) -> Download {
    let ending = match variant.mime.as_str() {
        "video/mp4" => "mp4",
        "audio/mp4" => "m4a",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "image/jpeg" => "jpg",
        "application/json" => "json",
        "text/vtt" => "vtt",
        "audio/wav" => "wav",
        _ => "bin",
    };
    let id = asset.id.to_string();
    let name = asset.filename.as_deref().unwrap_or(&id);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    Download { filename: format!("{stem}.{}.{ending}", variant.profile), blob: variant.blob, mime: variant.mime }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::renditions::tests::{asset, rung};

    #[test]
    fn an_original_is_given_out_only_after_a_whole_scan_that_found_nothing() {
        let with = |status, verdict| Asset { status, verdict, ..asset() };
        for status in Status::ALL {
            let given = original(&with(*status, Some(Verdict::Clean))).is_ok();
            assert_eq!(given, matches!(status, Status::Transcoding | Status::Ready), "{status}");
        }
        assert!(matches!(original(&with(Status::Ready, Some(Verdict::Partial))), Err(ApiError::ScanPartial)));
        assert!(original(&with(Status::Ready, Some(Verdict::Released))).is_ok(), "an administrator let it pass");
        assert!(matches!(original(&with(Status::Ready, Some(Verdict::Infected))), Err(ApiError::Quarantined)));
        assert!(original(&with(Status::Ready, None)).is_err());
    }

    #[test]
    fn only_a_ready_asset_plays() {
        for status in Status::ALL {
            assert_eq!(ready(&Asset { status: *status, ..asset() }).is_ok(), *status == Status::Ready, "{status}");
        }
    }

    #[test]
    fn a_variant_is_named_after_its_file_and_profile() {
        assert_eq!(variant(&asset(), rung()).filename, "holiday.h264-360p.mp4");
    }
}
