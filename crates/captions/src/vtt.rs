//! WebVTT in and out (<https://www.w3.org/TR/webvtt1/>).

use crate::{BadCue, CUES_MAX, CaptionError, Cue, Fault, Limited, Parsed, TIME_MS_MAX, lines, text, without_overlap};

const ARROW: &str = "-->";

/// Reads a WebVTT file as a player does: what cannot be used is dropped, and told in [`Parsed::faults`]. Styles, regions, comments
/// and settings are passed over.
///
/// # Errors
/// If the file does not begin as WebVTT, or is over a limit.
pub fn parse_vtt(bytes: &[u8]) -> Result<Parsed, CaptionError> {
    let mut parsed = Parsed::default();
    let decoded = lines::decode(bytes, &mut parsed)?;
    let after_signature = decoded.strip_prefix("WEBVTT").ok_or(CaptionError::NotVtt)?;
    if !after_signature.is_empty() && !after_signature.starts_with([' ', '\t', '\n']) {
        return Err(CaptionError::NotVtt);
    }
    // A final line feed ends the last line and begins no other.
    let lines: Vec<&str> = decoded.strip_suffix('\n').unwrap_or(&decoded).split('\n').collect();
    let mut reader = Reader { lines: &lines, next: 1, parsed, latest_start_ms: 0 };
    if reader.lines.get(reader.next).is_some_and(|line| !line.is_empty()) {
        reader.block(true)?;
    }
    while reader.next < reader.lines.len() {
        if reader.lines[reader.next].is_empty() {
            reader.next += 1;
        } else {
            reader.block(false)?;
        }
    }
    Ok(reader.parsed)
}

/// Writes a WebVTT file. Cues that overlap are cut or joined, see [`without_overlap`].
pub fn write_vtt(cues: &[Cue]) -> String {
    let mut out = String::from("WEBVTT\n");
    for cue in without_overlap(cues) {
        let voice = cue.speaker().map(|name| format!("<v {}>", text::escape_vtt(name))).unwrap_or_default();
        out.push_str(&format!(
            "\n{} {ARROW} {}\n{voice}{}\n",
            write_time(cue.start_ms(), '.'),
            write_time(cue.end_ms(), '.'),
            text::escape_vtt(cue.text())
        ));
    }
    out
}

/// `HH:MM:SS` with a fraction of three digits behind `point`.
pub(crate) fn write_time(ms: u64, point: char) -> String {
    format!("{:02}:{:02}:{:02}{point}{:03}", ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000)
}

struct Reader<'a> {
    lines: &'a [&'a str],
    /// The line that is read next, counted from 0.
    next: usize,
    parsed: Parsed,
    latest_start_ms: u64,
}

/// A cue whose time line was read and whose text was not yet.
struct Started {
    start_ms: u64,
    end_ms: u64,
    text_from: usize,
}

