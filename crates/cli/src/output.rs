//! Stdout. A reader that goes away early (`media ls | head`) is no error.

use std::io::{ErrorKind, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Writes one line.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Unexpected(format!("the output cannot be written: {error}")),
    })
}

/// Writes one JSON value on one line.
pub fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text =
        serde_json::to_string(value).map_err(|error| Failure::Unexpected(format!("the answer cannot be written as JSON: {error}")))?;
    line(&text)
}

/// What others wrote, safe for a terminal: without control characters.
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
