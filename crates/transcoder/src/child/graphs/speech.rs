//! Sound as a speech model hears it: 16 kHz, mono, 16 bit, gapless from the file's first moment, so that a sample's place
//! is its time. No picture is decoded.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use gstreamer::{self as gst, prelude::*};
use gstreamer_app as gst_app;
use media_domain::profile::Recipe;

use super::{
    super::{
        codecs::Track,
        context::{Context, Ending},
        failed::Failed,
        fragments,
        outputs::Outputs,
        pipeline,
        tracks::{self, Heads},
    },
    sound,
};
use crate::protocol::{Counts, OutputCounts};

const BYTES_PER_SAMPLE: u32 = 2;
/// How much is sent at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Makes the one output of an audible file.
///
/// # Errors
/// [`Failed`], typed.
pub fn run(context: &Context) -> Result<Counts, Failed> {
    let Recipe::Pcm { sample_rate } = context.only_output()?.make else { return Err(Failed::internal("speech is PCM")) };
    let pipeline = pipeline::build(&format!(
        "audioconvert name=sound ! audiorate name=gapless ! audioresample ! audio/x-raw,format=S16LE,rate={sample_rate},channels=1,layout=interleaved ! {}",
        fragments::sink(0)
    ))?;
    sound::keep_continuous(&pipeline::element(&pipeline, "gapless")?)?;
    let (ending, over) = Ending::channel();
    let outputs = Outputs::new(context, &ending);
    context.sink.data(0, &wav_header(sample_rate));
    let pending = Arc::new(Mutex::new(Vec::with_capacity(CHUNK_BYTES)));
    let sink = fragments::sink_of(&pipeline, 0)?;
    if let Some(pad) = sink.static_pad("sink") {
        outputs.watch_encoded(&pad, 0);
    }
    let (on_sample, rest, on_end) = (context.clone(), pending.clone(), outputs.clone());
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let bytes = sample.buffer().ok_or(gst::FlowError::Error)?.map_readable().map_err(|_| gst::FlowError::Error)?;
                let mut pending = pending.lock().unwrap_or_else(PoisonError::into_inner);
                pending.extend_from_slice(&bytes);
                if pending.len() >= CHUNK_BYTES {
                    on_sample.sink.data(0, &std::mem::take(&mut *pending));
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .eos(move |_| on_end.ended(0))
            .build(),
    );
    let heads = Heads { audio: BTreeMap::from([(0, pipeline::element(&pipeline, "sound")?)]), ..Heads::default() };
    let tally = tracks::decode(&pipeline, context, &ending, heads)?;
    pipeline::play(&pipeline, context, &ending, &over)?;
    context.sink.data(0, &rest.lock().unwrap_or_else(PoisonError::into_inner));
    let frames = outputs.counts().first().map_or(0, |counts| counts.frames);
    Ok(Counts {
        video: None,
        audio: tally.counts(Track::Audio),
        end_ms: tally.end_ms(),
        outputs: vec![OutputCounts { frames, ..OutputCounts::default() }],
    })
}

/// The 44 bytes before mono 16-bit PCM. Both sizes are the largest there are: the sound is streamed, and its length is
/// the object's.
fn wav_header(sample_rate: u32) -> Vec<u8> {
    let mut header = Vec::with_capacity(44);
    header.extend(b"RIFF");
    header.extend(u32::MAX.to_le_bytes());
    header.extend(b"WAVEfmt ");
    header.extend(16u32.to_le_bytes());
    // PCM, one channel
    header.extend(1u16.to_le_bytes());
    header.extend(1u16.to_le_bytes());
    header.extend(sample_rate.to_le_bytes());
    header.extend((sample_rate * BYTES_PER_SAMPLE).to_le_bytes());
    header.extend(2u16.to_le_bytes());
    header.extend(16u16.to_le_bytes());
    header.extend(b"data");
    header.extend(u32::MAX.to_le_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wav_header_has_44_bytes_and_maximal_sizes() {
        let header = wav_header(16_000);
        assert_eq!(header.len(), 44);
        assert_eq!((&header[4..8], &header[40..]), ([0xff; 4].as_slice(), [0xff; 4].as_slice()));
        assert_eq!(&header[24..32], [16_000u32.to_le_bytes(), 32_000u32.to_le_bytes()].concat());
    }
}
