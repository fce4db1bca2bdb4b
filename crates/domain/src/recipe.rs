//! How a variant is made: the recipes that our graphs know, with their numbers.

use serde::{Deserialize, Serialize};

/// How a variant is made, with its numbers. Pictures are never made larger than they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Recipe {
    /// A video rung: H.264 High, 4:2:0, 8 bit, in fragmented MP4 (CMAF). The height is the short side in pixels.
    H264 { height: u32, bitrate_kbps: u32 },
    /// A video rung of VP9 in fragmented MP4.
    Vp9 { height: u32, bitrate_kbps: u32 },
    /// A video rung of AV1 in fragmented MP4.
    Av1 { height: u32, bitrate_kbps: u32 },
    /// AAC-LC in fragmented MP4.
    Aac {
        bitrate_kbps: u32,
        #[serde(default = "stereo")]
        channels: u32,
    },
    /// Opus in fragmented MP4.
    Opus { bitrate_kbps: u32 },
    /// Picture and sound in one file that plays from its start: H.264 High and AAC-LC stereo, `moov` in front.
    Mp4 { height: u32, bitrate_kbps: u32, audio_kbps: u32 },
    /// The first seconds that are worth seeing, without sound: H.264 in one MP4 file.
    Preview { height: u32, bitrate_kbps: u32, seconds: u32 },
    /// One frame of a video as WebP.
    Poster { max_width: u32, quality: u32 },
    /// The picture that an audio file carries, as WebP.
    Cover { max_width: u32, quality: u32 },
    /// Frames from all over a video, side by side in one JPEG.
    Storyboard { tiles: u32, tile_width: u32, quality: u32 },
    /// A picture no wider than this. An animation stays one.
    Webp { width: u32, quality: u32 },
    /// A picture no wider than this.
    Avif { width: u32, quality: u32 },
    /// A picture no wider than this, for those who can show nothing else.
    Jpeg { width: u32, quality: u32 },
    /// An animation as a silent video: H.264 in one MP4 file.
    Loop { width: u32, bitrate_kbps: u32 },
    /// The first page of a document as WebP.
    Page { width: u32, quality: u32 },
    /// Peaks of the sound as JSON.
    Waveform { points: u32 },
    /// Text with times, as WebVTT.
    Vtt {},
    /// Mono 16-bit PCM behind a WAV header of maximal sizes.
    Pcm { sample_rate: u32 },
}

const fn stereo() -> u32 {
    2
}

/// What kind of object a recipe makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Fragmented MP4 of one track, with an index: what playlists are rendered from.
    Cmaf,
    /// One MP4 file.
    Mp4,
    /// PCM behind a WAV header.
    Wav,
    /// A picture, made of one frame or of few.
    Picture,
    /// Text.
    Text,
}

