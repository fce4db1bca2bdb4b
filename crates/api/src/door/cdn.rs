//! Signatures that a CDN checks itself: CloudFront's signed URLs with a canned policy, and an HMAC as Cloudflare's rules check it.
//!
//! They live as long as those of the store ([`media_blobs::signing`]), and their time is rounded down in the same way, so that all
//! viewers of five minutes share one URL: one signature, one entry in the CDN's cache. Who holds one needs no other right, so they are
//! never logged.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use media_blobs::signing::{SHARED_FOR, VALIDITY};
use media_domain::BlobName;
use media_runtime::ExposeSecret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs1v15::SigningKey,
    pkcs8::DecodePrivateKey,
    rand_core::OsRng,
    signature::{RandomizedSigner, SignatureEncoding},
};
use sha1::Sha1;
use sha2::Sha256;
use time::OffsetDateTime;
use url::Url;

use crate::config::{CdnConfig, CdnSignature};

/// Signed URLs that are kept, all of the same five minutes.
const MAX_KEPT: usize = 10_000;
/// `unreserved` of RFC 3986, 2.3, and the slash between the segments of a key.
const PATH_ESCAPES: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Why a CDN's signatures cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CdnError {
    #[error("playback.cdn.{0} must be given")]
    Missing(&'static str),
    #[error("{} cannot be read", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} holds no private RSA key in PEM (PKCS #1 or #8)", .path.display())]
    NoKey { path: PathBuf, source: rsa::pkcs8::Error },
    #[error("the key cannot sign")]
    Unsigned(#[source] rsa::signature::Error),
}

pub struct Cdn {
    /// Without a slash at its end.
    base: String,
    /// The part of `base` that a request's path begins with.
    base_path: String,
    signer: Signer,
    kept: Mutex<Kept>,
}

/// The URLs of one window, by object.
#[derive(Default)]
struct Kept {
    window: i64,
    urls: HashMap<BlobName, String>,
}

enum Signer {
    CloudFront {
        key_pair_id: String,
        key: SigningKey<Sha1>,
    },
    /// Keyed, and nothing written yet.
    Hmac(Hmac<Sha256>),
}

impl Cdn {
    /// # Errors
    /// [`CdnError`] where a key is missing or none.
    pub fn new(config: &CdnConfig) -> Result<Self, CdnError> {
        let url: &Url = config.url.as_ref().ok_or(CdnError::Missing("url"))?;
        let signer = match config.signature {
            CdnSignature::CloudFront => {
                let path = config.private_key_file.clone().ok_or(CdnError::Missing("private_key_file"))?;
                Signer::CloudFront { key_pair_id: config.key_pair_id.clone(), key: SigningKey::new(private_key(path)?) }
            }
            CdnSignature::Hmac => {
                let secret = config.hmac_secret.as_ref().ok_or(CdnError::Missing("hmac_secret"))?;
                let code = Hmac::new_from_slice(secret.expose_secret().as_bytes()).map_err(|_| CdnError::Missing("hmac_secret"))?;
                Signer::Hmac(code)
            }
        };
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        Ok(Self { base: trimmed(url.as_str()), base_path: trimmed(url.path()), signer, kept: Mutex::default() })
    }

    /// Where an object can be had for the next five to ten minutes.
    ///
    /// # Errors
    /// [`CdnError::Unsigned`].
    pub fn sign(&self, blob: &BlobName, now: OffsetDateTime) -> Result<String, CdnError> {
        let step = SHARED_FOR.as_secs().cast_signed();
        let window = now.unix_timestamp() - now.unix_timestamp().rem_euclid(step);
        if let Some(url) = self.kept(window).urls.get(blob) {
            return Ok(url.clone());
        }
        // Not under the lock: RSA takes milliseconds. Two who sign the same make the same.
        let url = self.signed(&format!("/{}", utf8_percent_encode(&blob.key, PATH_ESCAPES)), window)?;
        self.kept(window).urls.insert(blob.clone(), url.clone());
        Ok(url)
    }

    fn kept(&self, window: i64) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.window != window || kept.urls.len() >= MAX_KEPT {
            *kept = Kept { window, urls: HashMap::new() };
        }
        kept
    }

    fn signed(&self, path: &str, from: i64) -> Result<String, CdnError> {
        let base = &self.base;
        match &self.signer {
            Signer::CloudFront { key_pair_id, key } => {
                let expires = from + VALIDITY.as_secs().cast_signed();
                // The canned policy, letter by letter (CloudFront developer guide, "Create a signed URL using a canned policy").
                let policy = format!(
                    r#"{{"Statement":[{{"Resource":"{base}{path}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}"#
                );
                let signature = key.try_sign_with_rng(&mut OsRng, policy.as_bytes()).map_err(CdnError::Unsigned)?;
                let signature = BASE64_STANDARD.encode(signature.to_bytes()).replace('+', "-").replace('=', "_").replace('/', "~");
                Ok(format!("{base}{path}?Expires={expires}&Signature={signature}&Key-Pair-Id={key_pair_id}"))
            }
            Signer::Hmac(code) => {
                let mut code = code.clone();
                code.update(format!("{}{path}{from}", self.base_path).as_bytes());
                let code = BASE64_STANDARD.encode(code.finalize().into_bytes());
                Ok(format!("{base}{path}?verify={from}-{}", utf8_percent_encode(&code, NON_ALPHANUMERIC)))
            }
        }
    }
}

fn private_key(path: PathBuf) -> Result<RsaPrivateKey, CdnError> {
    let pem = match std::fs::read_to_string(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(CdnError::Unreadable { path, source }),
    };
    RsaPrivateKey::from_pkcs8_pem(&pem)
        .or_else(|error| RsaPrivateKey::from_pkcs1_pem(&pem).map_err(|_| error))
        .map_err(|source| CdnError::NoKey { path, source })
}

#[cfg(test)]
#[path = "cdn_tests.rs"]
pub(crate) mod tests;
