//! Listens to the sound as the renditions will have it, and makes nothing.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use gstreamer::{self as gst, prelude::ElementExt};
use gstreamer_app as gst_app;

use super::{
    super::{
        super::{
            codecs,
            context::{Context, Ending},
            failed::Failed,
            fragments,
            loudness::{self, Measured, Meter},
            pipeline,
            tracks::{self, Heads},
            waveform::Peaks,
        },
        sound,
    },
    TRACK,
};
use crate::protocol::Counts;

const CHANNELS: u32 = 2;

/// What one pass over the file heard.
#[derive(Debug)]
pub struct Heard {
    pub measured: Measured,
    pub peaks: Peaks,
    /// Of the file; there are no outputs.
    pub counts: Counts,
}

struct Listening {
    meter: Meter,
    peaks: Peaks,
}

/// Decodes the file once. With a gain, what comes out of the limiter is listened to.
///
/// # Errors
/// [`Failed`], typed.
pub fn measure(context: &Context, gain_db: Option<f64>) -> Result<Heard, Failed> {
    let level = gain_db.map(|gain_db| format!(" ! {}", sound::level(gain_db))).unwrap_or_default();
    let pipeline = pipeline::build(&format!("{} ! {}{level} ! {}", sound::gapless(TRACK), sound::stereo(TRACK), fragments::sink(0)))?;
    sound::settle(&pipeline, TRACK)?;
    let (ending, over) = Ending::channel();
    let listening =
        Arc::new(Mutex::new(Listening { meter: Meter::new(CHANNELS, sound::SAMPLE_RATE)?, peaks: Peaks::new(CHANNELS as usize) }));
    let (on_sample, on_failure, on_end, activity) = (listening.clone(), ending.clone(), ending.clone(), context.activity.clone());
    fragments::sink_of(&pipeline, 0)?.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let mut listening = on_sample.lock().unwrap_or_else(PoisonError::into_inner);
                let pad = sink.static_pad("sink");
                for buffer in sample.buffer().into_iter().chain(sample.buffer_list().iter().flat_map(|list| list.iter())) {
                    if let Some(pad) = &pad {
                        activity.passed(pad, buffer);
                    }
                    let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
                    let samples = loudness::samples(&bytes);
                    if let Err(failed) = listening.meter.add(&samples) {
                        on_failure.failed(failed);
                        return Err(gst::FlowError::Error);
                    }
                    listening.peaks.add(&samples);
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| on_end.done())
            .build(),
    );
    let head = pipeline::element(&pipeline, &sound::head(TRACK))?;
    let heads = Heads { audio: BTreeMap::from([(TRACK, head)]), ..Heads::default() };
    let tally = tracks::decode(&pipeline, context, &ending, heads)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    let counts = Counts { audio: tally.counts(codecs::Track::Audio), end_ms: tally.end_ms(), ..Counts::default() };
    let mut listening = listening.lock().unwrap_or_else(PoisonError::into_inner);
    let peaks = std::mem::replace(&mut listening.peaks, Peaks::new(1));
    Ok(Heard { measured: listening.meter.measured()?, peaks, counts })
}
