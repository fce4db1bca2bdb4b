//! The rungs and the sound of a video, from one decode.
//!
//! Each rung is scaled from the source, not from the rung above: a cascade loses a tenth of SSIM at 360p
//! (notes/gstreamer.md). Keyframes stand at the first frame of every two seconds of *time*, the same frame in every rung:
//! the shared picture stream says where, before it is split. So a variable frame rate changes nothing, and the encoder's
//! own choice of keyframes and the muxer's wishes for them, which come too late in some rungs, are switched off.

use std::sync::{Arc, Mutex, PoisonError, mpsc::Receiver};

use gstreamer::{self as gst, prelude::*};
use gstreamer_video as gst_video;
use media_domain::{
    info::VideoInfo,
    profile::{Form, Recipe},
};

use super::{
    super::{
        codecs::Track,
        context::{Context, Ending},
        failed::Failed,
        fragments,
        outputs::Outputs,
        picture_size, pipeline, tally,
        tracks::{self, Heads},
        upright,
    },
    sound::renditions,
};
use crate::protocol::Counts;

const KEYFRAME_INTERVAL: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Makes the outputs of a video.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let mut pictures = String::new();
    for (index, output) in context.outputs() {
        match output.make {
            Recipe::H264 { height, bitrate_kbps } => {
                let video = context.info()?.video.as_ref().ok_or_else(|| Failed::internal("rungs of a file without a picture track"))?;
                pictures += &rung(index, video, height, bitrate_kbps);
            }
            Recipe::Aac { .. } => {}
            _ => return Err(Failed::internal(format!("{} is made by another graph", output.profile))),
        }
    }
    let tracks = renditions::of_video(context)?;
    let mut description = renditions::describe(&tracks);
    if !pictures.is_empty() {
        description += &format!(" {} ! tee name=rungs {pictures}", upright::CHAIN);
    }
    let pipeline = pipeline::build(&description)?;
    let (ending, over) = Ending::channel();
    let heads = Heads { video: pipeline.by_name("pictures"), audio: renditions::heads(&pipeline, &tracks)?, lost: None };
    if let Some(tee) = pipeline.by_name("rungs") {
        let encoders = context.outputs().filter_map(|(index, _)| pipeline.by_name(&format!("encoder{index}")));
        place_keyframes(&pad(&tee, "sink")?, encoders.map(|encoder| pad(&encoder, "src")).collect::<Result<_, _>>()?);
    }
    encode(&pipeline, context, heads, &ending, &over)
}

/// One rung behind the tee `rungs`. Four frames in the queue keep an encoder busy; ten megabytes of 4K would be one.
fn rung(output: u8, video: &VideoInfo, short_side: u32, bitrate_kbps: u32) -> String {
    let (width, height) = picture_size::rung(video, short_side);
    format!(
        " rungs. ! queue max-size-buffers=4 max-size-bytes=0 max-size-time=0 \
         ! videoscale method=lanczos add-borders=false ! video/x-raw,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! x264enc name=encoder{output} speed-preset=veryfast bitrate={bitrate_kbps} vbv-buf-capacity=2000 \
           key-int-max=1073741824 option-string=scenecut=0:open-gop=0:keyint-min=1 \
         ! video/x-h264,profile=high ! h264parse name=encoded{output} ! {}",
        fragments::tail(output)
    )
}

/// Plays a pipeline whose outputs all end in a muxer.
///
/// # Errors
/// [`Failed`], typed.
pub fn encode(
    pipeline: &gst::Pipeline,
    context: &Context,
    heads: Heads,
    ending: &Ending,
    over: &Receiver<Result<(), Failed>>,
) -> Result<Counts, Failed> {
    let outputs = Outputs::new(context, ending);
    for (index, output) in context.outputs() {
        if output.make.form() != Form::Cmaf {
            outputs.leave_out(index);
            continue;
        }
        let encoded = pad(&pipeline::element(pipeline, &format!("encoded{index}"))?, "src")?;
        outputs.watch_encoded(&encoded, index);
        drop_tags(&encoded);
        fragments::send(pipeline, index, context, &outputs)?;
        drop_wishes_for_keyframes(&encoded);
    }
    let heads = Heads { lost: Some(outputs.clone()), ..heads };
    let tally = tracks::decode(pipeline, context, ending, heads)?;
    pipeline::play(pipeline, context, ending, over)?;
    Ok(Counts { video: tally.counts(Track::Video), audio: tally.counts(Track::Audio), end_ms: tally.end_ms(), outputs: outputs.counts() })
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, Failed> {
    element.static_pad(name).ok_or_else(|| Failed::internal(format!("{} has no pad {name}", element.name())))
}

/// Tells every encoder, before the first frame of an interval leaves for it, that a keyframe is wanted at that frame's time.
///
/// Not by an event in the stream: of those, 1.22's encoders forget one that comes while the last keyframe is still inside.
fn place_keyframes(shared: &gst::Pad, encoders: Vec<gst::Pad>) {
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
        *next = Some(now + KEYFRAME_INTERVAL - gst::ClockTime::from_nseconds(now.nseconds() % KEYFRAME_INTERVAL.nseconds()));
    });
}

/// The muxer would write what it is told: a title, a place, and the turn of a picture that was already turned.
fn drop_tags(encoded: &gst::Pad) {
    let _probe = encoded.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| match &info.data {
        Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Tag => gst::PadProbeReturn::Handled,
        _ => gst::PadProbeReturn::Ok,
    });
}

/// The muxer's own wishes come too late in some rungs. (`Handled` and not `Drop`: with that, the bindings hand 1.22 a null.)
fn drop_wishes_for_keyframes(encoded: &gst::Pad) {
    let _probe = encoded.add_probe(gst::PadProbeType::EVENT_UPSTREAM, |_, info| match &info.data {
        Some(gst::PadProbeData::Event(event)) if gst_video::ForceKeyUnitEvent::is(event) => gst::PadProbeReturn::Handled,
        _ => gst::PadProbeReturn::Ok,
    });
}
