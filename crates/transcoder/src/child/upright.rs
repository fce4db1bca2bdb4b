//! From decoded pictures to pictures as they are shown: what every output that shows any is made from.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video::{VideoBufferFlags, VideoOrientationMethod, prelude::*};

use super::{colours, tally};

/// The chain, as a pipeline describes it: from any decoded picture to upright, progressive BT.709 in 4:2:0 and 8 bit.
/// Pictures that are so already pass it uncopied. Its head is `pictures`, what makes
/// one of two fields `progressive`, what turns them `upright`.
pub const CHAIN: &str = "tonemap name=pictures ! videoconvert ! video/x-raw,format=I420,colorimetry=bt709 \
     ! deinterlace name=progressive fields=top method=greedyh ! videoflip name=upright video-direction=auto";

/// Turns pictures as their container says. (Only where the element cannot know: it hears of no mirrored pictures.)
pub fn turn(pipeline: &gst::Pipeline, method: VideoOrientationMethod) {
    if let Some(element) = pipeline.by_name("upright") {
        element.set_property("video-direction", method);
    }
}

/// Watches a picture track on its way from the demuxer (`first`) to the chain (`head`): the container's word on colours is
/// kept from parsers and decoders, which would believe it, and weighed behind them.
pub fn watch(pipeline: &gst::Pipeline, container: &gst::CapsRef, first: &gst::Pad, head: &gst::Pad) {
    let said = colours::of(container);
    if let Some(element) = pipeline.by_name("progressive") {
        begin_with_the_first_field(head, &element);
    }
    keep_colours_back(first);
    on_caps(head, move |caps| colours::completed(caps, said));
    keep_order(head);
}

/// Keeps the container's word on colours from what reads the bitstream, so that what comes out is the bitstream's own.
pub fn keep_colours_back(pad: &gst::Pad) {
    on_caps(pad, colours::without);
}

fn on_caps(pad: &gst::Pad, change: impl Fn(&gst::CapsRef) -> gst::Caps + Send + Sync + 'static) {
    let _probe = pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &mut info.data
            && let gst::EventView::Caps(caps) = event.view()
        {
            *event = gst::event::Caps::new(&change(caps.caps()));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Makes the earlier field of a picture the one that stands for both. The later one has the next picture's time: it would make
/// one picture too many, and two at once.
fn begin_with_the_first_field(head: &gst::Pad, element: &gst::Element) {
    let (element, known) = (element.downgrade(), AtomicBool::new(false));
    tally::each_buffer(head, move |_, buffer| {
        let flags = buffer.video_flags();
        let is_first = flags.contains(VideoBufferFlags::INTERLACED) && !known.swap(true, Ordering::Relaxed);
        if let Some(element) = element.upgrade().filter(|_| is_first) {
            element.set_property_from_str("fields", if flags.contains(VideoBufferFlags::TFF) { "top" } else { "bottom" });
        }
    });
}

/// Leaves out a picture that has no time of its own: it begins when the last one did, or earlier. What follows can then rely
/// on times that rise.
fn keep_order(pad: &gst::Pad) {
    let last = Mutex::new(None);
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &info.data else { return gst::PadProbeReturn::Ok };
        let time = tally::running_time(pad, buffer);
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if time.is_some() && time <= *last {
            return gst::PadProbeReturn::Drop;
        }
        *last = time.or(*last);
        gst::PadProbeReturn::Ok
    });
}
