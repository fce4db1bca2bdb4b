//! The text of a cue: entities and tags read away, and written so that they cannot arise.

use std::borrow::Cow;

use crate::Fault;

/// Tags that SRT files are found to hold. What else stands between < and > there is text.
const SRT_TAGS: [&str; 12] = ["i", "b", "u", "s", "font", "em", "strong", "span", "c", "v", "ruby", "rt"];

/// A tag longer than this is none, so that a file of many `<` is read in one pass. The longest speaker's name fits, escaped.
const TAG_BYTES_MAX: usize = 2_048;

/// A cue's payload, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CueText {
    pub speaker: Option<String>,
    pub text: String,
    /// The first fault, with the line of the payload (from 0) in which it stands.
    pub fault: Option<(usize, Fault)>,
}

/// Reads a WebVTT payload: entities decoded, tags dropped, their text kept. A voice that speaks the whole cue becomes its speaker;
/// where several do, each text gets its name before it.
pub(crate) fn read_vtt(payload: &str) -> CueText {
    let mut fault = None;
    let mut runs: Vec<(Option<String>, String)> = vec![(None, String::new())];
    let mut rest = payload;
    while let Some(at) = rest.find('<') {
        push_text(&mut runs, &decode_entities(&rest[..at]));
        let tail = &rest[at + 1..];
        let line = || payload[..payload.len() - tail.len()].matches('\n').count();
        if !tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/' || c == '>') {
            fault = fault.or_else(|| Some((line(), Fault::StrayLessThan)));
            push_text(&mut runs, "<");
            rest = tail;
            continue;
        }
        let Some(close) = find_near(tail, '>') else {
            fault = fault.or_else(|| Some((line(), Fault::UnclosedTag)));
            push_text(&mut runs, "<");
            rest = tail;
            continue;
        };
        let (name, annotation) = split_tag(&tail[..close]);
        match name {
            "v" => runs.push((speaker_name(annotation), String::new())),
            "/v" => runs.push((None, String::new())),
            _ => {}
        }
        rest = &tail[close + 1..];
    }
    push_text(&mut runs, &decode_entities(rest));
    let (speaker, text) = voices(runs);
    CueText { speaker, text, fault }
}

