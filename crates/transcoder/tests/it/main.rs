//! The child at work on real files, made by ffmpeg when a test runs: judged by what ffprobe and the pixels say, not by
//! what the child says.

mod bench;
mod containers;
mod damage;
mod endings;
mod ladder;
mod look;
mod pictures;
mod sound;
