//! A key set that an issuer publishes at a URL: fetched at the start, again after an interval, and when a token names a key that is not
//! in the set.
//!
//! The promise: who sends tokens cannot make us ask the issuer more than once in [`UNKNOWN_KEY_AT_MOST_EVERY`]; and an issuer that is
//! away, or answers nonsense, takes no key from us.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use media_runtime::Component;
use reqwest::redirect::Policy;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::key_set::{self, CurrentSet, KeySetError, MAX_BYTES};
use crate::{config::JwksConfig, error::chain};

/// How often tokens of unknown keys may make us ask.
const UNKNOWN_KEY_AT_MOST_EVERY: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of the whole fetch.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// After a fetch that failed; never later than the next was due anyway.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
/// The same while there is no key at all, and no call can be answered.
const AGAIN_SOON: Duration = Duration::from_secs(1);

pub struct KeySetUrl {
    url: Url,
    every: Duration,
    client: reqwest::Client,
    set: Arc<CurrentSet>,
    health: Component,
    /// Held during a fetch; when one last began because of an unknown key.
    asked: Arc<Mutex<Option<Instant>>>,
}

impl KeySetUrl {
    /// Fetches nothing yet: `health` is not ready until keys were read.
    ///
    /// # Errors
    /// If there is no HTTP client to be had.
    pub fn new(url: Url, config: &JwksConfig, set: Arc<CurrentSet>, health: Component) -> Result<Self, KeySetError> {
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .https_only(!config.plain_http)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(FETCH_TIMEOUT)
            .build()?;
        Ok(Self { url, every: config.every, client, set, health, asked: Arc::default() })
    }

    /// Keeps the set fresh for as long as the service runs.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let fetched = {
                let _one_at_a_time = self.asked.lock().await;
                self.take_over().await
            };
            let next = match fetched {
                true => self.every,
                false if self.set.get().is_empty() => self.every.min(AGAIN_SOON),
                false => self.every.min(AGAIN_AFTER),
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(next) => {}
            }
        }
    }

    /// Asks the issuer because a token names a key that we do not have, unless that was just done. Waits for a fetch that runs.
    pub async fn look_for_unknown_key(self: &Arc<Self>) {
        let ours = Arc::clone(self);
        // Goes on when the caller goes away: else who hangs up in time would leave us without an answer, again and again.
        let looking = tokio::spawn(async move {
            let mut asked = Arc::clone(&ours.asked).lock_owned().await;
            if asked.is_none_or(|last| last.elapsed() >= UNKNOWN_KEY_AT_MOST_EVERY) {
                *asked = Some(Instant::now());
                ours.take_over().await;
            }
        });
        if let Err(error) = looking.await {
            tracing::error!(error = chain(&error), "the look for an unknown key did not end");
        }
    }

    /// Whether the set is now what the issuer publishes.
    async fn take_over(&self) -> bool {
        match self.fetch().await {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the key set was fetched");
                key_set::fetches("fetched").increment(1);
                self.set.replace(keys);
                self.health.ready();
                true
            }
            Err(error) => {
                let why = chain(&error);
                tracing::warn!(error = why, "the key set cannot be fetched: the one before stays");
                key_set::fetches("failed").increment(1);
                if self.set.get().is_empty() {
                    self.health.not_ready(why);
                }
                false
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<key_set::VerifyingKey>, KeySetError> {
        let mut answer = self.client.get(self.url.clone()).send().await?;
        if answer.status() != StatusCode::OK {
            return Err(KeySetError::Answered(answer.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if text.len() + chunk.len() > MAX_BYTES {
                return Err(KeySetError::TooLarge);
            }
            text.extend_from_slice(&chunk);
        }
        key_set::parse(&text)
    }
}
