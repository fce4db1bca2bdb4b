//! What can be wrong with a caption file, and the limits that a file must keep.

use crate::Cue;

/// Bytes of a caption file: the limit for the kind `subtitle`.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Lines of a file.
pub const LINES_MAX: usize = 500_000;
/// Cues of a file: more than one a second for the longest film that is accepted (12 h).
pub const CUES_MAX: usize = 50_000;
/// Characters of one cue's text, without markup.
pub const CUE_TEXT_CHARS_MAX: usize = 2_000;
/// Lines of one cue's text.
pub const CUE_LINES_MAX: usize = 40;
/// Characters of a speaker's name.
pub const SPEAKER_CHARS_MAX: usize = 200;
/// How many faults are remembered. The first is the one that matters.
const FAULTS_MAX: usize = 100;

/// A caption file that cannot be used. `Display` is made to be shown to the file's author: it names the line, never its text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaptionError {
    #[error("line 1: a WebVTT file begins with WEBVTT, followed by a space, a tab or the end of the line")]
    NotVtt,
    #[error("line 1: no line of the file holds a time as SRT has it, 00:00:01,000 --> 00:00:02,500")]
    NotSrt,
    #[error("line {line}: {fault}")]
    Syntax { line: usize, fault: Fault },
    #[error("line {line}: {what} may be at most {limit}")]
    TooMuch { line: usize, what: Limited, limit: usize },
}

/// What a limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    Bytes,
    Lines,
    Cues,
    CueTextChars,
    CueLines,
    SpeakerChars,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Limited::Bytes => "the bytes of the file",
            Limited::Lines => "the lines of the file",
            Limited::Cues => "the cues of the file",
            Limited::CueTextChars => "the characters of a cue's text",
            Limited::CueLines => "the lines of a cue",
            Limited::SpeakerChars => "the characters of a speaker's name",
        })
    }
}

/// What the parser dropped or mended. The text tells an author what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the file must be UTF-8")]
    NotUtf8,
    #[error("a NUL character has no place in captions")]
    Nul,
    #[error("times are written [HH:]MM:SS.mmm --> [HH:]MM:SS.mmm, with minutes and seconds up to 59")]
    VttTime,
    #[error("times are written HH:MM:SS,mmm --> HH:MM:SS,mmm, with minutes and seconds up to 59")]
    SrtTime,
    #[error("a cue must end after it starts")]
    EndNotAfterStart,
    #[error("a cue must not start before the one above it")]
    OutOfOrder,
    #[error("a blank line must stand before this cue; a text may not hold -->")]
    NoBlankLine,
    #[error("this block is no cue: it has no time; comments begin with NOTE")]
    NoTime,
    #[error("a cue's settings are vertical, line, position, size, align and region, each with its value after a colon")]
    Setting,
    #[error("a < that begins no tag is written &lt;")]
    StrayLessThan,
    #[error("this tag has no >")]
    UnclosedTag,
}

/// A fault and where it is. Lines are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub line: usize,
    pub fault: Fault,
}

/// What a file holds, read as a player would read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub cues: Vec<Cue>,
    /// What was dropped or mended on the way, the first hundred.
    pub faults: Vec<Found>,
}

impl Parsed {
    /// The cues of a file that an author stands behind: nothing had to be dropped or mended.
    ///
    /// # Errors
    /// [`CaptionError::Syntax`] with the fault that stands first in the file.
    pub fn strictly(self) -> Result<Vec<Cue>, CaptionError> {
        match self.faults.iter().min_by_key(|found| found.line) {
            None => Ok(self.cues),
            Some(Found { line, fault }) => Err(CaptionError::Syntax { line: *line, fault: *fault }),
        }
    }

    pub(crate) fn fault(&mut self, line: usize, fault: Fault) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Found { line, fault });
        }
    }
}
