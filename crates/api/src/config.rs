//! The settings of media-api; `defaults.toml` says what each is for.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::HeaderValue;
use media_blobs::S3Config;
use media_runtime::{ExposeSecret, Problem, ProfilesConfig, SecretString, Settings, config::empty_is_none};
use media_storage::DatabaseConfig;
use serde::Deserialize;
use url::Url;

use crate::keyring::KeyId;

/// The shortest secret that signs anything: as long as what HMAC-SHA256 gives (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// Old and new, while one takes over from the other.
const MAX_KEYS: usize = 2;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    pub grpc: PortConfig,
    pub http: PortConfig,
    pub auth: AuthConfig,
    pub playback: PlaybackConfig,
    pub database: DatabaseConfig,
    pub s3: S3Config,
    pub profiles: ProfilesConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortConfig {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    pub issuer: String,
    pub audience: String,
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    #[serde(deserialize_with = "empty_is_none")]
    pub hs256_secret: Option<SecretString>,
    #[serde(deserialize_with = "empty_is_none")]
    pub jwks_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaybackConfig {
    /// Required; see [`Settings::problems`].
    #[serde(deserialize_with = "empty_is_none")]
    pub public_url: Option<Url>,
    pub cors_origins: Vec<String>,
    pub keys: Vec<KeyConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    pub id: String,
    pub secret: SecretString,
}

impl Settings for ApiConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.profiles.problems();
        let mut refuse = |place: &str, reason: String| problems.push(Problem::new(place, reason));
        let too_short = |secret: &SecretString| secret.expose_secret().len() < MIN_SECRET_BYTES;

        if self.auth.issuer.is_empty() {
            refuse("auth.issuer", "must be given".to_owned());
        }
        if self.auth.audience.is_empty() {
            refuse("auth.audience", "must be given".to_owned());
        }
        if self.auth.hs256_secret.is_none() && self.auth.jwks_file.is_none() {
            refuse("auth.jwks_file", "must be given, or auth.hs256_secret: else no token can be checked".to_owned());
        }
        if self.auth.hs256_secret.as_ref().is_some_and(too_short) {
            refuse("auth.hs256_secret", format!("has less than {MIN_SECRET_BYTES} bytes"));
        }
        match &self.playback.public_url {
            None => refuse("playback.public_url", "must be given".to_owned()),
            Some(url) if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() => {
                refuse("playback.public_url", "must be http or https, without query and fragment".to_owned());
            }
            Some(_) => {}
        }
        for origin in self.playback.cors_origins.iter().filter(|origin| origin.as_str() != "*" && !is_origin(origin)) {
            refuse("playback.cors_origins", format!("{origin:?} is no origin, such as https://app.example.com"));
        }
        if !(1..=MAX_KEYS).contains(&self.playback.keys.len()) {
            refuse("playback.keys", format!("must hold 1 to {MAX_KEYS} keys"));
        }
        for (number, key) in self.playback.keys.iter().enumerate() {
            if KeyId::new(&key.id).is_none() {
                refuse("playback.keys", format!("{:?} is no id: 1 to 16 characters of a-z and 0-9", key.id));
            }
            if self.playback.keys[..number].iter().any(|earlier| earlier.id == key.id) {
                refuse("playback.keys", format!("{:?} stands twice", key.id));
            }
            if too_short(&key.secret) {
                refuse("playback.keys", format!("the secret of {:?} has less than {MIN_SECRET_BYTES} bytes", key.id));
            }
        }
        problems
    }
}

/// Whether the text is an origin as a browser sends it (RFC 6454, 6.1).
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text) && HeaderValue::from_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_every_setting_and_lack_only_what_an_operator_must_give() {
        let problems = media_runtime::check_defaults::<ApiConfig>(include_str!("../defaults.toml")).unwrap_err().to_string();
        let missing: Vec<&str> = problems.lines().skip(1).filter_map(|line| line.trim().split(':').next()).collect();
        assert_eq!(missing, ["auth.issuer", "auth.jwks_file", "playback.public_url", "playback.keys"], "{problems}");
    }

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_nothing_more() {
        assert!(is_origin("https://app.example.com") && is_origin("http://localhost:3000"));
        for text in ["app.example.com", "https://app.example.com/", "https://app.example.com:443", "https://a b", "null", ""] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
