//! Text with times as WebVTT: a subtitle file, or the text tracks of a container. Nothing is decoded.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, AtomicUsize, Ordering},
};

use gstreamer::{self as gst, glib, prelude::*};
use media_captions::{BYTES_MAX, CaptionError, Cue, Fault, Parsed, parse_srt, parse_vtt, write_vtt};
use media_domain::Kind;

use super::super::{
    context::{Context, Ending},
    failed::Failed,
    pipeline::{self, make},
    tally,
    texts::{self, Script, TextForm},
    tracks::{self, TrackListener},
};
use crate::protocol::{Counts, FailureCode, OutputCounts};

/// Makes all outputs.
///
/// # Errors
/// [`Failed`], typed: [`FailureCode::BadLine`] where a file cannot be read without losing words.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    if context.job.kind.pipeline() == Kind::Subtitle { file(context) } else { container(context) }
}

fn file(context: &Context) -> Result<Counts, Failed> {
    context.only_output()?;
    let bytes = context.source.whole(BYTES_MAX as u64)?;
    let parsed = match context.job.mime.as_str() {
        "text/vtt" => parse_vtt(&bytes),
        "application/x-subrip" => parse_srt(&bytes),
        mime => return Err(Failed::unsupported(format!("no reader for {mime}"))),
    };
    let parsed = parsed.map_err(|error| bad_line(line_of(&error), &error))?;
    if let Some(found) = lost(&parsed) {
        return Err(found);
    }
    Ok(Counts { outputs: vec![send(context, 0, &parsed.cues)?], ..Counts::default() })
}

/// The first fault that costs words or the time that they are shown. Others were mended, and lose nothing but placement.
fn lost(parsed: &Parsed) -> Option<Failed> {
    let costs = |fault: Fault| {
        matches!(fault, Fault::NotUtf8 | Fault::Nul | Fault::VttTime | Fault::SrtTime | Fault::EndNotAfterStart | Fault::NoTime)
    };
    let first = parsed.faults.iter().filter(|found| costs(found.fault)).min_by_key(|found| found.line)?;
    Some(bad_line(first.line, &first.fault))
}

fn line_of(error: &CaptionError) -> usize {
    match error {
        CaptionError::NotVtt | CaptionError::NotSrt => 1,
        CaptionError::Syntax { line, .. } | CaptionError::TooMuch { line, .. } => *line,
    }
}

fn bad_line(line: usize, why: &dyn std::fmt::Display) -> Failed {
    Failed::new(FailureCode::BadLine(u32::try_from(line).unwrap_or(u32::MAX)), why.to_string())
}

fn send(context: &Context, output: u8, cues: &[Cue]) -> Result<OutputCounts, Failed> {
    let text = write_vtt(cues);
    if text.len() > BYTES_MAX {
        return Err(Failed::new(FailureCode::LimitHit, format!("{} bytes of text", text.len())));
    }
    context.sink.data(output, text.as_bytes());
    Ok(OutputCounts { frames: cues.len() as u64, ..OutputCounts::default() })
}

fn container(context: &Context) -> Result<Counts, Failed> {
    let pipeline = pipeline::keep(gst::Pipeline::new());
    let (ending, over) = Ending::channel();
    let scripts: Arc<Vec<Mutex<Option<Script>>>> = Arc::new(context.job.outputs.iter().map(|_| Mutex::default()).collect());
    let reading = Reading {
        pipeline: pipeline.downgrade(),
        context: context.clone(),
        ending: ending.clone(),
        seen: AtomicU32::new(0),
        open: Arc::new(AtomicUsize::new(scripts.len())),
        scripts: scripts.clone(),
    };
    tracks::demux(&pipeline, context, &ending, reading)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    let mut outputs = Vec::new();
    for ((output, _), script) in context.outputs().zip(scripts.iter()) {
        let script = script.lock().unwrap_or_else(PoisonError::into_inner);
        let cues = script.as_ref().map(Script::cues).transpose()?.unwrap_or_default();
        outputs.push(send(context, output, &cues)?);
    }
    Ok(Counts { outputs, ..Counts::default() })
}

struct Reading {
    pipeline: glib::WeakRef<gst::Pipeline>,
    context: Context,
    ending: Ending,
    /// Tracks of text so far: they are counted as the probe did.
    seen: AtomicU32,
    /// Outputs whose track has not ended.
    open: Arc<AtomicUsize>,
    scripts: Arc<Vec<Mutex<Option<Script>>>>,
}

impl Reading {
    fn gather(&self, pad: &gst::Pad, index: usize, form: TextForm) {
        let (scripts, ending) = (self.scripts.clone(), self.ending.clone());
        tally::each_buffer(pad, move |pad, buffer| {
            let (Some(script), Ok(map)) = (scripts.get(index), buffer.map_readable()) else { return };
            let Some(start) = tally::running_time(pad, buffer) else { return };
            let end = buffer.duration().filter(|duration| !duration.is_zero()).map(|duration| (start + duration).mseconds());
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            let added = script.get_or_insert_with(|| Script::new(form)).add(map.as_slice(), start.mseconds(), end);
            added.unwrap_or_else(|failed| ending.failed(failed));
        });
        let (open, ending) = (self.open.clone(), self.ending.clone());
        tracks::on_end(pad, move || {
            if open.fetch_sub(1, Ordering::AcqRel) == 1 {
                ending.done();
            }
        });
    }
}

impl TrackListener for Reading {
    fn track(&self, pad: &gst::Pad, caps: &gst::Caps) -> Result<(), Failed> {
        // Words may be minutes apart: pictures and sound that pass by are a sign of life.
        let activity = self.context.activity.clone();
        tally::each_buffer(pad, move |pad, buffer| activity.passed(pad, buffer));
        let Some(form) = texts::form(caps) else { return Ok(()) };
        let track = self.seen.fetch_add(1, Ordering::Relaxed);
        let Some(index) = self.context.job.outputs.iter().position(|output| output.track == track) else { return Ok(()) };
        let pipeline = self.pipeline.upgrade().ok_or_else(|| Failed::internal("a track after the end"))?;
        let last = make("fakesink")?;
        last.set_property("sync", false);
        last.set_property("async", false);
        let sink = last.static_pad("sink").ok_or_else(|| Failed::internal("a sink without a pad"))?;
        self.gather(&sink, index, form);
        tracks::attach(&pipeline, pad, &[last])
    }

    fn complete(&self) -> Result<(), Failed> {
        let wanted = self.context.job.outputs.iter().map(|output| output.track).max().unwrap_or(0);
        if self.seen.load(Ordering::Relaxed) > wanted {
            return Ok(());
        }
        Err(Failed::corrupt(format!("no text track {wanted}")))
    }
}
