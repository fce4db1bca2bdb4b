//! What libraries complain about: to the parent, by standard error.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use gstreamer::glib::{self, LogField, LogLevel, LogWriterOutput};

use super::process;

/// A library that complains without end is heard so often.
const LINES_MAX: usize = 50;

/// Takes GLib's messages. Its own writer looks for a terminal, for the journal's socket and for the user's settings.
pub fn keep() {
    let lines = AtomicUsize::new(0);
    glib::log_set_writer_func(move |level, fields| {
        if matches!(level, LogLevel::Error | LogLevel::Critical | LogLevel::Warning) && lines.fetch_add(1, Ordering::Relaxed) < LINES_MAX {
            complain(&format!("{}: {}", field(fields, "GLIB_DOMAIN"), field(fields, "MESSAGE")));
        }
        // GLib's only fatal message of its own: it would now abort, and look like any crash.
        if level == LogLevel::Error && field(fields, "MESSAGE").contains("failed to allocate") {
            process::leave(process::NO_MEMORY);
        }
        LogWriterOutput::Handled
    });
}

/// Writes a line. A parent that does not listen any more is no reason to fail.
pub fn complain(line: &str) {
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}

fn field<'a>(fields: &'a [LogField<'_>], key: &str) -> &'a str {
    fields.iter().find(|field| field.key() == key).and_then(LogField::value_str).unwrap_or_default()
}
