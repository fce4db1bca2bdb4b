//! The door's URLs, as players get them. Their paths are those of [`super::routes`] and of the playlists.

use media_domain::{CaptionTrackId, profile::ProfileName};
use url::Url;

/// The URLs under one token.
pub struct Links {
    base: String,
}

impl Links {
    pub fn new(public_url: &Url, token: &str) -> Self {
        Self { base: format!("{}/playback/{token}", public_url.as_str().trim_end_matches('/')) }
    }

    pub fn hls(&self) -> String {
        format!("{}/hls.m3u8", self.base)
    }

    pub fn dash(&self) -> String {
        format!("{}/dash.mpd", self.base)
    }

    pub fn storyboard(&self) -> String {
        format!("{}/storyboard.vtt", self.base)
    }

    pub fn media(&self, profile: &ProfileName) -> String {
        format!("{}/media/{profile}", self.base)
    }

    pub fn captions(&self, track: CaptionTrackId) -> String {
        format!("{}/captions/{track}.vtt", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_may_stand_in_a_folder() {
        let links = |base: &str| Links::new(&base.parse().unwrap(), "k.abc").hls();
        assert_eq!(links("https://media.example.com"), "https://media.example.com/playback/k.abc/hls.m3u8");
        assert_eq!(links("https://example.com/media/"), "https://example.com/media/playback/k.abc/hls.m3u8");
    }
}
