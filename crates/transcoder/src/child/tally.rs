//! Counts what passes: samples out of the demuxer, into the decoder and out of it, and where each track ends.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

use gstreamer::{self as gst, prelude::*};

use super::{
    activity::Activity,
    codecs::{Codec, Track},
    complaints,
};
use crate::protocol::TrackCounts;

/// What was counted over all tracks of the file.
#[derive(Debug, Default)]
pub struct Tally {
    activity: Arc<Activity>,
    video: TrackTally,
    audio: TrackTally,
    /// Of the latest sample of any track, whether we decode it or not.
    end: Latest,
}

#[derive(Debug, Default)]
struct TrackTally {
    demuxed: AtomicU64,
    /// Whatever of it; told only of codecs whose parser gives at least what it was given.
    at_decoder: AtomicU64,
    are_parsed_one_by_one: AtomicBool,
    to_decoder: AtomicU64,
    from_decoder: AtomicU64,
    interlaced: AtomicBool,
    /// All decoded frames' lengths together, in nanoseconds.
    decoded: AtomicU64,
    start: Earliest,
    end: Latest,
}

/// The earliest of many times in nanoseconds; the largest number while there was none.
#[derive(Debug)]
struct Earliest(AtomicU64);

impl Default for Earliest {
    fn default() -> Self {
        Self(AtomicU64::new(u64::MAX))
    }
}

impl Earliest {
    fn see(&self, time: Option<gst::ClockTime>) {
        self.0.fetch_min(time.map_or(u64::MAX, gst::ClockTime::nseconds), Ordering::Relaxed);
    }

    fn is_after(&self, time: gst::ClockTime) -> bool {
        let earliest = self.0.load(Ordering::Relaxed);
        earliest != u64::MAX && time.nseconds() < earliest
    }

    fn milliseconds(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|nanoseconds| *nanoseconds != u64::MAX).map(|nanoseconds| nanoseconds / 1_000_000)
    }
}

/// The latest of many times in nanoseconds; negative while there was none.
#[derive(Debug)]
struct Latest(AtomicI64);

impl Default for Latest {
    fn default() -> Self {
        Self(AtomicI64::new(-1))
    }
}

impl Latest {
    fn see(&self, time: Option<gst::ClockTime>) {
        if let Some(nanoseconds) = time.and_then(|time| i64::try_from(time.nseconds()).ok()) {
            self.0.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }

    fn milliseconds(&self) -> Option<u64> {
        u64::try_from(self.0.load(Ordering::Relaxed)).ok().map(|nanoseconds| nanoseconds / 1_000_000)
    }
}

impl TrackTally {
    /// Frames that a parser left out because it could not read them.
    fn dropped(&self) -> u64 {
        let dropped = self.demuxed.load(Ordering::Relaxed).saturating_sub(self.at_decoder.load(Ordering::Relaxed));
        if self.are_parsed_one_by_one.load(Ordering::Relaxed) { dropped } else { 0 }
    }

    fn see(&self, span: Option<(gst::ClockTime, gst::ClockTime)>) {
        self.start.see(span.map(|(start, _)| start));
        self.end.see(span.map(|(_, end)| end));
    }
}

impl Tally {
    pub fn new(activity: Arc<Activity>) -> Arc<Self> {
        Arc::new(Self { activity, ..Self::default() })
    }

    /// Counts what leaves the demuxer by this pad. `track` is what we decode of it.
    pub fn watch_demuxed(self: &Arc<Self>, pad: &gst::Pad, track: Option<Track>) {
        let tally = self.clone();
        each_buffer(pad, move |pad, buffer| {
            tally.activity.passed(pad, buffer);
            let span = span_of(pad, buffer);
            tally.end.see(span.map(|(_, end)| end));
            if let Some(track) = track {
                tally.track(track).demuxed.fetch_add(1, Ordering::Relaxed);
                tally.track(track).see(span);
            }
        });
    }

