//! CaptionService: text over a picture, its versions and their review.

use std::{sync::Arc, time::Duration};

use media_blobs::{LanguageTag, keys};
use media_captions::{BYTES_MAX, Cue, parse_srt, parse_vtt};
use media_domain::{AssetId, BlobName, CaptionKind, CaptionSource, CaptionTrackId, OwnerId, Status, caption::Decision};
use media_proto::v1::{self, CaptionDecision, caption_service_server::CaptionService};
use media_storage::{
    StorageError, TenantTx,
    caption_tracks::{CaptionFilter, CaptionOrigin, CaptionTrack, NewCaptionTrack},
};
use tonic::{Request, Response};

use super::{Api, asset_id, caption_text, generate_captions, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
    once::{self, Once},
};

/// How long an object may wait for the row that names it. Then the janitor removes it.
const NAMED_WITHIN: Duration = Duration::from_secs(3600);
/// The media type of WebVTT (W3C, 11.1).
const VTT: &str = "text/vtt";

pub struct Captions(pub Arc<Api>);

#[tonic::async_trait]
impl CaptionService for Captions {
    async fn generate_captions(
        &self,
        request: Request<v1::GenerateCaptionsRequest>,
    ) -> Result<Response<v1::GenerateCaptionsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(generate_captions::generate(&self.0, &caller, request).await?))
    }

    async fn import_caption_track(
        &self,
        request: Request<v1::ImportCaptionTrackRequest>,
    ) -> Result<Response<v1::ImportCaptionTrackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let track = self.import(&caller, request).await?;
        Ok(Response::new(v1::ImportCaptionTrackResponse { caption_track: Some(convert::caption_track(&track)) }))
    }

    async fn list_caption_tracks(
        &self,
        request: Request<v1::ListCaptionTracksRequest>,
    ) -> Result<Response<v1::ListCaptionTracksResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, request).await?))
    }

    async fn get_caption_track(
        &self,
        request: Request<v1::GetCaptionTrackRequest>,
    ) -> Result<Response<v1::GetCaptionTrackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.get(&caller, &request).await?))
    }

    async fn update_caption_track(
        &self,
        request: Request<v1::UpdateCaptionTrackRequest>,
    ) -> Result<Response<v1::UpdateCaptionTrackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let track = self.update(&caller, request).await?;
        Ok(Response::new(v1::UpdateCaptionTrackResponse { caption_track: Some(convert::caption_track(&track)) }))
    }

    async fn review_caption_track(
        &self,
        request: Request<v1::ReviewCaptionTrackRequest>,
    ) -> Result<Response<v1::ReviewCaptionTrackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let track = self.review(&caller, &request).await?;
        Ok(Response::new(v1::ReviewCaptionTrackResponse { caption_track: Some(convert::caption_track(&track)) }))
    }

    async fn delete_caption_track(
        &self,
        request: Request<v1::DeleteCaptionTrackRequest>,
    ) -> Result<Response<v1::DeleteCaptionTrackResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.delete(&caller, &request).await?;
        Ok(Response::new(v1::DeleteCaptionTrackResponse {}))
    }
}

/// A version that a person hands over, and was read.
struct NewText {
    asset: AssetId,
    language: LanguageTag,
    kind: CaptionKind,
    cues: Vec<Cue>,
    origin: CaptionOrigin,
    once: Option<Once>,
}

