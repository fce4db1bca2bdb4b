//! What `media --json show` and `media --json play` answer: protobuf JSON, where 64-bit numbers are strings.

use serde::{Deserialize, Deserializer};

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Shown {
    pub asset: Asset,
    pub variants: Vec<Variant>,
    pub jobs: Vec<Job>,
    pub caption_tracks: Vec<CaptionTrack>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Asset {
    pub id: String,
    pub kind: String,
    pub status: String,
    pub mime: String,
    #[serde(deserialize_with = "number")]
    pub size_bytes: u64,
    pub filename: String,
    pub failure_reason: String,
    pub failure_detail: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Variant {
    pub profile: String,
    pub mime: String,
    #[serde(deserialize_with = "number")]
    pub size_bytes: u64,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub bitrate_bps: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    pub profile: String,
    pub status: String,
    pub reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CaptionTrack {
    pub id: String,
    pub language: String,
    pub approved: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Playable {
    pub playback: Playback,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Playback {
    pub hls_url: String,
    pub progressive_url: String,
    pub poster_url: String,
    pub preview_url: String,
    pub storyboard_url: String,
    pub images: Vec<Image>,
    pub expire_time: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    pub profile: String,
    pub width: u32,
    pub height: u32,
    pub url: String,
}

impl Shown {
    pub fn is_ready(&self) -> bool {
        self.asset.status == "ASSET_STATUS_READY"
    }

    /// Whether a job was done, by its profile.
    pub fn made(&self, profile: &str) -> bool {
        self.jobs.iter().any(|job| job.profile == profile && job.status == "JOB_STATUS_SUCCEEDED")
    }

    /// What the playlists offer; a profile's name says its codec.
    pub fn rungs(&self) -> impl Iterator<Item = &Variant> {
        self.variants.iter().filter(|variant| variant.profile.starts_with("h264-"))
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}
