//! The door's paths, under `/playback/{token}`. Playlists and captions are answered, media as [`super::delivery`] says. Nothing may be
//! kept: a revoked token ends here.
//!
//! The token is in the path, so no path is ever logged, and no page learns it as a referrer.

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use media_blobs::{BlobError, Blobs};
use media_captions::{BYTES_MAX, parse_srt, write_vtt};
use media_domain::CaptionTrackId;
use media_manifests::{Caption, ManifestError, Rendition, dash, hls};
use media_storage::caption_tracks::CaptionTrack;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use super::{
    delivery::{Delivery, deliver},
    epochs::{Epochs, Refusal, Shown},
    renditions::{caption, is_for_players, is_playable, rendition, shown_tracks, storyboard},
    token::PlaybackToken,
};
use crate::{error::chain, keyring::Keyring};

/// How long a browser may keep the answer to its CORS question.
const PREFLIGHT_SECONDS: u64 = 3600;
/// The media type of WebVTT (W3C, 11.1).
const VTT: &str = "text/vtt; charset=utf-8";

/// What the door works with.
pub struct Door {
    pub keys: Keyring,
    pub epochs: Epochs,
    pub blobs: Blobs,
    pub delivery: Delivery,
    /// A permit for each object that may be passed on at once.
    pub proxy_streams: Arc<Semaphore>,
    pub clock: Clock,
}

/// The time of day.
pub type Clock = Box<dyn Fn() -> OffsetDateTime + Send + Sync>;

/// The door, open to pages of these origins; `*` is any.
pub fn routes(door: Arc<Door>, origins: &[String]) -> Router {
    // A rate of what is not there is no rate: the first players to be let down would not count.
    for status in [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
        answers(status).absolute(0);
    }
    Router::new()
        .route("/playback/{token}/hls.m3u8", get(master))
        .route("/playback/{token}/dash.mpd", get(dash))
        .route("/playback/{token}/storyboard.vtt", get(storyboard_times))
        .route("/playback/{token}/media/{file}", get(media))
        .route("/playback/{token}/captions/{file}", get(caption_file))
        .with_state(door)
        .layer(middleware::from_fn(seal))
        .layer(cors(origins))
}

fn cors(origins: &[String]) -> CorsLayer {
    let cors = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([header::RANGE])
        .expose_headers([header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ACCEPT_RANGES, header::ETAG])
        .max_age(std::time::Duration::from_secs(PREFLIGHT_SECONDS));
    if origins.iter().any(|origin| origin == "*") {
        cors.allow_origin(Any)
    } else {
        cors.allow_origin(AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok())))
    }
}

fn answers(status: StatusCode) -> metrics::Counter {
    metrics::counter!("media_door_responses_total", "status" => status.as_u16().to_string())
}

/// What every answer of the door says, and what is told of it: the time is that to its head, whatever the bytes then take.
async fn seal(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let mut response = next.run(request).await;
    answers(response.status()).increment(1);
    metrics::histogram!("media_door_seconds").record(began.elapsed());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = format!("{self}\n");
        match self {
            Refusal::Ended => (StatusCode::FORBIDDEN, text).into_response(),
            Refusal::NotFound => (StatusCode::NOT_FOUND, text).into_response(),
            Refusal::Away => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], text).into_response(),
            Refusal::Defect => (StatusCode::INTERNAL_SERVER_ERROR, text).into_response(),
        }
    }
}

impl From<ManifestError> for Refusal {
    fn from(error: ManifestError) -> Self {
        match error {
            ManifestError::NothingToPlay => Refusal::NotFound,
            ManifestError::BrokenIndex { .. } => {
                tracing::error!(error = chain(&error), "a variant's index cannot be right");
                Refusal::Defect
            }
        }
    }
}

impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        if error.is_transient() {
            tracing::warn!(error = chain(&error), "the door cannot reach the store");
            return Refusal::Away;
        }
        tracing::error!(error = chain(&error), "the store refuses the door");
        Refusal::Defect
    }
}

impl Door {
    async fn open(&self, token: &str) -> Result<(PlaybackToken, Arc<Shown>), Refusal> {
        let token = PlaybackToken::open(&self.keys, token, (self.clock)()).ok_or(Refusal::Ended)?;
        Ok((token, self.epochs.shown(&token).await?))
    }

    /// Whether a token that was opened before still opens.
    ///
    /// # Errors
    /// [`Refusal::Ended`], or [`Refusal::Away`] if the database has no answer.
    pub async fn admit(&self, token: &PlaybackToken) -> Result<(), Refusal> {
        if (self.clock)() >= token.expires_at {
            return Err(Refusal::Ended);
        }
        self.epochs.shown(token).await.map(drop)
    }

