//! `media doctor`: looks at everything that the service stands on, and says what is wrong and what to do. It changes nothing, but for
//! an object of a few bytes that it puts into each bucket and removes again.

mod api;
mod broker;
mod clamd;
mod database;
mod finding;
mod store;

use media_blobs::S3Config;
use url::Url;

use crate::{args::Caller, failure::Failure, output};
use finding::{Finding, Verdict};

/// The addresses, by the names that the services know them by. What is not given is not looked at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Run it where the services run, with the janitor's settings: MEDIA__DATABASE__URL and the like.")]
pub struct Doctor {
    /// Postgres, as media_janitor, who may see how far behind the service is
    #[arg(long, value_name = "URL", env = "MEDIA__DATABASE__URL", hide_env_values = true)]
    database_url: Option<String>,
    /// RabbitMQ
    #[arg(long, value_name = "URL", env = "MEDIA__AMQP__URL", hide_env_values = true)]
    amqp_url: Option<String>,
    /// clamd, as HOST:PORT or the path of its socket
    #[arg(long, value_name = "ADDRESS", env = "MEDIA__CLAMD__ADDRESS")]
    clamd: Option<String>,
    #[command(flatten)]
    s3: S3,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The store")]
struct S3 {
    #[arg(long = "s3-endpoint", value_name = "URL", env = "MEDIA__S3__ENDPOINT", requires_all = ["access_key_id", "secret_access_key"])]
    endpoint: Option<Url>,
    /// What clients' URLs are signed for, where that differs
    #[arg(long = "s3-public-endpoint", value_name = "URL", env = "MEDIA__S3__PUBLIC_ENDPOINT", default_value = "")]
    public_endpoint: String,
    #[arg(long = "s3-region", env = "MEDIA__S3__REGION", default_value = "us-east-1")]
    region: String,
    #[arg(long = "s3-bucket", env = "MEDIA__S3__BUCKET", default_value = "media")]
    bucket: String,
    #[arg(long = "s3-quarantine-bucket", env = "MEDIA__S3__QUARANTINE_BUCKET", default_value = "media-quarantine")]
    quarantine_bucket: String,
    #[arg(long = "s3-path-style", env = "MEDIA__S3__PATH_STYLE", default_value_t = true, action = clap::ArgAction::Set)]
    path_style: bool,
    #[arg(long = "s3-access-key-id", env = "MEDIA__S3__ACCESS_KEY_ID")]
    access_key_id: Option<String>,
    #[arg(long = "s3-secret-access-key", env = "MEDIA__S3__SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: Option<String>,
    #[arg(long = "s3-session-token", env = "MEDIA__S3__SESSION_TOKEN", hide_env_values = true, default_value = "")]
    session_token: String,
    #[arg(long = "s3-archive-class", env = "MEDIA__S3__ARCHIVE_CLASS", default_value = "")]
    archive_class: String,
}

impl S3 {
    /// `None`: no store is given.
    fn config(self) -> Result<Option<S3Config>, Failure> {
        let Some(endpoint) = self.endpoint else { return Ok(None) };
        let mut settings = serde_json::json!({
            "endpoint": endpoint, "region": self.region, "bucket": self.bucket,
            "quarantine_bucket": self.quarantine_bucket, "path_style": self.path_style,
            "access_key_id": self.access_key_id.unwrap_or_default(), "secret_access_key": self.secret_access_key.unwrap_or_default(),
        });
        let optional =
            [("public_endpoint", self.public_endpoint), ("session_token", self.session_token), ("archive_class", self.archive_class)];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
            settings[name] = value.into();
        }
        let config = serde_json::from_value(settings).map_err(|error| Failure::Usage(format!("the store's settings: {error}")))?;
        Ok(Some(config))
    }
}

impl Doctor {
    /// # Errors
    /// [`Failure::Refused`] if anything is broken.
    pub async fn run(self, caller: &Caller, json: bool) -> Result<(), Failure> {
        let s3 = self.s3.config()?;
        let mut findings = Vec::new();
        findings.extend(match &caller.api {
            Some(_) => api::look(caller).await,
            None => vec![Finding::not_given("api", "--api or MEDIA_API")],
        });
        findings.extend(match self.database_url {
            Some(url) => database::look(url).await,
            None => vec![Finding::not_given("database", "--database-url or MEDIA__DATABASE__URL")],
        });
        findings.extend(match self.amqp_url {
            Some(url) => broker::look(url).await,
            None => vec![Finding::not_given("broker", "--amqp-url or MEDIA__AMQP__URL")],
        });
        findings.extend(match s3 {
            Some(config) => Box::pin(store::look(&config)).await,
            None => vec![Finding::not_given("store", "--s3-endpoint or MEDIA__S3__ENDPOINT")],
        });
        findings.extend(match self.clamd {
            Some(address) => clamd::look(address).await,
            None => vec![Finding::not_given("clamd", "--clamd or MEDIA__CLAMD__ADDRESS")],
        });
        for finding in &findings {
            if json { output::json(finding)? } else { output::line(&finding.to_string())? }
        }
        let broken = findings.iter().filter(|finding| finding.verdict == Verdict::Broken).count();
        let odd = findings.iter().filter(|finding| finding.verdict == Verdict::Odd).count();
        if broken > 0 {
            return Err(Failure::Refused(format!("{broken} broken, {odd} odd: what to do stands behind each")));
        }
        Ok(())
    }
}
