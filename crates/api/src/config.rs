//! The settings of media-api; `defaults.toml` says what each is for.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::HeaderValue;
use media_blobs::S3Config;
use media_import_rules::ImportRules;
use media_runtime::{ExposeSecret, Problem, ProfilesConfig, SecretString, Settings, config::hidden};
use media_storage::DatabaseConfig;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{keyring::KeyId, rate_limit::RateLimitConfig};

/// The shortest secret that signs anything: as long as what HMAC-SHA256 gives (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// Clocks that are further apart than this are broken.
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);
/// An issuer is not asked in a busy loop.
const MIN_JWKS_EVERY: Duration = Duration::from_secs(1);
/// Old and new, while one takes over from the other.
const MAX_KEYS: usize = 2;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    pub grpc: GrpcConfig,
    pub http: PortConfig,
    pub auth: AuthConfig,
    pub playback: PlaybackConfig,
    pub rate_limit: RateLimitConfig,
    pub uploads: UploadsConfig,
    pub watch: WatchConfig,
    pub import: ImportRules,
    pub database: DatabaseConfig,
    pub s3: S3Config,
    pub profiles: ProfilesConfig,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GrpcConfig {
    pub listen: SocketAddr,
    pub tls: TlsConfig,
}

/// PEM files. Without a certificate the port speaks plaintext.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub client_ca_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PortConfig {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    pub issuer: String,
    pub audience: String,
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    #[serde(serialize_with = "hidden")]
    pub hs256_secret: Option<SecretString>,
    pub jwks_file: Option<PathBuf>,
    pub jwks: JwksConfig,
}

/// A key set that an issuer publishes.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JwksConfig {
    pub url: Option<Url>,
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    pub plain_http: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct UploadsConfig {
    pub streams_max: usize,
    #[serde(with = "humantime_serde")]
    pub idle_max: Duration,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    pub streams_max: usize,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PlaybackConfig {
    /// Required; see [`Settings::problems`].
    pub public_url: Option<Url>,
    pub cors_origins: Vec<String>,
    pub keys: Vec<KeyConfig>,
    pub delivery: Way,
    pub proxy_streams_max: usize,
    pub cdn: CdnConfig,
}

/// How players get the bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By a redirect to a signature of the store.
    Redirect,
    /// Through us.
    Proxy,
    /// By a redirect to a signature that a CDN checks.
    Cdn,
}

/// Required where the way is [`Way::Cdn`]; see [`Settings::problems`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CdnConfig {
    pub url: Option<Url>,
    pub signature: CdnSignature,
    pub key_pair_id: String,
    pub private_key_file: Option<PathBuf>,
    #[serde(serialize_with = "hidden")]
    pub hmac_secret: Option<SecretString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CdnSignature {
    CloudFront,
    Hmac,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    pub id: String,
    #[serde(serialize_with = "hidden")]
    pub secret: SecretString,
}

