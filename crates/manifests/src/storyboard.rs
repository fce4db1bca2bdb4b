//! The times of a storyboard's tiles, as WebVTT whose cues name a part of the picture (Media Fragments, 4.2.2).

use std::fmt::Write as _;

use crate::Storyboard;

/// One cue for each tile, from its frame to the next; the last ends with the asset.
pub fn vtt(storyboard: &Storyboard, duration_ms: u64) -> String {
    let tiles = storyboard.tiles;
    let mut text = String::from("WEBVTT\n");
    for number in 0..tiles.count {
        let start_ms = u64::from(number).saturating_mul(tiles.interval_ms);
        let next_ms = start_ms.saturating_add(tiles.interval_ms);
        let end_ms = if number + 1 == tiles.count { next_ms.max(duration_ms) } else { next_ms };
        let (column, row) = (number % tiles.columns.max(1), number / tiles.columns.max(1));
        let cue = format!(
            "\n{} --> {}\nmedia/{}#xywh={},{},{},{}\n",
            time(start_ms),
            time(end_ms),
            storyboard.profile,
            column * tiles.width,
            row * tiles.height,
            tiles.width,
            tiles.height
        );
        // Writing to a String cannot fail.
        text.write_str(&cue).unwrap_or_default();
    }
    text
}

/// `hh:mm:ss.ttt` (WebVTT, 4.1).
fn time(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, ms % 1000)
}

#[cfg(test)]
pub(crate) mod tests {
    use media_domain::variant::Tiles;

    use super::*;

    pub(crate) fn sheet() -> Storyboard {
        let tiles = Tiles { columns: 2, count: 3, width: 160, height: 90, interval_ms: 5_000 };
        Storyboard { profile: "storyboard".to_owned().try_into().unwrap(), mime: "image/jpeg".to_owned(), size_bytes: 30_000, tiles }
    }

    #[test]
    fn each_tile_has_its_time_and_its_place_and_the_last_one_lasts_to_the_end() {
        assert_eq!(
            vtt(&sheet(), 3_600_250),
            "WEBVTT\n\n\
             00:00:00.000 --> 00:00:05.000\nmedia/storyboard#xywh=0,0,160,90\n\n\
             00:00:05.000 --> 00:00:10.000\nmedia/storyboard#xywh=160,0,160,90\n\n\
             00:00:10.000 --> 01:00:00.250\nmedia/storyboard#xywh=0,90,160,90\n"
        );
    }

    #[test]
    fn a_sheet_of_nothing_names_nothing() {
        let mut empty = sheet();
        empty.tiles = Tiles { columns: 0, count: 0, width: 0, height: 0, interval_ms: 0 };
        assert_eq!(vtt(&empty, 10), "WEBVTT\n");
    }
}
