//! Frames from all over a video, side by side on one sheet: what a player shows while one seeks.
//!
//! The file is read once, and hardly anything of it is decoded: of a long one, for each tile the first keyframe from its
//! moment on. Where a long file has fewer keyframes than tiles, a tile shows what the next one shows.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use media_domain::{
    profile::Recipe,
    variant::{Tiles, VariantDetails},
};

use super::super::{
    context::{Context, Ending},
    failed::Failed,
    fragments,
    frame::{self, Frame},
    picture_size, pipeline, tally,
    tracks::{self, Heads, Wanted},
    vips::Picture,
};
use crate::protocol::{Counts, OutputCounts};

/// Shorter steps are no help in finding a scene.
const INTERVAL_MS_MIN: u64 = 1000;
/// Of a video that is no longer than this every frame is decoded, so that each tile shows its own moment.
const DECODED_WHOLE_MS: u64 = 60_000;
const COLUMNS: u32 = 10;

/// Makes the one output.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Storyboard { tiles, tile_width, quality } = context.only_output()?.make else {
        return Err(Failed::internal("a storyboard is a storyboard"));
    };
    let info = context.info()?;
    let video = info.video.as_ref().ok_or_else(|| Failed::internal("a storyboard of a file without a picture track"))?;
    let duration_ms = info.duration_ms.unwrap_or(0);
    let moments = Moments::of(duration_ms, tiles);
    let (width, height) = picture_size::tile(video.width, video.height, tile_width);
    let pipeline = pipeline::build(&format!("{} ! {}", frame::shown_as_rgb(width, height), fragments::sink(0)))?;
    let (ending, over) = Ending::channel();
    let shown: Arc<Mutex<Vec<Option<Vec<u8>>>>> = Arc::new(Mutex::new(vec![None; moments.count as usize]));
    let (on_frame, on_end, enough, told) = (shown.clone(), ending.clone(), ending.clone(), context.clone());
    fragments::sink_of(&pipeline, 0)?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let time = tally::sample_time(&sample).unwrap_or_default();
                told.sink.progress(time.nseconds());
                let mut shown = on_frame.lock().unwrap_or_else(PoisonError::into_inner);
                let tile = shown.get_mut(moments.at(time));
                if let Some(tile) = tile.filter(|tile| tile.is_none()) {
                    *tile = Some(Frame::of(&sample).ok_or(gst::FlowError::Error)?.rgb);
                }
                if shown.iter().all(Option::is_some) {
                    enough.done();
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| on_end.done())
            .build(),
    );
    let wanted = Arc::new(FirstOfEach { moments, next: AtomicU64::new(0), only_keyframes: duration_ms > DECODED_WHOLE_MS });
    let heads = Heads { video: pipeline.by_name("pictures"), wanted: Some(wanted), ..Heads::default() };
    tracks::decode(&pipeline, context, &ending, heads)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    let shown = std::mem::take(&mut *shown.lock().unwrap_or_else(PoisonError::into_inner));
    let tiles = Tiles { columns: moments.count.min(COLUMNS), count: moments.count, width, height, interval_ms: moments.interval_ms };
    let (sheet, size) = lay_out(&filled(shown)?, tiles);
    context.sink.data(0, &Picture::from_rgb(&sheet, size.0, size.1)?.jpeg(quality)?);
    let details = VariantDetails { tiles: Some(tiles), ..VariantDetails::default() };
    let counts =
        OutputCounts { width: Some(size.0), height: Some(size.1), frames: moments.count.into(), details, ..OutputCounts::default() };
    Ok(Counts { outputs: vec![counts], ..Counts::default() })
}

/// Which moments the tiles stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moments {
    count: u32,
    interval_ms: u64,
}

impl Moments {
    fn of(duration_ms: u64, most: u32) -> Self {
        let interval_ms = duration_ms.div_ceil(most.max(1).into()).max(INTERVAL_MS_MIN);
        let count = u32::try_from(duration_ms.div_ceil(interval_ms)).unwrap_or(most).clamp(1, most.max(1));
        Self { count, interval_ms }
    }

    /// The tile that is shown at a time; the last for all that comes after it.
    fn at(self, time: gst::ClockTime) -> usize {
        usize::try_from((time.mseconds() / self.interval_ms).min(u64::from(self.count) - 1)).unwrap_or(0)
    }
}

