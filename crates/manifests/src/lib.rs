//! What a player reads, rendered from rows: HLS playlists over one object per rendition, by byte range.
//!
//! Nothing here reads a clock or a server. What is rendered names objects relative to the playback door's paths
//! (`/playback/{token}/hls.m3u8` and below), so that no token and no host is written into a playlist.

pub mod hls;
pub mod index;
pub mod rendition;

pub use index::{Fragment, FragmentIndex};
pub use rendition::{Caption, CaptionKind, Rendition, Track};

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
