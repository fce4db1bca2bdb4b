//! The bytes of a file as they come, with an eye on the clock and on where they end.

use std::{error::Error as _, io, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as _, Bytes, Incoming},
    client::conn::http1::Parts,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt as _,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{FetchError, connect::Stream};
use crate::config::FetchConfig;

/// Over how much waiting a server's speed is taken.
const SPEED_OVER: Duration = Duration::from_secs(60);
/// How long a server has to close the connection, as it was asked to.
const CLOSING_LIMIT: Duration = Duration::from_secs(1);

type Connection = AbortOnDropHandle<hyper::Result<Parts<TokioIo<Box<dyn Stream>>>>>;

pub struct Body {
    incoming: Incoming,
    announced: Option<u64>,
    connection: Option<Connection>,
    idle_limit: Duration,
    slowest_bytes_per_second: u64,
    /// Since the speed was last taken.
    waited: Duration,
    came: u64,
}

impl Body {
    pub(super) fn new(incoming: Incoming, connection: Connection, config: &FetchConfig) -> Self {
        Self {
            announced: incoming.size_hint().exact(),
            incoming,
            connection: Some(connection),
            idle_limit: config.idle_timeout,
            slowest_bytes_per_second: config.slowest_bytes_per_second,
            waited: Duration::ZERO,
            came: 0,
        }
    }

    /// The size that the server announced.
    pub(super) fn announced(&self) -> Option<u64> {
        self.announced
    }

    /// The next bytes; `None` where the file is whole.
    ///
    /// # Errors
    /// If the connection breaks off before that, stalls or is too slow, or if more comes than was announced.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let begun = Instant::now();
            let frame = timeout(self.idle_limit, self.incoming.frame()).await.map_err(|_| FetchError::Stalled)?;
            match frame {
                Some(Ok(frame)) => {
                    // Trailers are nobody's.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.take_speed(begun.elapsed(), bytes.len())?;
                    return Ok(Some(bytes));
                }
                Some(Err(error)) => return Err(self.broken(&error)),
                None => {
                    return match self.announced {
                        Some(announced) => self.nothing_is_left(announced).await.map(|()| None),
                        None => Ok(None),
                    };
                }
            }
        }
    }

    fn broken(&self, error: &hyper::Error) -> FetchError {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match (self.announced, cause.map(io::Error::kind)) {
            (Some(announced), Some(io::ErrorKind::UnexpectedEof)) => FetchError::LessThanAnnounced(announced),
            _ => FetchError::Broken,
        }
    }

    /// Only the time that the server took counts, and not that of what is done with its bytes.
    fn take_speed(&mut self, waited: Duration, came: usize) -> Result<(), FetchError> {
        self.waited += waited;
        self.came += came as u64;
        if self.waited < SPEED_OVER {
            return Ok(());
        }
        if self.came < self.slowest_bytes_per_second.saturating_mul(self.waited.as_secs()) {
            return Err(FetchError::TooSlow);
        }
        (self.waited, self.came) = (Duration::ZERO, 0);
        Ok(())
    }

    /// A server that announces fewer bytes than it sends has announced another file than it has.
    async fn nothing_is_left(&mut self, announced: u64) -> Result<(), FetchError> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        let left = async {
            let Ok(Ok(mut parts)) = connection.await else { return false };
            let mut one = [0u8];
            !parts.read_buf.is_empty() || matches!(parts.io.inner_mut().read(&mut one).await, Ok(1))
        };
        match timeout(CLOSING_LIMIT, left).await {
            Ok(true) => Err(FetchError::MoreThanAnnounced(announced)),
            Ok(false) | Err(_) => Ok(()),
        }
    }
}
