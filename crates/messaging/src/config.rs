//! What must be known to reach a broker.

use std::{num::NonZeroU16, time::Duration};

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// The settings `amqp.*`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:port/vhost`, or `amqps` for TLS. The virtual host is percent-encoded: `%2f` is the
    /// default one.
    #[serde(serialize_with = "hidden")]
    pub url: SecretString,
    /// How long one call of [`Publisher::publish_all`](crate::Publisher::publish_all) may take, all confirms included.
    #[serde(default = "publish_timeout", with = "humantime_serde")]
    pub publish_timeout: Duration,
    /// How many messages are in flight before the first confirm is awaited. One at a time is 10 to 20 times slower
    /// than 100 to 1,000.
    #[serde(default = "confirm_window")]
    pub confirm_window: NonZeroU16,
    /// A connection that is silent for this long counts as lost. Whole seconds, 1 to 600.
    #[serde(default = "heartbeat", with = "humantime_serde")]
    pub heartbeat: Duration,
}

fn hidden<S: Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

impl AmqpConfig {
    /// What cannot be right, each with its setting.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        if self.uri().is_none() {
            faults.push(("amqp.url", "is not amqp://user:password@host:port/vhost"));
        }
        if self.heartbeat_seconds().is_none() {
            faults.push(("amqp.heartbeat", "must be between 1s and 600s"));
        }
        if self.publish_timeout.is_zero() {
            faults.push(("amqp.publish_timeout", "must be longer than nothing"));
        }
        faults
    }

    pub(crate) fn uri(&self) -> Option<AMQPUri> {
        self.url.expose_secret().parse().ok()
    }

    pub(crate) fn heartbeat_seconds(&self) -> Option<u16> {
        u16::try_from(self.heartbeat.as_secs()).ok().filter(|seconds| (1..=600).contains(seconds))
    }

    /// The default settings for the broker at `url`.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into().into(), publish_timeout: publish_timeout(), confirm_window: confirm_window(), heartbeat: heartbeat() }
    }
}

fn publish_timeout() -> Duration {
    Duration::from_secs(10)
}

fn confirm_window() -> NonZeroU16 {
    const WINDOW: NonZeroU16 = NonZeroU16::new(500).expect("500 is not zero");
    WINDOW
}

fn heartbeat() -> Duration {
    Duration::from_secs(15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_enough_and_is_not_shown() {
        let config: AmqpConfig = serde_json::from_str(r#"{"url": "amqp://me:hush@localhost/%2f"}"#).unwrap();
        assert_eq!(
            (config.publish_timeout, config.confirm_window.get(), config.heartbeat),
            (Duration::from_secs(10), 500, Duration::from_secs(15))
        );
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn unknown_keys_and_an_empty_window_are_refused() {
        assert!(serde_json::from_str::<AmqpConfig>(r#"{"url": "amqp://localhost", "prefetch": 4}"#).is_err());
        assert!(serde_json::from_str::<AmqpConfig>(r#"{"url": "amqp://localhost", "confirm_window": 0}"#).is_err());
    }
}
