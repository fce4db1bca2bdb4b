//! The settings of the store, and what the SDK makes of them.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use media_domain::archive::ArchiveClass;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{BlobError, error::Cause};

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;
/// The slowest link that a large body is given time for, in bytes per second.
const SLOWEST_BYTES_PER_SECOND: u64 = 1 << 20;

/// The section `s3` of a binary's settings. A secret is shown as `***`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Where we reach the store.
    pub endpoint: Url,
    /// What clients' URLs are signed for, where that differs: a signature covers the host.
    #[serde(default)]
    pub public_endpoint: Option<Url>,
    /// `auto` for R2, `garage` for Garage, the bucket's own for AWS.
    pub region: String,
    pub bucket: String,
    /// Where what was found infected goes. The identity of media-api has no right on it.
    pub quarantine_bucket: String,
    /// The bucket in the path and not in the host name: for servers without wildcard DNS.
    #[serde(default)]
    pub path_style: bool,
    pub access_key_id: String,
    #[serde(serialize_with = "hidden")]
    pub secret_access_key: SecretString,
    #[serde(default, serialize_with = "hidden_option")]
    pub session_token: Option<SecretString>,
    /// Where media-janitor moves originals that nobody uses; `None`: nowhere.
    #[serde(default)]
    pub archive_class: Option<ArchiveClass>,
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long one try of a request may take, without the time for its body.
    #[serde(default = "default_attempt_timeout", with = "humantime_serde")]
    pub attempt_timeout: Duration,
    /// How long a body that is being read may stand still.
    #[serde(default = "default_stall_timeout", with = "humantime_serde")]
    pub stall_timeout: Duration,
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(3)
}

fn default_attempt_timeout() -> Duration {
    Duration::from_secs(30)
}

fn default_stall_timeout() -> Duration {
    Duration::from_secs(20)
}

fn hidden<S: Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

fn hidden_option<S: Serializer>(secret: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(|_| "***").serialize(serializer)
}

impl S3Config {
    /// The SDK's settings for a client that reaches `endpoint`.
    pub(crate) fn client(&self, endpoint: &Url) -> Builder {
        let session = self.session_token.as_ref().map(|token| token.expose_secret().to_owned());
        let credentials = Credentials::new(&self.access_key_id, self.secret_access_key.expose_secret(), session, None, "settings");
        Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(endpoint.as_str().trim_end_matches('/'))
            .region(Region::new(self.region.clone()))
            .force_path_style(self.path_style)
            .credentials_provider(credentials)
            // R2 and older servers know no CRC trailers: what needs a checksum names one itself.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            // A stalled download is noticed by `ranges`, which knows whether anybody is reading.
            .stalled_stream_protection(StalledStreamProtectionConfig::enabled().upload_enabled(true).download_enabled(false).build())
            .retry_config(
                RetryConfig::standard()
                    .with_max_attempts(ATTEMPTS)
                    .with_initial_backoff(Duration::from_millis(200))
                    .with_max_backoff(Duration::from_secs(2)),
            )
            .timeout_config(self.timeouts(0))
    }

    /// The limits on a request that moves so many bytes.
    pub(crate) fn timeouts(&self, body_bytes: u64) -> TimeoutConfig {
        let attempt = self.attempt_timeout.saturating_add(Duration::from_secs(body_bytes / SLOWEST_BYTES_PER_SECOND));
        TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt.saturating_mul(ATTEMPTS).saturating_add(Duration::from_secs(10)))
            .build()
    }

    /// What cannot be right, each with its setting.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        for (setting, url) in [("s3.endpoint", Some(&self.endpoint)), ("s3.public_endpoint", self.public_endpoint.as_ref())] {
            let Some(url) = url else { continue };
            let names_only_a_server = url.path() == "/"
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none();
            if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
                faults.push((setting, "is no http or https URL"));
            } else if !names_only_a_server {
                faults.push((setting, "has more than a scheme, a host and a port"));
            }
        }
        for (setting, value) in [
            ("s3.region", self.region.as_str()),
            ("s3.bucket", &self.bucket),
            ("s3.quarantine_bucket", &self.quarantine_bucket),
            ("s3.access_key_id", &self.access_key_id),
            ("s3.secret_access_key", self.secret_access_key.expose_secret()),
        ] {
            if value.is_empty() {
                faults.push((setting, "must be given"));
            }
        }
        if self.bucket == self.quarantine_bucket {
            faults.push(("s3.quarantine_bucket", "is the bucket that players read"));
        }
        for (setting, limit) in [
            ("s3.connect_timeout", self.connect_timeout),
            ("s3.attempt_timeout", self.attempt_timeout),
            ("s3.stall_timeout", self.stall_timeout),
        ] {
            if limit.is_zero() {
                faults.push((setting, "must be longer than nothing"));
            }
        }
        faults
    }

    /// # Errors
    /// [`BlobError::Invalid`] naming the first setting that cannot be right.
    pub(crate) fn validate(&self) -> Result<(), BlobError> {
        match self.faults().first() {
            Some(&(setting, problem)) => Err(Cause::Setting { setting, problem }.invalid()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings() -> serde_json::Value {
        json!({ "endpoint": "http://127.0.0.1:8333", "region": "auto", "bucket": "media", "quarantine_bucket": "media-quarantine",
                "access_key_id": "key", "secret_access_key": "hunter2", "session_token": "hunter3" })
    }

    #[test]
    fn secrets_are_neither_serialised_nor_debugged() {
        let config: S3Config = serde_json::from_value(settings()).unwrap();
        let shown = serde_json::to_string(&config).unwrap() + &format!("{config:?}");
        assert!(shown.contains("\"secret_access_key\":\"***\"") && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused() {
        let mut settings = settings();
        settings["buckett"] = json!("x");
        let error = serde_json::from_value::<S3Config>(settings).unwrap_err().to_string();
        assert!(error.contains("buckett"), "{error}");
    }

    #[test]
    fn a_setting_that_cannot_be_right_is_named() {
        for (setting, value) in [
            ("endpoint", "ftp://store"),
            ("endpoint", "http://store/folder"),
            ("public_endpoint", "https://user@store"),
            ("quarantine_bucket", "media"),
            ("bucket", ""),
            ("attempt_timeout", "0s"),
        ] {
            let mut settings = settings();
            settings[setting] = json!(value);
            let error = serde_json::from_value::<S3Config>(settings).unwrap().validate().unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.starts_with(&format!("s3.{setting} ")), "{cause}");
        }
    }

    #[test]
    fn no_request_is_without_a_limit_and_a_large_body_has_more_time() {
        let config: S3Config = serde_json::from_value(settings()).unwrap();
        let (small, large) = (config.timeouts(0), config.timeouts(64 << 20));
        assert_eq!(small.connect_timeout(), Some(Duration::from_secs(3)));
        assert_eq!(small.operation_attempt_timeout(), Some(Duration::from_secs(30)));
        assert_eq!(large.operation_attempt_timeout(), Some(Duration::from_secs(30 + 64)));
        assert!(large.operation_timeout() > large.operation_attempt_timeout());
    }
}
