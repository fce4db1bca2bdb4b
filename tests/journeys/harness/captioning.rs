//! What a caller does with caption tracks.

use media_proto::v1::{
    CaptionDecision, CaptionFormat, CaptionKind, CaptionSource, CaptionTrack, DeleteCaptionTrackRequest, GetCaptionTrackRequest,
    ImportCaptionTrackRequest, ListCaptionTracksRequest, ReviewCaptionTrackRequest, UpdateCaptionTrackRequest,
};
use tonic::Status;

use super::Caller;

impl Caller {
    /// A request for an import that nothing is wrong with.
    pub fn import_request(&self, asset_id: &str, language: &str, kind: CaptionKind, content: &[u8]) -> ImportCaptionTrackRequest {
        ImportCaptionTrackRequest {
            asset_id: asset_id.to_owned(),
            language: language.to_owned(),
            kind: kind.into(),
            source: CaptionSource::Human.into(),
            content: content.to_vec(),
            format: CaptionFormat::Unspecified.into(),
            request_id: String::new(),
        }
    }

    /// Imports a file that a person wrote.
    pub async fn import(&mut self, asset_id: &str, language: &str, kind: CaptionKind, content: &[u8]) -> Result<CaptionTrack, Status> {
        let request = self.import_request(asset_id, language, kind, content);
        Ok(self.captions.import_caption_track(request).await?.into_inner().caption_track.unwrap())
    }

    pub async fn edit(&mut self, track: &CaptionTrack, content: &[u8]) -> Result<CaptionTrack, Status> {
        let request = UpdateCaptionTrackRequest {
            asset_id: track.asset_id.clone(),
            caption_track_id: track.id.clone(),
            content: content.to_vec(),
            format: CaptionFormat::Unspecified.into(),
            request_id: String::new(),
        };
        Ok(self.captions.update_caption_track(request).await?.into_inner().caption_track.unwrap())
    }

    pub async fn review(&mut self, track: &CaptionTrack, decision: CaptionDecision) -> Result<CaptionTrack, Status> {
        let request = ReviewCaptionTrackRequest {
            asset_id: track.asset_id.clone(),
            caption_track_id: track.id.clone(),
            decision: decision.into(),
            reviewer_user_id: self.owner.to_string(),
        };
        Ok(self.captions.review_caption_track(request).await?.into_inner().caption_track.unwrap())
    }

    pub async fn approve(&mut self, track: &CaptionTrack) -> Result<CaptionTrack, Status> {
        self.review(track, CaptionDecision::Approve).await
    }

    pub async fn reject(&mut self, track: &CaptionTrack) -> Result<CaptionTrack, Status> {
        self.review(track, CaptionDecision::Reject).await
    }

    pub async fn delete_track(&mut self, track: &CaptionTrack) -> Result<(), Status> {
        let request = DeleteCaptionTrackRequest { asset_id: track.asset_id.clone(), caption_track_id: track.id.clone() };
        self.captions.delete_caption_track(request).await.map(drop)
    }

    /// The text of a version.
    pub async fn text(&mut self, track: &CaptionTrack, format: CaptionFormat) -> Result<String, Status> {
        let request =
            GetCaptionTrackRequest { asset_id: track.asset_id.clone(), caption_track_id: track.id.clone(), format: format.into() };
        Ok(self.captions.get_caption_track(request).await?.into_inner().content)
    }

    /// All versions of an asset, newest first.
    pub async fn versions(&mut self, asset_id: &str) -> Vec<CaptionTrack> {
        let request = ListCaptionTracksRequest { asset_id: asset_id.to_owned(), show_superseded: true, ..Default::default() };
        self.captions.list_caption_tracks(request).await.unwrap().into_inner().caption_tracks
    }
}
