//! The child at work on real files, made by ffmpeg when a test runs: judged by what ffprobe and the pixels say, not by
//! what the child says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bench;
mod containers;
mod cover;
mod damage;
mod endings;
mod hostile;
mod ladder;
mod listen;
mod loudness;
mod pictures;
mod sound;
mod sound_samples;
mod sync;
mod tracks;
mod waveform;