impl Settings for ApiConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.profiles.problems();
        problems.extend([self.database.faults(), self.s3.faults()].concat().into_iter().map(Problem::from));
        let mut refuse = |place: &str, reason: String| problems.push(Problem::new(place, reason));
        let too_short = |secret: &SecretString| secret.expose_secret().len() < MIN_SECRET_BYTES;

        if self.uploads.idle_max.is_zero() {
            refuse("uploads.idle_max", "must be longer than nothing".to_owned());
        }
        if self.watch.streams_max == 0 {
            refuse("watch.streams_max", "must be at least 1".to_owned());
        }
        if self.auth.issuer.is_empty() {
            refuse("auth.issuer", "must be given".to_owned());
        }
        if self.auth.audience.is_empty() {
            refuse("auth.audience", "must be given".to_owned());
        }
        let AuthConfig { hs256_secret, jwks_file, jwks, leeway, .. } = &self.auth;
        if hs256_secret.is_none() && jwks_file.is_none() && jwks.url.is_none() {
            refuse("auth.jwks.url", "must be given, or auth.jwks_file or auth.hs256_secret: else no token can be checked".to_owned());
        }
        if jwks_file.is_some() && jwks.url.is_some() {
            refuse("auth.jwks.url", "and auth.jwks_file cannot both be given: one set replaces the other".to_owned());
        }
        match jwks.url.as_ref().map(Url::scheme) {
            None | Some("https") => {}
            Some("http") if jwks.plain_http => {}
            Some("http") => refuse("auth.jwks.url", "must be https, unless auth.jwks.plain_http says otherwise".to_owned()),
            Some(_) => refuse("auth.jwks.url", "must be https".to_owned()),
        }
        if jwks.every < MIN_JWKS_EVERY {
            refuse("auth.jwks.every", format!("must be at least {MIN_JWKS_EVERY:?}"));
        }
        if *leeway > MAX_LEEWAY {
            refuse("auth.leeway", format!("must be at most {MAX_LEEWAY:?}: else tokens that have ended go on"));
        }
        let TlsConfig { cert_file, key_file, client_ca_file } = &self.grpc.tls;
        if cert_file.is_some() != key_file.is_some() {
            refuse("grpc.tls.cert_file", "and grpc.tls.key_file belong together".to_owned());
        }
        if client_ca_file.is_some() && cert_file.is_none() {
            refuse(
                "grpc.tls.client_ca_file",
                "needs grpc.tls.cert_file: clients are known by their certificates only under TLS".to_owned(),
            );
        }
        if self.auth.hs256_secret.as_ref().is_some_and(too_short) {
            refuse("auth.hs256_secret", format!("has less than {MIN_SECRET_BYTES} bytes"));
        }
        match &self.playback.public_url {
            None => refuse("playback.public_url", "must be given".to_owned()),
            Some(url) if !is_base(url) => refuse("playback.public_url", "must be http or https, without query and fragment".to_owned()),
            Some(_) => {}
        }
        if self.playback.delivery == Way::Proxy && self.playback.proxy_streams_max == 0 {
            refuse("playback.proxy_streams_max", "must be at least 1: else nothing is passed on".to_owned());
        }
        if self.playback.delivery == Way::Cdn {
            let cdn = &self.playback.cdn;
            match &cdn.url {
                None => refuse("playback.cdn.url", "must be given".to_owned()),
                Some(url) if !is_base(url) => refuse("playback.cdn.url", "must be http or https, without query and fragment".to_owned()),
                Some(_) => {}
            }
            match cdn.signature {
                CdnSignature::CloudFront => {
                    if cdn.key_pair_id.is_empty() || !cdn.key_pair_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
                        refuse("playback.cdn.key_pair_id", "must be given, in letters and digits".to_owned());
                    }
                    if cdn.private_key_file.is_none() {
                        refuse("playback.cdn.private_key_file", "must be given".to_owned());
                    }
                }
                CdnSignature::Hmac if cdn.hmac_secret.as_ref().is_none_or(too_short) => {
                    refuse("playback.cdn.hmac_secret", format!("must be given and have at least {MIN_SECRET_BYTES} bytes"));
                }
                CdnSignature::Hmac => {}
            }
        }
        for (number, origin) in self.playback.cors_origins.iter().enumerate() {
            if origin != "*" && !is_origin(origin) {
                refuse(&format!("playback.cors_origins[{number}]"), "must be an origin, such as https://app.example.com".to_owned());
            }
        }
        if !(1..=MAX_KEYS).contains(&self.playback.keys.len()) {
            refuse("playback.keys", format!("must hold 1 to {MAX_KEYS} keys"));
        }
        for (number, key) in self.playback.keys.iter().enumerate() {
            let place = |field: &str| format!("playback.keys[{number}].{field}");
            if KeyId::new(&key.id).is_none() {
                refuse(&place("id"), "must be 1 to 16 characters of a-z and 0-9".to_owned());
            }
            if self.playback.keys[..number].iter().any(|earlier| earlier.id == key.id) {
                refuse(&place("id"), "is that of an earlier key".to_owned());
            }
            if too_short(&key.secret) {
                refuse(&place("secret"), format!("must have at least {MIN_SECRET_BYTES} bytes"));
            }
        }
        problems
    }
}

