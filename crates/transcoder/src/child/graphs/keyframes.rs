//! Where keyframes stand: at the first frame of every two seconds of *time*, the same frame in every rung.
//!
//! The shared picture stream says where, before it is split. So a variable frame rate changes nothing, and the encoders'
//! own choice of keyframes and the muxers' wishes for them, which come too late in some rungs, are switched off.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video as gst_video;

use super::super::tally;

/// From one to the next.
pub const INTERVAL: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Tells every encoder, before the first frame of an interval leaves for it, that a keyframe is wanted at that frame's time.
///
/// Not by an event in the stream: of those, 1.22's encoders forget one that comes while the last keyframe is still inside.
pub fn place(shared: &gst::Pad, encoders: Vec<gst::Pad>) {
    let next = Arc::new(Mutex::new(None));
    tally::each_buffer(shared, move |pad, buffer| {
        let Some(now) = tally::running_time(pad, buffer) else { return };
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.is_some_and(|next| now < next) {
            return;
        }
        // The first frame is a keyframe unasked; asked for, 1.22's encoder hears no later wish.
        if next.is_some() {
            for encoder in &encoders {
                let wish = gst_video::UpstreamForceKeyUnitEvent::builder().running_time(now).all_headers(true).build();
                // Refused only by an encoder that has ended.
                let _taken: bool = encoder.send_event(wish);
            }
        }
        *next = Some(now + INTERVAL - gst::ClockTime::from_nseconds(now.nseconds() % INTERVAL.nseconds()));
    });
}

/// Keeps a muxer's own wishes from the encoder: they come too late in some rungs. (`Handled` and not `Drop`: with that, the
/// bindings hand 1.22 a null.)
pub fn drop_wishes(encoded: &gst::Pad) {
    let _probe = encoded.add_probe(gst::PadProbeType::EVENT_UPSTREAM, |_, info| match &info.data {
        Some(gst::PadProbeData::Event(event)) if gst_video::ForceKeyUnitEvent::is(event) => gst::PadProbeReturn::Handled,
        _ => gst::PadProbeReturn::Ok,
    });
}
