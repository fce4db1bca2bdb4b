//! What has to be known of some variants beyond their size.

use serde::{Deserialize, Serialize};

/// What belongs to one sort of variant only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantDetails {
    /// Of a storyboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tiles: Option<Tiles>,
    /// Where the file held less than it promised, and the profile keeps what there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
}

/// By how much a file held less than it promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// At the end, in milliseconds.
    pub missing_ms: u64,
    /// Frames that the file does not hold, or that could not be decoded.
    pub missing_frames: u64,
}

/// How the frames of a storyboard lie in their sheet: row by row, from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tiles {
    pub columns: u32,
    /// How many frames there are; the last row may not be full.
    pub count: u32,
    /// Of one tile, in pixels.
    pub width: u32,
    /// Of one tile, in pixels.
    pub height: u32,
    /// From one frame to the next, in milliseconds; the first stands for the video's begin.
    pub interval_ms: u64,
}
