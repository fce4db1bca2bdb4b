//! How old the signatures are that clamd scans with (`man clamd`, VERSION).

use time::{OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{ANSWER_BYTES_MAX, ClamdConfig, ClamdError, connect, limited};

/// As C's `ctime` writes it: `Tue Nov 24 09:30:12 2026`, the day padded by a space.
const MADE_AT: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");

/// What clamd says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// `ClamAV 1.4.6`.
    pub engine: String,
    /// When its daily signatures were made; `None`: it has none but its operator's own.
    pub signatures_made_at: Option<OffsetDateTime>,
}

/// Asks a clamd for its version.
///
/// # Errors
/// [`ClamdError`].
pub async fn version(config: &ClamdConfig) -> Result<Version, ClamdError> {
    let mut connection = connect(config).await?;
    limited(config.chunk_timeout, connection.write_all(b"zVERSION\0")).await?;
    let mut answer = Vec::new();
    limited(config.chunk_timeout, connection.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)).await?;
    let text = String::from_utf8_lossy(&answer);
    let text = text.trim_end_matches('\0').trim();
    if text.is_empty() {
        return Err(ClamdError::Unavailable(std::io::ErrorKind::UnexpectedEof.into()));
    }
    read(text).ok_or_else(|| ClamdError::Refused(text.to_owned()))
}

/// `ClamAV 1.4.6/27800/Tue Nov 24 09:30:12 2026`, or `ClamAV 1.4.6` alone.
fn read(text: &str) -> Option<Version> {
    let mut parts = text.splitn(3, '/');
    let engine = parts.next().filter(|engine| engine.starts_with("ClamAV "))?.to_owned();
    let signatures_made_at = match parts.nth(1) {
        Some(made_at) => Some(PrimitiveDateTime::parse(made_at, MADE_AT).ok()?.assume_utc()),
        None => None,
    };
    Some(Version { engine, signatures_made_at })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_version_tells_when_the_daily_signatures_were_made() {
        let read = read("ClamAV 1.4.6/27800/Tue Nov  3 09:30:12 2026").unwrap();
        assert_eq!(read, Version { engine: "ClamAV 1.4.6".to_owned(), signatures_made_at: Some(datetime!(2026-11-03 09:30:12 UTC)) });
    }

    #[test]
    fn a_clamd_with_its_operators_signatures_alone_tells_no_time() {
        assert_eq!(read("ClamAV 1.4.6").unwrap().signatures_made_at, None);
    }

    #[test]
    fn what_is_no_version_is_not_taken_for_one() {
        for text in ["", "UNKNOWN COMMAND", "ClamAV 1.4.6/27800/yesterday"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
