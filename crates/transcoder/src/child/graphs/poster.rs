//! One picture that stands for a video: its first frame that is neither black nor flat.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use gstreamer_video::{self as gst_video, prelude::*};
use media_domain::profile::Recipe;

use super::super::{
    codecs::Track,
    context::{Context, Ending},
    failed::Failed,
    fragments, picture_size, pipeline,
    tracks::{self, Heads},
    upright,
    vips::Picture,
};
use crate::protocol::{Counts, OutputCounts};

/// How far into a video a better frame than the first is looked for.
const SEARCH: gst::ClockTime = gst::ClockTime::from_seconds(10);

/// Makes the one output.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Poster { max_width, quality } = context.only_output()?.make else { return Err(Failed::internal("a poster is a poster")) };
    let video = context.info()?.video.as_ref().ok_or_else(|| Failed::internal("a poster of a file without a picture track"))?;
    let (width, height) = picture_size::within(video.width, video.height, max_width);
    let pipeline = pipeline::build(&format!(
        "{} ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! videoconvert ! video/x-raw,format=RGB ! {}",
        upright::CHAIN,
        fragments::sink(0)
    ))?;
    let (ending, over) = Ending::channel();
    let best = Arc::new(Mutex::new(None));
    let (on_frame, on_end) = (best.clone(), ending.clone());
    let enough = ending.clone();
    fragments::sink_of(&pipeline, 0)?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let frame = Frame::of(&sample).ok_or(gst::FlowError::Error)?;
                let mut best = on_frame.lock().unwrap_or_else(PoisonError::into_inner);
                let is_good = frame.look.is_good();
                let is_late = sample.buffer().and_then(|buffer| buffer.pts()).is_some_and(|pts| pts >= SEARCH);
                if best.as_ref().is_none_or(|best: &Frame| frame.look.contrast > best.look.contrast) {
                    *best = Some(frame);
                }
                if is_good || is_late {
                    enough.done();
                    return Err(gst::FlowError::Eos);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| on_end.done())
            .build(),
    );
    let heads = Heads { video: pipeline.by_name("pictures"), ..Heads::default() };
    let tally = tracks::decode(&pipeline, context, &ending, heads)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    let frame = best.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| Failed::corrupt("no frame could be decoded"))?;
    let bytes = Picture::from_rgb(&frame.rgb, frame.width, frame.height)?.webp(quality)?;
    context.sink.data(0, &bytes);
    let counts = OutputCounts { width: Some(frame.width), height: Some(frame.height), frames: 1, ..OutputCounts::default() };
    Ok(Counts { video: tally.counts(Track::Video), audio: None, end_ms: None, outputs: vec![counts] })
}

struct Frame {
    rgb: Vec<u8>,
    width: u32,
    height: u32,
    look: Look,
}

impl Frame {
    fn of(sample: &gst::Sample) -> Option<Self> {
        let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
        let stride = usize::try_from(*frame.plane_stride().first()?).ok()?;
        let row_bytes = usize::try_from(info.width()).ok()? * 3;
        let rows = frame.plane_data(0).ok()?.chunks(stride).take(usize::try_from(info.height()).ok()?);
        let rgb = rows.filter_map(|row| row.get(..row_bytes)).collect::<Vec<_>>().concat();
        Some(Self { look: Look::of(&rgb), rgb, width: info.width(), height: info.height() })
    }
}

/// What a frame looks like, from 0 to 255.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Mean of the luma.
    brightness: f64,
    /// Standard deviation of the luma.
    contrast: f64,
}

impl Look {
    /// Of rows of RGB, by every seventh pixel: enough to tell a picture from a wall.
    fn of(rgb: &[u8]) -> Self {
        let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for pixel in rgb.chunks_exact(3).step_by(7) {
            let luma = 0.2126 * f64::from(pixel[0]) + 0.7152 * f64::from(pixel[1]) + 0.0722 * f64::from(pixel[2]);
            (count, sum, squares) = (count + 1.0, sum + luma, squares + luma * luma);
        }
        let brightness = sum / f64::max(count, 1.0);
        Self { brightness, contrast: f64::max(squares / f64::max(count, 1.0) - brightness * brightness, 0.0).sqrt() }
    }

    /// Neither black nor flat, and past the first third of a fade from black.
    fn is_good(self) -> bool {
        self.brightness >= 40.0 && self.contrast >= 20.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_flat_frames_are_passed_over_and_a_picture_is_not() {
        let flat = |level: u8| vec![level; 3 * 70];
        let stripes: Vec<u8> = (0..210u32).flat_map(|pixel| [if pixel % 14 < 7 { 200 } else { 40 }; 3]).collect();
        assert!(!Look::of(&flat(0)).is_good());
        assert!(!Look::of(&flat(255)).is_good());
        assert!(!Look::of(&[]).is_good());
        assert!(Look::of(&stripes).is_good());
    }
}