/// Wants the first frame of each tile, in the order that they are decoded in: it may be shown a few frames later.
#[derive(Debug)]
struct FirstOfEach {
    moments: Moments,
    /// The tile that has no frame yet.
    next: AtomicU64,
    only_keyframes: bool,
}

impl Wanted for FirstOfEach {
    fn encoded(&self, time: Option<gst::ClockTime>, is_keyframe: bool) -> bool {
        if !self.only_keyframes {
            return true;
        }
        is_keyframe && self.is_next(time)
    }

    fn decoded(&self, time: Option<gst::ClockTime>) -> bool {
        self.only_keyframes || self.is_next(time)
    }
}

impl FirstOfEach {
    fn is_next(&self, time: Option<gst::ClockTime>) -> bool {
        let Some(time) = time else { return false };
        let tile = self.moments.at(time) as u64;
        if tile < self.next.load(Ordering::Relaxed) {
            return false;
        }
        self.next.store(tile + 1, Ordering::Relaxed);
        true
    }
}

/// A tile without a frame shows the next one's, and the last ones what there was last.
fn filled(mut shown: Vec<Option<Vec<u8>>>) -> Result<Vec<Vec<u8>>, Failed> {
    let mut next: Option<Vec<u8>> = None;
    for tile in shown.iter_mut().rev() {
        match tile {
            Some(tile) => next = Some(tile.clone()),
            None => tile.clone_from(&next),
        }
    }
    let last = shown.iter().rev().find_map(Clone::clone).ok_or_else(|| Failed::corrupt("no frame could be decoded"))?;
    Ok(shown.into_iter().map(|tile| tile.unwrap_or_else(|| last.clone())).collect())
}

/// Row by row from the top left, on black.
fn lay_out(shown: &[Vec<u8>], tiles: Tiles) -> (Vec<u8>, (u32, u32)) {
    let (width, height) = (tiles.width * tiles.columns, tiles.height * tiles.count.div_ceil(tiles.columns));
    let (row, tile_row) = (width as usize * 3, tiles.width as usize * 3);
    let mut sheet = vec![0; row * height as usize];
    for (rgb, number) in shown.iter().zip(0u32..) {
        let left = (number % tiles.columns) as usize * tile_row;
        let top = (number / tiles.columns * tiles.height) as usize;
        for (line, from) in rgb.chunks_exact(tile_row).enumerate() {
            let at = (top + line) * row + left;
            sheet[at..at + tile_row].copy_from_slice(from);
        }
    }
    (sheet, (width, height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_video_has_all_tiles_and_a_short_one_a_tile_a_second() {
        assert_eq!(Moments::of(600_000, 100), Moments { count: 100, interval_ms: 6000 });
        assert_eq!(Moments::of(7_500, 100), Moments { count: 8, interval_ms: 1000 });
        assert_eq!(Moments::of(0, 100), Moments { count: 1, interval_ms: 1000 });
    }

    #[test]
    fn tiles_lie_row_by_row_and_what_is_missing_shows_the_next() {
        let tiles = Tiles { columns: 2, count: 3, width: 1, height: 1, interval_ms: 1000 };
        let shown = filled(vec![None, Some(vec![1; 3]), None]).unwrap();
        assert_eq!(shown, [[1; 3], [1; 3], [1; 3]]);
        let (sheet, size) = lay_out(&[vec![1; 3], vec![2; 3], vec![3; 3]], tiles);
        assert_eq!((sheet, size), ([[1; 3], [2; 3], [3; 3], [0; 3]].concat(), (2, 2)));
        assert!(filled(vec![None, None]).is_err());
    }

    proptest! {
        #[test]
        fn the_tiles_reach_from_the_begin_to_the_end(duration_ms in 1u64..50_000_000, most in 1u32..400) {
            let moments = Moments::of(duration_ms, most);
            prop_assert!((1..=most).contains(&moments.count));
            prop_assert!(moments.interval_ms * u64::from(moments.count) >= duration_ms);
            prop_assert_eq!(moments.at(gst::ClockTime::from_mseconds(duration_ms - 1)), moments.count as usize - 1);
        }
    }
}
