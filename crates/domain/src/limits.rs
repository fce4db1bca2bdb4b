//! The sizes that the service accepts by kind (DESIGN: limits). A tenant's policy can only lower them.

use std::time::Duration;

use crate::Kind;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The most bytes that an original of this kind may have.
pub fn max_bytes(kind: Kind) -> u64 {
    match kind.pipeline() {
        Kind::Video => 64 * GIB,
        Kind::Audio | Kind::AiAudio => 8 * GIB,
        Kind::Image | Kind::AiImage => 256 * MIB,
        Kind::Document => 200 * MIB,
        Kind::Subtitle => 16 * MIB,
    }
}

/// The longest playing time that is processed.
pub const MAX_DURATION: Duration = Duration::from_secs(12 * 3600);
/// The most pixels of a still.
pub const MAX_PIXELS: u64 = 100_000_000;
/// The most pixels of a film's picture: 8K of a cinema, 8192×4320, and hardly more. Every rung is scaled from whole pictures of
/// this size, of which decoder and queues hold some twenty, and a memory limit of 6 GiB (`transcoder`) is enough for no more.
pub const MAX_VIDEO_PIXELS: u64 = 36_000_000;
/// The most pixels over all frames of an animation.
pub const MAX_ANIMATION_PIXELS: u64 = 50_000_000;
/// The most frames of an animation: more than six minutes at ten a second. The reader of GIF files stops a little above it,
/// and would cut off what is longer.
pub const MAX_ANIMATION_FRAMES: u32 = 4_000;
/// How long a create is remembered by its request id.
pub const REQUEST_ID_KEPT: Duration = Duration::from_secs(24 * 3600);
/// The most UTF-8 bytes of a file name.
pub const MAX_FILENAME_BYTES: usize = 255;
