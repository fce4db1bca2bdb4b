//! What a manifest is rendered from.

use media_domain::{CaptionTrackId, profile::ProfileName, variant::Tiles};

use crate::FragmentIndex;

/// One stored object that a player can choose: a rung, or an audio rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendition {
    pub profile: ProfileName,
    /// As RFC 6381 writes it: `avc1.64001f`, `mp4a.40.2`, `opus`.
    pub codec: String,
    pub track: Track,
    pub index: FragmentIndex,
}

/// The one track of a rendition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Track {
    Video {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
        /// Frames a second, as a fraction; `0/1` where it is not known.
        frame_rate: (u32, u32),
    },
    Audio {
        channels: u32,
        /// BCP 47, where it is known.
        language: Option<String>,
    },
}

/// Frames from all over a video in one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storyboard {
    pub profile: ProfileName,
    pub mime: String,
    pub size_bytes: u64,
    pub tiles: Tiles,
}

impl Storyboard {
    /// How many rows of tiles there are; the last may not be full.
    pub(crate) fn rows(&self) -> u32 {
        self.tiles.count.div_ceil(self.tiles.columns.max(1)).max(1)
    }
}

/// A caption track that players may see, as WebVTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    pub track: CaptionTrackId,
    /// BCP 47.
    pub language: String,
    pub kind: CaptionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptionKind {
    /// Speech and the sounds that matter, for those who do not hear.
    Captions,
    /// Speech, for those who do not know the language.
    Subtitles,
    /// What is seen, for those who do not see.
    Descriptions,
}

impl Rendition {
    pub(crate) fn is_video(&self) -> bool {
        matches!(self.track, Track::Video { .. })
    }

    /// What a codec is called before its first dot: streams of one family can be switched between.
    pub(crate) fn codec_family(&self) -> &str {
        self.codec.split('.').next().unwrap_or_default()
    }

    /// How it is encoded, and which of the source's tracks it is: `aac-128k-t2` is the second track as `aac-128k`.
    pub(crate) fn encoding(&self) -> (&str, u32) {
        let name = self.profile.as_str();
        let numbered = name.rsplit_once("-t").and_then(|(encoding, number)| Some((encoding, number.parse().ok()?)));
        numbered.unwrap_or((name, 1))
    }
}
