//! What a person with a browser sees: hls.js, shaka-player, dash.js and a plain `<video>` in headless Chromium, through the real door.
//!
//! - players_in_a_browser_switch_levels_do_not_stall_and_seek_to_the_right_frame
//! - torture::every_kind_of_film_plays_in_every_player
//! - bytes::a_stream_through_the_proxy_is_bounded_takes_ranges_and_is_cut_when_it_is_revoked
//! - bytes::keyframes_can_be_fetched_alone_and_ffmpeg_reads_dash_to_its_end

mod browser;
mod bytes;
mod torture;

use std::time::Duration;

use media_devstack::{Binary, Service};
use media_domain::{AssetId, CaptionTrackId};
use media_proto::v1::{AssetKind, AssetStatus, GetPlaybackRequest, Playback};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Bucket, Caller, World, samples};

const LIMIT: Duration = Duration::from_secs(120);
/// For a browser to start and play all that one is given; what stands still in it fails by itself, and says where.
const PLAYING: Duration = Duration::from_secs(900);
const FRAME_RATE: u32 = 25;
const SECONDS: u32 = 16;
/// Blocks for the bits of a frame's number, as `page.js` reads them.
const BITS: u32 = 14;
const BLOCK: u32 = 80;
/// How long the film may stand still while a player changes to another level: to decode a segment takes seconds on a busy machine, and a
/// player that waits for what does not come waits for ever.
const STANDSTILL_MS_MAX: u64 = 8_000;
/// How many of a player's seeks may need a second one, because it replaced what was sought.
const SEEKS_AGAIN_MAX: u64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn players_in_a_browser_switch_levels_do_not_stall_and_seek_to_the_right_frame() {
    let mut world = World::with("players", &[Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let redirecting = world.start(Binary::Api, &[]).await;
    Bucket::of(world.isolated()).open_to_pages().await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "numbered.mp4", &numbered_film()).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let sql = world.sql().await;
    captioned(&world, &sql, &id).await;

    let shown = playback(&mut caller, &id).await;
    let reports = browser::play(
        &json!([
            item("hls.js", "hls", &shown.hls_url, 20),
            item("shaka-player, DASH", "shaka", &shown.dash_url, 20),
            item("dash.js", "dash", &shown.dash_url, 20),
            item("shaka-player, HLS", "shaka", &shown.hls_url, 5),
            item("<video src>", "plain", &shown.progressive_url, 20),
        ]),
        PLAYING,
    )
    .await;
    for report in &reports {
        assert_played(report);
    }
    for adaptive in &reports[..4] {
        assert_eq!((&adaptive["sees"]["audio"], &adaptive["sees"]["text"]), (&json!(1), &json!(1)), "{adaptive}");
    }
    for of_dash in &reports[1..3] {
        assert_eq!(of_dash["sees"]["images"], 1, "thumbnails: {of_dash}");
    }

    let _proxying = restarted(&mut world, redirecting, &[("MEDIA__PLAYBACK__DELIVERY", "proxy")]).await;
    let mut caller = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, caller.token.clone()).await;
    let shown = playback(&mut caller, &id).await;
    let through_us = [item("hls.js by proxy", "hls", &shown.hls_url, 5), item("<video src> by proxy", "plain", &shown.progressive_url, 5)];
    for report in browser::play(&json!(through_us), PLAYING).await {
        assert_played(&report);
    }
}

async fn restarted(world: &mut World, service: Service, settings: &[(&str, &str)]) -> Service {
    let binary = service.binary();
    service.kill().unwrap();
    world.start(binary, settings).await
}

fn item(name: &str, player: &str, url: &str, seeks: u32) -> Value {
    assert!(!url.is_empty(), "{name} has nothing to play");
    json!({ "name": name, "player": player, "url": url, "seeks": seeks, "frames": SECONDS * FRAME_RATE, "frame_rate": FRAME_RATE })
}

fn assert_played(report: &Value) {
    println!("{report}");
    assert_eq!(report["error"], Value::Null, "{report}");
    let mut shown = report["shown"].as_array().unwrap().clone();
    shown.reverse();
    assert_eq!(&shown, report["heights"].as_array().unwrap(), "each level was on the screen: {report}");
    assert!(report["standstill_ms"].as_u64().unwrap() <= STANDSTILL_MS_MAX, "{report}");
    assert!(report["again"].as_u64().unwrap() <= SEEKS_AGAIN_MAX, "{report}");
    for seek in report["seeks"].as_array().unwrap() {
        assert_eq!(seek["frame"], seek["seen"], "{report}");
    }
}

async fn playback(caller: &mut Caller, id: &str) -> Playback {
    let request = GetPlaybackRequest { asset_id: id.to_owned() };
    caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap()
}

/// A film whose frames bear their numbers: blocks of white or black for each bit, the lowest first, between one white and one black.
fn numbered_film() -> Vec<u8> {
    let block = |place: u32, enable: &str| format!("drawbox=x={}:y=0:w={BLOCK}:h={BLOCK}:color=white:t=fill{enable}", place * BLOCK);
    let bits = (0..BITS).map(|bit| block(bit + 1, &format!(":enable='gt(mod(floor(n/{}),2),0.5)'", 1 << bit)));
    let strip = format!("drawbox=x=0:y=0:w={}:h={BLOCK}:color=black:t=fill", (BITS + 2) * BLOCK);
    let filters: Vec<String> = [strip, block(0, "")].into_iter().chain(bits).collect();
    let picture = format!("testsrc2=size=1280x720:rate={FRAME_RATE}:duration={SECONDS},{}", filters.join(","));
    let tone = format!("sine=frequency=440:sample_rate=48000:duration={SECONDS}");
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone, "-pix_fmt", "yuv420p"];
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-c:a", "aac", "-movflags", "+faststart"];
    samples::ffmpeg("numbered.mp4", &[&inputs[..], &coding].concat())
}

/// A track that a person has approved.
async fn captioned(world: &World, sql: &PgPool, id: &str) {
    let (asset, track) = (id.parse::<AssetId>().unwrap(), CaptionTrackId::generate());
    let key = format!("captions-of-{id}.vtt");
    Bucket::of(world.isolated()).put(&key, "text/vtt", samples::subtitle()).await;
    sqlx::query(
        "INSERT INTO media.caption_tracks (id, tenant_id, asset_id, language, kind, format, bucket, key, source, approved)
         SELECT $1, tenant_id, id, 'en', 'captions', 'vtt', bucket, $3, 'human', true FROM media.assets WHERE id = $2",
    )
    .bind(track.as_uuid())
    .bind(asset.as_uuid())
    .bind(&key)
    .execute(sql)
    .await
    .unwrap();
}
