//! Films of every kind that is made something of, each in every player: what comes out of an odd file must not be odd.

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};
use serde_json::{Value, json};

use super::{browser, item, playback};
use crate::harness::{Bucket, World, samples};

/// For all films to be made: their posters and rungs take turns, so that even the first is ready late.
const MAKING: Duration = Duration::from_secs(900);
/// For all films in all players: two or three seconds each, and several times that where pictures are decoded slowly.
const PLAYING: Duration = Duration::from_secs(1800);

/// A moving picture and a tone for three seconds, told apart from the coding by `then`.
fn film(name: &str, picture: &str, coding: &str) -> (String, Vec<u8>) {
    let (picture, tone) = (format!("testsrc2={picture}:duration=3"), "sine=frequency=440:sample_rate=48000:duration=3");
    let inputs = ["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", tone];
    let coding: Vec<&str> = coding.split_whitespace().collect();
    (name.to_owned(), samples::ffmpeg(name, &[&inputs[..], &coding].concat()))
}

const X264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
const SMALL: &str = "size=320x180:rate=25";

fn films() -> Vec<(String, Vec<u8>)> {
    let x265 =
        |told: &str| format!("-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1 -c:a aac -x265-params log-level=none{told}");
    let wide = |transfer: &str| x265(&format!(":colorprim=bt2020:colormatrix=bt2020nc:transfer={transfer}"));
    vec![
        film("index-behind.mov", SMALL, &format!("{X264} -c:a aac")),
        film("in-pieces.mp4", SMALL, &format!("{X264} -c:a aac -movflags frag_keyframe+empty_moov")),
        lying_on_its_side(),
        film("hevc-10.mp4", SMALL, &x265("")),
        film("pq.mp4", SMALL, &wide("smpte2084")),
        film("hlg.mov", SMALL, &wide("arib-std-b67")),
        film("prores.mov", SMALL, "-pix_fmt yuv422p10le -c:v prores_ks -c:a pcm_s24le"),
        film("motion-jpeg.avi", SMALL, "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le"),
        film("mpeg4.avi", SMALL, "-c:v mpeg4 -c:a libmp3lame"),
        film("mpeg2.ts", "size=352x288:rate=25", "-c:v mpeg2video -c:a mp2"),
        film("fields.mkv", "size=352x288:rate=50", "-vf interlace -c:v mpeg2video -flags +ildct+ilme -c:a ac3"),
        film("vp8.webm", SMALL, "-c:v libvpx -deadline realtime -c:a libvorbis"),
        film("vp9.webm", SMALL, "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
        film("av1.mp4", SMALL, "-c:v libsvtav1 -preset 12 -c:a aac"),
        film(
            "variable-rate.mkv",
            "size=320x180:rate=30",
            &format!("-vf setpts='if(lt(T,1),PTS,1/TB+(PTS-1/TB)*3)' -fps_mode vfr -enc_time_base -1 {X264} -c:a aac"),
        ),
        film("odd-444.mkv", "size=324x182:rate=25", "-vf crop=323:181 -c:v libx264 -preset ultrafast -pix_fmt yuv444p -c:a flac"),
        film("anamorphic.mp4", "size=360x288:rate=25", &format!("-vf setsar=64/45 {X264} -c:a aac")),
        film("ten-bits-422.mp4", SMALL, "-c:v libx264 -preset ultrafast -pix_fmt yuv422p10le -c:a aac"),
        film("silent.mp4", SMALL, &format!("-map 0 {X264}")),
        film("six-channels.mkv", SMALL, &format!("{X264} -ac 6 -c:a ac3")),
        film(
            "two-languages.mkv",
            SMALL,
            &format!("-map 0 -map 1 -map 1 {X264} -c:a aac -metadata:s:a:0 language=deu -metadata:s:a:1 language=eng"),
        ),
        film("one-a-second.mp4", "size=320x180:rate=1", &format!("{X264} -c:a aac")),
        film("sixty-a-second.mp4", "size=320x180:rate=60", &format!("{X264} -c:a aac")),
        film("tower.mp4", "size=96x400:rate=25", &format!("{X264} -c:a aac")),
    ]
}

/// As telephones film.
fn lying_on_its_side() -> (String, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let lying = samples::on_disk(folder.path(), "lying.mp4", &samples::video(320, 180, 3));
    let turned = ["-i", lying.as_str(), "-c", "copy", "-metadata:s:v:0", "rotate=90"];
    ("telephone.mp4".to_owned(), samples::ffmpeg("telephone.mp4", &turned))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_film_plays_in_every_player() {
    let world = World::with("torture", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    Bucket::of(world.isolated()).open_to_pages().await;
    let mut caller = world.caller().await;
    let mut ids = Vec::new();
    for (name, bytes) in films() {
        let id = caller.upload(AssetKind::Video, &name, &bytes).await;
        ids.push((name, id));
    }
    let mut plan = Vec::new();
    for (name, id) in &ids {
        caller.until(id, AssetStatus::Ready, MAKING).await;
        let shown = playback(&mut caller, id).await;
        plan.extend([
            item(&format!("{name} in hls.js"), "hls", &shown.hls_url, 0),
            item(&format!("{name} in shaka-player, DASH"), "shaka", &shown.dash_url, 0),
            item(&format!("{name} in dash.js"), "dash", &shown.dash_url, 0),
            item(&format!("{name} in <video src>"), "plain", &shown.progressive_url, 0),
        ]);
    }
    let reports = browser::play(&json!(plan), PLAYING).await;
    assert_eq!(reports.len(), plan.len());
    let failed: Vec<&Value> = reports.iter().filter(|report| !has_played(report)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Whether every level that the player sees was on the screen, for a second.
fn has_played(report: &Value) -> bool {
    let heights = report["heights"].as_array().unwrap();
    let mut shown = report["shown"].as_array().unwrap().clone();
    shown.reverse();
    report["error"].is_null() && !heights.is_empty() && &shown == heights
}
