//! HLS playlists (RFC 8216): one object per rendition, each segment a byte range of it.
//!
//! A master playlist stands at `hls.m3u8`, a media playlist at `media/{profile}.m3u8` beside its object `media/{profile}`, that of its
//! keyframes at `media/{profile}.keyframes.m3u8`, and a subtitle playlist at `captions/{track}.m3u8` beside `captions/{track}.vtt`; every URI is relative to the playlist it stands in.

use std::{collections::BTreeSet, fmt::Write as _};

use media_domain::CaptionTrackId;

use crate::{
    Caption, CaptionKind, Fragment, ManifestError, Rendition, Track,
    audio::{Encoding, encodings},
};

/// The media type of a playlist (RFC 8216, 10).
pub const MIME: &str = "application/vnd.apple.mpegurl";

/// `EXT-X-MAP` for segments of fragmented MP4 wants 6 (RFC 8216, 7); clients in the field take 7 as the sign for CMAF.
const HEAD: &str = "#EXTM3U\n#EXT-X-VERSION:7\n";
/// Follows the path of a segment. ffmpeg (seen with 5.1.9; its option `allowed_segment_extensions`) opens no segment whose URL does
/// not end like a media file, and the object's path ends with the profile. The door reads no query.
const SEGMENT_ENDING: &str = "?as=.mp4";
const CAPTION_GROUP: &str = "captions";

/// The master playlist: every video rendition with every audio encoding, each a group of all tracks, and the captions that go with
/// it; without video, every audio encoding by itself. The lightest comes first, because that is where a player starts.
///
/// # Errors
/// [`ManifestError::NothingToPlay`] where there is no rendition.
pub fn master(renditions: &[Rendition], captions: &[Caption]) -> Result<String, ManifestError> {
    let (mut video, audio): (Vec<&Rendition>, Vec<&Rendition>) = renditions.iter().partition(|rendition| rendition.is_video());
    video.sort_by_key(|rendition| rendition.index.peak_bps());
    let encodings = encodings(&audio);
    if video.is_empty() && audio.is_empty() {
        return Err(ManifestError::NothingToPlay);
    }

    let mut text = format!("{HEAD}#EXT-X-INDEPENDENT-SEGMENTS\n");
    // Sound of one track that stands alone has nothing to be chosen from.
    let grouped = !video.is_empty() || encodings.iter().any(|encoding| encoding.tracks.len() > 1);
    if grouped {
        write_audio_groups(&mut text, &encodings);
    }
    write_caption_group(&mut text, captions);
    let with_captions = !captions.is_empty();
    for stream in &video {
        if encodings.is_empty() {
            write_stream(&mut text, Some(stream), None, with_captions, grouped);
        }
        for encoding in &encodings {
            write_stream(&mut text, Some(stream), Some(encoding), with_captions, grouped);
        }
    }
    if video.is_empty() {
        for encoding in &encodings {
            write_stream(&mut text, None, Some(encoding), with_captions, grouped);
        }
    }
    for stream in video.iter().filter(|stream| stream.index.has_keyframes()) {
        write_keyframe_stream(&mut text, stream);
    }
    Ok(text)
}

/// The media playlist of one rendition.
pub fn media(rendition: &Rendition) -> String {
    ranges(rendition, "#EXT-X-INDEPENDENT-SEGMENTS", |fragment| fragment.size)
}

/// The playlist of one rendition's keyframes, for scrubbing (RFC 8216, 4.3.3.6): of each fragment its boxes and its first frame.
///
/// # Errors
/// [`ManifestError::NothingToPlay`] where a fragment begins with no keyframe, or nobody counted its bytes.
pub fn keyframes(rendition: &Rendition) -> Result<String, ManifestError> {
    if !rendition.is_video() || !rendition.index.has_keyframes() {
        return Err(ManifestError::NothingToPlay);
    }
    Ok(ranges(rendition, "#EXT-X-I-FRAMES-ONLY", |fragment| fragment.keyframe_bytes))
}

fn ranges(rendition: &Rendition, kind: &str, bytes: fn(&Fragment) -> u64) -> String {
    let index = &rendition.index;
    let mut text = media_head(index.target_duration_seconds());
    let object = format!("{}{SEGMENT_ENDING}", rendition.profile);
    line(&mut text, format_args!("{kind}"));
    line(&mut text, format_args!("#EXT-X-MAP:URI=\"{object}\",BYTERANGE=\"{}@0\"", index.init_bytes()));
    for fragment in index.fragments() {
        line(&mut text, format_args!("#EXTINF:{},", seconds(fragment.duration_us)));
        line(&mut text, format_args!("#EXT-X-BYTERANGE:{}@{}", bytes(fragment), fragment.offset));
        line(&mut text, format_args!("{object}"));
    }
    line(&mut text, format_args!("#EXT-X-ENDLIST"));
    text
}

/// The media playlist of a caption track: the whole WebVTT file as one segment, as long as the asset plays (RFC 8216, 3.5).
pub fn caption(track: CaptionTrackId, duration_us: u64) -> String {
    let duration_us = duration_us.max(1);
    let mut text = media_head(duration_us.div_ceil(1_000_000));
    line(&mut text, format_args!("#EXTINF:{},", seconds(duration_us)));
    line(&mut text, format_args!("{track}.vtt"));
    line(&mut text, format_args!("#EXT-X-ENDLIST"));
    text
}

fn media_head(target_duration_seconds: u64) -> String {
    format!("{HEAD}#EXT-X-TARGETDURATION:{target_duration_seconds}\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n")
}

