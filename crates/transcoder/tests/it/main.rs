//! The child at work on real files, made by ffmpeg when a test runs: judged by what ffprobe and the pixels say, not by
//! what the child says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod animation;
mod bench;
mod colours;
mod containers;
mod cover;
mod damage;
mod endings;
mod films;
mod geometry;
mod hanging;
mod hostile;
mod ladder;
mod listen;
mod loudness;
mod pages;
mod papers;
mod pictures;
mod samples;
mod sound;
mod sound_samples;
mod stills;
mod subtitles;
mod sync;
mod timestamps;
mod tracks;
mod waveform;