impl Captions {
    async fn import(&self, caller: &Caller, mut request: v1::ImportCaptionTrackRequest) -> Result<CaptionTrack, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "ImportCaptionTrack", &request_id, &request);
        let asset = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        once::check(&request_id, &mut violations);
        let language = optional_language(&request.language, &mut violations);
        if request.language.is_empty() {
            violations.add("language", "must be given, as BCP 47 writes it: de, en-US");
        }
        let kind = v1::CaptionKind::try_from(request.kind).ok().and_then(convert::read_caption_kind);
        if kind.is_none() {
            violations.add("kind", "must be given, as one that this version knows");
        }
        let origin = match v1::CaptionSource::try_from(request.source).ok().and_then(convert::read_caption_source) {
            Some(CaptionSource::Human) => Some(CaptionOrigin::Human),
            Some(CaptionSource::Imported) => Some(CaptionOrigin::Imported),
            Some(CaptionSource::Ai) | None => None,
        };
        if origin.is_none() {
            violations.add("source", "must be human or imported");
        }
        let (Some(language), Some(kind), Some(origin), true) = (language, kind, origin, violations.0.is_empty()) else {
            return Err(ApiError::Invalid(violations));
        };
        // Who may not know of the asset learns nothing of the file either.
        let mut tx = self.0.begin(caller, "api.import_caption_track").await?;
        there(tx.assets().lookup(asset).await?)?;
        if let Some(made) = made(&mut tx, asset, once.as_ref()).await? {
            return Ok(made);
        }
        drop(tx);
        let cues = caption_text::read(&request.content, caption_text::format(request.format)?)?;
        self.add(caller, NewText { asset, language, kind, cues, origin, once }).await
    }

    async fn update(&self, caller: &Caller, mut request: v1::UpdateCaptionTrackRequest) -> Result<CaptionTrack, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "UpdateCaptionTrack", &request_id, &request);
        let (asset, id) = (asset_id(&request.asset_id)?, track_id(&request.caption_track_id)?);
        let mut violations = Violations::default();
        once::check(&request_id, &mut violations);
        violations.into_result()?;
        let mut tx = self.0.begin(caller, "api.update_caption_track").await?;
        there(tx.assets().lookup(asset).await?)?;
        if let Some(made) = made(&mut tx, asset, once.as_ref()).await? {
            return Ok(made);
        }
        let track = tx.caption_tracks().lookup(asset, id).await?.ok_or(ApiError::CaptionTrackNotFound)?;
        drop(tx);
        track.check_editable()?;
        let cues = caption_text::read(&request.content, caption_text::format(request.format)?)?;
        let language = track.language.parse().map_err(|error| ApiError::Defect(Box::new(error)))?;
        let origin = CaptionOrigin::Edit { of: id, version: track.version };
        self.add(caller, NewText { asset, language, kind: track.kind, cues, origin, once }).await
    }

    /// Puts a text where no version has been before, and then writes its row. Whatever keeps the second from happening, the object is
    /// known and will be removed. Answers the version that another call made meanwhile under the same request id, if one did.
    async fn add(&self, caller: &Caller, text: NewText) -> Result<CaptionTrack, ApiError> {
        let NewText { asset, language, kind, cues, origin, once } = text;
        let text = caption_text::stored(&cues)?;
        let id = CaptionTrackId::generate();
        let blob: BlobName = self.0.blobs.in_bucket(&keys::caption(caller.tenant(), asset, &language, id));
        let mut tx = self.0.begin(caller, "api.expect_caption_track").await?;
        tx.blobs().expect(&blob, NAMED_WITHIN).await?;
        tx.commit().await?;
        let size_bytes = text.len() as u64;
        self.0.blobs.put_small(&blob, text.into(), VTT).await?;
        let new = NewCaptionTrack { id, asset, language: language.to_string(), kind, blob, size_bytes, origin };
        let mut tx = self.0.begin(caller, "api.add_caption_track").await?;
        if let Some(once) = once
            && let Some(made) = once.note(&mut tx, id.as_uuid()).await?
        {
            return tx.caption_tracks().lookup(asset, made.into()).await?.ok_or(ApiError::CaptionTrackNotFound);
        }
        tx.blobs().keep(&new.blob).await?;
        let track = tx.add_caption(&new).await?;
        tx.commit().await?;
        Ok(track)
    }

    async fn list(&self, caller: &Caller, request: v1::ListCaptionTracksRequest) -> Result<v1::ListCaptionTracksResponse, ApiError> {
        let asset = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        let language = optional_language(&request.language, &mut violations);
        let kind = v1::CaptionKind::try_from(request.kind).map_err(|_| violations.add("kind", "is none that this version knows")).ok();
        violations.into_result()?;
        let filter = CaptionFilter {
            language: language.map(|language| language.to_string()),
            kind: kind.and_then(convert::read_caption_kind),
            superseded: request.show_superseded,
        };
        let page = self.0.page(caller, &request)?;
        let mut tx = self.0.begin(caller, "api.list_caption_tracks").await?;
        there(tx.assets().lookup(asset).await?)?;
        let mut tracks = tx.caption_tracks().page(asset, &filter, page.after()?, page.fetch()).await?;
        let next_page_token = page.cut(&mut tracks, |last| last.id);
        Ok(v1::ListCaptionTracksResponse { caption_tracks: tracks.iter().map(convert::caption_track).collect(), next_page_token })
    }

    async fn get(&self, caller: &Caller, request: &v1::GetCaptionTrackRequest) -> Result<v1::GetCaptionTrackResponse, ApiError> {
        let (asset, id) = (asset_id(&request.asset_id)?, track_id(&request.caption_track_id)?);
        let mut tx = self.0.begin(caller, "api.get_caption_track").await?;
        let found = there(tx.assets().lookup(asset).await?)?;
        let track = self.track(&mut tx, asset, id).await?;
        drop(tx);
        if found.status == Status::Quarantined {
            return Err(ApiError::Quarantined);
        }
        let format = caption_text::format(request.format)?;
        let bytes = self.0.blobs.read_whole(&track.blob, BYTES_MAX as u64).await?;
        let parsed = if track.format == "srt" { parse_srt(&bytes) } else { parse_vtt(&bytes) };
        let cues = parsed.map_err(|error| ApiError::Defect(Box::new(error)))?.cues;
        Ok(v1::GetCaptionTrackResponse { caption_track: Some(convert::caption_track(&track)), content: caption_text::given(&cues, format) })
    }

    async fn review(&self, caller: &Caller, request: &v1::ReviewCaptionTrackRequest) -> Result<CaptionTrack, ApiError> {
        let (asset, id) = (asset_id(&request.asset_id)?, track_id(&request.caption_track_id)?);
        let mut violations = Violations::default();
        let decision = match CaptionDecision::try_from(request.decision) {
            Ok(CaptionDecision::Approve) => Some(Decision::Approve),
            Ok(CaptionDecision::Reject) => Some(Decision::Reject),
            Ok(CaptionDecision::Unspecified) | Err(_) => {
                violations.add("decision", "must be given: approve or reject");
                None
            }
        };
        let reviewer = reviewer(&request.reviewer_user_id, caller.subject(), &mut violations);
        let (Some(decision), Some(reviewer)) = (decision, reviewer) else { return Err(ApiError::Invalid(violations)) };
        let mut tx = self.0.begin(caller, "api.review_caption_track").await?;
        let track = tx.review_caption(asset, id, decision, reviewer).await?;
        tx.commit().await?;
        Ok(track)
    }

    async fn delete(&self, caller: &Caller, request: &v1::DeleteCaptionTrackRequest) -> Result<(), ApiError> {
        let (asset, id) = (asset_id(&request.asset_id)?, track_id(&request.caption_track_id)?);
        let mut tx = self.0.begin(caller, "api.delete_caption_track").await?;
        tx.delete_caption(asset, id).await?;
        Ok(tx.commit().await?)
    }

    /// A version of an asset that is there for callers.
    async fn track(&self, tx: &mut TenantTx, asset: AssetId, id: CaptionTrackId) -> Result<CaptionTrack, ApiError> {
        there(tx.assets().lookup(asset).await?)?;
        tx.caption_tracks().lookup(asset, id).await?.ok_or(ApiError::CaptionTrackNotFound)
    }
}

