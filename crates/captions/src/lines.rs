//! From bytes to lines, as the W3C's algorithm begins.

use crate::{BYTES_MAX, CaptionError, Fault, LINES_MAX, Limited, Parsed};

/// The file's text with every line ended by `\n` and no byte order mark.
///
/// # Errors
/// If the file has too many bytes or lines.
pub(crate) fn decode(bytes: &[u8], parsed: &mut Parsed) -> Result<String, CaptionError> {
    if bytes.len() > BYTES_MAX {
        return Err(CaptionError::TooMuch { line: 1, what: Limited::Bytes, limit: BYTES_MAX });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Err(error) = std::str::from_utf8(bytes) {
        parsed.fault(line_of(bytes, error.valid_up_to()), Fault::NotUtf8);
    }
    if let Some(position) = bytes.iter().position(|byte| *byte == 0) {
        parsed.fault(line_of(bytes, position), Fault::Nul);
    }
    let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}").replace("\r\n", "\n").replace('\r', "\n");
    if text.bytes().filter(|byte| *byte == b'\n').count() > LINES_MAX {
        return Err(CaptionError::TooMuch { line: LINES_MAX + 1, what: Limited::Lines, limit: LINES_MAX });
    }
    Ok(text)
}

/// The line in which a byte stands, counted from 1.
fn line_of(bytes: &[u8], position: usize) -> usize {
    let before = &bytes[..position];
    let line_feeds = before.iter().filter(|byte| **byte == b'\n').count();
    let lone_returns =
        before.windows(2).filter(|pair| pair[0] == b'\r' && pair[1] != b'\n').count() + usize::from(before.last() == Some(&b'\r'));
    1 + line_feeds + lone_returns
}
