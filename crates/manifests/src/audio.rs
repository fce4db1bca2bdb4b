//! The sound of an asset as players choose it: by encoding, and in each encoding by track.

use std::collections::BTreeSet;

use crate::{Rendition, Track};

/// One way in which all tracks can be heard. Every encoding has the same tracks (RFC 8216, 4.3.4.2.1, asks it of audio groups): one
/// that was not made in it is taken from the encoding that is most like it.
#[derive(Debug)]
pub(crate) struct Encoding<'a> {
    pub name: &'a str,
    /// By their number in the source; the first is the one to be heard when nobody has chosen.
    pub tracks: Vec<&'a Rendition>,
}

impl Encoding<'_> {
    /// The largest of some rate over its tracks: any of them may be chosen.
    pub fn heaviest(&self, rate: fn(&Rendition) -> u64) -> u64 {
        self.tracks.iter().map(|track| rate(track)).max().unwrap_or(0)
    }
}

/// All encodings, what every browser plays first: AAC before others, fewer channels before more, light before heavy.
pub(crate) fn encodings<'a>(audio: &[&'a Rendition]) -> Vec<Encoding<'a>> {
    let mut audio = audio.to_vec();
    audio.sort_by_key(|rendition| (rendition.codec_family() != "mp4a", channels(rendition), rendition.index.average_bps()));
    let numbers: BTreeSet<u32> = audio.iter().map(|rendition| rendition.encoding().1).collect();
    let mut encodings: Vec<Encoding<'a>> = Vec::new();
    for rendition in &audio {
        let name = rendition.encoding().0;
        if encodings.iter().all(|encoding| encoding.name != name) {
            let tracks = numbers.iter().filter_map(|number| likest(&audio, *number, name, rendition)).collect();
            encodings.push(Encoding { name, tracks });
        }
    }
    encodings
}

fn likest<'a>(audio: &[&'a Rendition], number: u32, name: &str, model: &Rendition) -> Option<&'a Rendition> {
    let of_track = audio.iter().filter(|rendition| rendition.encoding().1 == number);
    of_track
        .min_by_key(|rendition| {
            let other_codec = rendition.codec_family() != model.codec_family();
            (rendition.encoding().0 != name, other_codec, channels(rendition).abs_diff(channels(model)))
        })
        .copied()
}

fn channels(rendition: &Rendition) -> u32 {
    match rendition.track {
        Track::Audio { channels, .. } => channels,
        Track::Video { .. } => 0,
    }
}
