//! The rungs and the sound of a video, from one decode.
//!
//! Each rung is scaled from the source, not from the rung above: a cascade loses a tenth of SSIM at 360p
//! (notes/gstreamer.md).

use std::sync::{Arc, mpsc::Receiver};

use gstreamer::{self as gst, prelude::*};
use media_domain::profile::{Form, Recipe};

use super::{
    super::{
        codecs::Track,
        context::{Context, Ending},
        failed::Failed,
        fragments,
        outputs::Outputs,
        own_stream, pipeline, progressive,
        tracks::{self, Heads},
        upright,
    },
    keyframes, rungs,
    sound::renditions,
};
use crate::protocol::{Counts, Extent, FailureCode};

/// Makes the outputs of a video.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let is_made_here = |make: &Recipe| matches!(make, Recipe::Aac { .. } | Recipe::Mp4 { .. }) || is_rung(make);
    if let Some((_, output)) = context.outputs().find(|(_, output)| !is_made_here(&output.make)) {
        return Err(Failed::internal(format!("{} is made by another graph", output.profile)));
    }
    let (rungs, tracks) = (rungs::of_video(context)?, renditions::of_video(context)?);
    let mut description = renditions::describe(&tracks);
    if !rungs.is_empty() {
        description +=
            &format!(" {} ! tee name=rungs {}", upright::CHAIN, rungs::describe(&rungs, Extent::of(context.info()?, context.job.size)));
    }
    let pipeline = pipeline::build(&description)?;
    let (ending, over) = Ending::channel();
    let heads = Heads {
        video: pipeline.by_name("pictures"),
        encoded: rungs::own(&pipeline),
        audio: renditions::heads(&pipeline, &tracks)?,
        ..Heads::default()
    };
    if let Some(own) = &heads.encoded {
        own_stream::purify(&pad(own, "src")?, &ending);
    }
    if let Some(tee) = pipeline.by_name("rungs") {
        let encoders = rungs::encoders(&pipeline, &rungs)?;
        keyframes::place(&pad(&tee, "sink")?, encoders.iter().map(|encoder| pad(encoder, "src")).collect::<Result<_, _>>()?);
    }
    let is_copied = heads.encoded.is_some();
    // What a muxer does not take of a strange stream looks like a fault of the file. The next attempt copies nothing, and knows.
    encode(&pipeline, context, heads, &ending, &over).map_err(|failed| match failed.code {
        FailureCode::Corrupt | FailureCode::Unsupported | FailureCode::LimitHit if is_copied => {
            Failed { code: FailureCode::Internal, ..failed }
        }
        _ => failed,
    })
}

const fn is_rung(make: &Recipe) -> bool {
    matches!(make, Recipe::H264 { .. } | Recipe::Vp9 { .. } | Recipe::Av1 { .. })
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
        let send = match output.make.form() {
            Form::Cmaf => fragments::send,
            Form::Mp4 => progressive::send,
            _ => {
                outputs.leave_out(index);
                continue;
            }
        };
        watch(pipeline, index, &outputs)?;
        send(pipeline, index, context, &outputs)?;
    }
    let heads = Heads { lost: Some(outputs.clone()), ..heads };
    let tally = tracks::decode(pipeline, context, ending, heads)?;
    pipeline::play(pipeline, context, ending, over)?;
    Ok(Counts { video: tally.counts(Track::Video), audio: tally.counts(Track::Audio), end_ms: tally.end_ms(), outputs: outputs.counts() })
}

/// Watches what is encoded of an output, and what its muxer gets to hear.
///
/// # Errors
/// [`Failed`] where the pipeline has no such output: our fault.
pub fn watch(pipeline: &gst::Pipeline, output: u8, outputs: &Arc<Outputs>) -> Result<(), Failed> {
    let encoded = pad(&pipeline::element(pipeline, &format!("encoded{output}"))?, "src")?;
    outputs.watch_encoded(&encoded, output);
    tracks::drop_tags(&encoded);
    keyframes::drop_wishes(&encoded);
    Ok(())
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, Failed> {
    element.static_pad(name).ok_or_else(|| Failed::internal(format!("{} has no pad {name}", element.name())))
}
