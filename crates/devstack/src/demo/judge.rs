//! Programs that are not ours and judge what we made: ffprobe and ffmpeg.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use tokio::process::Command;
use tokio::time::timeout;

/// For one run over one file; a film that somebody gave may be long.
const LIMIT: Duration = Duration::from_secs(1800);

/// A stream of a file or playlist, read to its end.
#[derive(Debug)]
pub struct Stream {
    pub codec: String,
    pub profile: String,
    pub pixel_format: String,
    pub width: u32,
    pub height: u32,
    pub is_video: bool,
    pub packets: usize,
    /// From the first packet's start to the last one's end, in seconds.
    pub duration: f64,
    /// The longest packet, in seconds: a frame of video.
    pub frame: f64,
    /// When key frames are shown, in milliseconds from the first packet.
    pub key_frames: Vec<i64>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Described>,
    #[serde(default)]
    packets: Vec<Packet>,
}

#[derive(Deserialize)]
struct Described {
    index: usize,
    codec_type: Option<String>,
    codec_name: Option<String>,
    profile: Option<String>,
    pix_fmt: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
}

#[derive(Deserialize)]
struct Packet {
    stream_index: usize,
    pts_time: Option<String>,
    duration_time: Option<String>,
    flags: String,
}

/// Every stream of what ffprobe can open, each packet of it read.
pub async fn streams(url: &str) -> anyhow::Result<Vec<Stream>> {
    let entries = "stream=index,codec_type,codec_name,profile,pix_fmt,width,height:packet=stream_index,pts_time,duration_time,flags";
    let output = run("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "json", url]).await?;
    let answer: Answer = serde_json::from_slice(&output).context("ffprobe answered no JSON")?;
    let mut packets: BTreeMap<usize, Vec<Packet>> = BTreeMap::new();
    for packet in answer.packets {
        packets.entry(packet.stream_index).or_default().push(packet);
    }
    // A playlist's streams are listed again in its programs.
    let mut described: BTreeMap<usize, Described> = BTreeMap::new();
    described.extend(answer.streams.into_iter().map(|stream| (stream.index, stream)));
    Ok(described.into_values().map(|stream| measured(packets.remove(&stream.index).unwrap_or_default(), stream)).collect())
}

fn measured(packets: Vec<Packet>, stream: Described) -> Stream {
    let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
    let shown = |packet: &Packet| number(&packet.pts_time).unwrap_or(0.0);
    let first = packets.iter().map(shown).fold(f64::INFINITY, f64::min);
    let end = packets.iter().map(|packet| shown(packet) + number(&packet.duration_time).unwrap_or(0.0)).fold(first, f64::max);
    Stream {
        codec: stream.codec_name.unwrap_or_default(),
        profile: stream.profile.unwrap_or_default(),
        pixel_format: stream.pix_fmt.unwrap_or_default(),
        width: stream.width.unwrap_or_default(),
        height: stream.height.unwrap_or_default(),
        is_video: stream.codec_type.as_deref() == Some("video"),
        packets: packets.len(),
        duration: if packets.is_empty() { 0.0 } else { end - first },
        frame: packets.iter().filter_map(|packet| number(&packet.duration_time)).fold(0.0, f64::max),
        key_frames: packets.iter().filter(|packet| packet.flags.starts_with('K')).map(|packet| millis(shown(packet) - first)).collect(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no film is 292 million years long")]
fn millis(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Decodes every stream of a playlist to its end. ffmpeg says what is damaged and still ends with 0: it must say nothing.
pub async fn decodes(playlist: &str) -> anyhow::Result<()> {
    let target = ["-map", "0:v?", "-map", "0:a?", "-f", "null", "-"];
    let output = raw("ffmpeg", &[&["-nostdin", "-v", "error", "-xerror"], &input(playlist)[..], &target].concat()).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.is_empty(), "ffmpeg said: {}", brief(&said));
    Ok(())
}

/// Saves one picture of what ffmpeg can open, at `second`.
pub async fn picture(url: &str, second: &str, target: &str) -> anyhow::Result<()> {
    // After the input, so that all before it is decoded: ffmpeg 5.1 finds no frame after a seek in HLS of fragmented MP4, its own included.
    let choice = ["-ss", second, "-frames:v", "1", "-update", "1", target];
    run("ffmpeg", &[&["-nostdin", "-v", "error", "-y"], &input(url)[..], &choice].concat()).await?;
    let written = tokio::fs::metadata(target).await.with_context(|| format!("ffmpeg made no {target}"))?;
    ensure!(written.len() > 0, "{target} is empty");
    Ok(())
}

/// A playlist's segments are redirected to another host, and ffmpeg complains that it cannot go on with the old connection there.
fn input(url: &str) -> Vec<&str> {
    let playlist = if url.ends_with(".m3u8") { &["-http_persistent", "0"][..] } else { &[] };
    [playlist, &["-i", url]].concat()
}

/// What a program writes, where it ends well.
pub async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = raw(program, arguments).await?;
    if !output.status.success() {
        bail!("{program} ended with {}: {}", output.status, brief(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(output.stdout)
}

async fn raw(program: &str, arguments: &[&str]) -> anyhow::Result<std::process::Output> {
    let running = Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    timeout(LIMIT, running)
        .await
        .with_context(|| format!("{program} did not end within {LIMIT:?}"))?
        .with_context(|| format!("cannot start {program}; `make setup` installs it"))
}

fn brief(said: &str) -> String {
    said.lines().take(3).collect::<Vec<_>>().join(" / ")
}