/// Reads an SRT payload: the tags that players know are dropped, `{\an8}` and its like too. Other text stays.
pub(crate) fn read_srt(payload: &str) -> String {
    let mut out = String::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(at) = rest.find(['<', '{', '&']) {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let after = match &rest[at..=at] {
            "<" => find_near(tail, '>')
                .filter(|close| SRT_TAGS.contains(&split_tag(&tail[..*close]).0.trim_start_matches('/').to_ascii_lowercase().as_str()))
                .map(|close| close + 1),
            "{" => tail.strip_prefix('\\').and_then(|tail| find_near(tail, '}')).map(|close| close + 2),
            _ => entity(tail).map(|(decoded, length)| {
                out.push(decoded);
                length
            }),
        };
        match after {
            Some(length) => rest = &tail[length..],
            None => {
                out.push_str(&rest[at..=at]);
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Text as WebVTT holds it. `-->` and tags cannot arise.
pub(crate) fn escape_vtt(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Text as SRT holds it. SRT has no escapes that all players know, so only that is escaped which would be read as something else.
pub(crate) fn escape_srt(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        let tail = &text[at + c.len_utf8()..];
        match c {
            '&' if entity(tail).is_some() => out.push_str("&amp;"),
            '<' if tail.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => out.push_str("&lt;"),
            '>' if text[..at].ends_with("--") => out.push_str("&gt;"),
            '\\' if text[..at].ends_with('{') => out.push_str("&#92;"),
            other => out.push(other),
        }
    }
    out
}

fn push_text(runs: &mut [(Option<String>, String)], text: &str) {
    if let Some((_, run)) = runs.last_mut() {
        run.push_str(text);
    }
}

fn find_near(text: &str, wanted: char) -> Option<usize> {
    text[..text.floor_char_boundary(TAG_BYTES_MAX)].find(wanted)
}

/// A tag's name without classes, and what follows its first blank.
fn split_tag(tag: &str) -> (&str, &str) {
    let (head, annotation) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
    (head.split('.').next().unwrap_or(head), annotation)
}

fn speaker_name(annotation: &str) -> Option<String> {
    let name = decode_entities(annotation).split_whitespace().collect::<Vec<_>>().join(" ");
    (!name.is_empty()).then_some(name)
}

fn voices(runs: Vec<(Option<String>, String)>) -> (Option<String>, String) {
    let mut names = runs.iter().filter(|(_, text)| !text.trim().is_empty()).map(|(name, _)| name);
    let first = names.next().cloned().flatten();
    if names.all(|name| *name == first) {
        return (first, runs.into_iter().map(|(_, text)| text).collect());
    }
    let mut out = String::new();
    for (name, text) in runs {
        match name.filter(|_| !text.trim().is_empty()) {
            None => out.push_str(&text),
            Some(name) => {
                if !out.trim().is_empty() && !out.ends_with('\n') {
                    out.push('\n');
                }
                out.push_str(&name);
                out.push_str(": ");
                out.push_str(text.trim_start());
            }
        }
    }
    (None, out)
}

fn decode_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match entity(rest) {
            Some((decoded, length)) => {
                out.push(decoded);
                rest = &rest[length..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that an entity stands for, and the entity's length; `text` begins after the `&`. These are the names that WebVTT
/// asks for, the two of XML, and numbers; another name stays as it is written.
fn entity(text: &str) -> Option<(char, usize)> {
    let length = text.bytes().take(10).position(|byte| byte == b';')?;
    let decoded = match &text[..length] {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "lrm" => '\u{200e}',
        "rlm" => '\u{200f}',
        name => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')?
        }
    };
    Some((decoded, length + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vtt(payload: &str) -> (Option<String>, String) {
        let read = read_vtt(payload);
        (read.speaker, read.text)
    }

    #[test]
    fn markup_goes_and_text_stays() {
        assert_eq!(vtt("<i.loud>a</i> <c>b</c><00:00:01.000> <lang en>c</lang>").1, "a b c");
        assert_eq!(vtt("&lt;i&gt; &amp;amp; &#39;&#x41;&nbsp;&copy; AT&T").1, "<i> &amp; 'A\u{a0}&copy; AT&T");
    }

    #[test]
    fn one_voice_is_the_speaker_and_several_are_named_in_the_text() {
        assert_eq!(vtt("<v.first  Ann &amp; Lee>Hello\nyou</v>"), (Some("Ann & Lee".to_owned()), "Hello\nyou".to_owned()));
        assert_eq!(vtt("<v Ann>Hello</v>\n<v Bob>Hi"), (None, "Ann: Hello\nBob: Hi".to_owned()));
        assert_eq!(vtt("<v Ann>Hello <v Bob>Hi"), (None, "Ann: Hello \nBob: Hi".to_owned()));
    }

    #[test]
    fn a_less_than_that_is_no_tag_stays_and_is_a_fault() {
        let read = read_vtt("1\na < b");
        assert_eq!((read.text.as_str(), read.fault), ("1\na < b", Some((1, Fault::StrayLessThan))));
        let read = read_vtt("I <b");
        assert_eq!((read.text.as_str(), read.fault), ("I <b", Some((0, Fault::UnclosedTag))));
    }

    #[test]
    fn srt_keeps_what_is_no_known_tag() {
        assert_eq!(read_srt("{\\an8}<font color=\"red\">I <3 <I>you</I></font> <yes> AT&T &amp; {x}"), "I <3 you <yes> AT&T & {x}");
        assert_eq!(escape_srt("AT&T & <i> a < b --> {\\an8} &amp;"), "AT&T & &lt;i> a < b --&gt; {&#92;an8} &amp;amp;");
    }
}
