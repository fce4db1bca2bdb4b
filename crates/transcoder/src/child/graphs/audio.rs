//! The renditions of an audio file, all of one loudness, and the shape of its sound.
//!
//! The file is decoded twice: once to measure it, which also draws the waveform, and once to encode all renditions with the
//! gain that was found. (To keep the decoded sound of hours in between would need a disk, and this process has none.) Where
//! peaks have to be held, the limiter takes loudness away that only measuring behind it can tell: then once or twice more.

mod measure;

use std::collections::BTreeMap;

use media_domain::profile::{Form, Recipe};

use super::{
    super::{
        context::{Context, Ending},
        failed::Failed,
        loudness, pipeline,
        tracks::Heads,
    },
    ladder, sound,
};
use crate::protocol::{Counts, OutputCounts};

/// Of an audio file, the first track is taken.
const TRACK: u32 = 0;
/// How often the sound is measured behind the limiter, at the most.
const CORRECTIONS_MAX: u32 = 3;
/// A loudness that is so near to its target is not corrected any further, in LU.
const NEAR_ENOUGH_LU: f64 = 0.1;

/// Makes the outputs of an audio file.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let heard = measure::measure(context, None)?;
    let gain_db = gain(context, &heard)?;
    let is_encoded = context.outputs().any(|(_, output)| output.make.form() == Form::Cmaf);
    let mut counts = if is_encoded { encode(context, gain_db)? } else { heard.counts.clone() };
    counts.outputs.resize(context.job.outputs.len(), OutputCounts::default());
    for (index, output) in context.outputs() {
        let Recipe::Waveform { points } = output.make else { continue };
        context.sink.data(index, &heard.peaks.json(points, sound::SAMPLE_RATE, loudness::from_db(gain_db))?);
        if let Some(made) = counts.outputs.get_mut(usize::from(index)) {
            *made = OutputCounts { frames: u64::from(points), ..OutputCounts::default() };
        }
    }
    Ok(counts)
}

/// The gain that brings what was heard to its loudness, limiter included.
fn gain(context: &Context, heard: &measure::Heard) -> Result<f64, Failed> {
    let mut gain_db = loudness::gain_db(heard.measured);
    if gain_db == 0.0 || !loudness::needs_limiting(heard.measured, gain_db) {
        return Ok(gain_db);
    }
    for _ in 0..CORRECTIONS_MAX {
        let missing_lu = loudness::TARGET_LUFS - measure::measure(context, Some(gain_db))?.measured.integrated_lufs;
        if !missing_lu.is_finite() || missing_lu.abs() < NEAR_ENOUGH_LU {
            break;
        }
        gain_db = (gain_db + missing_lu).min(loudness::MAX_GAIN_DB);
    }
    Ok(gain_db)
}

fn encode(context: &Context, gain_db: f64) -> Result<Counts, Failed> {
    let mut description = format!("{} ! {} ! {} ! tee name=renditions", sound::gapless(TRACK), sound::stereo(TRACK), sound::level(gain_db));
    for (index, output) in context.outputs() {
        match sound::rendition("renditions", index, &output.make) {
            Some(rendition) => description += &rendition,
            None if matches!(output.make, Recipe::Waveform { .. }) => {}
            None => return Err(Failed::internal(format!("{} is made by another graph", output.profile))),
        }
    }
    let pipeline = pipeline::build(&description)?;
    sound::settle(&pipeline, TRACK)?;
    let (ending, over) = Ending::channel();
    let head = pipeline::element(&pipeline, &sound::head(TRACK))?;
    let heads = Heads { audio: BTreeMap::from([(TRACK, head)]), ..Heads::default() };
    ladder::encode(&pipeline, context, heads, &ending, &over)
}