    /// The text of a track, as WebVTT. It is small, and a page may only read a track that comes without a redirect to elsewhere.
    async fn text(&self, track: &CaptionTrack) -> Result<Response, Refusal> {
        let mut bytes = self.blobs.read_whole(&track.blob, BYTES_MAX as u64).await?;
        if track.format == "srt" {
            let parsed = parse_srt(&bytes).map_err(|error| {
                tracing::error!(error = chain(&error), caption_track.id = %track.id, "a stored caption track cannot be read");
                Refusal::Defect
            })?;
            bytes = write_vtt(&parsed.cues).into();
        }
        Ok(text(VTT, bytes))
    }
}

fn text(mime: &'static str, text: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, mime)], text.into()).into_response()
}

async fn master(State(door): State<Arc<Door>>, Path(token): Path<String>) -> Result<Response, Refusal> {
    let (_, shown) = door.open(&token).await?;
    Ok(text(hls::MIME, hls::master(&renditions(&shown)?, &captions(&shown))?))
}

async fn dash(State(door): State<Arc<Door>>, Path(token): Path<String>) -> Result<Response, Refusal> {
    let (_, shown) = door.open(&token).await?;
    let storyboard = shown.variants.iter().find_map(storyboard);
    Ok(text(dash::MIME, dash::mpd(&renditions(&shown)?, &captions(&shown), storyboard.as_ref())?))
}

async fn storyboard_times(State(door): State<Arc<Door>>, Path(token): Path<String>) -> Result<Response, Refusal> {
    let (_, shown) = door.open(&token).await?;
    let storyboard = shown.variants.iter().find_map(storyboard).ok_or(Refusal::NotFound)?;
    Ok(text(VTT, media_manifests::storyboard::vtt(&storyboard, duration_us(&shown) / 1000)))
}

/// `{profile}.m3u8` is the playlist of an object, `{profile}.keyframes.m3u8` that of its keyframes, `{profile}` the object.
async fn media(
    State(door): State<Arc<Door>>,
    Path((token, file)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (token, shown) = door.open(&token).await?;
    let (profile, playlist) = match file.strip_suffix(".m3u8") {
        Some(name) => name.strip_suffix(".keyframes").map_or((name, Some(Playlist::Media)), |name| (name, Some(Playlist::Keyframes))),
        None => (file.as_str(), None),
    };
    let variant =
        shown.variants.iter().find(|variant| variant.profile.as_str() == profile && is_for_players(variant)).ok_or(Refusal::NotFound)?;
    let Some(playlist) = playlist else { return deliver(&door, token, variant, &method, &headers).await };
    if !is_playable(variant) {
        return Err(Refusal::NotFound);
    }
    let rendition = rendition(variant, shown.asset.info.as_ref())?;
    let listed = match playlist {
        Playlist::Media => hls::media(&rendition),
        Playlist::Keyframes => hls::keyframes(&rendition)?,
    };
    Ok(text(hls::MIME, listed))
}

/// What a playlist lists of an object.
enum Playlist {
    Media,
    Keyframes,
}

/// `{track}.m3u8` is the playlist of a track, `{track}.vtt` its text.
async fn caption_file(State(door): State<Arc<Door>>, Path((token, file)): Path<(String, String)>) -> Result<Response, Refusal> {
    let (_, shown) = door.open(&token).await?;
    let (id, ending) = file.split_once('.').ok_or(Refusal::NotFound)?;
    let id: CaptionTrackId = id.parse().map_err(|_| Refusal::NotFound)?;
    let track = shown_tracks(&shown.tracks, shown.visibility).into_iter().find(|track| track.id == id).ok_or(Refusal::NotFound)?;
    match ending {
        "m3u8" => Ok(text(hls::MIME, hls::caption(track.id, duration_us(&shown)))),
        "vtt" => door.text(track).await,
        _ => Err(Refusal::NotFound),
    }
}

fn renditions(shown: &Shown) -> Result<Vec<Rendition>, ManifestError> {
    shown.variants.iter().filter(|variant| is_playable(variant)).map(|variant| rendition(variant, shown.asset.info.as_ref())).collect()
}

fn captions(shown: &Shown) -> Vec<Caption> {
    shown_tracks(&shown.tracks, shown.visibility).into_iter().map(caption).collect()
}

/// How long the longest rendition plays: a caption playlist covers all of it.
fn duration_us(shown: &Shown) -> u64 {
    let played = shown
        .variants
        .iter()
        .filter(|variant| is_playable(variant))
        .map(|variant| variant.fragments.iter().map(|fragment| fragment.duration_us).sum());
    played.max().unwrap_or_else(|| u64::from(shown.asset.duration_seconds.unwrap_or_default()) * 1_000_000)
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