impl Reader<'_> {
    /// "Collect a WebVTT block": lines up to a blank one, or up to a time line that belongs to the next cue.
    fn block(&mut self, in_header: bool) -> Result<(), CaptionError> {
        let begin = self.next;
        let mut started: Option<Started> = None;
        let mut arrow_at = None;
        while let Some(line) = self.lines.get(self.next) {
            if line.contains(ARROW) {
                let in_block = self.next - begin;
                if in_header || arrow_at.is_some() || in_block > 1 {
                    self.parsed.fault(self.next + 1, Fault::NoBlankLine);
                    break;
                }
                arrow_at = Some(self.next);
                started = self.timing(line);
            } else if line.is_empty() {
                break;
            }
            self.next += 1;
        }
        match (started, arrow_at) {
            (Some(cue), _) => self.cue(&cue),
            (None, None) if !in_header && !is_passed_over(&self.lines[begin..self.next]) => {
                self.parsed.fault(begin + 1, Fault::NoTime);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A time line with its settings; `None` drops the cue.
    fn timing(&mut self, line: &str) -> Option<Started> {
        let number = self.next + 1;
        let Some((start_ms, end_ms, settings)) = read_timing(line) else {
            self.parsed.fault(number, Fault::VttTime);
            return None;
        };
        if !settings.split_ascii_whitespace().all(is_setting) {
            self.parsed.fault(number, Fault::Setting);
        }
        if end_ms <= start_ms {
            self.parsed.fault(number, Fault::EndNotAfterStart);
            return None;
        }
        if start_ms < self.latest_start_ms {
            self.parsed.fault(number, Fault::OutOfOrder);
        }
        self.latest_start_ms = self.latest_start_ms.max(start_ms);
        Some(Started { start_ms, end_ms, text_from: self.next + 1 })
    }

    fn cue(&mut self, started: &Started) -> Result<(), CaptionError> {
        let read = text::read_vtt(&self.lines[started.text_from..self.next].join("\n"));
        if let Some((line, fault)) = read.fault {
            self.parsed.fault(started.text_from + line + 1, fault);
        }
        keep(&mut self.parsed, started.text_from, Cue::new(started.start_ms, started.end_ms, read.speaker.as_deref(), &read.text))
    }
}

/// Keeps a cue; one without text shows nothing and is let go. `line` is that of its time.
pub(crate) fn keep(parsed: &mut Parsed, line: usize, cue: Result<Cue, BadCue>) -> Result<(), CaptionError> {
    match cue {
        Ok(_) if parsed.cues.len() == CUES_MAX => return Err(CaptionError::TooMuch { line, what: Limited::Cues, limit: CUES_MAX }),
        Ok(cue) => parsed.cues.push(cue),
        Err(BadCue::TooMuch { what, limit }) => return Err(CaptionError::TooMuch { line, what, limit }),
        Err(BadCue::NoText | BadCue::EndNotAfterStart | BadCue::TooLate) => {}
    }
    Ok(())
}

/// Comments, styles and regions: blocks that show no text. Lines of blanks are none either.
fn is_passed_over(block: &[&str]) -> bool {
    let Some(line) = block.first() else { return true };
    let is_word = |word: &str| line.trim_end() == word;
    block.iter().all(|line| line.trim().is_empty())
        || *line == "NOTE"
        || line.starts_with("NOTE ")
        || line.starts_with("NOTE\t")
        || is_word("STYLE")
        || is_word("REGION")
}

fn is_setting(setting: &str) -> bool {
    let known = ["vertical", "line", "position", "size", "align", "region"];
    setting.split_once(':').is_some_and(|(name, value)| known.contains(&name) && !value.is_empty())
}

/// "Collect WebVTT cue timings and settings".
fn read_timing(line: &str) -> Option<(u64, u64, &str)> {
    let blank = |c: char| c.is_ascii_whitespace();
    let (start_ms, rest) = read_time(line.trim_start_matches(blank))?;
    let rest = rest.trim_start_matches(blank).strip_prefix(ARROW)?;
    let (end_ms, settings) = read_time(rest.trim_start_matches(blank))?;
    Some((start_ms, end_ms, settings))
}

/// "Collect a WebVTT timestamp": `[H…H:]MM:SS.mmm` at the start of the text, and what follows.
fn read_time(text: &str) -> Option<(u64, &str)> {
    let (first, rest) = digits(text)?;
    let (second, rest) = digits(rest.strip_prefix(':')?).filter(|(digits, _)| digits.len() == 2)?;
    let (hours, minutes, seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (third, rest) = digits(rest).filter(|(digits, _)| digits.len() == 2)?;
            (first, second, third, rest)
        }
        None if first.len() == 2 => ("0", first, second, rest),
        None => return None,
    };
    let (fraction, rest) = digits(rest.strip_prefix('.')?).filter(|(digits, _)| digits.len() == 3)?;
    Some((join_time(hours, minutes, seconds, fraction)?, rest))
}

/// Milliseconds of a time in digits, if it is one and not over [`TIME_MS_MAX`].
pub(crate) fn join_time(hours: &str, minutes: &str, seconds: &str, millis: &str) -> Option<u64> {
    let number = |digits: &str| digits.parse::<u64>().ok();
    let (minutes, seconds) = (number(minutes)?, number(seconds)?);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let ms = number(hours)?.checked_mul(3_600_000)?.checked_add(minutes * 60_000 + seconds * 1_000 + number(millis)?)?;
    (ms <= TIME_MS_MAX).then_some(ms)
}

/// The digits that a text begins with, at least one, and the rest.
pub(crate) fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}
