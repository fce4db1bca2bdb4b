//! Text in containers: what tracks of it there are, and how each kind of it reads as WebVTT.

use std::fmt::Write;

use gstreamer as gst;
use media_captions::{BYTES_MAX, Cue, parse_srt, parse_vtt};

use super::failed::Failed;
use crate::protocol::FailureCode;

/// How the samples of a track are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextForm {
    /// Words, perhaps in tags as SRT has them.
    Plain,
    /// Words in tags of angle brackets, with their entities, as Pango and WebVTT have them.
    Marked,
    /// Fields with commas between, the last of which holds words and commands in braces (Advanced SubStation Alpha).
    Ass,
    /// Pictures of words.
    Bitmap,
    /// Words in a form that we do not read.
    Unknown,
}

/// The form of a track by its type; `None` where it is no text.
pub fn form(caps: &gst::CapsRef) -> Option<TextForm> {
    let structure = caps.structure(0)?;
    Some(match structure.name().as_str() {
        "text/x-raw" if structure.get::<&str>("format").is_ok_and(|format| format == "pango-markup") => TextForm::Marked,
        "text/x-raw" => TextForm::Plain,
        "application/x-subtitle-vtt" | "application/x-subtitle-vtt-fragmented" => TextForm::Marked,
        "application/x-ass" | "application/x-ssa" => TextForm::Ass,
        name if name.starts_with("subpicture/") => TextForm::Bitmap,
        name if name.starts_with("closedcaption/") || name.starts_with("application/x-subtitle") || name == "application/x-teletext" => {
            TextForm::Unknown
        }
        _ => return None,
    })
}

impl TextForm {
    /// As it stands in [`media_domain::MediaInfo`]; empty where it is not read.
    pub const fn codec(self) -> &'static str {
        match self {
            TextForm::Plain | TextForm::Marked => "text",
            TextForm::Ass => "ass",
            TextForm::Bitmap => "bitmap",
            TextForm::Unknown => "",
        }
    }

    /// The words of one sample as the text of a cue: in SRT of [`TextForm::Plain`], otherwise in WebVTT. An arrow would be read as
    /// a time.
    fn cue_text(self, sample: &str) -> String {
        let text = match self {
            TextForm::Ass => escaped(&ass_words(sample)),
            _ => sample.replace("-->", "--&gt;"),
        };
        // A blank line would end the cue.
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A line of a Matroska file (<https://www.matroska.org/technical/subtitles.html>): eight fields, then the words. Between
/// braces stand commands; after one that begins a drawing (`\\p1`), up to `\\p0`, no words.
fn ass_words(sample: &str) -> String {
    let text = sample.splitn(9, ',').nth(8).unwrap_or_default();
    let (mut words, mut rest, mut draws) = (String::new(), text, false);
    while !rest.is_empty() {
        let (before, command, after) = match rest.split_once('{') {
            Some((before, after)) => match after.split_once('}') {
                Some((command, after)) => (before, command, after),
                None => (rest, "", ""),
            },
            None => (rest, "", ""),
        };
        if !draws {
            words.push_str(before);
        }
        for tag in command.split('\\') {
            if let Some(scale) = tag.strip_prefix('p').filter(|scale| !scale.is_empty() && scale.bytes().all(|byte| byte.is_ascii_digit()))
            {
                draws = scale.bytes().any(|digit| digit != b'0');
            }
        }
        rest = after;
    }
    words.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
}

/// A track as it is gathered, in the order of its samples.
#[derive(Debug)]
pub struct Script {
    form: TextForm,
    cues: Vec<Sample>,
    bytes: usize,
}

#[derive(Debug)]
struct Sample {
    start_ms: u64,
    /// None where the file does not say how long it is shown.
    end_ms: Option<u64>,
    text: String,
}

/// How long a cue is shown whose file does not say it, if no other follows.
const SHOWN_MS: u64 = 5_000;

impl Script {
    pub fn new(form: TextForm) -> Self {
        Self { form, cues: Vec::new(), bytes: 0 }
    }

    /// Takes one sample.
    ///
    /// # Errors
    /// [`Failed`] where there is more text than captions may have.
    pub fn add(&mut self, bytes: &[u8], start_ms: u64, end_ms: Option<u64>) -> Result<(), Failed> {
        let text = self.form.cue_text(String::from_utf8_lossy(bytes).trim_matches('\0'));
        self.bytes += text.len() + 64;
        if self.bytes > BYTES_MAX {
            return Err(Failed::new(FailureCode::LimitHit, format!("more than {BYTES_MAX} bytes of text")));
        }
        if !text.is_empty() {
            self.cues.push(Sample { start_ms, end_ms, text });
        }
        Ok(())
    }

    /// The cues, without markup.
    ///
    /// # Errors
    /// [`Failed`] where there are more than captions may have.
    pub fn cues(&self) -> Result<Vec<Cue>, Failed> {
        let is_srt = self.form == TextForm::Plain;
        let mut file = String::from(if is_srt { "" } else { "WEBVTT\n" });
        for (index, cue) in self.cues.iter().enumerate() {
            let next = self.cues.get(index + 1).map(|next| next.start_ms).filter(|next| *next > cue.start_ms);
            let end_ms = cue.end_ms.or(next).unwrap_or(cue.start_ms + SHOWN_MS);
            let (start, end) = (time(cue.start_ms), time(end_ms));
            write!(file, "\n{start} --> {end}\n{}\n", cue.text).map_err(|error| Failed::internal(error.to_string()))?;
        }
        let parsed = if is_srt { parse_srt(file.as_bytes()) } else { parse_vtt(file.as_bytes()) };
        let parsed = parsed.map_err(|error| Failed::new(FailureCode::LimitHit, error.to_string()))?;
        Ok(parsed.cues)
    }
}

fn time(ms: u64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(form: TextForm, sample: &str) -> Vec<String> {
        let mut script = Script::new(form);
        script.add(sample.as_bytes(), 1000, Some(2000)).unwrap();
        script.cues().unwrap().iter().map(|cue| cue.text().to_owned()).collect()
    }

    #[test]
    fn words_survive_and_markup_does_not() {
        assert_eq!(words(TextForm::Plain, "a < b & <i>c</i> --> d\n\nend"), ["a < b & c --> d\nend"]);
        assert_eq!(words(TextForm::Marked, "<i>Tom &amp; <b>Jerry</b></i> &lt;3"), ["Tom & Jerry <3"]);
        assert_eq!(
            words(TextForm::Ass, r"0,0,Default,,0,0,0,,{\an8\i1}Up, there{\i0}\Nand {\p1}m 0 0 l 9 9{\p0}down"),
            ["Up, there\nand down"]
        );
        assert_eq!(words(TextForm::Ass, "0,0,Default,,0,0,0,,{open"), ["{open"]);
        assert!(words(TextForm::Plain, " \n ").is_empty());
    }

    #[test]
    fn a_cue_without_an_end_is_shown_until_the_next() {
        let mut script = Script::new(TextForm::Plain);
        script.add(b"one", 1000, None).unwrap();
        script.add(b"two", 3000, None).unwrap();
        let times: Vec<_> = script.cues().unwrap().iter().map(|cue| (cue.start_ms(), cue.end_ms())).collect();
        assert_eq!(times, [(1000, 3000), (3000, 8000)]);
    }
}
