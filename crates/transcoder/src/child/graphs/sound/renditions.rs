//! The renditions of a video's sound tracks: two channels of each, and six where it has them, from one decode.

use std::collections::BTreeMap;

use gstreamer as gst;
use media_domain::profile::Recipe;

use super::{
    super::super::{context::Context, failed::Failed, pipeline},
    beside_pictures, gapless, head, level, rendition, settle, stereo, surround,
};

/// One track of sound, and what is made of it.
#[derive(Debug, Default)]
pub struct Track {
    /// By output, in the job's order.
    of_stereo: Vec<(u8, Recipe)>,
    of_surround: Vec<(u8, Recipe)>,
    /// How many channels it has, by the probe.
    channels: u32,
}

const STEREO: u32 = 2;

/// The tracks that a video's renditions are made of.
///
/// # Errors
/// [`Failed`] where the job does not say what the probe found.
pub fn of_video(context: &Context) -> Result<BTreeMap<u32, Track>, Failed> {
    let mut tracks = BTreeMap::<u32, Track>::new();
    let info = context.info()?;
    for (index, output) in context.outputs() {
        let channels = match output.make {
            Recipe::Aac { channels, .. } => channels,
            Recipe::Mp4 { .. } if info.audio.is_some() => STEREO,
            _ => continue,
        };
        let found = info.audio.iter().chain(&info.further_audio).nth(output.track as usize);
        let track = tracks.entry(output.track).or_default();
        track.channels = found.map_or(STEREO, |found| found.channels);
        let renditions = if channels > STEREO { &mut track.of_surround } else { &mut track.of_stereo };
        renditions.push((index, output.make.clone()));
    }
    Ok(tracks)
}

/// The part of a pipeline's description that makes them.
pub fn describe(tracks: &BTreeMap<u32, Track>) -> String {
    let mut description = String::new();
    for (number, track) in tracks {
        description += &format!(" {} ! tee name=track{number}", gapless(*number));
        if !track.of_stereo.is_empty() {
            // Only a mix of several channels can be louder than they were.
            let limiter = if track.channels > STEREO { format!(" ! {}", level(0.0)) } else { String::new() };
            description += &format!(" track{number}. ! queue ! {}{limiter} ! tee name=two{number}", stereo(*number));
        }
        if !track.of_surround.is_empty() {
            description += &format!(" track{number}. ! queue ! {} ! tee name=six{number}", surround(*number));
        }
        let of_stereo = track.of_stereo.iter().filter_map(|(index, recipe)| match recipe {
            Recipe::Mp4 { audio_kbps, .. } => Some(beside_pictures(&format!("two{number}"), *index, *audio_kbps)),
            recipe => rendition(&format!("two{number}"), *index, recipe),
        });
        let of_surround = track.of_surround.iter().filter_map(|(index, recipe)| rendition(&format!("six{number}"), *index, recipe));
        description.extend(of_stereo.chain(of_surround));
    }
    description
}

/// Where the decoded tracks go.
///
/// # Errors
/// [`Failed`] where the pipeline is not what was described: our fault.
pub fn heads(pipeline: &gst::Pipeline, tracks: &BTreeMap<u32, Track>) -> Result<BTreeMap<u32, gst::Element>, Failed> {
    let mut heads = BTreeMap::new();
    for number in tracks.keys() {
        settle(pipeline, *number)?;
        heads.insert(*number, pipeline::element(pipeline, &head(*number))?);
    }
    Ok(heads)
}