/// Whether paths can be put behind it.
fn is_base(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none()
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
        let expected = ["s3.access_key_id", "s3.secret_access_key", "auth.issuer", "auth.jwks.url", "playback.public_url", "playback.keys"];
        assert_eq!(missing, expected, "{problems}");
    }

    #[test]
    fn keys_come_from_one_place_over_https_and_certificates_with_their_keys() {
        let refused = |section: &str, settings: &str| {
            let defaults = include_str!("../defaults.toml");
            let (before, after) = defaults.split_once(&format!("\n[{section}]\n")).unwrap();
            let commented: String = settings.lines().map(|line| format!("# For the test.\n{line}\n")).collect();
            let names: Vec<&str> = settings.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name).collect();
            let (ours, others) = after.split_once("\n[").unwrap();
            let kept = ours.lines().filter(|line| !names.iter().any(|name| line.starts_with(&format!("{name} = "))));
            let text = format!("{before}\n[{section}]\n{commented}{}\n[{others}", kept.collect::<Vec<_>>().join("\n"));
            let problems = media_runtime::check_defaults::<ApiConfig>(&text).unwrap_err().to_string();
            let usual = ["s3.access_key_id", "s3.secret_access_key", "auth.issuer", "playback.public_url", "playback.keys"];
            let places = problems.lines().skip(1).filter_map(|line| line.trim().split(':').next().map(str::to_owned));
            places.filter(|place| !usual.contains(&place.as_str())).collect::<Vec<_>>()
        };
        let nothing: [&str; 0] = [];
        assert_eq!(refused("auth.jwks", "url = \"https://issuer.example.com/keys\""), nothing);
        assert_eq!(refused("auth.jwks", "url = \"http://issuer.example.com/keys\""), ["auth.jwks.url"]);
        assert_eq!(refused("auth.jwks", "url = \"http://issuer.example.com/keys\"\nplain_http = true"), nothing);
        assert_eq!(refused("auth.jwks", "url = \"file:///keys\"\nplain_http = true"), ["auth.jwks.url"]);
        assert_eq!(refused("auth.jwks", "url = \"https://issuer.example.com\"\nevery = \"0s\""), ["auth.jwks.every"]);
        assert_eq!(refused("auth", "jwks_file = \"/keys\"\nleeway = \"301s\""), ["auth.leeway"]);
        assert_eq!(refused("grpc.tls", "cert_file = \"/cert\""), ["auth.jwks.url", "grpc.tls.cert_file"]);
        assert_eq!(refused("grpc.tls", "client_ca_file = \"/ca\""), ["auth.jwks.url", "grpc.tls.client_ca_file"]);
    }

    #[test]
    fn a_cdn_without_its_keys_and_a_proxy_without_room_are_refused_before_a_port_opens() {
        let config = |more: &str| {
            let defaults = include_str!("../defaults.toml").replace("delivery = \"redirect\"", more);
            let problems = media_runtime::check_defaults::<ApiConfig>(&defaults).unwrap_err().to_string();
            let places = problems.lines().filter_map(|line| line.trim().split(':').next().map(str::to_owned));
            places.filter(|place| place.starts_with("playback.cdn") || place.starts_with("playback.proxy")).collect::<Vec<_>>()
        };
        let cloudfront = ["playback.cdn.url", "playback.cdn.key_pair_id", "playback.cdn.private_key_file"];
        assert_eq!(config("delivery = \"redirect\""), [""; 0]);
        assert_eq!(config("delivery = \"cdn\""), cloudfront);
        let hmac = include_str!("../defaults.toml")
            .replace("delivery = \"redirect\"", "delivery = \"cdn\"")
            .replace("signature = \"cloudfront\"", "signature = \"hmac\"");
        let problems = media_runtime::check_defaults::<ApiConfig>(&hmac).unwrap_err().to_string();
        assert!(problems.contains("playback.cdn.hmac_secret") && !problems.contains("key_pair_id"), "{problems}");
        let shut = include_str!("../defaults.toml")
            .replace("delivery = \"redirect\"", "delivery = \"proxy\"")
            .replace("proxy_streams_max = 200", "proxy_streams_max = 0");
        assert!(media_runtime::check_defaults::<ApiConfig>(&shut).unwrap_err().to_string().contains("playback.proxy_streams_max"));
    }

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_nothing_more() {
        assert!(is_origin("https://app.example.com") && is_origin("http://localhost:3000"));
        for text in ["app.example.com", "https://app.example.com/", "https://app.example.com:443", "https://a b", "null", ""] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
