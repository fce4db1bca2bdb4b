//! A client for clamd's INSTREAM (`man clamd`, section Commands).
//!
//! clamd fails open: it answers OK for a file that is over its limits unless `AlertExceedsMax yes`, and it never reads
//! more than 2 GiB − 3. So this client sends at most [`ClamdConfig::max_stream_bytes`], says whether that was all of it, and
//! takes an alert on a limit for what it is: not scanned whole.

mod version;

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

pub use version::{Version, version};

/// How to reach clamd, and what it takes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClamdConfig {
    /// `host:port`, or the path of its socket.
    pub address: String,
    /// The most bytes sent of one file: no more than clamd's own `StreamMaxLength`, `MaxFileSize` and `MaxScanSize`.
    pub max_stream_bytes: u64,
    /// How long clamd may take to accept a connection or a chunk.
    #[serde(with = "humantime_serde")]
    pub chunk_timeout: Duration,
    /// How long clamd may take to scan after the last chunk.
    #[serde(with = "humantime_serde")]
    pub verdict_timeout: Duration,
}

/// clamd's word on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    NothingFound,
    /// A limit of clamd's was hit: it did not look at everything.
    LimitHit,
    Found {
        signature: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum ClamdError {
    /// It cannot be reached, or is too slow. Come back later.
    #[error("clamd is unavailable")]
    Unavailable(#[source] std::io::Error),
    /// It had the whole stream, and went away without a verdict. It may have been stopped; it may have died of the stream.
    #[error("clamd was lost while it scanned")]
    Lost(#[source] std::io::Error),
    /// It answered something that is neither a verdict nor a limit, such as an error while scanning.
    #[error("clamd answered {0:?}")]
    Refused(String),
}

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 4096;

trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// One stream being scanned.
pub struct Scan {
    connection: Box<dyn Duplex>,
    config: ClamdConfig,
    sent_bytes: u64,
    whole: bool,
    /// clamd stopped reading; its answer says why.
    cut: bool,
}

impl Scan {
    /// Connects and begins a stream.
    ///
    /// # Errors
    /// [`ClamdError::Unavailable`].
    pub async fn begin(config: &ClamdConfig) -> Result<Self, ClamdError> {
        // A mesh or a proxy accepts connections for a clamd that is away: each file that is sent to it would be lost.
        version(config).await.map_err(|error| match error {
            ClamdError::Refused(said) => ClamdError::Unavailable(std::io::Error::other(said)),
            error => error,
        })?;
        let connection = connect(config).await?;
        let mut scan = Self { connection, config: config.clone(), sent_bytes: 0, whole: true, cut: false };
        scan.write(b"zINSTREAM\0").await?;
        Ok(scan)
    }

    /// Sends the next bytes, up to the limit.
    ///
    /// # Errors
    /// [`ClamdError::Unavailable`] if clamd is too slow.
    pub async fn send(&mut self, bytes: &Bytes) -> Result<(), ClamdError> {
        let room = usize::try_from(self.config.max_stream_bytes - self.sent_bytes).unwrap_or(usize::MAX);
        let taken = &bytes[..bytes.len().min(room)];
        self.whole &= taken.len() == bytes.len();
        if taken.is_empty() || self.cut {
            return Ok(());
        }
        // A chunk's length is a u32 in network order, and a zero would end the stream.
        for chunk in taken.chunks(1 << 20) {
            self.write(&u32::try_from(chunk.len()).unwrap_or(u32::MAX).to_be_bytes()).await?;
            self.write(chunk).await?;
        }
        self.sent_bytes += taken.len() as u64;
        Ok(())
    }

    /// Ends the stream and reads the verdict; with it, whether all bytes were sent.
    ///
    /// # Errors
    /// [`ClamdError`].
    pub async fn finish(mut self) -> Result<(Answer, bool), ClamdError> {
        self.write(&0u32.to_be_bytes()).await?;
        // It scans what it has whole: before that it does not die of a stream.
        let lost = if self.cut { ClamdError::Unavailable } else { ClamdError::Lost };
        let mut answer = Vec::new();
        let config = self.config.clone();
        let mut reader = self.connection.take(ANSWER_BYTES_MAX);
        limited(config.verdict_timeout, reader.read_to_end(&mut answer)).await.map_err(|error| match error {
            ClamdError::Unavailable(error) if is_closed(&error) => lost(error),
            error => error,
        })?;
        if answer.is_empty() {
            return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
        }
        Ok((read_answer(&answer)?, self.whole && !self.cut))
    }

    /// A failed write is no answer yet: clamd closes its side when a limit is hit, and says so first.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), ClamdError> {
        if self.cut {
            return Ok(());
        }
        match timeout(self.config.chunk_timeout, self.connection.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if self.sent_bytes > 0 && is_closed(&error) => {
                self.cut = true;
                Ok(())
            }
            Ok(Err(error)) => Err(ClamdError::Unavailable(error)),
            Err(_) => Err(ClamdError::Unavailable(std::io::ErrorKind::TimedOut.into())),
        }
    }
}

async fn connect(config: &ClamdConfig) -> Result<Box<dyn Duplex>, ClamdError> {
    limited(config.chunk_timeout, async {
        Ok(if config.address.starts_with('/') {
            Box::new(UnixStream::connect(&config.address).await?) as Box<dyn Duplex>
        } else {
            Box::new(TcpStream::connect(&config.address).await?)
        })
    })
    .await
}

fn is_closed(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset)
}

async fn limited<T>(limit: Duration, io: impl Future<Output = std::io::Result<T>>) -> Result<T, ClamdError> {
    match timeout(limit, io).await {
        Ok(done) => done.map_err(ClamdError::Unavailable),
        Err(_) => Err(ClamdError::Unavailable(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Reads `stream: OK`, `stream: NAME FOUND` or an error.
fn read_answer(answer: &[u8]) -> Result<Answer, ClamdError> {
    let text = String::from_utf8_lossy(answer);
    let text = text.trim_end_matches('\0').trim();
    if text == "INSTREAM size limit exceeded. ERROR" {
        return Ok(Answer::LimitHit);
    }
    match text.strip_prefix("stream: ") {
        Some("OK") => Ok(Answer::NothingFound),
        Some(found) => match found.strip_suffix(" FOUND") {
            Some(signature) if signature.starts_with("Heuristics.Limits.Exceeded") => Ok(Answer::LimitHit),
            Some(signature) => Ok(Answer::Found { signature: signature.to_owned() }),
            None => Err(ClamdError::Refused(text.to_owned())),
        },
        None => Err(ClamdError::Refused(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_on_a_limit_is_neither_clean_nor_infected() {
        assert_eq!(read_answer(b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0").unwrap(), Answer::LimitHit);
        assert_eq!(read_answer(b"INSTREAM size limit exceeded. ERROR\0").unwrap(), Answer::LimitHit);
    }

    #[test]
    fn a_verdict_is_read_and_nothing_else_is_taken_for_one() {
        assert_eq!(read_answer(b"stream: OK\0").unwrap(), Answer::NothingFound);
        assert_eq!(read_answer(b"stream: Eicar.Test FOUND\0").unwrap(), Answer::Found { signature: "Eicar.Test".to_owned() });
        for text in [&b"OK"[..], b"stream: Can't allocate memory ERROR", b"stream: OKAY"] {
            assert!(matches!(read_answer(text).unwrap_err(), ClamdError::Refused(_)));
        }
    }
}
