//! Fetching from strangers: one GET over one connection for each step of the way, and nothing that a browser would add: no cookies,
//! no proxies of the environment, no decompression, no pool.
//!
//! What is judged is what is connected to ([`connect`]). A redirect is a new URL: judged anew, resolved anew, connected to anew.

mod body;
mod connect;
mod error;
mod resolve;
#[cfg(test)]
mod tests;

use std::time::Duration;

use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use media_import_rules::{ImportRules, ImportUrl};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use body::Body;
pub use error::FetchError;
pub use resolve::SystemResolver;

use crate::config::FetchConfig;
use connect::Connector;
use resolve::Resolve;

/// How often a server may send us on.
const MAX_REDIRECTS: usize = 5;
/// The most bytes of a status line with its headers.
const MAX_HEAD_BYTES: usize = 64 << 10;
const USER_AGENT: &str = "media-scanner";

/// Fetches files.
pub struct Client<R> {
    connector: Connector<R>,
    config: FetchConfig,
}

/// A file that a server is sending.
pub struct Answer {
    /// As the server announced it; `None`: it ends where it ends.
    pub length: Option<u64>,
    pub body: Body,
}

/// What became of one step.
enum Step {
    Here(Answer),
    Elsewhere(ImportUrl),
}

impl<R: Resolve> Client<R> {
    /// # Errors
    /// If TLS cannot be set up, which depends on nothing but this program.
    pub fn new(rules: ImportRules, config: FetchConfig, resolver: R) -> Result<Self, tokio_rustls::rustls::Error> {
        Ok(Self { connector: Connector::new(rules, resolver, config.connect_timeout)?, config })
    }

    pub fn rules(&self) -> &ImportRules {
        self.connector.rules()
    }

    /// How long one import may take.
    pub fn whole_timeout(&self) -> Duration {
        self.config.whole_timeout
    }

    /// Asks for a file, and follows where its server sends us.
    ///
    /// # Errors
    /// Why there is no file to be had.
    pub async fn get(&self, url: ImportUrl) -> Result<Answer, FetchError> {
        let mut url = url;
        for _ in 0..=MAX_REDIRECTS {
            match self.step(&url).await? {
                Step::Here(answer) => return Ok(answer),
                Step::Elsewhere(next) => url = next,
            }
        }
        Err(FetchError::TooManyRedirects(MAX_REDIRECTS))
    }

    async fn step(&self, url: &ImportUrl) -> Result<Step, FetchError> {
        let stream = self.connector.connect(url).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|_| FetchError::Broken)?;
        // What is left on the connection after the body is looked at: nothing should be.
        let connection = AbortOnDropHandle::new(tokio::spawn(connection.without_shutdown()));
        let request = Request::get(url.target())
            .header(header::HOST, url.authority())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, "*/*")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|_| FetchError::Broken)?;
        let answer = timeout(self.config.idle_timeout, sender.send_request(request)).await;
        let (head, body) = answer.map_err(|_| FetchError::Stalled)?.map_err(|_| FetchError::Broken)?.into_parts();
        if is_redirect(head.status) {
            let location = head.headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            let next = url.follow(location.ok_or(FetchError::NoLocation)?, self.rules()).map_err(FetchError::RefusedRedirect)?;
            return Ok(Step::Elsewhere(next));
        }
        if head.status != StatusCode::OK {
            return Err(FetchError::Status(head.status.as_u16()));
        }
        if is_encoded(&head.headers) {
            return Err(FetchError::Encoded);
        }
        let body = Body::new(body, connection, &self.config);
        Ok(Step::Here(Answer { length: body.announced(), body }))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}
