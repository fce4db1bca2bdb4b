//! The pool, and the one door to tenant data.

use std::time::Duration;

use media_domain::TenantId;
use serde::{Deserialize, Serialize};
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPool, PgPoolOptions},
};

use crate::{
    StorageError, across::Across, ai_artifacts::AiArtifacts, assets::Assets, blobs::Blobs, caption_copies::CaptionCopies,
    caption_tracks::CaptionTracks, dead_letters::DeadLetters, erasures::Erasures, holds::Holds, imports::Imports, outbox::Outbox,
    output_uploads::OutputUploads, quarantine::Quarantine, quota::Quota, references::References, request_ids::RequestIds,
    tenant_policies::TenantPolicies, transcode_jobs::TranscodeJobs, transcripts::Transcripts, uploads::Uploads, variants::Variants,
    work::Work,
};

/// How to reach Postgres.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `postgres://role:password@host/database`. One login role per binary.
    #[serde(serialize_with = "hidden")]
    pub url: secrecy::SecretString,
    pub max_connections: u32,
}

impl DatabaseConfig {
    /// What cannot be right, each with its setting.
    pub fn faults(&self) -> Vec<(&'static str, &'static str)> {
        let mut faults = Vec::new();
        if secrecy::ExposeSecret::expose_secret(&self.url).parse::<PgConnectOptions>().is_err() {
            faults.push(("database.url", "is not postgres://role:password@host:port/database"));
        }
        if self.max_connections == 0 {
            faults.push(("database.max_connections", "must be at least 1"));
        }
        faults
    }
}

fn hidden<S: serde::Serializer>(_: &secrecy::SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

/// How long a caller waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that any statement of ours may run.
const STATEMENT_TIMEOUT: &str = "30s";
/// How long a transaction may stand idle before the server ends it: we await nothing else in one. The relay does, for 10 s.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "30s";

/// Connections to Postgres, as one login role. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
}

impl Database {
    /// Opens the pool. The server may be away: the first use says so.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the URL cannot be read.
    pub fn connect(config: &DatabaseConfig, application: &str) -> Result<Self, StorageError> {
        let options: PgConnectOptions = secrecy::ExposeSecret::expose_secret(&config.url).parse()?;
        let options = options
            .application_name(application)
            .options([("statement_timeout", STATEMENT_TIMEOUT), ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT)]);
        let pool = PgPoolOptions::new().max_connections(config.max_connections).acquire_timeout(ACQUIRE_TIMEOUT).connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Begins a transaction for one tenant. `name` says in traces and logs what it is for: `scanner.commit`.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if no connection is to be had.
    pub async fn in_tenant(&self, tenant: TenantId, name: &'static str) -> Result<TenantTx, StorageError> {
        // One round trip for both. A UUID has no character that SQL could misread.
        let begin = format!("BEGIN; SELECT set_config('app.tenant_id', '{}', true)", tenant.0.hyphenated());
        let tx = self.begin(begin).await?;
        Ok(TenantTx { tx, tenant, name, traceparent: None, causation: None })
    }

    /// Begins a transaction, to its end also when the caller is dropped meanwhile: sqlx 0.9 knows of a transaction only once its
    /// BEGIN was answered. Dropped before that, it would stay open on a connection of the pool, and what the next caller
    /// does there without a transaction, such as a claim, would never be committed.
    pub(crate) async fn begin(&self, statement: String) -> Result<Transaction<'static, Postgres>, StorageError> {
        let pool = self.pool.clone();
        let beginning = tokio::spawn(async move { pool.begin_with(AssertSqlSafe(statement)).await });
        // It is no more only where the runtime ends.
        Ok(beginning.await.map_err(|_| sqlx::Error::WorkerCrashed)??)
    }

    /// The acts that see across tenants: claim, drain, sweep.
    pub fn across_tenants(&self) -> Across {
        Across { pool: self.pool.clone() }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes all connections, after those in use are done.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A transaction that sees one tenant. Dropped without [`commit`](Self::commit), it is rolled back.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenant: TenantId,
    name: &'static str,
    traceparent: Option<String>,
    causation: Option<String>,
}

