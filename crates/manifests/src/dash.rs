//! DASH's manifest (ISO/IEC 23009-1): the same objects and byte ranges as in HLS.
//!
//! The MPD stands at `dash.mpd`, beside the folders `media` and `captions` that its relative URLs name. Each fragment is a
//! `SegmentURL` with a `mediaRange`, and a `SegmentTimeline` says how long each plays: what shaka-player and dash.js both read.

use std::fmt::{self, Write as _};

use crate::{Caption, CaptionKind, ManifestError, Rendition, Storyboard, Track, audio::encodings};

/// The media type of an MPD (ISO/IEC 23009-1, annex C).
pub const MIME: &str = "application/dash+xml";

/// Durations are written in microseconds.
const TIMESCALE: u32 = 1_000_000;
/// A role says what a set is for (ISO/IEC 23009-1, 5.8.5.5).
const ROLES: &str = "urn:mpeg:dash:role:2011";
const CHANNELS: &str = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";
/// Tiles of a picture as thumbnails (DASH-IF IOP 4.3, 6.2.6).
const THUMBNAIL_TILE: &str = "http://dashif.org/guidelines/thumbnail_tile";
/// What a WebVTT file is said to weigh; the attribute is required and nobody goes by it.
const TEXT_BPS: u32 = 256;

