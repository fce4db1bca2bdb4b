//! What ffprobe and ffmpeg, which are not ours, find at the end of a playlist.

use std::process::Command;

use serde_json::Value;
use url::Url;

use crate::harness::samples;

/// One stream, read to its end.
#[derive(Debug)]
pub struct Stream {
    pub codec: String,
    pub profile: String,
    pub pixel_format: String,
    pub size: (i64, i64),
    /// Frames that were decoded.
    pub frames: i64,
    /// From the first packet's start to the last one's end.
    pub seconds: f64,
    /// The longest packet: a frame of video.
    pub frame_seconds: f64,
    /// When key frames are shown, after the first packet.
    pub key_frames_ms: Vec<i64>,
}

/// The playlists that a master playlist names.
#[derive(Debug, Default)]
pub struct Master {
    pub text: String,
    pub rungs: Vec<String>,
    pub audio: Vec<String>,
    pub captions: Vec<String>,
    pub keyframes: Vec<String>,
}

impl Master {
    pub async fn get(hls_url: &str) -> Self {
        let text = reqwest::get(hls_url).await.unwrap().error_for_status().unwrap().text().await.unwrap();
        let base: Url = hls_url.parse().unwrap();
        let mut master = Self { text: text.clone(), ..Self::default() };
        let absolute = |uri: &str| base.join(uri).unwrap().to_string();
        for line in text.lines() {
            let uri = line.split_once("URI=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(uri, _)| absolute(uri));
            match uri {
                Some(uri) if line.contains("TYPE=AUDIO") => master.audio.push(uri),
                Some(uri) if line.contains("TYPE=SUBTITLES") => master.captions.push(uri),
                Some(uri) if line.starts_with("#EXT-X-I-FRAME-STREAM-INF") => master.keyframes.push(uri),
                Some(uri) => panic!("{uri} is of no kind that a player knows"),
                None if line.starts_with('#') => {}
                None => master.rungs.push(absolute(line)),
            }
        }
        master
    }
}

/// The one stream of a file or media playlist, decoded to its end.
pub fn only_stream(input: &str) -> Stream {
    let mut streams = streams(input);
    assert_eq!(streams.len(), 1, "{input}: {streams:?}");
    streams.remove(0)
}

/// Every stream of a file or playlist, decoded to its end.
pub fn streams(input: &str) -> Vec<Stream> {
    let probed = samples::ffprobe(input, &["-count_frames", "-show_streams", "-show_packets"]);
    let packets = probed["packets"].as_array().unwrap();
    let of = |stream: &Value| {
        let own: Vec<&Value> = packets.iter().filter(|packet| packet["stream_index"] == stream["index"]).collect();
        measured(stream, &own)
    };
    probed["streams"].as_array().unwrap().iter().map(of).collect()
}

fn measured(stream: &Value, packets: &[&Value]) -> Stream {
    let text = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    let seconds = |packet: &Value, key: &str| packet[key].as_str().unwrap_or("0").parse::<f64>().unwrap();
    let start = packets.iter().map(|packet| seconds(packet, "pts_time")).fold(f64::INFINITY, f64::min);
    let end = packets.iter().map(|packet| seconds(packet, "pts_time") + seconds(packet, "duration_time")).fold(start, f64::max);
    let is_key = |packet: &&&Value| packet["flags"].as_str().unwrap().starts_with('K');
    #[expect(clippy::cast_possible_truncation, reason = "a sample lasts seconds")]
    let millis = |packet: &&Value| ((seconds(packet, "pts_time") - start) * 1000.0).round() as i64;
    Stream {
        codec: text("codec_name"),
        profile: text("profile"),
        pixel_format: text("pix_fmt"),
        size: (stream["width"].as_i64().unwrap_or(0), stream["height"].as_i64().unwrap_or(0)),
        frames: text("nb_read_frames").parse().unwrap(),
        seconds: end - start,
        frame_seconds: packets.iter().map(|packet| seconds(packet, "duration_time")).fold(0.0, f64::max),
        key_frames_ms: packets.iter().filter(is_key).map(millis).collect(),
    }
}

impl Stream {
    pub fn assert_is_h264_that_browsers_decode(&self) {
        assert_eq!((self.codec.as_str(), self.pixel_format.as_str()), ("h264", "yuv420p"));
        assert!(matches!(self.profile.as_str(), "High" | "Main"), "{}", self.profile);
    }

    /// As long as the source's, but for one frame of either.
    pub fn assert_lasts_as_long_as(&self, source: &Stream) {
        let (difference, frame) = ((self.seconds - source.seconds).abs(), self.frame_seconds.max(source.frame_seconds));
        assert!(difference <= frame + 0.001, "{} s of {} s, where a frame is {frame} s", self.seconds, source.seconds);
    }
}

/// Decodes all that a playlist names. ffmpeg says what is damaged and still ends with 0: it must say nothing.
pub fn assert_ffmpeg_reads_to_the_end(hls_url: &str) {
    // Segments are redirected to another host, and ffmpeg complains that the old connection cannot go on there.
    let arguments = ["-nostdin", "-v", "error", "-xerror", "-http_persistent", "0", "-i", hls_url, "-map", "0", "-f", "null", "-"];
    let output = Command::new("ffmpeg").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

/// Decodes a picture; answers its size and how far its darkest pixel is from its brightest, of 255.
pub fn picture(bytes: &[u8]) -> ((i64, i64), u8) {
    let folder = tempfile::tempdir().unwrap();
    let path = samples::on_disk(folder.path(), "picture", bytes);
    let probed = samples::ffprobe(&path, &["-show_streams"]);
    let stream = &probed["streams"][0];
    let size = (stream["width"].as_i64().unwrap(), stream["height"].as_i64().unwrap());
    let grey = samples::ffmpeg("grey.raw", &["-i", &path, "-f", "rawvideo", "-pix_fmt", "gray"]);
    assert_eq!(grey.len(), usize::try_from(size.0 * size.1).unwrap());
    (size, grey.iter().max().unwrap() - grey.iter().min().unwrap())
}
