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

impl Tiles {
    /// More tiles than a sheet has, and wider ones than a screen.
    const COUNT_MAX: u32 = 400;
    const SIDE_MAX: u32 = 4096;

    /// Whether these numbers are those of a sheet: the process that made it is not trusted.
    pub fn are_of_a_sheet(&self) -> bool {
        let is_in = |number: u32, most: u32| (1..=most).contains(&number);
        is_in(self.count, Self::COUNT_MAX)
            && is_in(self.columns, self.count)
            && is_in(self.width, Self::SIDE_MAX)
            && is_in(self.height, Self::SIDE_MAX)
            && self.interval_ms > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_no_sheet_has_are_none() {
        let tiles = Tiles { columns: 10, count: 100, width: 160, height: 90, interval_ms: 1000 };
        assert!(tiles.are_of_a_sheet());
        for wrong in [
            Tiles { columns: 0, ..tiles },
            Tiles { columns: 101, ..tiles },
            Tiles { count: u32::MAX, ..tiles },
            Tiles { width: 0, ..tiles },
            Tiles { height: 5000, ..tiles },
            Tiles { interval_ms: 0, ..tiles },
        ] {
            assert!(!wrong.are_of_a_sheet(), "{wrong:?}");
        }
    }
}
