//! The renditions of an audio file.

use gstreamer::prelude::*;
use media_domain::profile::Recipe;

use super::{
    super::{
        context::{Context, Ending},
        failed::Failed,
        pipeline,
        tracks::Heads,
    },
    ladder,
};
use crate::protocol::Counts;

/// Makes the renditions of an audio file.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let mut renditions = String::new();
    for (index, output) in context.outputs() {
        let Recipe::Aac { bitrate_kbps, .. } = output.make else {
            return Err(Failed::internal(format!("{} is made by another graph", output.profile)));
        };
        renditions += &ladder::aac(index, bitrate_kbps);
    }
    let pipeline = pipeline::build(&format!("{} ! tee name=renditions {renditions}", ladder::SOUND))?;
    let (ending, over) = Ending::channel();
    let heads = Heads { video: None, audio: pipeline.by_name("sound") };
    ladder::encode(&pipeline, context, heads, &ending, &over)
}
