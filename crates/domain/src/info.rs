//! What a look into a file found: the probe's result, which a plan is made from.

use serde::{Deserialize, Serialize};

use crate::limits::{MAX_ANIMATION_FRAMES, MAX_ANIMATION_PIXELS, MAX_PIXELS, MAX_VIDEO_PIXELS};

/// What an original holds. Sizes are as shown: after rotation, in square pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Playing time in milliseconds, by the container.
    pub duration_ms: Option<u64>,
    /// Whether it ends before its own end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<CutOff>,
    pub video: Option<VideoInfo>,
    /// The first sound track.
    pub audio: Option<AudioInfo>,
    /// The sound tracks after the first, in the file's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_audio: Vec<AudioInfo>,
    /// Whether an audio file carries a picture of itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_cover: bool,
    /// The tracks of text, in the file's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<TextInfo>,
    /// Of a still picture or an animation.
    pub picture: Option<PictureInfo>,
    /// Of a document whose pages can be drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentInfo>,
    /// Of a picture, once its sizes were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<Look>,
}

/// How sure it is that a file ends before its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutOff {
    /// It says that it is longer.
    Certain,
    /// It lacks what should stand at its end, and some writers leave that out.
    Likely,
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
    /// How its light is coded, where that is of high dynamic range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hdr: Option<HighRange>,
    /// Whether pictures are woven of two fields, by what the container or the bitstream's head says.
    #[serde(default)]
    pub interlaced: bool,
    /// Where its own stream could be a rung as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_stream: Option<OwnStream>,
}

/// A stream that any browser plays, with keyframes where rungs have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnStream {
    pub mean_kbps: u32,
    /// Of its busiest two seconds.
    pub peak_kbps: u32,
}

/// Transfer functions of high dynamic range (ITU-R BT.2100).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HighRange {
    Pq,
    Hlg,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioInfo {
    pub codec: String,
    pub channels: u32,
    pub sample_rate: u32,
    /// BCP 47, where the file says one.
    pub language: Option<String>,
    /// How many frames the file promises, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextInfo {
    pub codec: String,
    /// BCP 47, where the file says one.
    pub language: Option<String>,
    /// Pictures of text, which nothing can be made of.
    #[serde(default)]
    pub is_bitmap: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureInfo {
    pub width: u32,
    pub height: u32,
    pub frames: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    pub pages: u32,
}

/// What a page can draw before the picture has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// <https://github.com/woltapp/blurhash>.
    pub blurhash: String,
    /// The colour that most of it has, as `#rrggbb`.
    pub color: String,
}

impl Look {
    /// Whether this is what it should be: the process that looked at the picture is not trusted.
    pub fn is_well_formed(&self) -> bool {
        let is_base83 = |byte: u8| byte.is_ascii_alphanumeric() || b"#$%*+,-.:;=?@[]^_{|}~".contains(&byte);
        let hex = self.color.strip_prefix('#').unwrap_or_default();
        (6..=64).contains(&self.blurhash.len())
            && self.blurhash.bytes().all(is_base83)
            && hex.len() == 6
            && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    }
}

impl PictureInfo {
    /// Whether it may be decoded: by its pixels, and of an animation by its frames and all their pixels together.
    ///
    /// # Errors
    /// What was found, and the limit, in words.
    pub fn within_limits(&self) -> Result<(), String> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        let frames = self.frames.max(1);
        let all = pixels.saturating_mul(u64::from(frames));
        if pixels > MAX_PIXELS {
            return Err(format!("{pixels} pixels, and the limit is {MAX_PIXELS}"));
        }
        if frames > MAX_ANIMATION_FRAMES {
            return Err(format!("{frames} frames, and the limit is {MAX_ANIMATION_FRAMES}"));
        }
        if frames > 1 && all > MAX_ANIMATION_PIXELS {
            return Err(format!("{all} pixels over {frames} frames, and the limit is {MAX_ANIMATION_PIXELS}"));
        }
        Ok(())
    }
}

impl VideoInfo {
    /// Whether its pictures may be decoded.
    ///
    /// # Errors
    /// What was found, and the limit, in words.
    pub fn within_limits(&self) -> Result<(), String> {
        let pixels = u64::from(self.width) * u64::from(self.height);
        if pixels > MAX_VIDEO_PIXELS {
            return Err(format!("{pixels} pixels, and the limit is {MAX_VIDEO_PIXELS}"));
        }
        Ok(())
    }

    /// The side that a rung is named by: 720 for 1280×720 and for 720×1280.
    pub fn short_side(&self) -> u32 {
        self.width.min(self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_a_hash_and_a_colour_and_nothing_else() {
        let look = |blurhash: &str, color: &str| Look { blurhash: blurhash.into(), color: color.into() }.is_well_formed();
        assert!(look("LEHV6nWB2yk8pyo0adR*.7kCMdnj", "#1a2b3c"));
        assert!(!look("<script>", "#1a2b3c") && !look("", "#1a2b3c") && !look("LEHV6nWB2yk8pyo0adR*.7kCMdnj", "red"));
    }
}
