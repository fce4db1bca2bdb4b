//! The child: parses, decodes and encodes one file for one piece of work, then leaves.
//!
//! It has two sockets, no environment, and a parent that trusts nothing of what it says. It promises to end: by a result,
//! or by dying with its parent. Between loading and reading it [locks](lock::lock) itself for good.

mod activity;
mod bitrate;
mod boxes;
mod codec_string;
pub(crate) mod codecs;
mod colours;
mod complaints;
mod context;
mod cut_off;
mod failed;
mod fragments;
mod frame;
mod graphs;
mod journal;
pub mod lock;
mod loudness;
mod orientation;
mod outputs;
mod own_stream;
mod parameter_sets;
mod picture_size;
mod pipeline;
mod plugins;
mod priming;
pub(crate) mod process;
mod progressive;
mod run;
mod sample_tables;
mod sink;
mod source;
mod source_element;
mod tally;
mod texts;
mod tone_map;
mod tracks;
mod transport;
mod upright;
mod vips;
mod warm;
mod waveform;
mod webp;
mod xing;

pub use run::main;

/// The hidden subcommand that makes this program a child.
pub const SUBCOMMAND: &str = "transcoder-child";
