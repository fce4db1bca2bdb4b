//! The door by its paths, on rows that were read a moment ago, and at any time of day. No server is asked: a redirect is signed here.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::body::to_bytes;
use media_domain::{VariantDetails, policy::CaptionVisibility, variant::Tiles};
use media_storage::{Database, assets::Asset, variants::Variant};
use metrics_exporter_prometheus::PrometheusBuilder;
use time::macros::datetime;
use tower::ServiceExt as _;

use super::*;
use crate::{
    config::CdnSignature,
    door::{
        cdn::{Cdn, tests as cdn},
        renditions::tests::{asset, rung},
        token::lifetime,
    },
    keyring::tests::keyring,
};

const START: OffsetDateTime = datetime!(2026-11-24 19:58:30 UTC);
const TWO_HOURS: u32 = 2 * 3600;

/// A door whose clock the test sets.
struct Scene {
    door: Arc<Door>,
    now: Arc<AtomicI64>,
}

impl Scene {
    fn new(delivery: Delivery) -> Self {
        let now = Arc::new(AtomicI64::new(START.unix_timestamp()));
        let database = serde_json::from_value(serde_json::json!({ "url": "postgres://nobody@127.0.0.1:9/none", "max_connections": 1 }));
        let store = serde_json::json!({ "endpoint": "http://127.0.0.1:9", "public_endpoint": "https://store.example.com", "region": "auto", "path_style": true,
            "bucket": "media", "quarantine_bucket": "quarantine", "access_key_id": "key", "secret_access_key": "secret" });
        let clock = Arc::clone(&now);
        let door = Arc::new(Door {
            keys: keyring(&["new", "old"]),
            epochs: Epochs::new(Database::connect(&database.unwrap(), "door tests").unwrap()),
            blobs: Blobs::connect(&serde_json::from_value(store).unwrap()).unwrap(),
            delivery,
            proxy_streams: Arc::new(Semaphore::new(1)),
            clock: Box::new(move || OffsetDateTime::from_unix_timestamp(clock.load(Ordering::Relaxed)).unwrap()),
        });
        Self { door, now }
    }

