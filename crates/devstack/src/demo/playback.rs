//! That it plays: every stream is read to its end through the door, by programs that are not ours.

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use super::answer::{Playback, Shown, Variant};
use super::judge::{self, Stream};
use super::page::{Checks, seconds};
use super::person::Person;
use super::stage::Stage;

/// What a browser decodes (ISO 14496-10, A.2; 4:2:0 in 8 bits).
const PROFILES: [&str; 2] = ["High", "Main"];
const PIXELS: &str = "yuv420p";
/// ffprobe tells times in microseconds, and a track counts in its own unit.
const ROUNDING_SECONDS: f64 = 0.001;
/// When a picture of each rung is taken.
const MOMENT_SECONDS: &str = "5";

/// Reads the HLS and holds it against the file that it was made of.
pub async fn hls(url: &str, source: &Path, shown: &Shown, checks: &mut Checks) -> anyhow::Result<()> {
    let playlist = reqwest::get(url).await?.error_for_status().context("the door")?.text().await?;
    ensure!(playlist.starts_with("#EXTM3U"), "the door's answer is no playlist");
    let played = judge::streams(url).await.context("ffprobe cannot read the HLS")?;
    let source = judge::streams(&source.display().to_string()).await.context("ffprobe cannot read the file itself")?;

    let of_source = |is_video: bool| source.iter().find(|stream| stream.is_video == is_video && stream.packets > 1);
    let rungs: Vec<&Stream> = played.iter().filter(|stream| stream.is_video).collect();
    let wanted: Vec<&Variant> = shown.rungs().collect();
    if !wanted.is_empty() {
        checks.claim(
            "the HLS has each rung",
            wanted.iter().all(|variant| rungs.iter().any(|stream| is_of(stream, variant))),
            rungs.iter().map(|stream| format!("{}x{}", stream.width, stream.height)).collect::<Vec<_>>().join(", "),
        );
    }
    for stream in &rungs {
        let what = format!("{}x{} reads to its end", stream.width, stream.height);
        judge_stream(&what, stream, of_source(true), checks);
        checks.claim(
            &format!("{}x{} is H.264 that browsers decode", stream.width, stream.height),
            stream.codec == "h264" && PROFILES.contains(&stream.profile.as_str()) && stream.pixel_format == PIXELS,
            format!("{} {} {}", stream.codec, stream.profile, stream.pixel_format),
        );
    }
    if let [first, rest @ ..] = rungs.as_slice()
        && !rest.is_empty()
    {
        let aligned = rest.iter().all(|stream| stream.key_frames == first.key_frames);
        checks.claim("key frames are aligned across rungs", aligned, format!("{} of them", first.key_frames.len()));
    }
    if let Some(heard) = of_source(false) {
        let audio = played.iter().find(|stream| !stream.is_video);
        match audio {
            Some(audio) => {
                checks.claim("the audio is AAC", audio.codec == "aac", &audio.profile);
                judge_stream("the audio reads to its end", audio, Some(heard), checks);
            }
            None => checks.claim("the HLS has audio", false, "none"),
        }
    }
    checks.done("ffmpeg decodes all of it without a word of complaint", judge::decodes(url).await);
    Ok(())
}

/// A stream is as long as the file's own, to a frame of video; an audio encoder fills up a frame at each end.
fn judge_stream(what: &str, stream: &Stream, source: Option<&Stream>, checks: &mut Checks) {
    let Some(source) = source else { return checks.claim(what, false, "the file has no such stream") };
    let difference = (stream.duration - source.duration).abs();
    let frame = stream.frame.max(source.frame);
    let most = if stream.is_video { frame } else { 2.0 * frame };
    checks.claim(
        what,
        stream.packets > 0 && difference <= most + ROUNDING_SECONDS,
        format!(
            "{} packets, {}, {:.0} ms from the file's own, where a frame is {:.0} ms",
            stream.packets,
            seconds(Duration::from_secs_f64(stream.duration.max(0.0))),
            difference * 1000.0,
            frame * 1000.0
        ),
    );
}

fn is_of(stream: &Stream, variant: &Variant) -> bool {
    (Some(stream.width), Some(stream.height)) == (variant.width, variant.height)
}

/// Saves the poster, the sheet of tiles, and one picture of each rung and file, through the door.
pub async fn pictures(playback: &Playback, shown: &Shown, stage: &Stage, checks: &mut Checks) {
    let sheet = playback.storyboard_url.replace("storyboard.vtt", "media/storyboard");
    for (what, url, second, name) in [
        ("the poster", &playback.poster_url, "0", "poster.png"),
        ("the storyboard", &sheet, "0", "storyboard.png"),
        ("a picture of the progressive file", &playback.progressive_url, MOMENT_SECONDS, "progressive.png"),
        ("a picture of the preview", &playback.preview_url, "1", "preview.png"),
    ] {
        if !url.is_empty() {
            save(what, url, second, name, stage, checks).await;
        }
    }
    for rung in shown.rungs() {
        let playlist = playback.hls_url.replace("hls.m3u8", &format!("media/{}.m3u8", rung.profile));
        save(&format!("a picture of {}", rung.profile), &playlist, MOMENT_SECONDS, &format!("{}.png", rung.profile), stage, checks).await;
    }
    for image in &playback.images {
        let wanted = format!("{} is {}x{}", image.profile, image.width, image.height);
        let seen = judge::streams(&image.url).await;
        let is_so = seen.as_ref().is_ok_and(|seen| seen.iter().any(|stream| (stream.width, stream.height) == (image.width, image.height)));
        checks.claim(&wanted, is_so, seen.err().map(|error| format!("{error:#}")).unwrap_or_default());
        save(&format!("a picture of {}", image.profile), &image.url, "0", &format!("{}.png", image.profile), stage, checks).await;
    }
}

async fn save(what: &str, url: &str, second: &str, name: &str, stage: &Stage, checks: &mut Checks) {
    let target = stage.keepsake(name).display().to_string();
    match judge::picture(url, second, &target).await {
        Ok(()) => checks.claim(&format!("{what} is saved"), true, target),
        Err(error) => checks.claim(&format!("{what} is saved"), false, format!("{error:#}")),
    }
}

/// Downloads the original and compares it.
pub async fn same_bytes(person: &Person, asset: &str, file: &Path) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("media-demo-").tempdir()?;
    let target = folder.path().join("original");
    person.answer(&[OsStr::new("download"), OsStr::new(asset), OsStr::new("-o"), target.as_os_str()]).await?;
    let (sent, came) = (tokio::fs::read(file).await?, tokio::fs::read(&target).await?);
    ensure!(sent == came, "{} bytes were sent and {} others came back", sent.len(), came.len());
    Ok(())
}
