//! What tokens are checked with: a shared secret for development, and a JSON Web Key Set from a file or a URL.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, errors::ErrorKind};
use media_runtime::{Component, ExposeSecret};

use super::{
    Claims,
    key_set::{self, CurrentSet, KeySetError, VerifyingKey},
    key_set_file,
    key_set_url::KeySetUrl,
};
use crate::{config::AuthConfig, error::ApiError};

/// More than any token of ours has.
const MAX_TOKEN_CHARS: usize = 8 * 1024;

pub struct JwtKeys {
    shared_secret: Option<VerifyingKey>,
    pub(super) set: Arc<CurrentSet>,
    url: Option<Arc<KeySetUrl>>,
    issuer: String,
    audience: String,
    leeway: Duration,
}

/// Why a token is not accepted.
#[derive(Debug)]
pub(super) enum TokenRefused {
    /// It names a key that is not in the set: perhaps it is new.
    UnknownKey,
    Bad(&'static str),
}

impl From<TokenRefused> for ApiError {
    fn from(refused: TokenRefused) -> Self {
        ApiError::Unauthenticated(match refused {
            TokenRefused::UnknownKey => "no key of ours is for it",
            TokenRefused::Bad(why) => why,
        })
    }
}

impl JwtKeys {
    /// Reads the keys that the settings name. Those of a URL are fetched later, by [`KeySetUrl::follow`]: until then `health`, which is
    /// asked for only then, is not ready.
    ///
    /// # Errors
    /// If the key set's file cannot be read.
    pub async fn load(config: &AuthConfig, health: impl FnOnce() -> Component) -> Result<Self, KeySetError> {
        key_set::count_from_zero();
        let set = Arc::new(CurrentSet::default());
        if let Some(path) = &config.jwks_file {
            set.replace(key_set::parse(&key_set_file::read(path).await?)?);
        }
        let url = match config.jwks.url.clone() {
            Some(url) => Some(Arc::new(KeySetUrl::new(url, &config.jwks, Arc::clone(&set), health())?)),
            None => None,
        };
        let shared_secret = config.hs256_secret.as_ref().map(|secret| VerifyingKey {
            id: None,
            algorithm: Algorithm::HS256,
            key: DecodingKey::from_secret(secret.expose_secret().as_bytes()),
        });
        Ok(Self { shared_secret, set, url, issuer: config.issuer.clone(), audience: config.audience.clone(), leeway: config.leeway })
    }

    /// Where the set is fetched from, if it has a URL.
    pub fn url(&self) -> Option<Arc<KeySetUrl>> {
        self.url.clone()
    }

    /// The claims of a token that is whole, signed by one of the keys, for us and of this time. A key that we do not know is looked
    /// for where the set is published.
    ///
    /// # Errors
    /// [`ApiError::Unauthenticated`] with the first thing that is wrong; [`ApiError::NoKeysYet`].
    pub(super) async fn authenticate(&self, token: &str) -> Result<Claims, ApiError> {
        let refused = match self.check(token) {
            Ok(claims) => return Ok(claims),
            Err(refused) => refused,
        };
        if let (TokenRefused::UnknownKey, Some(url)) = (&refused, &self.url) {
            url.look_for_unknown_key().await;
            if self.set.get().is_empty() {
                return Err(ApiError::NoKeysYet);
            }
            return Ok(self.check(token)?);
        }
        Err(refused.into())
    }

    pub(super) fn check(&self, token: &str) -> Result<Claims, TokenRefused> {
        if token.len() > MAX_TOKEN_CHARS {
            return Err(TokenRefused::Bad("it is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefused::Bad("it is no JWT"))?;
        let set = self.set.get();
        let candidates =
            set.iter().filter(|key| header.kid.is_none() || key.id.is_none() || key.id == header.kid).chain(&self.shared_secret);
        let mut refusal = TokenRefused::UnknownKey;
        for key in candidates.filter(|key| key.algorithm == header.alg) {
            let mut validation = Validation::new(key.algorithm);
            validation.set_issuer(&[&self.issuer]);
            validation.set_audience(&[&self.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.validate_nbf = true;
            validation.leeway = self.leeway.as_secs();
            match jsonwebtoken::decode::<Claims>(token, &key.key, &validation) {
                Ok(token) if token.claims.sub.is_empty() => return Err(TokenRefused::Bad("its subject is empty")),
                Ok(token) => return Ok(token.claims),
                Err(error) => refusal = TokenRefused::Bad(why(error.kind())),
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
