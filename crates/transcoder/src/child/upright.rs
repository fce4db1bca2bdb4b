//! From decoded pictures to pictures as they are shown: what every output that shows any is made from.

use std::sync::{Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video::VideoOrientationMethod;

use super::{colours, tally};

/// The chain, as a pipeline describes it: from any decoded picture to upright, progressive BT.709 in 4:2:0 and 8 bit.
/// Pictures that are so already pass it uncopied. Its head is `pictures`, what turns them `upright`.
pub const CHAIN: &str = "tonemap name=pictures ! videoconvert ! video/x-raw,format=I420,colorimetry=bt709 \
     ! deinterlace fields=top method=greedyh ! videoflip name=upright video-direction=auto";

/// Turns pictures as their container says. (Only where the element cannot know: it hears of no mirrored pictures.)
pub fn turn(pipeline: &gst::Pipeline, method: VideoOrientationMethod) {
    if let Some(element) = pipeline.by_name("upright") {
        element.set_property("video-direction", method);
    }
}

/// Watches a picture track on its way from the demuxer (`first`) to the chain (`head`): the container's word on colours is
/// kept from parsers and decoders, which would believe it, and weighed behind them.
pub fn watch(container: &gst::CapsRef, first: &gst::Pad, head: &gst::Pad) {
    let said = colours::of(container);
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
