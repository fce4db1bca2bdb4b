//! The keys that tokens are checked with: a shared secret for development, and a JSON Web Key Set that is read again when it changes.
//!
//! Which algorithm a key is for is the key's to say and never the token's: a public key is no HMAC secret.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use media_runtime::ExposeSecret;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Claims;
use crate::{
    config::AuthConfig,
    error::{ApiError, chain},
};

/// How often the key set's file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// More than any key set has.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// More than any token of ours has.
const MAX_TOKEN_CHARS: usize = 8 * 1024;

/// What tokens are checked with.
pub struct JwtKeys {
    shared_secret: Option<VerifyingKey>,
    /// As the file had them when it was last read whole and good.
    set: RwLock<Arc<Vec<VerifyingKey>>>,
    issuer: String,
    audience: String,
    leeway: Duration,
}

struct VerifyingKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why a key set cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} has more than {MAX_FILE_BYTES} bytes")]
    TooLarge { path: PathBuf },
    #[error("it is no JSON Web Key Set")]
    Syntax(#[source] serde_json::Error),
    #[error("none of its keys is for RS256, ES256 or EdDSA signatures")]
    NoKey,
}

impl JwtKeys {
    /// Reads the keys that the settings name.
    ///
    /// # Errors
    /// If the key set cannot be read.
    pub async fn load(config: &AuthConfig) -> Result<Self, KeySetError> {
        let set = match &config.jwks_file {
            Some(path) => key_set(&read(path).await?)?,
            None => Vec::new(),
        };
        let shared_secret = config.hs256_secret.as_ref().map(|secret| VerifyingKey {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret.expose_secret().as_bytes()),
        });
        Ok(Self {
            shared_secret,
            set: RwLock::new(Arc::new(set)),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
        })
    }

    /// The claims of a token that is whole, signed by one of the keys, for us and of this time.
    ///
    /// # Errors
    /// [`ApiError::Unauthenticated`] with the first thing that is wrong.
    pub(super) fn check(&self, token: &str) -> Result<Claims, ApiError> {
        if token.len() > MAX_TOKEN_CHARS {
            return Err(ApiError::Unauthenticated("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| ApiError::Unauthenticated("it is no JWT"))?;
        let set = Arc::clone(&self.set.read().unwrap_or_else(PoisonError::into_inner));
        let candidates =
            set.iter().filter(|key| header.kid.is_none() || key.id.is_none() || key.id == header.kid).chain(&self.shared_secret);
        let mut refusal = ApiError::Unauthenticated("no key of ours is for it");
        for key in candidates.filter(|key| key.algorithm == header.alg) {
            let mut validation = Validation::new(key.algorithm);
            validation.set_issuer(&[&self.issuer]);
            validation.set_audience(&[&self.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.validate_nbf = true;
            validation.leeway = self.leeway.as_secs();
            match jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
                Ok(token) if token.claims.sub.is_empty() => return Err(ApiError::Unauthenticated("its subject is empty")),
                Ok(token) => return Ok(token.claims),
                Err(error) => refusal = ApiError::Unauthenticated(why(error.kind())),
            }
        }
        Err(refusal)
    }
}

fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not valid yet",
        ErrorKind::InvalidIssuer => "its issuer is another",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidSignature => "its signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => "it lacks one of exp, iss, aud and sub",
        _ => "it cannot be read",
    }
}

/// Reads the file again whenever its text has changed, for as long as the service runs. A file that is no key set changes nothing.
pub async fn follow_jwks_file(keys: Arc<JwtKeys>, path: PathBuf, stop: CancellationToken) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_seen = String::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = keys.reread(&path, &mut last_seen).await {
            tracing::error!(error = chain(&error), "the key set cannot be used: the one before stays");
        }
    }
}

impl JwtKeys {
    /// Takes over the file's keys, if its text is not the one that was seen last. By its text and not by its time: a mounted file is
    /// replaced by a link to one of any age.
    pub(super) async fn reread(&self, path: &Path, last_seen: &mut String) -> Result<(), KeySetError> {
        let text = read(path).await?;
        if text == *last_seen {
            return Ok(());
        }
        *last_seen = text;
        let set = key_set(last_seen)?;
        tracing::info!(keys = set.len(), "the key set was read");
        *self.set.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        Ok(())
    }
}

async fn read(path: &Path) -> Result<String, KeySetError> {
    let failed = |source| KeySetError::Read { path: path.to_owned(), source };
    if tokio::fs::metadata(path).await.map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(KeySetError::TooLarge { path: path.to_owned() });
    }
    tokio::fs::read_to_string(path).await.map_err(failed)
}

/// The keys of a set that we can use: those of other types or uses are passed over, as RFC 7517 (5) asks.
fn key_set(text: &str) -> Result<Vec<VerifyingKey>, KeySetError> {
    #[derive(serde::Deserialize)]
    struct AnyKeys {
        keys: Vec<serde_json::Value>,
    }
    let any: AnyKeys = serde_json::from_str(text).map_err(KeySetError::Syntax)?;
    let set = JwkSet { keys: any.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect() };
    let keys: Vec<VerifyingKey> = set.keys.iter().filter_map(verifying_key).collect();
    if keys.is_empty() { Err(KeySetError::NoKey) } else { Ok(keys) }
}

fn verifying_key(jwk: &Jwk) -> Option<VerifyingKey> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used_for| *used_for != PublicKeyUse::Signature) {
        return None;
    }
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|named| named != algorithm.into()) {
        return None;
    }
    Some(VerifyingKey { id: jwk.common.key_id.clone(), algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
}
