//! PlaybackService: URLs that need no further credential and end by themselves.

use std::{collections::HashMap, sync::Arc, time::Duration};

use media_blobs::{PresignGet, content_disposition};
use media_domain::{AssetId, BlobName, Status, profile::ProfileName, reason::Verdict};
use media_proto::v1::{self, playback_result::Outcome, playback_service_server::PlaybackService};
use media_storage::{assets::Asset, caption_tracks::CaptionTrack, variants::Variant};
use time::OffsetDateTime;
use tonic::{Request, Response};

use super::{Api, asset_id, asset_ids, shown, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
    status,
};

pub struct Playback(pub Arc<Api>);

#[tonic::async_trait]
impl PlaybackService for Playback {
    async fn get_playback(&self, request: Request<v1::GetPlaybackRequest>) -> Result<Response<v1::GetPlaybackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let playback = self.playback(&caller, asset_id(&request.asset_id)?).await?;
        Ok(Response::new(v1::GetPlaybackResponse { playback: Some(playback) }))
    }

    async fn batch_get_playback(
        &self,
        request: Request<v1::BatchGetPlaybackRequest>,
    ) -> Result<Response<v1::BatchGetPlaybackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.batch(&caller, &request).await?))
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
        let visibility = tx.tenant_policies().current().await?.policy.caption_visibility;
        tx.note_use(&[id]).await?;
        tx.commit().await?;
        Ok(shown::playback(&self.0, &asset, &variants, &tracks, visibility))
    }

    /// Each asset by itself, from the same four questions, however many they are.
    async fn batch(&self, caller: &Caller, request: &v1::BatchGetPlaybackRequest) -> Result<v1::BatchGetPlaybackResponse, ApiError> {
        let ids = asset_ids(&request.asset_ids)?;
        let mut tx = self.0.begin(caller, "api.batch_get_playback").await?;
        let assets = tx.assets().lookup_many(&ids).await?;
        let mut variants: HashMap<AssetId, Vec<Variant>> = HashMap::new();
        for variant in tx.variants().list_many(&ids).await? {
            variants.entry(variant.asset).or_default().push(variant);
        }
        let mut tracks: HashMap<AssetId, Vec<CaptionTrack>> = HashMap::new();
        for track in tx.caption_tracks().list_many(&ids).await? {
            tracks.entry(track.asset).or_default().push(track);
        }
        let visibility = tx.tenant_policies().current().await?.policy.caption_visibility;
        let shown = assets.iter().filter(|asset| asset.deleted_at.is_none() && asset.status == Status::Ready);
        tx.note_use(&shown.map(|asset| asset.id).collect::<Vec<_>>()).await?;
        tx.commit().await?;
        let mut assets: HashMap<AssetId, Asset> = assets.into_iter().map(|asset| (asset.id, asset)).collect();
        let results = ids.into_iter().map(|id| {
            let found = there(assets.remove(&id)).and_then(|asset| ready(&asset).map(|()| asset));
            let outcome = match found {
                Ok(asset) => {
                    let (variants, tracks) = (variants.remove(&id).unwrap_or_default(), tracks.remove(&id).unwrap_or_default());
                    Outcome::Playback(shown::playback(&self.0, &asset, &variants, &tracks, visibility))
                }
                Err(error) => Outcome::Error(v1::PlaybackError { reason: status::reason(&error).to_owned(), message: error.to_string() }),
            };
            v1::PlaybackResult { asset_id: id.to_string(), outcome: Some(outcome) }
        });
        Ok(v1::BatchGetPlaybackResponse { results: results.collect() })
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
        tx.note_use(&[id]).await?;
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
