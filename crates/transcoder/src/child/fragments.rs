//! From the muxer to the sink: which bytes are the init section, which are a fragment.

use std::sync::Arc;

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;

use super::{context::Context, failed::Failed, outputs::Outputs, pipeline::element};
use crate::protocol::{FrameHeader, FrameKind};

/// The end of a branch in a pipeline's description: the muxer, and a sink that waits for nobody's clock.
///
/// Six seconds are three keyframe intervals. Its own wishes for keyframes are ignored: see [`super::graphs::ladder`].
pub fn tail(output: u8) -> String {
    format!("cmafmux fragment-duration=6000000000 ! {}", sink(output))
}

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

/// Sends what a muxer makes.
///
/// # Errors
/// [`Failed`] where the pipeline has no such output: our fault.
pub fn send(pipeline: &gst::Pipeline, output: u8, context: &Context, outputs: &Arc<Outputs>) -> Result<(), Failed> {
    let (context, on_end) = (context.clone(), outputs.clone());
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            match sample.buffer_list() {
                Some(list) => send_list(list.iter(), &sample, output, &context),
                None => send_list(sample.buffer().into_iter(), &sample, output, &context),
            }
        })
        .eos(move |_| on_end.ended())
        .build();
    sink_of(pipeline, output)?.set_callbacks(callbacks);
    Ok(())
}

/// The muxer marks the init section DISCONT and HEADER, and the first buffer of a fragment HEADER, with its times. Behind that one,
/// which holds the boxes before the samples, comes a buffer for each sample.
fn send_list<'a>(
    buffers: impl Iterator<Item = &'a gst::BufferRef>,
    sample: &gst::Sample,
    output: u8,
    context: &Context,
) -> Result<gst::FlowSuccess, gst::FlowError> {
    let is_init = |buffer: &gst::BufferRef| buffer.flags().contains(gst::BufferFlags::DISCONT | gst::BufferFlags::HEADER);
    let (init, fragment): (Vec<_>, Vec<_>) = buffers.partition(|buffer| is_init(buffer));
    if !init.is_empty() {
        send_frame(&init, FrameHeader::new(FrameKind::Init, output, 0), context)?;
    }
    if let Some(first) = fragment.first() {
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let pts = first.pts().and_then(|pts| segment.map_or(Some(pts), |segment| segment.to_running_time(pts)));
        let header = FrameHeader {
            keyframe: !first.flags().contains(gst::BufferFlags::DELTA_UNIT),
            pts_ns: pts.unwrap_or_default().nseconds(),
            duration_ns: first.duration().unwrap_or_default().nseconds(),
            keyframe_bytes: u32::try_from(fragment.iter().take(2).map(|buffer| buffer.size()).sum::<usize>()).unwrap_or_default(),
            ..FrameHeader::new(FrameKind::Fragment, output, 0)
        };
        send_frame(&fragment, header, context)?;
    }
    Ok(gst::FlowSuccess::Ok)
}

fn send_frame(buffers: &[&gst::BufferRef], header: FrameHeader, context: &Context) -> Result<(), gst::FlowError> {
    let maps = buffers.iter().map(|buffer| buffer.map_readable()).collect::<Result<Vec<_>, _>>().map_err(|_| gst::FlowError::Error)?;
    let parts: Vec<&[u8]> = maps.iter().map(|map| map.as_slice()).collect();
    let length = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).map_err(|_| gst::FlowError::Error)?;
    context.sink.frame(FrameHeader { length, ..header }, &parts);
    Ok(())
}
