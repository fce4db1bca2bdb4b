//! One of our binaries as a child process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::{DatabaseRole, DevstackError, S3Identity};

const LOG_TAIL_BYTES: usize = 6_000;
/// How long it may take to say whether it is ready: then it is asked again, unless it has ended.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binary {
    Api,
    Relay,
    Scanner,
    Transcoder,
    Captioner,
    Janitor,
}

impl Binary {
    pub const ALL: [Self; 6] = [Self::Api, Self::Relay, Self::Scanner, Self::Transcoder, Self::Captioner, Self::Janitor];

    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "media-api",
            Self::Relay => "media-outbox-relay",
            Self::Scanner => "media-scanner",
            Self::Transcoder => "media-transcoder",
            Self::Captioner => "media-captioner",
            Self::Janitor => "media-janitor",
        }
    }

    /// The role that it logs in to the database as.
    pub fn role(self) -> DatabaseRole {
        match self {
            Self::Api => DatabaseRole::Api,
            Self::Relay => DatabaseRole::Relay,
            Self::Scanner => DatabaseRole::Scanner,
            Self::Transcoder => DatabaseRole::Transcoder,
            Self::Captioner => DatabaseRole::Captioner,
            Self::Janitor => DatabaseRole::Janitor,
        }
    }

    pub(crate) fn identity(self) -> Option<S3Identity> {
        match self {
            Self::Api => Some(S3Identity::MediaApi),
            Self::Relay => None,
            Self::Scanner => Some(S3Identity::MediaScanner),
            Self::Transcoder => Some(S3Identity::MediaTranscoder),
            Self::Captioner => Some(S3Identity::MediaCaptioner),
            Self::Janitor => Some(S3Identity::MediaJanitor),
        }
    }

    /// Whether it connects to the broker.
    pub fn speaks_amqp(self) -> bool {
        !matches!(self, Self::Api | Self::Janitor)
    }
}

/// One started service. Dropped, it is killed.
#[derive(Debug)]
pub struct Service {
    binary: Binary,
    child: Child,
    admin: SocketAddr,
    log: PathBuf,
}

impl Service {
    pub(crate) fn new(binary: Binary, child: Child, admin: SocketAddr, log: PathBuf) -> Self {
        Self { binary, child, admin, log }
    }

    pub fn binary(&self) -> Binary {
        self.binary
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to this process alone, not to its children.
    ///
    /// # Errors
    /// `System` if it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), DevstackError> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).map_err(|error| DevstackError::system("signalling a service")(error.into()))
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Errors
    /// `System`.
    pub fn kill(mut self) -> Result<(), DevstackError> {
        self.child.kill().map_err(DevstackError::system("killing a service"))?;
        self.child.wait().map_err(DevstackError::system("waiting for a service")).map(|_status| ())
    }

    /// Asks it to stop, and waits for as long as `limit`; says whether it ended well.
    ///
    /// # Errors
    /// `System`; `ServiceDidNotStart` naming the limit if it goes on.
    pub async fn stop(&mut self, limit: Duration) -> Result<bool, DevstackError> {
        self.signal(Signal::TERM)?;
        self.ended(limit).await
    }

    /// Waits for as long as `limit` until it has ended by itself or by a signal that it was sent; says whether it ended well.
    ///
    /// # Errors
    /// `System`; `ServiceDidNotStart` naming the limit if it goes on.
    pub async fn ended(&mut self, limit: Duration) -> Result<bool, DevstackError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().map_err(DevstackError::system("waiting for a service"))? {
                return Ok(status.success());
            }
            if Instant::now() > deadline {
                return Err(self.did_not_start(format!("it did not stop within {limit:?}")));
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// `ServiceDidNotStart` with the end of its log.
    pub async fn ready(&mut self, limit: Duration) -> Result<(), DevstackError> {
        let deadline = Instant::now() + limit;
        let (client, url) = (reqwest::Client::new(), format!("http://{}/readyz", self.admin));
        loop {
            let seen = match client.get(&url).timeout(ANSWER_LIMIT).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => answer.text().await.unwrap_or_default(),
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.child.try_wait().map_err(DevstackError::system("waiting for a service"))? {
                return Err(self.did_not_start(format!("it ended with {status}")));
            }
            if Instant::now() > deadline {
                return Err(self.did_not_start(format!("it is not ready after {limit:?}: {seen}")));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it has logged, each line a JSON object.
    ///
    /// # Errors
    /// `System` if the log cannot be read.
    pub fn log(&self) -> Result<String, DevstackError> {
        let bytes = fs::read(&self.log).map_err(DevstackError::system("reading a log"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Where it logs.
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// `System` if the admin port does not answer.
    pub async fn metrics(&self) -> Result<String, DevstackError> {
        let asked = async { reqwest::get(format!("http://{}/metrics", self.admin)).await?.text().await };
        asked.await.map_err(|error| DevstackError::system("asking an admin port")(std::io::Error::other(error)))
    }

    fn did_not_start(&self, reason: String) -> DevstackError {
        let log = self.log().unwrap_or_default();
        let tail = String::from_utf8_lossy(&log.as_bytes()[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned();
        DevstackError::ServiceDidNotStart { name: self.binary.name(), reason, log: self.log.clone(), tail }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already, and nobody is left to be told.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
