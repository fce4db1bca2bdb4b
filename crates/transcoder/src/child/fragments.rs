//! From the muxer to the sink: which bytes are the init section, which are a fragment.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{
    context::Context,
    failed::Failed,
    outputs::Outputs,
    pipeline::element,
    priming::{self, Signalled},
};
use crate::protocol::{FrameHeader, FrameKind};

/// The end of a branch in a pipeline's description: the muxer, and a sink that waits for nobody's clock.
///
/// Six seconds are three keyframe intervals. Its own wishes for keyframes are ignored: see [`super::graphs::keyframes`].
pub fn tail(output: u8) -> String {
    format!("cmafmux {MUXED} ! {}", sink(output))
}

/// The same for a codec that CMAF does not know: VP9. Such a file is laid out alike, and has another brand.
pub fn tail_beside_cmaf(output: u8) -> String {
    format!("dashmp4mux {MUXED} ! {}", sink(output))
}

const MUXED: &str = "fragment-duration=6000000000 write-edts-mode=never";

/// A sink that hands over what it gets, at once, to whoever watches it.
pub fn sink(output: u8) -> String {
    format!("appsink name=out{output} sync=false async=false enable-last-sample=false buffer-list=true max-buffers=4")
}

/// The sink of an output.
///
/// # Errors
/// [`Failed`] where the pipeline has none: our fault.
pub fn sink_of(pipeline: &gst::Pipeline, output: u8) -> Result<gst_app::AppSink, Failed> {
    element(pipeline, &format!("out{output}"))?.downcast().map_err(|_| Failed::internal("an output without an appsink"))
}

/// The buffers that a sink got at once.
pub fn buffers(sample: &gst::Sample) -> Vec<&gst::BufferRef> {
    match sample.buffer_list() {
        Some(list) => list.iter().collect(),
        None => sample.buffer().into_iter().collect(),
    }
}

/// Sends what a muxer makes.
///
/// # Errors
/// [`Failed`] where the pipeline has no such output: our fault.
pub fn send(pipeline: &gst::Pipeline, output: u8, context: &Context, outputs: &Arc<Outputs>) -> Result<(), Failed> {
    let (context, on_end, priming_ns) = (context.clone(), outputs.clone(), AtomicU64::new(0));
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            send_list(buffers(&sample), &sample, output, &context, &priming_ns)
        })
        .eos(move |_| on_end.ended(output))
        .build();
    sink_of(pipeline, output)?.set_callbacks(callbacks);
    Ok(())
}

/// The muxer marks the init section DISCONT and HEADER, and the first buffer of a fragment HEADER, with its times. Behind that one,
/// which holds the boxes before the samples, comes a buffer for each sample.
fn send_list(
    buffers: Vec<&gst::BufferRef>,
    sample: &gst::Sample,
    output: u8,
    context: &Context,
    priming_ns: &AtomicU64,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let is_init = |buffer: &gst::BufferRef| buffer.flags().contains(gst::BufferFlags::DISCONT | gst::BufferFlags::HEADER);
    let (init, fragment): (Vec<_>, Vec<_>) = buffers.into_iter().partition(|buffer| is_init(buffer));
    if !init.is_empty() {
        priming_ns.store(send_init(&init, output, context)?, Ordering::Relaxed);
    }
    if let Some(first) = fragment.first() {
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let pts = first.pts().and_then(|pts| segment.map_or(Some(pts), |segment| segment.to_running_time(pts)));
        let is_first = pts.is_none_or(|pts| pts.nseconds() <= priming_ns.load(Ordering::Relaxed));
        let left_out = if is_first { priming_ns.load(Ordering::Relaxed) } else { 0 };
        let header = FrameHeader {
            keyframe: !first.flags().contains(gst::BufferFlags::DELTA_UNIT),
            // A fragment lasts as long as it is heard: the first is shorter by what is left out, and all others come earlier.
            pts_ns: pts.unwrap_or_default().nseconds().saturating_sub(priming_ns.load(Ordering::Relaxed)),
            duration_ns: first.duration().unwrap_or_default().nseconds().saturating_sub(left_out),
            keyframe_bytes: u32::try_from(fragment.iter().take(2).map(|buffer| buffer.size()).sum::<usize>()).unwrap_or_default(),
            ..FrameHeader::new(FrameKind::Fragment, output, 0)
        };
        send_frame(&fragment, header, context)?;
    }
    Ok(gst::FlowSuccess::Ok)
}

/// Sends the init section, and says how much sound of the first fragment it leaves out, in nanoseconds.
fn send_init(buffers: &[&gst::BufferRef], output: u8, context: &Context) -> Result<u64, gst::FlowError> {
    let mut init = Vec::new();
    for buffer in buffers {
        init.extend_from_slice(&buffer.map_readable().map_err(|_| gst::FlowError::Error)?);
    }
    let Signalled { init, priming_ns } = priming::signal(init).map_err(|_| gst::FlowError::Error)?;
    let length = u32::try_from(init.len()).map_err(|_| gst::FlowError::Error)?;
    context.sink.frame(FrameHeader::new(FrameKind::Init, output, length), &[&init]);
    Ok(priming_ns)
}

fn send_frame(buffers: &[&gst::BufferRef], header: FrameHeader, context: &Context) -> Result<(), gst::FlowError> {
    let maps = buffers.iter().map(|buffer| buffer.map_readable()).collect::<Result<Vec<_>, _>>().map_err(|_| gst::FlowError::Error)?;
    let parts: Vec<&[u8]> = maps.iter().map(|map| map.as_slice()).collect();
    let length = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).map_err(|_| gst::FlowError::Error)?;
    context.sink.frame(FrameHeader { length, ..header }, &parts);
    Ok(())
}
