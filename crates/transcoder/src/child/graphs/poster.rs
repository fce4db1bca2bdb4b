//! One picture that stands for a video: its first frame that is neither black nor flat.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use media_domain::profile::Recipe;

use super::super::{
    codecs::Track,
    context::{Context, Ending},
    failed::Failed,
    fragments,
    frame::{self, Frame, Look},
    picture_size, pipeline,
    tracks::{self, Heads},
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
    let pipeline = pipeline::build(&format!("{} ! {}", frame::shown_as_rgb(width, height), fragments::sink(0)))?;
    let (ending, over) = Ending::channel();
    let best: Arc<Mutex<Option<(Frame, Look)>>> = Arc::new(Mutex::new(None));
    let (on_frame, on_end) = (best.clone(), ending.clone());
    let enough = ending.clone();
    fragments::sink_of(&pipeline, 0)?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let frame = Frame::of(&sample).ok_or(gst::FlowError::Error)?;
                let mut best = on_frame.lock().unwrap_or_else(PoisonError::into_inner);
                let look = frame.look();
                let is_late = sample.buffer().and_then(|buffer| buffer.pts()).is_some_and(|pts| pts >= SEARCH);
                if best.as_ref().is_none_or(|(_, best)| look.contrast > best.contrast) {
                    *best = Some((frame, look));
                }
                if look.is_good() || is_late {
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
    let (frame, _) =
        best.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(|| Failed::corrupt("no frame could be decoded"))?;
    let bytes = Picture::from_rgb(&frame.rgb, frame.width, frame.height)?.webp(quality)?;
    context.sink.data(0, &bytes);
    let counts = OutputCounts { width: Some(frame.width), height: Some(frame.height), frames: 1, ..OutputCounts::default() };
    Ok(Counts { video: tally.counts(Track::Video), audio: None, end_ms: None, outputs: vec![counts] })
}