/// `EXT-X-MEDIA` of each track in each encoding (RFC 8216, 4.3.4.1). Names are unique in their group and the same in all, as it
/// demands; one of each group is the default.
fn write_audio_groups(text: &mut String, encodings: &[Encoding<'_>]) {
    for encoding in encodings {
        let mut names = BTreeSet::new();
        for (place, rendition) in encoding.tracks.iter().enumerate() {
            let Track::Audio { channels, language } = &rendition.track else { continue };
            let language = language.as_deref().map(quotable).filter(|language| !language.is_empty());
            let number = rendition.encoding().1;
            let base = language.clone().unwrap_or_else(|| "audio".to_owned());
            let (name, auto) = unique(&mut names, base, &number.to_string());
            let language = language.map(|language| format!(",LANGUAGE=\"{language}\"")).unwrap_or_default();
            let default = if place == 0 { "YES" } else { "NO" };
            line(
                text,
                format_args!(
                    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{}\",NAME=\"{name}\"{language},DEFAULT={default},AUTOSELECT={auto},CHANNELS=\"{channels}\",URI=\"media/{}.m3u8\"",
                    encoding.name, rendition.profile
                ),
            );
        }
    }
}

fn write_caption_group(text: &mut String, captions: &[Caption]) {
    let mut names = BTreeSet::new();
    for caption in captions {
        let language = quotable(&caption.language);
        let (kind, characteristics) = match caption.kind {
            CaptionKind::Captions => (
                "captions",
                ",CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\"",
            ),
            CaptionKind::Subtitles => ("subtitles", ""),
            CaptionKind::Descriptions => ("descriptions", ",CHARACTERISTICS=\"public.accessibility.describes-video\""),
        };
        let (name, auto) = unique(&mut names, format!("{language} {kind}"), &caption.track.to_string());
        line(
            text,
            format_args!(
                "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"{CAPTION_GROUP}\",NAME=\"{name}\",LANGUAGE=\"{language}\",DEFAULT=NO,AUTOSELECT={auto},FORCED=NO{characteristics},URI=\"captions/{}.m3u8\"",
                caption.track
            ),
        );
    }
}

/// `EXT-X-STREAM-INF` (RFC 8216, 4.3.4.2). Its rates are those of the stream with the heaviest audio of the group, and its codecs
/// all that may be heard with it.
fn write_stream(text: &mut String, video: Option<&Rendition>, audio: Option<&Encoding<'_>>, captions: bool, grouped: bool) {
    let sum = |rate: fn(&Rendition) -> u64| video.map_or(0, rate).saturating_add(audio.map_or(0, |encoding| encoding.heaviest(rate)));
    let (peak, average) = (sum(|rendition| rendition.index.peak_bps()), sum(|rendition| rendition.index.average_bps()));
    let tracks = audio.map(|encoding| encoding.tracks.as_slice()).unwrap_or_default();
    let Some(stream) = video.or_else(|| tracks.first().copied()) else { return };
    let heard: BTreeSet<String> = tracks.iter().map(|rendition| quotable(&rendition.codec)).collect();
    let codecs: Vec<String> = video.map(|rendition| quotable(&rendition.codec)).into_iter().chain(heard).collect();

    let mut attributes = format!("BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{}\"", codecs.join(","));
    if let Track::Video { width, height, frame_rate: (frames, seconds) } = stream.track {
        attributes.push_str(&format!(",RESOLUTION={width}x{height}"));
        if frames > 0 && seconds > 0 {
            attributes.push_str(&format!(",FRAME-RATE={:.3}", f64::from(frames) / f64::from(seconds)));
        }
    }
    if let Some(encoding) = audio.filter(|_| grouped) {
        attributes.push_str(&format!(",AUDIO=\"{}\"", encoding.name));
    }
    if captions {
        attributes.push_str(&format!(",SUBTITLES=\"{CAPTION_GROUP}\""));
    }
    line(text, format_args!("#EXT-X-STREAM-INF:{attributes},CLOSED-CAPTIONS=NONE"));
    line(text, format_args!("media/{}.m3u8", stream.profile));
}

/// `EXT-X-I-FRAME-STREAM-INF` (RFC 8216, 4.3.4.3).
fn write_keyframe_stream(text: &mut String, stream: &Rendition) {
    let Track::Video { width, height, .. } = stream.track else { return };
    let (peak, average) = (stream.index.keyframes_peak_bps(), stream.index.keyframes_average_bps());
    let (codec, profile) = (quotable(&stream.codec), &stream.profile);
    line(
        text,
        format_args!(
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average},CODECS=\"{codec}\",RESOLUTION={width}x{height},URI=\"media/{profile}.keyframes.m3u8\""
        ),
    );
}

/// A duration as `EXTINF` takes it: decimal seconds, to the microsecond (RFC 8216, 4.3.2.1).
fn seconds(duration_us: u64) -> String {
    format!("{}.{:06}", duration_us / 1_000_000, duration_us % 1_000_000)
}

/// What may stand in a quoted string: no quotation mark and no line break (RFC 8216, 4.2).
fn quotable(text: &str) -> String {
    text.chars().filter(|character| *character != '"' && !character.is_control()).collect()
}

/// A name that nobody in the group has, and whether a player may choose its bearer by itself: the first that can be told from the
/// others by language and kind (RFC 8216, 4.3.4.1.1).
fn unique(taken: &mut BTreeSet<String>, name: String, distinction: &str) -> (String, &'static str) {
    if taken.insert(name.clone()) {
        return (name, "YES");
    }
    let name = format!("{name} ({distinction})");
    taken.insert(name.clone());
    (name, "NO")
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    text.write_fmt(content).unwrap_or_default();
    text.push('\n');
}

#[cfg(test)]
#[path = "hls_tests.rs"]
pub(crate) mod tests;
