//! SRT in and out. The format has no specification; this reads what is found and writes what every player takes.

use crate::{CaptionError, Cue, Fault, Parsed, lines, text, vtt, without_overlap};

const ARROW: &str = "-->";

/// Reads an SRT file. Each time line begins a cue; the line of digits above it is its number; what follows, up to the next cue, is
/// its text, blank lines or not. A comma or a point may stand before the milliseconds.
///
/// # Errors
/// If a file with text has no time line, or is over a limit.
pub fn parse_srt(bytes: &[u8]) -> Result<Parsed, CaptionError> {
    let mut parsed = Parsed::default();
    let decoded = lines::decode(bytes, &mut parsed)?;
    let lines: Vec<&str> = decoded.split('\n').collect();
    let is_time = |line: &str| line.contains(ARROW) && line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let times: Vec<usize> = (0..lines.len()).filter(|at| is_time(lines[*at])).collect();
    if times.is_empty() && !decoded.trim().is_empty() {
        return Err(CaptionError::NotSrt);
    }
    let mut text_before = 0;
    let mut latest_start_ms = 0;
    for (index, &at) in times.iter().enumerate() {
        let begin = cue_begin(&lines, at, text_before);
        if index == 0 {
            if let Some(stray) = lines[..begin].iter().position(|line| !line.trim().is_empty()) {
                parsed.fault(stray + 1, Fault::NoTime);
            }
        } else if begin > text_before && !lines[begin - 1].trim().is_empty() {
            parsed.fault(begin + 1, Fault::NoBlankLine);
        }
        text_before = at + 1;
        let Some((start_ms, end_ms)) = read_timing(lines[at]) else {
            parsed.fault(at + 1, Fault::SrtTime);
            continue;
        };
        if end_ms <= start_ms {
            parsed.fault(at + 1, Fault::EndNotAfterStart);
            continue;
        }
        if start_ms < latest_start_ms {
            parsed.fault(at + 1, Fault::OutOfOrder);
        }
        latest_start_ms = latest_start_ms.max(start_ms);
        let text_end = times.get(index + 1).map_or(lines.len(), |next| cue_begin(&lines, *next, at + 1));
        for number in lost_cues(&lines[at + 1..text_end]) {
            parsed.fault(at + 2 + number, Fault::SrtTime);
        }
        let text = text::read_srt(&lines[at + 1..text_end].join("\n"));
        vtt::keep(&mut parsed, at + 1, Cue::new(start_ms, end_ms, None, &text))?;
    }
    Ok(parsed)
}

/// Writes an SRT file. SRT knows no voices: a speaker's name stands before the text. Cues that overlap are cut or joined, see
/// [`without_overlap`].
pub fn write_srt(cues: &[Cue]) -> String {
    let mut out = String::new();
    for (index, cue) in without_overlap(cues).iter().enumerate() {
        let separator = if index == 0 { "" } else { "\n" };
        let (start, end) = (vtt::write_time(cue.start_ms(), ','), vtt::write_time(cue.end_ms(), ','));
        out.push_str(&format!("{separator}{}\n{start} {ARROW} {end}\n{}\n", index + 1, text::escape_srt(&cue.labelled())));
    }
    out
}

/// Lines of a text, counted from 0, that were meant to be times and are none: each stands below a number below a blank line, and begins as
/// a time does. A player shows them as text.
fn lost_cues(text: &[&str]) -> impl Iterator<Item = usize> {
    let is_number = |line: &str| !line.trim().is_empty() && line.trim().bytes().all(|byte| byte.is_ascii_digit());
    let is_like_a_time = |line: &str| vtt::digits(line.trim_start()).is_some_and(|(_, rest)| rest.starts_with(':'));
    let is_lost = move |above: &[&str]| above[0].trim().is_empty() && is_number(above[1]) && is_like_a_time(above[2]);
    text.windows(3).enumerate().filter(move |(_, lines)| is_lost(lines)).map(|(at, _)| at + 2)
}

/// The line with which the cue whose time is in line `at` begins: its number, if it has one. Lines before `earliest` are another's.
fn cue_begin(lines: &[&str], at: usize, earliest: usize) -> usize {
    let is_number = |line: &str| !line.trim().is_empty() && line.trim().bytes().all(|byte| byte.is_ascii_digit());
    if at > earliest && is_number(lines[at - 1]) { at - 1 } else { at }
}

/// `H…H:MM:SS,mmm --> H…H:MM:SS,mmm`; what follows, such as coordinates, is passed over.
fn read_timing(line: &str) -> Option<(u64, u64)> {
    let (start, end) = line.split_once(ARROW)?;
    let (start_ms, rest) = read_time(start.trim_start())?;
    let (end_ms, after) = read_time(end.trim_start())?;
    (rest.trim().is_empty() && (after.is_empty() || after.starts_with(char::is_whitespace))).then_some((start_ms, end_ms))
}

fn read_time(text: &str) -> Option<(u64, &str)> {
    let (hours, rest) = vtt::digits(text)?;
    let (minutes, rest) = vtt::digits(rest.strip_prefix(':')?).filter(|(digits, _)| digits.len() <= 2)?;
    let (seconds, rest) = vtt::digits(rest.strip_prefix(':')?).filter(|(digits, _)| digits.len() <= 2)?;
    let (millis, rest) = vtt::digits(rest.strip_prefix([',', '.'])?).filter(|(digits, _)| digits.len() == 3)?;
    Some((vtt::join_time(hours, minutes, seconds, millis)?, rest))
}
