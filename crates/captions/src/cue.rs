//! One cue: what is shown from when to when.

use crate::{CUE_LINES_MAX, CUE_TEXT_CHARS_MAX, Limited, SPEAKER_CHARS_MAX};

/// The latest time a cue can have, in milliseconds: 9999:59:59.999.
pub const TIME_MS_MAX: u64 = 10_000 * 3_600_000 - 1;

/// Text with the time in which it is shown. A value of this type can be written and reads back the same: it ends after it starts,
/// has a text without blank lines, and keeps the limits of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    start_ms: u64,
    end_ms: u64,
    speaker: Option<String>,
    text: String,
}

/// Why something is no [`Cue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCue {
    #[error("a cue must end after it starts")]
    EndNotAfterStart,
    #[error("a cue's times go up to 9999:59:59.999")]
    TooLate,
    #[error("a cue needs a text")]
    NoText,
    #[error("{what} may be at most {limit}")]
    TooMuch { what: Limited, limit: usize },
}

impl Cue {
    /// A cue from `start_ms` to `end_ms`, of plain text. Lines are trimmed and blank ones dropped.
    ///
    /// # Errors
    /// If it would show nothing, for no time, or more than the limits allow.
    pub fn new(start_ms: u64, end_ms: u64, speaker: Option<&str>, text: &str) -> Result<Cue, BadCue> {
        if end_ms <= start_ms {
            return Err(BadCue::EndNotAfterStart);
        }
        if end_ms > TIME_MS_MAX {
            return Err(BadCue::TooLate);
        }
        let text = text.replace('\0', "\u{fffd}").replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<&str> = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return Err(BadCue::NoText);
        }
        if lines.len() > CUE_LINES_MAX {
            return Err(BadCue::TooMuch { what: Limited::CueLines, limit: CUE_LINES_MAX });
        }
        let text = lines.join("\n");
        if text.chars().count() > CUE_TEXT_CHARS_MAX {
            return Err(BadCue::TooMuch { what: Limited::CueTextChars, limit: CUE_TEXT_CHARS_MAX });
        }
        let speaker = speaker
            .map(|name| name.replace('\0', "\u{fffd}").split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|name| !name.is_empty());
        if speaker.as_ref().is_some_and(|name| name.chars().count() > SPEAKER_CHARS_MAX) {
            return Err(BadCue::TooMuch { what: Limited::SpeakerChars, limit: SPEAKER_CHARS_MAX });
        }
        Ok(Cue { start_ms, end_ms, speaker, text })
    }

    /// When it appears, in milliseconds from the start of the medium.
    pub fn start_ms(&self) -> u64 {
        self.start_ms
    }

    /// When it goes, in milliseconds; always after [`start_ms`](Self::start_ms).
    pub fn end_ms(&self) -> u64 {
        self.end_ms
    }

    pub fn speaker(&self) -> Option<&str> {
        self.speaker.as_deref()
    }

    /// Plain text, one to a few lines, none of them blank.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text with the speaker's name before it, as subtitles without voice markup show it.
    pub(crate) fn labelled(&self) -> String {
        match &self.speaker {
            None => self.text.clone(),
            Some(name) => format!("{name}: {}", self.text),
        }
    }

    /// Both texts in one cue, if that keeps the limits.
    fn joined_with(&self, other: &Cue) -> Option<Cue> {
        let end_ms = self.end_ms.max(other.end_ms);
        let joined = if self.speaker == other.speaker {
            Cue::new(self.start_ms, end_ms, self.speaker(), &format!("{}\n{}", self.text, other.text))
        } else {
            Cue::new(self.start_ms, end_ms, None, &format!("{}\n{}", self.labelled(), other.labelled()))
        };
        joined.ok()
    }
}

/// The same cues in the order of their start, none still shown when the next appears: an earlier one is cut short, and those that
/// appear together become one. No text is lost.
pub fn without_overlap(cues: &[Cue]) -> Vec<Cue> {
    let mut sorted = cues.to_vec();
    sorted.sort_by_key(|cue| cue.start_ms);
    let mut out: Vec<Cue> = Vec::with_capacity(sorted.len());
    for mut cue in sorted {
        if let Some(last) = out.last_mut() {
            if cue.start_ms <= last.start_ms {
                if let Some(joined) = last.joined_with(&cue) {
                    *last = joined;
                    continue;
                }
                cue.start_ms = last.start_ms + 1;
                cue.end_ms = cue.end_ms.max(cue.start_ms + 1);
            }
            last.end_ms = last.end_ms.min(cue.start_ms);
        }
        out.push(cue);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cue_without_time_or_text_is_none() {
        assert_eq!(Cue::new(5, 5, None, "a"), Err(BadCue::EndNotAfterStart));
        assert_eq!(Cue::new(0, 1, None, " \n \r\n"), Err(BadCue::NoText));
        assert_eq!(Cue::new(0, TIME_MS_MAX + 1, None, "a"), Err(BadCue::TooLate));
        assert!(matches!(Cue::new(0, 1, None, &"a".repeat(2_001)), Err(BadCue::TooMuch { what: Limited::CueTextChars, limit: 2_000 })));
    }

    #[test]
    fn blank_lines_and_outer_blanks_are_dropped() {
        let cue = Cue::new(0, 1, Some("  Ann \n Lee "), " one \r\n\r\n\t two\r").unwrap();
        assert_eq!((cue.speaker(), cue.text()), (Some("Ann Lee"), "one\ntwo"));
    }

    #[test]
    fn overlapping_cues_are_cut_and_simultaneous_ones_joined() {
        let cue = |start, end, speaker, text| Cue::new(start, end, speaker, text).unwrap();
        let cues = without_overlap(&[cue(2_000, 4_000, None, "b"), cue(0, 5_000, None, "a"), cue(2_000, 3_000, Some("Ann"), "c")]);
        assert_eq!(cues, [cue(0, 2_000, None, "a"), cue(2_000, 4_000, None, "b\nAnn: c")]);
    }

    #[test]
    fn simultaneous_cues_too_long_to_join_follow_each_other() {
        let long = "x".repeat(1_500);
        let cues = without_overlap(&vec![Cue::new(0, 10, None, &long).unwrap(); 3]);
        assert_eq!(cues.len(), 3);
        assert!(cues.windows(2).all(|pair| pair[0].end_ms() <= pair[1].start_ms()) && cues.iter().all(|cue| cue.end_ms() > cue.start_ms()));
    }
}
