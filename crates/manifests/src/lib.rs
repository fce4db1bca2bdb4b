//! What a player reads, rendered from rows: HLS playlists and DASH's MPD over one object per rendition, by byte range, and the
//! times of a storyboard's tiles.
//!
//! Nothing here reads a clock or a server. What is rendered names objects relative to the playback door's paths
//! (`/playback/{token}/hls.m3u8` and below), so that no token and no host is written into a playlist.

mod audio;
pub mod dash;
pub mod hls;
pub mod index;
pub mod rendition;
pub mod storyboard;

pub use index::{Fragment, FragmentIndex};
pub use rendition::{Caption, CaptionKind, Rendition, Storyboard, Track};

/// Why no manifest can be rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is no rendition of audio or video: the caller has nothing to play.
    #[error("no rendition of audio or video")]
    NothingToPlay,
    /// The index of a stored object cannot be right: our fault, and never the player's.
    #[error("the index is broken at fragment {fragment}: {what}")]
    BrokenIndex { fragment: usize, what: &'static str },
}
