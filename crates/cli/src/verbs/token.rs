//! `media token`: a JWT for development, signed by a shared secret or a private key.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use media_domain::TenantId;
use serde::Serialize;

use crate::{
    failure::{Failure, chain, of_file},
    output,
};

/// As long as HS256 wants its key (RFC 7518, 3.2).
const SECRET_BYTES_MIN: usize = 32;

#[derive(Debug, clap::Args)]
pub struct Token {
    #[command(flatten)]
    signer: Signer,
    /// The id of the key, where the service has several
    #[arg(long, env = "MEDIA_TOKEN_KEY_ID", value_name = "ID")]
    key_id: Option<String>,
    /// Who calls: a user's ULID, or a service's name
    #[arg(long, env = "MEDIA_TOKEN_SUBJECT", value_name = "SUBJECT")]
    sub: String,
    /// What the caller may do
    #[arg(long, env = "MEDIA_TOKEN_SCOPE", value_name = "SCOPES", default_value = "media.read media.write media.delete")]
    scope: String,
    #[arg(long, env = "MEDIA_TOKEN_ISSUER", value_name = "ISSUER", help = "Who vouches for it")]
    iss: Option<String>,
    #[arg(long, env = "MEDIA_TOKEN_AUDIENCE", value_name = "AUDIENCE", help = "Whom it is for")]
    aud: Option<String>,
    /// How long it is valid
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime_serde::re::humantime::parse_duration)]
    ttl: Duration,
}

/// What a token is signed by. Each may come from the environment, so that one does not forbid the other.
#[derive(Debug, clap::Args)]
struct Signer {
    /// Sign by this shared secret (HS256), of at least 32 bytes
    #[arg(long, env = "MEDIA_TOKEN_SECRET", hide_env_values = true, value_name = "TEXT")]
    secret: Option<String>,
    /// Sign by the private key in this PEM file, RSA (RS256) or P-256 (ES256), and not by a secret
    #[arg(long, env = "MEDIA_TOKEN_KEY", value_name = "FILE")]
    signing_key: Option<PathBuf>,
}

/// CONTRACT: "Who is asking".
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<TenantId>,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
}

#[derive(Serialize)]
struct Made {
    token: String,
}

impl Token {
    pub fn run(self, tenant: Option<TenantId>, json: bool) -> Result<(), Failure> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let token = self.make(tenant, now.as_secs())?;
        if json { output::json(&Made { token }) } else { output::line(&token) }
    }

    fn make(&self, tid: Option<TenantId>, iat: u64) -> Result<String, Failure> {
        let claims = Claims {
            sub: &self.sub,
            tid,
            scope: &self.scope,
            iss: self.iss.as_deref(),
            aud: self.aud.as_deref(),
            iat,
            exp: iat.saturating_add(self.ttl.as_secs()),
        };
        let (algorithm, key) = self.signer.key()?;
        let header = Header { kid: self.key_id.clone(), ..Header::new(algorithm) };
        encode(&header, &claims, &key).map_err(|error| Failure::Refused(format!("the token cannot be signed: {}", chain(&error))))
    }
}

impl Signer {
    fn key(&self) -> Result<(Algorithm, EncodingKey), Failure> {
        let Some(path) = self.signing_key.as_deref() else {
            let secret =
                self.secret.as_deref().ok_or_else(|| Failure::Usage("signed by what? Say --secret TEXT or --signing-key FILE".into()))?;
            if secret.len() < SECRET_BYTES_MIN {
                return Err(Failure::Usage(format!("the secret has {} bytes, and HS256 wants at least {SECRET_BYTES_MIN}", secret.len())));
            }
            return Ok((Algorithm::HS256, EncodingKey::from_secret(secret.as_bytes())));
        };
        let pem = std::fs::read(path).map_err(|error| of_file(path, &error))?;
        EncodingKey::from_ec_pem(&pem)
            .map(|key| (Algorithm::ES256, key))
            .or_else(|_| EncodingKey::from_rsa_pem(&pem).map(|key| (Algorithm::RS256, key)))
            .map_err(|error| Failure::Refused(format!("{} holds no private key of RSA or P-256: {}", path.display(), chain(&error))))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};

    use super::*;

    const SECRET: &str = "a secret of development, 32 bytes";

    fn token(secret: &str) -> Token {
        Token {
            signer: Signer { secret: Some(secret.to_owned()), signing_key: None },
            key_id: Some("dev".to_owned()),
            sub: "01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(),
            scope: "media.read".to_owned(),
            iss: Some("dev".to_owned()),
            aud: Some("media".to_owned()),
            ttl: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_token_carries_what_the_contract_names() {
        let tenant: TenantId = "6f1b0a52-6b1e-4f0b-9d3b-2f5f3b0c9a11".parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let made = token(SECRET).make(Some(tenant), now).unwrap();
        let mut wanted = Validation::new(Algorithm::HS256);
        wanted.set_issuer(&["dev"]);
        wanted.set_audience(&["media"]);
        let read = decode::<serde_json::Value>(&made, &DecodingKey::from_secret(SECRET.as_bytes()), &wanted).unwrap();
        assert_eq!(read.header.kid.as_deref(), Some("dev"));
        assert_eq!(
            read.claims,
            serde_json::json!({
                "sub": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "tid": tenant.to_string(), "scope": "media.read",
                "iss": "dev", "aud": "media", "iat": now, "exp": now + 60,
            })
        );
    }

    #[test]
    fn a_short_secret_is_refused_with_the_length_that_is_wanted() {
        let failure = token("short").make(None, 0).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(sentence) if sentence.contains("32")), "{failure}");
    }

    #[test]
    fn without_a_secret_and_a_key_the_sentence_names_both() {
        let failure = Token { signer: Signer { secret: None, signing_key: None }, ..token("") }.make(None, 0).unwrap_err();
        assert!(
            matches!(&failure, Failure::Usage(sentence) if sentence.contains("--secret") && sentence.contains("--signing-key")),
            "{failure}"
        );
    }

    #[test]
    fn a_key_goes_before_a_secret_and_one_that_is_none_is_refused_with_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let signer = Signer { secret: Some(SECRET.to_owned()), signing_key: Some(file.path().to_owned()) };
        let failure = Token { signer, ..token("") }.make(None, 0).unwrap_err();
        assert!(matches!(&failure, Failure::Refused(sentence) if sentence.contains(&file.path().display().to_string())), "{failure}");
    }
}
