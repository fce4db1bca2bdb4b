//! The first seconds of a video that are worth seeing, without sound, to be shown again and again.

use std::sync::{Mutex, PoisonError};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video as gst_video;
use media_domain::profile::Recipe;

use super::{
    super::{
        bitrate,
        context::{Context, Ending},
        failed::Failed,
        frame::Look,
        outputs::Outputs,
        picture_size, pipeline, progressive, tally,
        tracks::{self, Heads},
        upright,
    },
    ladder,
};
use crate::protocol::{Counts, Extent};

/// How far into a video something worth seeing is looked for; a short one begins earlier.
const SEARCH_MS: u64 = 10_000;

/// Makes the one output.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Preview { height: short_side, bitrate_kbps, seconds } = context.only_output()?.make else {
        return Err(Failed::internal("a preview is a preview"));
    };
    let info = context.info()?;
    let video = info.video.as_ref().ok_or_else(|| Failed::internal("a preview of a file without a picture track"))?;
    let (width, height) = picture_size::rung(video, short_side);
    let kbps = bitrate::follow(bitrate_kbps, short_side, (width, height), video.frame_rate);
    let length_ms = u64::from(seconds) * 1000;
    let pipeline = pipeline::build(&format!(
        "{} ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! identity name=window ! x264enc speed-preset=veryfast bitrate={kbps} vbv-buf-capacity=2000 \
         ! video/x-h264,profile=high ! h264parse name=encoded0 ! {}",
        upright::CHAIN,
        progressive::tail(0, Extent::of_silent_seconds(info, seconds.into()))
    ))?;
    let (ending, over) = Ending::channel();
    let outputs = Outputs::new(context, &ending);
    let window = pipeline::element(&pipeline, "window")?;
    let pad = window.static_pad("src").ok_or_else(|| Failed::internal("an identity without a source"))?;
    let latest_ms = info.duration_ms.unwrap_or(0).saturating_sub(length_ms).min(SEARCH_MS);
    cut(&pad, Window::new(gst::ClockTime::from_mseconds(latest_ms), gst::ClockTime::from_mseconds(length_ms)));
    ladder::watch(&pipeline, 0, &outputs)?;
    progressive::send(&pipeline, 0, context, &outputs)?;
    let heads = Heads { video: pipeline.by_name("pictures"), ..Heads::default() };
    tracks::decode(&pipeline, context, &ending, heads)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    Ok(Counts { outputs: outputs.counts(), ..Counts::default() })
}

/// Lets the window's frames pass, and ends the stream behind them.
fn cut(pad: &gst::Pad, window: Window) {
    let window = Mutex::new(window);
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data else { return gst::PadProbeReturn::Ok };
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(time), Some(look)) = (tally::running_time(pad, buffer), window.look_of(pad, buffer)) else {
            return gst::PadProbeReturn::Drop;
        };
        match window.place(time, look) {
            Place::Outside => gst::PadProbeReturn::Drop,
            Place::Inside(since_begin) => {
                let buffer = buffer.make_mut();
                let segment =
                    pad.sticky_event::<gst::event::Segment>(0).and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned());
                buffer.set_pts(segment.and_then(|segment| segment.position_from_running_time(since_begin)));
                gst::PadProbeReturn::Ok
            }
            Place::End => {
                if let Some(next) = pad.peer() {
                    // Refused only where the stream has ended already.
                    let _taken: bool = next.send_event(gst::event::Eos::new());
                }
                gst::PadProbeReturn::Drop
            }
        }
    });
}

/// Which frames are shown.
#[derive(Debug)]
struct Window {
    /// It begins here at the latest.
    latest: gst::ClockTime,
    length: gst::ClockTime,
    begin: Option<gst::ClockTime>,
    is_over: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    Outside,
    /// So long after the first.
    Inside(gst::ClockTime),
    /// The first behind it.
    End,
}

impl Window {
    const fn new(latest: gst::ClockTime, length: gst::ClockTime) -> Self {
        Self { latest, length, begin: None, is_over: false }
    }

    /// Of a frame that may be the first, and else nobody looks.
    fn look_of(&self, pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<Look> {
        if self.begin.is_some() {
            return Some(Look::default());
        }
        let info = gst_video::VideoInfo::from_caps(pad.current_caps()?.as_ref()).ok()?;
        Look::of_luma(buffer, &info)
    }

    fn place(&mut self, time: gst::ClockTime, look: Look) -> Place {
        if self.begin.is_none() && (look.is_good() || time >= self.latest) {
            self.begin = Some(time);
        }
        match self.begin {
            Some(begin) if time < begin + self.length && !self.is_over => Place::Inside(time.saturating_sub(begin)),
            Some(_) if !std::mem::replace(&mut self.is_over, true) => Place::End,
            _ => Place::Outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_the_first_good_frame_or_at_its_latest_and_has_its_length() {
        let ms = gst::ClockTime::from_mseconds;
        let (black, good) = (Look::default(), Look { brightness: 100.0, contrast: 50.0 });
        let mut window = Window::new(ms(2000), ms(3000));
        assert_eq!(window.place(ms(0), black), Place::Outside);
        assert_eq!(window.place(ms(500), good), Place::Inside(ms(0)));
        assert_eq!(window.place(ms(3499), black), Place::Inside(ms(2999)));
        assert_eq!(window.place(ms(3500), good), Place::End);
        assert_eq!(window.place(ms(3600), good), Place::Outside);
        let mut dark = Window::new(ms(2000), ms(3000));
        assert_eq!(dark.place(ms(1999), black), Place::Outside);
        assert_eq!(dark.place(ms(2001), black), Place::Inside(ms(0)));
    }
}
