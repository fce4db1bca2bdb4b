//! The child: parses, decodes and encodes one file for one piece of work, then leaves.
//!
//! It has two sockets, no environment, and a parent that trusts nothing of what it says. It promises to end: by a result,
//! or by dying with its parent. The lock (landlock, seccomp) has its place in [`run`], between loading and reading.

mod activity;
mod boxes;
mod codecs;
mod colours;
mod context;
mod failed;
mod fragments;
mod graphs;
mod orientation;
mod outputs;
mod picture_size;
mod pipeline;
mod plugins;
mod process;
mod run;
mod sink;
mod source;
mod source_element;
mod tally;
mod tone_map;
mod tracks;
mod transport;
mod upright;
mod vips;
mod webp;

pub use run::main;

/// The hidden subcommand that makes this program a child.
pub const SUBCOMMAND: &str = "transcoder-child";