    fn at_minute(&self, minute: i64) {
        self.now.store(START.unix_timestamp() + minute * 60, Ordering::Relaxed);
    }

    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Asks for a path under the token; answers the status, where it leads, and the text.
    async fn get(&self, shown: &Shown, token: &str, path: &str) -> (StatusCode, Option<String>, String) {
        self.door.epochs.believe(Arc::new(Shown {
            asset: shown.asset.clone(),
            variants: shown.variants.clone(),
            tracks: Vec::new(),
            visibility: CaptionVisibility::Approved,
        }));
        let request = Request::builder().uri(format!("/playback/{token}/{path}")).body(Body::empty()).unwrap();
        let answer = routes(Arc::clone(&self.door), &["*".to_owned()]).oneshot(request).await.unwrap();
        assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(answer.headers()[header::REFERRER_POLICY], "no-referrer", "{path}");
        let location = answer.headers().get(header::LOCATION).map(|url| url.to_str().unwrap().to_owned());
        let status = answer.status();
        (status, location, String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
    }
}

fn cdn_of(signature: CdnSignature) -> Delivery {
    Delivery::Cdn(Box::new(Cdn::new(&cdn::config(signature)).unwrap()))
}

fn film() -> Shown {
    Shown {
        asset: Asset { duration_seconds: Some(TWO_HOURS), ..asset() },
        variants: vec![rung()],
        tracks: Vec::new(),
        visibility: CaptionVisibility::Approved,
    }
}

fn token(shown: &Shown) -> PlaybackToken {
    let asset = &shown.asset;
    let expires_at = START + lifetime(asset.duration_seconds);
    PlaybackToken { tenant: asset.tenant, asset: asset.id, epoch: asset.playback_epoch, expires_at }
}

/// Whether a URL opens at some second: what the store or the CDN says.
type Accepts = Box<dyn Fn(&str, i64) -> bool>;

/// Until when a URL of the store is valid (SigV4: `X-Amz-Date` and `X-Amz-Expires`).
fn store_accepts(url: &str, now: i64) -> bool {
    let url: url::Url = url.parse().unwrap();
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let signed_at = time::PrimitiveDateTime::parse(&value("X-Amz-Date"), format).unwrap().assume_utc().unix_timestamp();
    signed_at <= now && now < signed_at + value("X-Amz-Expires").parse::<i64>().unwrap()
}

/// The playlist is read once; ranges are asked for all evening.
#[tokio::test]
async fn a_film_of_two_hours_plays_from_one_playlist_though_its_signatures_live_ten_minutes() {
    let cloudfront = Cdn::new(&cdn::config(CdnSignature::CloudFront)).unwrap();
    let ways: [(Delivery, Accepts); 3] = [
        (Delivery::Redirect, Box::new(store_accepts)),
        (cdn_of(CdnSignature::CloudFront), Box::new(move |url, now| cdn::cloudfront_accepts(&cloudfront, url, now))),
        (cdn_of(CdnSignature::Hmac), Box::new(|url, now| cdn::cloudflare_accepts(url, 600, now))),
    ];
    for (delivery, accepts) in ways {
        let (scene, film) = (Scene::new(delivery), film());
        let token = token(&film).seal(&scene.door.keys);
        let (status, _, playlist) = scene.get(&film, &token, "media/h264-360p.m3u8").await;
        assert_eq!(status, StatusCode::OK);
        let segment = format!("media/{}", playlist.lines().find(|line| !line.starts_with('#')).unwrap());
        let mut earlier: Vec<String> = Vec::new();
        for minute in [0, 9, 11, 60, 119] {
            scene.at_minute(minute);
            let (status, location, _) = scene.get(&film, &token, &segment).await;
            let url = location.unwrap();
            assert_eq!(status, StatusCode::FOUND, "at minute {minute}");
            assert!(accepts(&url, scene.now()) && accepts(&url, scene.now() + 299), "at minute {minute}: {url}");
            assert!(!accepts(&url, scene.now() + 600), "lives longer than ten minutes: {url}");
            earlier.push(url);
        }
        assert!(!accepts(&earlier[0], scene.now()), "the signature of the first minute is long over");
        scene.at_minute(4 * 60);
        assert_eq!(scene.get(&film, &token, &segment).await.0, StatusCode::FORBIDDEN, "and the token after four hours");
    }
}

#[tokio::test]
async fn while_keys_are_changed_players_with_the_old_one_go_on_and_afterwards_they_do_not() {
    let (mut scene, film) = (Scene::new(Delivery::Redirect), film());
    let old = token(&film).seal(&keyring(&["old"]));
    let new = token(&film).seal(&scene.door.keys);
    assert!(new.starts_with("new."));
    for token in [&old, &new] {
        assert_eq!(scene.get(&film, token, "media/h264-360p").await.0, StatusCode::FOUND);
    }
    Arc::get_mut(&mut scene.door).unwrap().keys = keyring(&["new"]);
    assert_eq!(scene.get(&film, &old, "media/h264-360p").await.0, StatusCode::FORBIDDEN);
    assert_eq!(scene.get(&film, &new, "media/h264-360p").await.0, StatusCode::FOUND);
}

#[tokio::test]
async fn a_revoked_token_gets_neither_playlist_nor_bytes_in_any_way() {
    let ways = [Delivery::Redirect, Delivery::Proxy, cdn_of(CdnSignature::CloudFront), cdn_of(CdnSignature::Hmac)];
    for delivery in ways {
        let (scene, mut film) = (Scene::new(delivery), film());
        let token = token(&film).seal(&scene.door.keys);
        assert_eq!(scene.get(&film, &token, "hls.m3u8").await.0, StatusCode::OK);
        film.asset.playback_epoch += 1;
        for path in ["hls.m3u8", "dash.mpd", "storyboard.vtt", "media/h264-360p.m3u8", "media/h264-360p.keyframes.m3u8", "media/h264-360p"]
        {
            assert_eq!(scene.get(&film, &token, path).await.0, StatusCode::FORBIDDEN, "{path}");
        }
    }
}

#[tokio::test]
async fn every_view_of_a_film_is_there_and_nothing_that_is_not_for_players() {
    let (scene, mut film) = (Scene::new(Delivery::Redirect), film());
    let variant = |profile: &str, mime: &str| Variant {
        profile: profile.to_owned().try_into().unwrap(),
        mime: mime.to_owned(),
        fragments: Vec::new(),
        ..rung()
    };
    let tiles = Tiles { columns: 10, count: 100, width: 160, height: 90, interval_ms: 72_000 };
    film.variants.extend([
        Variant { details: VariantDetails { tiles: Some(tiles), ..VariantDetails::default() }, ..variant("storyboard", "image/jpeg") },
        variant("mp4-720p", "video/mp4"),
        variant("preview", "video/mp4"),
        variant("waveform", "application/json"),
        variant("avif-640", "image/avif"),
        variant("speech", "audio/wav"),
    ]);
    let token = token(&film).seal(&scene.door.keys);
    let text = async |path: &str| scene.get(&film, &token, path).await.2;
    assert!(text("hls.m3u8").await.contains("media/h264-360p.keyframes.m3u8"));
    assert!(text("dash.mpd").await.contains("thumbnail_tile"));
    assert!(text("media/h264-360p.keyframes.m3u8").await.contains("#EXT-X-BYTERANGE:90@700"));
    assert!(text("storyboard.vtt").await.contains("00:01:12.000 --> 00:02:24.000\nmedia/storyboard#xywh=160,0,160,90"));
    for profile in ["storyboard", "mp4-720p", "preview", "waveform", "avif-640", "h264-360p"] {
        let (status, location, _) = scene.get(&film, &token, &format!("media/{profile}")).await;
        assert_eq!(status, StatusCode::FOUND, "{profile}");
        assert!(location.unwrap().starts_with("https://store.example.com/"), "{profile}");
    }
    for path in ["media/speech", "media/mp4-720p.m3u8", "media/h264-720p", "media/storyboard.keyframes.m3u8", "media/", "else"] {
        assert_eq!(scene.get(&film, &token, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_proxy_whose_hands_are_full_says_come_back_and_answers_what_needs_no_bytes() {
    let (scene, film) = (Scene::new(Delivery::Proxy), film());
    let token = token(&film);
    let _held = Arc::clone(&scene.door.proxy_streams).try_acquire_owned().unwrap();
    let variant = &film.variants[0];
    let busy = deliver(&scene.door, token, variant, &Method::GET, &HeaderMap::new()).await;
    assert_eq!(busy.unwrap_err(), Refusal::Away);
    let head = deliver(&scene.door, token, variant, &Method::HEAD, &HeaderMap::new()).await.unwrap();
    assert_eq!((head.status(), &head.headers()[header::CONTENT_LENGTH]), (StatusCode::OK, &HeaderValue::from_static("1500")));
    let behind = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static("bytes=1500-"))]);
    let behind = deliver(&scene.door, token, variant, &Method::GET, &behind).await.unwrap();
    assert_eq!(behind.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(behind.headers()[header::CONTENT_RANGE], "bytes */1500");
}

#[tokio::test]
async fn how_players_are_answered_is_told_before_the_first_one_comes() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let told = recorder.handle();
    let _on_this_thread = metrics::set_default_local_recorder(&recorder);
    let open = routes(Scene::new(Delivery::Redirect).door, &[]);
    for status in [200, 500, 503] {
        let none = format!("media_door_responses_total{{status=\"{status}\"}} 0\n");
        assert!(told.render().contains(&none), "{}", told.render());
    }
    let request = Request::builder().uri("/playback/nothing/hls.m3u8").body(Body::empty()).unwrap();
    assert_eq!(open.oneshot(request).await.unwrap().status(), StatusCode::FORBIDDEN);
    let text = told.render();
    assert!(text.contains("media_door_responses_total{status=\"403\"} 1\n") && text.contains("media_door_seconds_count 1\n"), "{text}");
}
