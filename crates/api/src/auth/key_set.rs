//! A JSON Web Key Set (RFC 7517), and what of it tokens can be checked with.
//!
//! Which algorithm a key is for is the key's to say and never the token's: a public key is no HMAC secret. Only asymmetric algorithms
//! come from a set.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use http::StatusCode;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};

/// More than any key set has.
pub const MAX_BYTES: usize = 1 << 20;
/// More keys than any issuer signs with at once: each may be tried for a token that names none.
const MAX_KEYS: usize = 64;

pub struct VerifyingKey {
    pub id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
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
    #[error("it cannot be fetched")]
    Fetch(#[from] reqwest::Error),
    #[error("it was answered with {0}, and redirects are not followed")]
    Answered(StatusCode),
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
    #[error("it is no JSON Web Key Set")]
    Syntax(#[source] serde_json::Error),
    #[error("none of its keys is for RS256, ES256 or EdDSA signatures")]
    NoKey,
    #[error("it has {0} keys, and no more than {MAX_KEYS} are taken")]
    TooManyKeys(usize),
}

/// How often the set was fetched from its URL, or looked at in its file, by how that ended.
pub fn fetches(outcome: &'static str) -> metrics::Counter {
    metrics::counter!("media_key_set_fetches_total", "outcome" => outcome)
}

/// Has both outcomes told before either comes about: an increase of what is not there is none.
pub fn count_from_zero() {
    fetches("fetched").absolute(0);
    fetches("failed").absolute(0);
}

/// The set that tokens are checked with now. It is replaced whole, so that no key outlives its set.
#[derive(Default)]
pub struct CurrentSet(RwLock<Arc<Vec<VerifyingKey>>>);

impl CurrentSet {
    pub fn get(&self) -> Arc<Vec<VerifyingKey>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, keys: Vec<VerifyingKey>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// The keys of a set that we can use: those of other types or uses are passed over, as RFC 7517 (5) asks.
///
/// # Errors
/// [`KeySetError`] if that leaves none, or the set is too large or none.
pub fn parse(text: &[u8]) -> Result<Vec<VerifyingKey>, KeySetError> {
    #[derive(serde::Deserialize)]
    struct AnyKeys {
        keys: Vec<serde_json::Value>,
    }
    let any: AnyKeys = serde_json::from_slice(text).map_err(KeySetError::Syntax)?;
    if any.keys.len() > MAX_KEYS {
        return Err(KeySetError::TooManyKeys(any.keys.len()));
    }
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