impl Recipe {
    /// The media type of what is made.
    pub const fn mime(&self) -> &'static str {
        match self {
            Recipe::H264 { .. }
            | Recipe::Vp9 { .. }
            | Recipe::Av1 { .. }
            | Recipe::Mp4 { .. }
            | Recipe::Preview { .. }
            | Recipe::Loop { .. } => "video/mp4",
            Recipe::Aac { .. } | Recipe::Opus { .. } => "audio/mp4",
            Recipe::Webp { .. } | Recipe::Poster { .. } | Recipe::Cover { .. } | Recipe::Page { .. } => "image/webp",
            Recipe::Avif { .. } => "image/avif",
            Recipe::Jpeg { .. } | Recipe::Storyboard { .. } => "image/jpeg",
            Recipe::Waveform { .. } => "application/json",
            Recipe::Vtt {} => "text/vtt",
            Recipe::Pcm { .. } => "audio/wav",
        }
    }

    pub const fn form(&self) -> Form {
        match self {
            Recipe::H264 { .. } | Recipe::Vp9 { .. } | Recipe::Av1 { .. } | Recipe::Aac { .. } | Recipe::Opus { .. } => Form::Cmaf,
            Recipe::Mp4 { .. } | Recipe::Preview { .. } | Recipe::Loop { .. } => Form::Mp4,
            Recipe::Pcm { .. } => Form::Wav,
            Recipe::Poster { .. }
            | Recipe::Cover { .. }
            | Recipe::Storyboard { .. }
            | Recipe::Webp { .. }
            | Recipe::Avif { .. }
            | Recipe::Jpeg { .. }
            | Recipe::Page { .. } => Form::Picture,
            Recipe::Waveform { .. } | Recipe::Vtt {} => Form::Text,
        }
    }

    /// Whether it is made of a track of sound, and of nothing else.
    pub const fn is_sound(&self) -> bool {
        matches!(self, Recipe::Aac { .. } | Recipe::Opus { .. } | Recipe::Waveform { .. } | Recipe::Pcm { .. })
    }

    /// What orders the profiles of a group: the rung's height, the picture's width.
    pub const fn size(&self) -> u32 {
        match self {
            Recipe::H264 { height, .. }
            | Recipe::Vp9 { height, .. }
            | Recipe::Av1 { height, .. }
            | Recipe::Mp4 { height, .. }
            | Recipe::Preview { height, .. } => *height,
            Recipe::Webp { width, .. }
            | Recipe::Avif { width, .. }
            | Recipe::Jpeg { width, .. }
            | Recipe::Loop { width, .. }
            | Recipe::Page { width, .. } => *width,
            Recipe::Poster { max_width, .. } | Recipe::Cover { max_width, .. } => *max_width,
            Recipe::Storyboard { tile_width, .. } => *tile_width,
            Recipe::Aac { bitrate_kbps, .. } | Recipe::Opus { bitrate_kbps } => *bitrate_kbps,
            Recipe::Pcm { sample_rate } => *sample_rate,
            Recipe::Waveform { points } => *points,
            Recipe::Vtt {} => 0,
        }
    }

    /// Bits for each second of the source, at the most; 0 where what is made does not grow with it.
    pub fn bits_per_second(&self) -> u64 {
        let kbps = match self {
            Recipe::H264 { bitrate_kbps, .. }
            | Recipe::Vp9 { bitrate_kbps, .. }
            | Recipe::Av1 { bitrate_kbps, .. }
            | Recipe::Loop { bitrate_kbps, .. }
            | Recipe::Aac { bitrate_kbps, .. }
            | Recipe::Opus { bitrate_kbps } => *bitrate_kbps,
            Recipe::Mp4 { bitrate_kbps, audio_kbps, .. } => bitrate_kbps.saturating_add(*audio_kbps),
            Recipe::Pcm { sample_rate } => return 16 * u64::from(*sample_rate),
            _ => return 0,
        };
        1000 * u64::from(kbps)
    }
    /// Each number with its name, and what can be made: the least and the most. Sides are bounded by what H.264 level 6.2,
    /// WebP (16,383) and AVIF can hold, rates by what their encoders take.
    pub(crate) fn numbers(&self) -> Vec<(&'static str, u32, u32, u32)> {
        let height = |number: u32| ("height", number, 64, 4320);
        let width = |number: u32| ("width", number, 16, 8192);
        let quality = |number: u32| ("quality", number, 1, 100);
        let video = |number: u32| ("bitrate_kbps", number, 16, 240_000);
        let audio = |number: u32| ("bitrate_kbps", number, 8, 512);
        match *self {
            Recipe::H264 { height: side, bitrate_kbps }
            | Recipe::Vp9 { height: side, bitrate_kbps }
            | Recipe::Av1 { height: side, bitrate_kbps } => {
                vec![height(side), video(bitrate_kbps)]
            }
            Recipe::Aac { bitrate_kbps, channels } => vec![audio(bitrate_kbps), ("channels", channels, 1, 6)],
            Recipe::Opus { bitrate_kbps } => vec![audio(bitrate_kbps)],
            Recipe::Mp4 { height: side, bitrate_kbps, audio_kbps } => {
                vec![height(side), video(bitrate_kbps), ("audio_kbps", audio_kbps, 8, 512)]
            }
            Recipe::Preview { height: side, bitrate_kbps, seconds } => vec![height(side), video(bitrate_kbps), ("seconds", seconds, 1, 30)],
            Recipe::Poster { max_width, quality: of } | Recipe::Cover { max_width, quality: of } => {
                vec![("max_width", max_width, 16, 8192), quality(of)]
            }
            Recipe::Storyboard { tiles, tile_width, quality: of } => {
                vec![("tiles", tiles, 1, 400), ("tile_width", tile_width, 16, 640), quality(of)]
            }
            Recipe::Webp { width: side, quality: of }
            | Recipe::Avif { width: side, quality: of }
            | Recipe::Jpeg { width: side, quality: of }
            | Recipe::Page { width: side, quality: of } => vec![width(side), quality(of)],
            Recipe::Loop { width: side, bitrate_kbps } => vec![width(side), video(bitrate_kbps)],
            Recipe::Waveform { points } => vec![("points", points, 1, 20_000)],
            Recipe::Vtt {} => Vec::new(),
            Recipe::Pcm { sample_rate } => vec![("sample_rate", sample_rate, 8_000, 48_000)],
        }
    }
}
