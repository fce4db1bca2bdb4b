//! How much room the index of a progressive file needs: the child reserves it, and the parent grants no more.

use media_domain::{MediaInfo, info::VideoInfo, limits::MAX_DURATION};

/// The most bytes that an output may begin with and that are known last, whatever a file claims of itself.
pub const ROOM_BYTES_MAX: u64 = 192 << 20;

/// What an index says of one frame: its size (4 bytes), when it is decoded (8 where that varies) and shown (8).
const FRAME_BYTES: u64 = 20;
/// Of a second of AAC: 47 sizes; of four chunks of each track: places and lengths; and a keyframe.
const SECOND_BYTES: u64 = 500;
/// What is taken where a file says no frame rate, and what no camera is over.
const FRAMES_A_SECOND: u64 = 60;
const FRAMES_A_SECOND_MOST: u64 = 240;
/// A file may be a little longer than it says, and hold a few frames more.
const SLACK_S: u64 = 60;
const SLACK_FRAMES: u64 = 1000;
/// For headers, and what the muxer rounds up to.
const MARGIN_BYTES: u64 = 64 << 10;

/// How much a file's index has to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    seconds: u64,
    frames: u64,
    has_sound: bool,
}

impl Extent {
    /// Of everything that a file has. Where it says no duration, that of a file of its size: no film has fewer than 8 kB a second.
    pub fn of(info: &MediaInfo, file_bytes: u64) -> Self {
        let unknown = (file_bytes / 8000).min(MAX_DURATION.as_secs());
        let seconds = info.duration_ms.map_or(unknown, |ms| ms.div_ceil(1000)).min(MAX_DURATION.as_secs());
        let video = info.video.as_ref();
        let (numerator, denominator) = video.map_or((0, 1), |video| video.frame_rate);
        let rate = if numerator == 0 { FRAMES_A_SECOND } else { u64::from(numerator.div_ceil(denominator.max(1))) };
        let frames = video.and_then(|video| video.frames).unwrap_or_else(|| seconds * rate.min(FRAMES_A_SECOND_MOST));
        Self { seconds, frames, has_sound: info.audio.is_some() }
    }

    /// Of a piece of it without its sound.
    pub fn of_silent_seconds(info: &MediaInfo, seconds: u64) -> Self {
        let piece = MediaInfo {
            duration_ms: Some(seconds * 1000),
            audio: None,
            video: info.video.clone().map(|video| VideoInfo { frames: None, ..video }),
            ..MediaInfo::default()
        };
        Self::of(&piece, 0)
    }

    pub fn has_sound(self) -> bool {
        self.has_sound
    }

    /// Bytes that an index of this extent may have.
    pub fn index_bytes(self) -> u64 {
        let seconds = self.seconds + self.seconds / 20 + SLACK_S;
        let frames = (self.frames.saturating_add(self.frames / 20 + SLACK_FRAMES)).saturating_mul(FRAME_BYTES);
        frames.saturating_add(seconds * SECOND_BYTES).min(ROOM_BYTES_MAX / 2 - MARGIN_BYTES)
    }

    /// Bytes in front of the samples, at the most: the muxer keeps two rooms for its index.
    pub fn room_bytes(self) -> u64 {
        2 * (self.index_bytes() + MARGIN_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use media_domain::info::AudioInfo;

    use super::*;

    #[test]
    fn room_follows_the_frames_that_are_counted_or_else_a_rate_that_can_be() {
        let film = |rate, frames, duration_ms| MediaInfo {
            duration_ms,
            video: Some(VideoInfo { frame_rate: rate, frames, ..VideoInfo::default() }),
            audio: Some(AudioInfo::default()),
            ..MediaInfo::default()
        };
        let of = |rate, frames| Extent::of(&film(rate, frames, Some(10_000)), 0).frames;
        assert_eq!(of((30, 1), None), 300);
        assert_eq!(of((30_000, 1001), Some(1200)), 1200);
        assert_eq!(of((90_000, 1), Some(1200)), 1200, "a file's claim against what it holds");
        assert_eq!(of((90_000, 1), None), 2400);
        assert_eq!(of((0, 1), None), 600);
        assert_eq!(Extent::of(&film((30, 1), None, None), 80_000).seconds, 10, "a file of 80 kB is not twelve hours long");
        let piece = Extent::of_silent_seconds(&film((30, 1), Some(1_000_000), Some(36_000_000)), 3);
        assert_eq!(piece, Extent { seconds: 3, frames: 90, has_sound: false });
        assert!(piece.index_bytes() < 60_000);
    }
}