/// The version that an earlier call made under the same request id.
async fn made(tx: &mut TenantTx, asset: AssetId, once: Option<&Once>) -> Result<Option<CaptionTrack>, ApiError> {
    let Some(once) = once else { return Ok(None) };
    let Some(made) = once.made(tx).await? else { return Ok(None) };
    tx.caption_tracks().lookup(asset, made.into()).await?.map(Some).ok_or(ApiError::CaptionTrackNotFound)
}

fn track_id(text: &str) -> Result<CaptionTrackId, ApiError> {
    text.parse().map_err(|error: media_domain::ids::NotAnId| Violations::of("caption_track_id", format!("is {error}")))
}

/// The language that a request names, in its one spelling.
pub(super) fn optional_language(text: &str, violations: &mut Violations) -> Option<LanguageTag> {
    if text.is_empty() {
        return None;
    }
    text.parse().map_err(|error: media_blobs::keys::NotALanguageTag| violations.add("language", format!("is {error}"))).ok()
}

/// Who reviews: whom the request names, or the caller itself where that is a person.
fn reviewer(named: &str, subject: &str, violations: &mut Violations) -> Option<OwnerId> {
    let reviewer = if named.is_empty() { subject.parse().ok() } else { named.parse().ok() };
    if reviewer.is_none() {
        violations.add("reviewer_user_id", "must be given, as a ULID: the token is no person's");
    }
    reviewer
}

impl From<media_domain::caption::NotReviewable> for ApiError {
    fn from(error: media_domain::caption::NotReviewable) -> Self {
        ApiError::Storage(StorageError::NotReviewable(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    #[test]
    fn a_review_is_by_whom_the_request_names_or_by_the_person_who_calls_and_never_by_nobody() {
        let by = |named: &str, subject: &str| {
            let mut violations = Violations::default();
            let reviewer = reviewer(named, subject, &mut violations).map(|id| id.to_string());
            assert_eq!(reviewer.is_none(), !violations.0.is_empty());
            reviewer
        };
        assert_eq!(by(PERSON, "course-service").as_deref(), Some(PERSON));
        assert_eq!(by("", PERSON).as_deref(), Some(PERSON));
        assert_eq!(by("", "course-service"), None);
        assert_eq!(by("me", PERSON), None, "a name that is none is not replaced by another");
    }

    #[test]
    fn a_language_is_kept_in_one_spelling_and_one_that_is_none_is_a_fault() {
        let mut violations = Violations::default();
        assert_eq!(optional_language("EN-us", &mut violations).unwrap().as_str(), "en-US");
        assert_eq!(optional_language("", &mut violations), None);
        assert!(violations.0.is_empty());
        assert_eq!(optional_language("../x", &mut violations), None);
        assert_eq!(violations.0[0].field, "language");
    }
}