/// The manifest of an asset: a set for the rungs of each codec, for each audio track by codec and channels, for each caption track,
/// and for the storyboard.
///
/// # Errors
/// [`ManifestError::NothingToPlay`] where there is no rendition.
pub fn mpd(renditions: &[Rendition], captions: &[Caption], storyboard: Option<&Storyboard>) -> Result<String, ManifestError> {
    let duration_us = renditions.iter().map(|rendition| rendition.index.duration_us()).max().ok_or(ManifestError::NothingToPlay)?;
    let fragments = renditions.iter().flat_map(|rendition| rendition.index.fragments());
    let longest_us = fragments.map(|fragment| fragment.duration_us).max().unwrap_or_default();

    let mut xml = Xml::default();
    xml.line(0, format_args!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
    xml.line(
        0,
        format_args!(
            "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:full:2011\" type=\"static\" \
             mediaPresentationDuration=\"{}\" minBufferTime=\"{}\" maxSegmentDuration=\"{}\">",
            duration(duration_us),
            duration(longest_us),
            duration(longest_us)
        ),
    );
    xml.line(1, format_args!("<Period id=\"0\" start=\"PT0S\">"));
    for set in video_sets(renditions) {
        xml.video(&set);
    }
    for set in audio_sets(renditions) {
        xml.audio(&set);
    }
    for caption in captions {
        xml.caption(caption);
    }
    if let Some(storyboard) = storyboard {
        xml.storyboard(storyboard, duration_us);
    }
    xml.line(1, format_args!("</Period>"));
    xml.line(0, format_args!("</MPD>"));
    Ok(xml.text)
}

/// The rungs of each codec, lightest first, in the order in which the codecs begin.
fn video_sets(renditions: &[Rendition]) -> Vec<Vec<&Rendition>> {
    let mut video: Vec<&Rendition> = renditions.iter().filter(|rendition| rendition.is_video()).collect();
    video.sort_by_key(|rendition| rendition.index.peak_bps());
    in_sets(video, |rendition| rendition.codec_family().to_owned())
}

/// What can be switched between while a track is heard: one codec, one number of channels.
fn audio_sets(renditions: &[Rendition]) -> Vec<Vec<&Rendition>> {
    let audio: Vec<&Rendition> = renditions.iter().filter(|rendition| !rendition.is_video()).collect();
    let mut ordered: Vec<&Rendition> = Vec::new();
    for rendition in encodings(&audio).into_iter().flat_map(|encoding| encoding.tracks) {
        if !ordered.iter().any(|listed| listed.profile == rendition.profile) {
            ordered.push(rendition);
        }
    }
    ordered.sort_by_key(|rendition| rendition.encoding().1);
    in_sets(ordered, |rendition| {
        let channels = if let Track::Audio { channels, .. } = rendition.track { channels } else { 0 };
        (rendition.encoding().1, rendition.codec_family().to_owned(), channels)
    })
}

fn in_sets<K: PartialEq>(renditions: Vec<&Rendition>, key: impl Fn(&Rendition) -> K) -> Vec<Vec<&Rendition>> {
    let mut sets: Vec<Vec<&Rendition>> = Vec::new();
    for rendition in renditions {
        match sets.iter_mut().find(|set| key(set[0]) == key(rendition)) {
            Some(set) => set.push(rendition),
            None => sets.push(vec![rendition]),
        }
    }
    sets
}

/// The text as far as it is written. The order of elements is the schema's (DASH-MPD.xsd).
#[derive(Default)]
struct Xml {
    text: String,
    sets: u32,
}

impl Xml {
    fn line(&mut self, depth: usize, content: fmt::Arguments<'_>) {
        let indent = depth * 2;
        // Writing to a String cannot fail.
        writeln!(self.text, "{:indent$}{content}", "").unwrap_or_default();
    }

    fn open_set(&mut self, attributes: fmt::Arguments<'_>) {
        let id = self.sets;
        self.sets += 1;
        self.line(2, format_args!("<AdaptationSet id=\"{id}\" {attributes}>"));
    }

    fn close_set(&mut self) {
        self.line(2, format_args!("</AdaptationSet>"));
    }

    fn role(&mut self, role: &str) {
        self.line(3, format_args!("<Role schemeIdUri=\"{ROLES}\" value=\"{role}\"/>"));
    }

    fn video(&mut self, set: &[&Rendition]) {
        self.open_set(format_args!("contentType=\"video\" mimeType=\"video/mp4\" segmentAlignment=\"true\" startWithSAP=\"1\""));
        self.role("main");
        for rendition in set {
            let Track::Video { width, height, frame_rate: (frames, seconds) } = rendition.track else { continue };
            let rate = if frames > 0 && seconds > 0 { format!(" frameRate=\"{frames}/{seconds}\"") } else { String::new() };
            self.representation(rendition, format_args!(" width=\"{width}\" height=\"{height}\" sar=\"1:1\"{rate}"));
        }
        self.close_set();
    }

    fn audio(&mut self, set: &[&Rendition]) {
        let Track::Audio { channels, language } = &set[0].track else { return };
        let language = language.as_deref().map(|language| format!(" lang=\"{}\"", Escaped(language))).unwrap_or_default();
        self.open_set(format_args!("contentType=\"audio\" mimeType=\"audio/mp4\"{language} segmentAlignment=\"true\" startWithSAP=\"1\""));
        // Beyond six the number is no longer that of the channels (ISO/IEC 23003-3, table 68).
        if (1..=6).contains(channels) {
            self.line(3, format_args!("<AudioChannelConfiguration schemeIdUri=\"{CHANNELS}\" value=\"{channels}\"/>"));
        }
        self.role(if set[0].encoding().1 == 1 { "main" } else { "alternate" });
        for rendition in set {
            self.representation(rendition, format_args!(""));
        }
        self.close_set();
    }

    fn representation(&mut self, rendition: &Rendition, attributes: fmt::Arguments<'_>) {
        let (profile, codec, index) = (&rendition.profile, Escaped(&rendition.codec), &rendition.index);
        let peak = index.peak_bps();
        self.line(3, format_args!("<Representation id=\"{profile}\" codecs=\"{codec}\" bandwidth=\"{peak}\"{attributes}>"));
        self.line(4, format_args!("<BaseURL>media/{profile}</BaseURL>"));
        self.line(4, format_args!("<SegmentList timescale=\"{TIMESCALE}\">"));
        self.line(5, format_args!("<Initialization range=\"0-{}\"/>", index.init_bytes() - 1));
        self.line(5, format_args!("<SegmentTimeline>"));
        // Without repeats (`r`): dash.js 5 then takes the range of another segment, because it counts elements and not segments.
        let mut start_us = 0;
        for fragment in index.fragments() {
            self.line(6, format_args!("<S t=\"{start_us}\" d=\"{}\"/>", fragment.duration_us));
            start_us += fragment.duration_us;
        }
        self.line(5, format_args!("</SegmentTimeline>"));
        for fragment in index.fragments() {
            self.line(5, format_args!("<SegmentURL mediaRange=\"{}-{}\"/>", fragment.offset, fragment.offset + fragment.size - 1));
        }
        self.line(4, format_args!("</SegmentList>"));
        self.line(3, format_args!("</Representation>"));
    }

    fn caption(&mut self, caption: &Caption) {
        let role = match caption.kind {
            CaptionKind::Captions => "caption",
            CaptionKind::Subtitles => "subtitle",
            CaptionKind::Descriptions => "description",
        };
        self.open_set(format_args!("contentType=\"text\" mimeType=\"text/vtt\" lang=\"{}\"", Escaped(&caption.language)));
        self.role(role);
        self.line(3, format_args!("<Representation id=\"{}\" bandwidth=\"{TEXT_BPS}\">", caption.track));
        self.line(4, format_args!("<BaseURL>captions/{}.vtt</BaseURL>", caption.track));
        self.line(3, format_args!("</Representation>"));
        self.close_set();
    }

    /// One segment, whose tiles share its duration evenly: so it is as long as a full sheet, also where the last row is not full.
    fn storyboard(&mut self, storyboard: &Storyboard, duration_us: u64) {
        let (tiles, rows) = (storyboard.tiles, storyboard.rows());
        let sheet_ms = u64::from(tiles.columns).saturating_mul(rows.into()).saturating_mul(tiles.interval_ms);
        let bps = storyboard.size_bytes.saturating_mul(8_000_000) / duration_us.max(1);
        self.open_set(format_args!("contentType=\"image\" mimeType=\"{}\"", Escaped(&storyboard.mime)));
        self.line(
            3,
            format_args!(
                "<SegmentTemplate media=\"media/{}\" timescale=\"1000\" duration=\"{sheet_ms}\" startNumber=\"1\"/>",
                storyboard.profile
            ),
        );
        let (width, height) = (tiles.columns * tiles.width, rows * tiles.height);
        self.line(
            3,
            format_args!(
                "<Representation id=\"{}\" bandwidth=\"{}\" width=\"{width}\" height=\"{height}\">",
                storyboard.profile,
                bps.max(1)
            ),
        );
        self.line(4, format_args!("<EssentialProperty schemeIdUri=\"{THUMBNAIL_TILE}\" value=\"{}x{rows}\"/>", tiles.columns));
        self.line(3, format_args!("</Representation>"));
        self.close_set();
    }
}

/// `xs:duration`, in seconds.
fn duration(us: u64) -> String {
    format!("PT{}.{:06}S", us / u64::from(TIMESCALE), us % u64::from(TIMESCALE))
}

/// Text in an attribute's quotes (XML 1.0, 2.4); a control character is in no XML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().filter(|character| !character.is_control()) {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "dash_tests.rs"]
mod tests;
