//! From a decoded track to its renditions: the pieces of a description that the graphs share.
//!
//! Gaps in the timestamps are filled before anything is resampled: 1.22's resampler swallows an eighth of a second of them
//! without a word.

mod mix;
pub mod renditions;

use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer::{self as gst, prelude::*};
use media_domain::profile::Recipe;

use super::super::{failed::Failed, fragments, loudness, pipeline, progressive};

/// How far timestamps may be off before sound is put in or left out, in nanoseconds: half of what a viewer may come to hear.
const TOLERANCE_NS: u64 = 10_000_000;
/// Of all that is made.
pub const SAMPLE_RATE: u32 = 48_000;

/// The name of the element that takes a decoded track.
pub fn head(track: u32) -> String {
    format!("sound{track}")
}

/// A decoded track without gaps from the file's first moment on, at 48 kHz with the channels that it has.
pub fn gapless(track: u32) -> String {
    format!(
        "audioconvert name={} ! audio/x-raw,format=F32LE,layout=interleaved ! audiorate name=gapless{track} tolerance={TOLERANCE_NS} \
         ! audioresample ! audio/x-raw,rate={SAMPLE_RATE}",
        head(track)
    )
}

/// What follows [`gapless`] where two channels are wanted.
pub fn stereo(track: u32) -> String {
    format!("audioconvert name=stereo{track} ! audio/x-raw,format=F32LE,channels=2")
}

/// What follows [`gapless`] where six channels are wanted.
pub fn surround(track: u32) -> String {
    format!("audioconvert name=surround{track} ! audio/x-raw,format=F32LE,channels=6,channel-mask=(bitmask)0x3f")
}

/// Gain and limiter, both in dB.
pub fn level(gain_db: f64) -> String {
    format!("{} gain={gain_db:.4} ceiling={:.4}", loudness::FACTORY, loudness::CEILING_DBTP)
}

/// One rendition behind the tee `tee`: its encoder, and its muxer. None of what is no sound in fragments.
pub fn rendition(tee: &str, output: u8, recipe: &Recipe) -> Option<String> {
    let encoder = match *recipe {
        Recipe::Aac { bitrate_kbps, channels } => {
            let mono = if channels == 1 { "audioconvert ! audio/x-raw,channels=1 ! " } else { "" };
            format!("{mono}{}", aac(bitrate_kbps))
        }
        Recipe::Opus { bitrate_kbps } => {
            format!("audioconvert dithering=none ! opusenc audio-type=generic bitrate={}", u64::from(bitrate_kbps) * 1000)
        }
        _ => return None,
    };
    Some(format!(" {tee}. ! queue ! {encoder} name=encoded{output} ! {}", fragments::tail(output)))
}

/// The sound of a progressive file behind the tee `tee`.
pub fn beside_pictures(tee: &str, output: u8, bitrate_kbps: u32) -> String {
    format!(" {tee}. ! queue ! {} ! {}", aac(bitrate_kbps), progressive::sound(output))
}

/// The encoder's property `aac-ms` does not choose mid and side coding but forces it, and is on by itself: what was on the
/// left alone is then heard on the right, too.
fn aac(bitrate_kbps: u32) -> String {
    format!("avenc_aac aac-ms=false bitrate={} ! aacparse", u64::from(bitrate_kbps) * 1000)
}

/// Completes what was described of a track: to be called before it is played.
///
/// # Errors
/// [`Failed`] where the pipeline has no such track: our fault.
pub fn settle(pipeline: &gst::Pipeline, track: u32) -> Result<(), Failed> {
    keep_continuous(&pipeline::element(pipeline, &format!("gapless{track}"))?)?;
    for (name, mix) in [(format!("stereo{track}"), mix::STEREO), (format!("surround{track}"), mix::SURROUND)] {
        if let Some(mixer) = pipeline.by_name(&name) {
            mix::by_places(&mixer, mix)?;
        }
    }
    Ok(())
}

/// Where a gap was filled, there is neither gap nor discontinuity left. The resampler would start anew there, each time a
/// little late.
///
/// # Errors
/// [`Failed`] where the element is none of one output: our fault.
pub fn keep_continuous(filler: &gst::Element) -> Result<(), Failed> {
    let filled = filler.static_pad("src").ok_or_else(|| Failed::internal("an audiorate without an output"))?;
    const MARKS: gst::BufferFlags = gst::BufferFlags::DISCONT.union(gst::BufferFlags::GAP);
    let is_first = AtomicBool::new(true);
    let _probe = filled.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data
            && !is_first.swap(false, Ordering::Relaxed)
            && buffer.flags().intersects(MARKS)
        {
            buffer.make_mut().unset_flags(MARKS);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}
