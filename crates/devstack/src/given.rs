//! Servers that somebody else runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{ClamdInfo, DevstackError, PostgresInfo, RabbitMqInfo, S3Credentials, S3Identity, S3Info, Server, StackInfo};

const POSTGRES_URL: &str = "MEDIA_DEVSTACK_POSTGRES_URL";
const RABBITMQ_URL: &str = "MEDIA_DEVSTACK_RABBITMQ_URL";
const RABBITMQ_MANAGEMENT_URL: &str = "MEDIA_DEVSTACK_RABBITMQ_MANAGEMENT_URL";
const CLAMD_ADDRESS: &str = "MEDIA_DEVSTACK_CLAMD_ADDRESS";
const S3_ENDPOINT: &str = "MEDIA_DEVSTACK_S3_ENDPOINT";
const S3_REGION: &str = "MEDIA_DEVSTACK_S3_REGION";
const S3_ACCESS_KEY: &str = "MEDIA_DEVSTACK_S3_ACCESS_KEY";
const S3_SECRET_KEY: &str = "MEDIA_DEVSTACK_S3_SECRET_KEY";
/// Holds a [`StackInfo`] as JSON; `media-devstack run` sets it.
const STACK: &str = "MEDIA_DEVSTACK_JSON";

/// Those of the four servers that a stack does not start, because they are there already.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Given {
    pub postgres: Option<PostgresInfo>,
    pub rabbitmq: Option<RabbitMqInfo>,
    pub clamd: Option<ClamdInfo>,
    pub s3: Option<S3Info>,
}

impl Given {
    /// Reads `MEDIA_DEVSTACK_POSTGRES_URL` (a role that may create roles and databases), `_RABBITMQ_URL` with
    /// `_RABBITMQ_MANAGEMENT_URL`, `_CLAMD_ADDRESS` (`host:port`), `_S3_ENDPOINT` with `_S3_ACCESS_KEY`, `_S3_SECRET_KEY`
    /// and perhaps `_S3_REGION`; the one pair of keys then serves every binary.
    ///
    /// # Errors
    /// `BadVariable` if one is no URL, or one of a pair is missing.
    pub fn from_env() -> Result<Self, DevstackError> {
        let postgres = url(POSTGRES_URL)?.map(|url| PostgresInfo { url });
        let rabbitmq = match url(RABBITMQ_URL)? {
            None => None,
            Some(amqp) => {
                Some(RabbitMqInfo { url: amqp, management_url: url(RABBITMQ_MANAGEMENT_URL)?.ok_or(missing(RABBITMQ_MANAGEMENT_URL))? })
            }
        };
        let clamd = variable(CLAMD_ADDRESS).map(|address| ClamdInfo { address, stream_bytes_max: None });
        let s3 = url(S3_ENDPOINT)?.map(given_s3).transpose()?;
        Ok(Self { postgres, rabbitmq, clamd, s3 })
    }

    /// All servers of `stack` but `own`.
    pub fn beside(stack: &StackInfo, own: &[Server]) -> Self {
        Self {
            postgres: (!own.contains(&Server::Postgres)).then(|| stack.postgres.clone()),
            rabbitmq: (!own.contains(&Server::RabbitMq)).then(|| stack.rabbitmq.clone()),
            clamd: (!own.contains(&Server::Clamd)).then(|| stack.clamd.clone()),
            s3: (!own.contains(&Server::SeaweedFs)).then(|| stack.s3.clone()),
        }
    }

    pub(crate) fn holds(&self, server: Server) -> bool {
        match server {
            Server::Postgres => self.postgres.is_some(),
            Server::RabbitMq => self.rabbitmq.is_some(),
            Server::Clamd => self.clamd.is_some(),
            Server::SeaweedFs => self.s3.is_some(),
        }
    }
}

impl StackInfo {
    /// The stack that this process was started under.
    ///
    /// # Errors
    /// `NoStack` if there is none: a test must fail then, not be skipped.
    pub fn from_env() -> Result<Self, DevstackError> {
        let json = variable(STACK).ok_or(DevstackError::NoStack)?;
        serde_json::from_str(&json).map_err(|error| DevstackError::BadVariable { variable: STACK, source: error.into() })
    }

    /// What a process must find in its environment for [`from_env`](Self::from_env).
    ///
    /// # Errors
    /// `BadVariable` if it cannot be written as JSON.
    pub fn as_env(&self) -> Result<[(&'static str, String); 1], DevstackError> {
        let json = serde_json::to_string(self).map_err(|error| DevstackError::BadVariable { variable: STACK, source: error.into() })?;
        Ok([(STACK, json)])
    }
}

/// Where `make setup` put what no Debian package holds: `MEDIA_CACHE`, or `media-service` in the user's cache folder.
///
/// # Errors
/// `BadVariable` if neither names a folder.
pub fn cache_folder() -> Result<PathBuf, DevstackError> {
    if let Some(folder) = variable("MEDIA_CACHE") {
        return Ok(folder.into());
    }
    let caches = match variable("XDG_CACHE_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(variable("HOME").ok_or(missing("HOME"))?).join(".cache"),
    };
    Ok(caches.join("media-service"))
}

fn given_s3(endpoint: Url) -> Result<S3Info, DevstackError> {
    let keys = S3Credentials {
        access_key: variable(S3_ACCESS_KEY).ok_or(missing(S3_ACCESS_KEY))?,
        secret_key: variable(S3_SECRET_KEY).ok_or(missing(S3_SECRET_KEY))?,
    };
    Ok(S3Info {
        endpoint,
        region: variable(S3_REGION).unwrap_or_else(|| "us-east-1".to_owned()),
        path_style: true,
        credentials: S3Identity::ALL.map(|identity| (identity, keys.clone())).into(),
    })
}

fn url(name: &'static str) -> Result<Option<Url>, DevstackError> {
    let parse =
        |text: String| text.parse().map_err(|error: url::ParseError| DevstackError::BadVariable { variable: name, source: error.into() });
    variable(name).map(parse).transpose()
}

fn missing(variable: &'static str) -> DevstackError {
    DevstackError::BadVariable { variable, source: "it is not set".into() }
}

/// An empty one counts as not set.
#[expect(clippy::disallowed_methods, reason = "a tool for tests and developers, below `runtime::config`: this is its one place")]
pub(crate) fn variable(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
