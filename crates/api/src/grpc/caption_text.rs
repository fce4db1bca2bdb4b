//! Caption files as callers send and get them: read strictly, kept as WebVTT, given in the format that is asked for.

use media_captions::{CaptionError, Cue, Limited, parse_srt, parse_vtt, write_srt, write_vtt};
use media_proto::v1::CaptionFormat;

use crate::error::{ApiError, FieldReason, Violations};

/// The most bytes of a file that is taken. The contract says so.
pub const CONTENT_BYTES_MAX: usize = 4 << 20;
/// The largest request: twice the largest file, so that one that is a little too large is told its limit.
pub const MAX_REQUEST_BYTES: usize = 2 * CONTENT_BYTES_MAX;
/// The field of a request that holds a file.
const FIELD: &str = "content";

/// Reads the format that a request names.
///
/// # Errors
/// [`ApiError::Invalid`] for one that this version does not know.
pub fn format(given: i32) -> Result<CaptionFormat, ApiError> {
    CaptionFormat::try_from(given).map_err(|_| Violations::of("format", "is none that this version knows"))
}

/// The cues of a file that an author stands behind.
///
/// # Errors
/// [`ApiError::CaptionSyntax`] with the line that is to be mended; [`ApiError::Invalid`] for a file over a limit.
pub fn read(content: &[u8], format: CaptionFormat) -> Result<Vec<Cue>, ApiError> {
    if content.len() > CONTENT_BYTES_MAX {
        return Err(too_large(format!("has {} bytes, the limit is {CONTENT_BYTES_MAX}", content.len())));
    }
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let parsed = match format {
        CaptionFormat::Vtt => parse_vtt(content),
        CaptionFormat::Srt => parse_srt(content),
        CaptionFormat::Unspecified if text.starts_with(b"WEBVTT") => parse_vtt(content),
        CaptionFormat::Unspecified => parse_srt(content),
    };
    let cues = parsed.and_then(media_captions::Parsed::strictly).map_err(refusal)?;
    if cues.is_empty() {
        return Err(ApiError::CaptionSyntax { field: FIELD, line: 1, said: "line 1: the file holds no text".to_owned() });
    }
    Ok(cues)
}

/// The text as it is kept.
///
/// # Errors
/// [`ApiError::Invalid`] if it would be larger than an object that is put whole.
pub fn stored(cues: &[Cue]) -> Result<String, ApiError> {
    let text = write_vtt(cues);
    let limit = media_blobs::MAX_SMALL_BYTES;
    if text.len() as u64 > limit {
        return Err(too_large(format!("has {} bytes as WebVTT, the limit is {limit}", text.len())));
    }
    Ok(text)
}

/// The text as it is given out; WebVTT, where no format is named.
pub fn given(cues: &[Cue], format: CaptionFormat) -> String {
    match format {
        CaptionFormat::Srt => write_srt(cues),
        CaptionFormat::Vtt | CaptionFormat::Unspecified => write_vtt(cues),
    }
}

fn too_large(description: String) -> ApiError {
    let mut violations = Violations::default();
    violations.add_as(FieldReason::SizeExceedsLimit, FIELD, description);
    ApiError::Invalid(violations)
}

fn refusal(error: CaptionError) -> ApiError {
    let line = match &error {
        CaptionError::NotVtt | CaptionError::NotSrt => 1,
        CaptionError::TooMuch { what: Limited::Bytes | Limited::Lines | Limited::Cues, .. } => return too_large(error.to_string()),
        CaptionError::Syntax { line, .. } | CaptionError::TooMuch { line, .. } => *line,
    };
    ApiError::CaptionSyntax { field: FIELD, line, said: error.to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(content: &str, format: CaptionFormat) -> usize {
        match read(content.as_bytes(), format) {
            Err(ApiError::CaptionSyntax { field: "content", line, said }) => {
                assert!(!said.contains("secret"), "what is said never repeats the text: {said}");
                line
            }
            other => panic!("{content:?}: {other:?}"),
        }
    }

    #[test]
    fn what_a_player_would_mend_is_refused_with_its_line() {
        use CaptionFormat::{Srt, Unspecified, Vtt};
        let cue = "00:00:01.000 --> 00:00:02.000\nsecret\n";
        for (content, format, expected) in [
            (cue.to_owned(), Vtt, 1),
            (format!("WEBVTTX\n\n{cue}"), Vtt, 1),
            (format!("WEBVTT\n\n{cue}\n00:00:03,000 --> 00:00:04,000\nsecret\n"), Vtt, 6),
            (format!("WEBVTT\n\n{cue}{cue}"), Unspecified, 5),
            (format!("WEBVTT\n\n{cue}\n00:00:04.000 --> 00:00:03.000\nsecret\n"), Unspecified, 6),
            (format!("WEBVTT\n\n{cue}\n00:00:05.000 --> 00:00:06.000\nsecret <b\n"), Unspecified, 7),
            ("WEBVTT\n".to_owned(), Unspecified, 1),
            (String::new(), Unspecified, 1),
            ("nothing of the sort\n".to_owned(), Unspecified, 1),
            ("1\n00:00:01,000 --> 00:00:02,000\nsecret\n\n2\n00:00:99,000 --> 00:01:40,000\nsecret\n".to_owned(), Srt, 6),
            (format!("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n{}\n", "x".repeat(2_001)), Vtt, 3),
        ] {
            assert_eq!(line(&content, format), expected, "{content:.200?}");
        }
        let not_utf8 = b"WEBVTT\n\n00:01.000 --> 00:02.000\n\xff\xfe\n";
        assert!(matches!(read(not_utf8, Vtt), Err(ApiError::CaptionSyntax { line: 4, .. })));
    }

    #[test]
    fn a_file_over_a_limit_is_told_the_limit() {
        let too_large = |content: &[u8]| match read(content, CaptionFormat::Unspecified) {
            Err(ApiError::Invalid(violations)) => violations.0[0].reason == FieldReason::SizeExceedsLimit,
            _ => false,
        };
        assert!(too_large(&vec![b'x'; CONTENT_BYTES_MAX + 1]));
        assert!(too_large(format!("WEBVTT\n{}", "\n".repeat(500_001)).as_bytes()));
    }

    #[test]
    fn text_that_grows_beyond_an_object_when_it_is_written_is_refused() {
        let cue = Cue::new(0, 1, None, &"&".repeat(2_000)).unwrap();
        let cues: Vec<Cue> = (0..600).map(|at| Cue::new(at, at + 1, None, cue.text()).unwrap()).collect();
        assert!(stored(&cues).is_err());
        assert!(stored(&cues[..100]).is_ok());
    }

    proptest! {
        /// Whatever is given out can be sent back, in either format, named or not, with a byte order mark or not.
        #[test]
        fn what_is_given_out_is_read_again(
            texts in prop::collection::vec("[a-zA-Z&<>é][a-zA-Z &<>é-]{0,30}", 1..20),
            srt in any::<bool>(), named in any::<bool>(), mark in any::<bool>(),
        ) {
            let cues: Vec<Cue> = (0u64..).zip(&texts).map(|(at, text)| Cue::new(at * 2_000, at * 2_000 + 1_500, None, text).unwrap()).collect();
            let format = if srt { CaptionFormat::Srt } else { CaptionFormat::Vtt };
            let content = format!("{}{}", if mark { "\u{feff}" } else { "" }, given(&cues, format));
            let again = read(content.as_bytes(), if named { format } else { CaptionFormat::Unspecified }).unwrap();
            prop_assert_eq!(again, cues);
        }
    }
}
