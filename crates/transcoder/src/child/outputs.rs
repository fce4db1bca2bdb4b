//! The outputs of a running graph: what was encoded of each, how far the slowest is, and whether all have ended.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};

use gstreamer::{self as gst, prelude::*};

use super::{
    codec_string,
    context::{Context, Ending},
    tally,
    tracks::{self, Lost},
};
use crate::protocol::OutputCounts;

/// Progress is told each time the slowest output has gone on by this much.
const PROGRESS_NS: u64 = 500_000_000;

/// All outputs of one graph.
#[derive(Debug)]
pub struct Outputs {
    context: Context,
    ending: Ending,
    outputs: Vec<OutputTally>,
    open: AtomicUsize,
    told_ns: AtomicU64,
}

#[derive(Debug)]
struct OutputTally {
    frames: AtomicU64,
    /// Where its first frame begins; the largest number while there was none.
    start_ns: AtomicU64,
    /// Where its last frame ends.
    time_ns: AtomicU64,
    caps: Mutex<Option<gst::Caps>>,
    all_has_passed: AtomicBool,
    has_ended: AtomicBool,
    is_lost: AtomicBool,
}

impl Default for OutputTally {
    fn default() -> Self {
        Self {
            frames: AtomicU64::new(0),
            start_ns: AtomicU64::new(u64::MAX),
            time_ns: AtomicU64::new(0),
            caps: Mutex::default(),
            all_has_passed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
        }
    }
}

impl Outputs {
    pub fn new(context: &Context, ending: &Ending) -> Arc<Self> {
        let outputs: Vec<OutputTally> = context.job.outputs.iter().map(|_| OutputTally::default()).collect();
        Arc::new(Self {
            context: context.clone(),
            ending: ending.clone(),
            open: AtomicUsize::new(outputs.len()),
            outputs,
            told_ns: AtomicU64::new(0),
        })
    }

    /// Whether all frames of an output have been encoded.
    pub fn all_has_passed(&self, output: u8) -> bool {
        self.outputs.get(usize::from(output)).is_some_and(|tally| tally.all_has_passed.load(Ordering::Acquire))
    }

    pub fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Counts the frames of an output that pass this pad, in the form that is stored.
    pub fn watch_encoded(self: &Arc<Self>, pad: &gst::Pad, output: u8) {
        let (outputs, over) = (self.clone(), self.clone());
        tracks::on_end(pad, move || {
            if let Some(tally) = over.outputs.get(usize::from(output)) {
                tally.all_has_passed.store(true, Ordering::Release);
            }
        });
        tally::each_buffer(pad, move |pad, buffer| {
            outputs.context.activity.passed(pad, buffer);
            let Some(counts) = outputs.outputs.get(usize::from(output)) else { return };
            if counts.frames.fetch_add(1, Ordering::Relaxed) == 0 {
                *counts.caps.lock().unwrap_or_else(PoisonError::into_inner) = pad.current_caps();
            }
            if let Some(time) = tally::running_time(pad, buffer) {
                counts.start_ns.fetch_min(time.nseconds(), Ordering::Relaxed);
                counts.time_ns.fetch_max((time + buffer.duration().unwrap_or_default()).nseconds(), Ordering::Relaxed);
                outputs.tell_progress();
            }
        });
    }

    /// An output has ended. The last one ends the graph.
    pub fn ended(&self, output: u8) {
        let Some(tally) = self.outputs.get(usize::from(output)) else { return };
        if !tally.has_ended.swap(true, Ordering::AcqRel) && self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.ending.done();
        }
    }

    /// Nobody waits for this output: another graph makes it, or it is lost.
    pub fn leave_out(&self, output: u8) {
        if let Some(tally) = self.outputs.get(usize::from(output)) {
            tally.time_ns.store(u64::MAX, Ordering::Relaxed);
        }
        self.ended(output);
    }

    /// One for each output of the job. A further track without a sample is lost, too.
    pub fn counts(&self) -> Vec<OutputCounts> {
        let counts = self.outputs.iter().zip(&self.context.job.outputs).map(|(tally, output)| {
            let counts = tally.counts();
            OutputCounts { is_lost: counts.is_lost || output.track > 0 && counts.frames == 0, ..counts }
        });
        counts.collect()
    }

    fn tell_progress(&self) {
        let slowest = self.outputs.iter().map(|output| output.time_ns.load(Ordering::Relaxed)).min().unwrap_or(0);
        let told = self.told_ns.load(Ordering::Relaxed);
        let is_due = slowest >= told + PROGRESS_NS;
        if is_due && self.told_ns.compare_exchange(told, slowest, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.context.sink.progress(slowest);
        }
    }
}

/// A further track of sound is lost: so are its outputs, and only they.
impl Lost for Outputs {
    fn lost(&self, track: u32) {
        for (index, _) in self.context.outputs().filter(|(_, output)| output.track == track && output.make.is_sound()) {
            if let Some(tally) = self.outputs.get(usize::from(index)) {
                tally.is_lost.store(true, Ordering::Relaxed);
            }
            self.leave_out(index);
        }
    }
}

impl OutputTally {
    fn counts(&self) -> OutputCounts {
        let caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let structure = caps.as_ref().and_then(|caps| caps.structure(0));
        let frames = self.frames.load(Ordering::Relaxed);
        let lasts_ns = self.time_ns.load(Ordering::Relaxed).saturating_sub(self.start_ns.load(Ordering::Relaxed));
        let side = |name: &str| structure.and_then(|structure| structure.get::<i32>(name).ok()).and_then(|side| u32::try_from(side).ok());
        OutputCounts {
            width: side("width"),
            height: side("height"),
            frames,
            lasts_ms: (frames > 0).then_some((lasts_ns + 500_000) / 1_000_000),
            codec: structure.and_then(codec_string::of),
            channels: side("channels"),
            is_lost: self.is_lost.load(Ordering::Relaxed),
            ..OutputCounts::default()
        }
    }
}