impl TenantTx {
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Says what this transaction follows from: the W3C trace context that its outbox rows and work carry on, and the
    /// message or piece of work that caused it.
    pub fn caused_by(&mut self, traceparent: Option<String>, causation: Option<String>) {
        self.traceparent = traceparent;
        self.causation = causation;
    }

    /// Lets what is written from now on go on in the trace of this asset, if it has one: it is made in another's transaction, and belongs
    /// to its own upload. Answers the trace until now, for [`go_back_to`](Self::go_back_to).
    pub(crate) fn go_over_to(&mut self, asset: &crate::assets::Asset) -> Option<String> {
        let before = self.traceparent.clone();
        if asset.traceparent.is_some() {
            self.traceparent.clone_from(&asset.traceparent);
        }
        before
    }

    /// What follows is of the transaction's own cause again.
    pub(crate) fn go_back_to(&mut self, traceparent: Option<String>) {
        self.traceparent = traceparent;
    }

    /// Trace context, correlation and causation of what is written here. What belongs together has one trace id.
    pub(crate) fn cause(&self) -> (Option<String>, Option<String>, Option<String>) {
        let correlation = self.traceparent.as_deref().and_then(|traceparent| traceparent.split('-').nth(1)).map(str::to_owned);
        (self.traceparent.clone(), correlation, self.causation.clone())
    }

    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Makes all of it true at once.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if the answer was lost: it may or may not be committed.
    pub async fn commit(self) -> Result<(), StorageError> {
        self.tx.commit().await?;
        tracing::trace!(transaction = self.name, "committed");
        Ok(())
    }

    pub fn assets(&mut self) -> Assets<'_> {
        Assets(self)
    }
    pub fn variants(&mut self) -> Variants<'_> {
        Variants(self)
    }
    pub fn caption_tracks(&mut self) -> CaptionTracks<'_> {
        CaptionTracks(self)
    }
    pub fn caption_copies(&mut self) -> CaptionCopies<'_> {
        CaptionCopies(self)
    }
    pub fn transcripts(&mut self) -> Transcripts<'_> {
        Transcripts(self)
    }
    pub fn transcode_jobs(&mut self) -> TranscodeJobs<'_> {
        TranscodeJobs(self)
    }
    pub fn ai_artifacts(&mut self) -> AiArtifacts<'_> {
        AiArtifacts(self)
    }
    pub fn uploads(&mut self) -> Uploads<'_> {
        Uploads(self)
    }
    pub fn request_ids(&mut self) -> RequestIds<'_> {
        RequestIds(self)
    }
    pub fn imports(&mut self) -> Imports<'_> {
        Imports(self)
    }
    pub fn output_uploads(&mut self) -> OutputUploads<'_> {
        OutputUploads(self)
    }
    pub fn blobs(&mut self) -> Blobs<'_> {
        Blobs(self)
    }
    pub fn work(&mut self) -> Work<'_> {
        Work(self)
    }
    pub fn outbox(&mut self) -> Outbox<'_> {
        Outbox(self)
    }
    pub fn quarantine(&mut self) -> Quarantine<'_> {
        Quarantine(self)
    }
    pub fn references(&mut self) -> References<'_> {
        References(self)
    }
    pub fn holds(&mut self) -> Holds<'_> {
        Holds(self)
    }
    pub fn tenant_policies(&mut self) -> TenantPolicies<'_> {
        TenantPolicies(self)
    }
    pub fn quota(&mut self) -> Quota<'_> {
        Quota(self)
    }
    pub fn dead_letters(&mut self) -> DeadLetters<'_> {
        DeadLetters(self)
    }

    pub fn erasures(&mut self) -> Erasures<'_> {
        Erasures(self)
    }
}