    /// Counts what goes into a decoder, as far as a frame must come of it: from the first keyframe on, inside the edit
    /// list, and meant to be shown. Pictures shown before the first keyframe may need what was cut off.
    pub fn watch_decoder_input(self: &Arc<Self>, pad: &gst::Pad, codec: &'static Codec) {
        let (tally, started, first_shown) = (self.clone(), AtomicBool::new(false), Earliest::default());
        tally.track(codec.track).are_parsed_one_by_one.store(matches!(codec.name, "vp8" | "vp9" | "av1"), Ordering::Relaxed);
        each_buffer(pad, move |pad, buffer| {
            tally.track(codec.track).at_decoder.fetch_add(1, Ordering::Relaxed);
            if !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) && !started.swap(true, Ordering::Relaxed) {
                first_shown.see(buffer.pts());
            }
            let is_leading = buffer.pts().is_some_and(|pts| first_shown.is_after(pts));
            let hidden = buffer.flags().intersects(gst::BufferFlags::DECODE_ONLY | gst::BufferFlags::HEADER)
                || (codec.name == "vp8" && vp8_is_hidden(buffer));
            if started.load(Ordering::Relaxed) && !hidden && !is_leading && is_inside_segment(pad, buffer) {
                tally.track(codec.track).to_decoder.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    /// Counts what comes out of a decoder.
    pub fn watch_decoded(self: &Arc<Self>, pad: &gst::Pad, track: Track) {
        let tally = self.clone();
        each_buffer(pad, move |pad, buffer| {
            tally.activity.passed(pad, buffer);
            let counts = tally.track(track);
            if counts.from_decoder.fetch_add(1, Ordering::Relaxed) == 0 && is_interlaced(pad) {
                counts.interlaced.store(true, Ordering::Relaxed);
            }
            counts.decoded.fetch_add(buffer.duration().map_or(0, gst::ClockTime::nseconds), Ordering::Relaxed);
            let span = span_of(pad, buffer);
            counts.see(span);
            tally.end.see(span.map(|(_, end)| end));
        });
    }

    /// Of one track, where anything of it passed.
    pub fn counts(&self, track: Track) -> Option<TrackCounts> {
        let tally = self.track(track);
        let counts = TrackCounts {
            demuxed: tally.demuxed.load(Ordering::Relaxed),
            to_decoder: tally.to_decoder.load(Ordering::Relaxed),
            from_decoder: tally.from_decoder.load(Ordering::Relaxed),
            start_ms: tally.start.milliseconds(),
            end_ms: tally.end.milliseconds(),
            decoded_ms: tally.decoded.load(Ordering::Relaxed) / 1_000_000,
            interlaced: tally.interlaced.load(Ordering::Relaxed),
            dropped: tally.dropped(),
            patched: if track == Track::Video { complaints::patched_frames() } else { 0 },
            errors: if track == Track::Video { complaints::errors() } else { 0 },
        };
        (counts.demuxed > 0).then_some(counts)
    }

    /// Where the last sample of any track ended.
    pub fn end_ms(&self) -> Option<u64> {
        self.end.milliseconds()
    }

    fn track(&self, track: Track) -> &TrackTally {
        match track {
            Track::Video => &self.video,
            Track::Audio => &self.audio,
        }
    }
}

/// Calls `see` with every buffer that passes the pad.
pub fn each_buffer(pad: &gst::Pad, see: impl Fn(&gst::Pad, &gst::BufferRef) + Send + Sync + 'static) {
    // Ignored: the id is only needed to take the probe away again.
    let _probe = pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => see(pad, buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(|buffer| see(pad, buffer)),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// When a buffer begins in the running time of its pad.
pub fn running_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    event.segment().downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
}

/// When a sample is shown in the time of the file.
pub fn sample_time(sample: &gst::Sample) -> Option<gst::ClockTime> {
    sample.segment()?.downcast_ref::<gst::ClockTime>()?.to_stream_time(sample.buffer()?.pts()?)
}

/// When a buffer begins and ends in the time of the file.
pub fn span_of(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<(gst::ClockTime, gst::ClockTime)> {
    let event = pad.sticky_event::<gst::event::Segment>(0)?;
    let start = event.segment().downcast_ref::<gst::ClockTime>()?.to_stream_time(buffer.pts()?)?;
    Some((start, start + buffer.duration().unwrap_or_default()))
}

fn is_inside_segment(pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
    let (Some(event), Some(pts)) = (pad.sticky_event::<gst::event::Segment>(0), buffer.pts()) else { return true };
    let Some(segment) = event.segment().downcast_ref::<gst::ClockTime>() else { return true };
    let before = segment.start().is_some_and(|start| pts < start);
    let after = segment.stop().is_some_and(|stop| pts >= stop);
    !before && !after
}

fn is_interlaced(pad: &gst::Pad) -> bool {
    let caps = pad.current_caps();
    let mode = caps.as_ref().and_then(|caps| caps.structure(0)).and_then(|structure| structure.get::<&str>("interlace-mode").ok());
    mode.is_some_and(|mode| mode != "progressive")
}

/// VP8's first byte says whether a frame is shown (RFC 6386, 9.1: bit 4). Alternate reference frames are not.
fn vp8_is_hidden(buffer: &gst::BufferRef) -> bool {
    let mut first = [0xff];
    buffer.size() > 0 && buffer.copy_to_slice(0, &mut first).is_ok() && first[0] & 0x10 == 0
}
