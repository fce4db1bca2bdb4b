//! Where the servers of a stack are: what its starter tells and its users read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// Everything that a process needs to use a stack. As JSON it travels in the variable `MEDIA_DEVSTACK_JSON`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackInfo {
    pub postgres: PostgresInfo,
    pub rabbitmq: RabbitMqInfo,
    pub clamd: ClamdInfo,
    pub s3: S3Info,
    /// The folder of SQL files that isolated databases are made by.
    pub migrations: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PostgresInfo {
    /// As a role that may create roles and databases, with a database to connect to.
    pub url: Url,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RabbitMqInfo {
    /// `amqp://user:password@host:port`; the user may do everything in every vhost.
    pub url: Url,
    /// The management API, with user and password.
    pub management_url: Url,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClamdInfo {
    /// `host:port`.
    pub address: String,
    /// `StreamMaxLength`, and with it the largest file that is scanned; `None` for a clamd given from outside.
    pub stream_bytes_max: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct S3Info {
    pub endpoint: Url,
    pub region: String,
    /// Whether a bucket is the first part of the path instead of the host.
    pub path_style: bool,
    pub credentials: BTreeMap<S3Identity, S3Credentials>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Credentials {
    pub access_key: String,
    pub secret_key: String,
}

/// Whom a bucket knows: one identity per binary, and one that may make buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum S3Identity {
    Admin,
    /// Has no right on any `quarantine-…` bucket.
    MediaApi,
    MediaScanner,
    MediaTranscoder,
    MediaCaptioner,
    MediaJanitor,
}

impl S3Identity {
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::MediaApi, Self::MediaScanner, Self::MediaTranscoder, Self::MediaCaptioner, Self::MediaJanitor];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::MediaApi => "media-api",
            Self::MediaScanner => "media-scanner",
            Self::MediaTranscoder => "media-transcoder",
            Self::MediaCaptioner => "media-captioner",
            Self::MediaJanitor => "media-janitor",
        }
    }

    pub(crate) fn sees_quarantine(self) -> bool {
        matches!(self, Self::Admin | Self::MediaScanner | Self::MediaJanitor)
    }
}

/// Whom a database knows: one login role per binary and one of the autoscaler, the owner that migrates, and the superuser that tests look with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatabaseRole {
    /// The role of [`PostgresInfo::url`]: it skips row level security.
    Superuser,
    Owner,
    Api,
    Relay,
    Scanner,
    Transcoder,
    Captioner,
    Janitor,
    /// Asks how much of a queue is being done, and nothing else.
    Scaler,
}

impl DatabaseRole {
    /// Those that the migrations make.
    pub const MADE: [Self; 7] = [Self::Api, Self::Relay, Self::Scanner, Self::Transcoder, Self::Captioner, Self::Janitor, Self::Scaler];

    /// The name in Postgres, and the password; `None` for the superuser, whose name the stack's URL holds.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Superuser => None,
            Self::Owner => Some("media_owner"),
            Self::Api => Some("media_api"),
            Self::Relay => Some("media_relay"),
            Self::Scanner => Some("media_scanner"),
            Self::Transcoder => Some("media_transcoder"),
            Self::Captioner => Some("media_captioner"),
            Self::Janitor => Some("media_janitor"),
            Self::Scaler => Some("media_scaler"),
        }
    }
}

impl PostgresInfo {
    pub(crate) fn url_of(&self, role: DatabaseRole, database: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(database);
        if let Some(name) = role.name() {
            // A Postgres URL has a host, so neither can fail.
            url.set_username(name).ok();
            url.set_password(Some(name)).ok();
        }
        url
    }
}
