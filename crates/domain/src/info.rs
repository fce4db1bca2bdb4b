//! What a look into a file found: the probe's result, which a plan is made from.

use serde::{Deserialize, Serialize};

/// What an original holds. Sizes are as shown: after rotation, in square pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Playing time in milliseconds, by the container.
    pub duration_ms: Option<u64>,
    pub video: Option<VideoInfo>,
    /// The first sound track.
    pub audio: Option<AudioInfo>,
    /// The sound tracks after the first, in the file's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_audio: Vec<AudioInfo>,
    /// Whether an audio file carries a picture of itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_cover: bool,
    /// Of a still picture.
    pub picture: Option<PictureInfo>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VideoInfo {
    pub codec: String,
    /// As shown, in pixels.
    pub width: u32,
    /// As shown, in pixels.
    pub height: u32,
    /// Frames a second, as a fraction; `0/1` where the file says none.
    pub frame_rate: (u32, u32),
    /// How many frames the container promises, where it does.
    pub frames: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioInfo {
    pub codec: String,
    pub channels: u32,
    pub sample_rate: u32,
    /// BCP 47, where the file says one.
    pub language: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureInfo {
    pub width: u32,
    pub height: u32,
    pub frames: u32,
}

impl VideoInfo {
    /// The side that a rung is named by: 720 for 1280×720 and for 720×1280.
    pub fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }
}
