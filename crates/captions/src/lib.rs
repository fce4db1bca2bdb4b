//! Captions as text: WebVTT and SRT in and out, and words with times made into cues that can be read.
//!
//! Pure: bytes in, values out. Parsing follows the W3C's algorithm (<https://www.w3.org/TR/webvtt1/#file-parsing>), which accepts
//! nearly everything and drops what it cannot use; [`Parsed::strictly`] refuses, with its line, whatever was dropped or mended. A
//! [`Cue`] is plain text with a time and perhaps a speaker: markup and placement do not survive, words do.

mod cue;
mod error;
mod lines;
mod segment;
mod srt;
mod text;
mod vtt;

pub use cue::{BadCue, Cue, TIME_MS_MAX, without_overlap};
pub use error::{
    BYTES_MAX, CUE_LINES_MAX, CUE_TEXT_CHARS_MAX, CUES_MAX, CaptionError, Fault, Found, LINES_MAX, Limited, Parsed, SPEAKER_CHARS_MAX,
};
pub use segment::{Reading, TimedWord, segment, spread};
pub use srt::{parse_srt, write_srt};
pub use vtt::{parse_vtt, write_vtt};
