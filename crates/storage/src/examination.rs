//! Whether a database is fit for the service, for readiness and for `media doctor`.

use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::{Database, StorageError, migrate};

/// What a database says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// As Postgres writes it: `15.20 (Debian 15.20-0+deb12u1)`.
    pub server_version: String,
    /// The login role, and whether row level security does not bind it.
    pub role: String,
    pub role_bypasses: bool,
    /// Tables of the schema that have a tenant and are not kept apart by it.
    pub unguarded: Vec<String>,
    /// By how much its clock is ahead of ours, or behind, beyond what asking took.
    pub clock_difference: Duration,
}

/// A schema beside the migrations that this code was built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaVersion {
    /// The last migration that was applied; 0: none, or it is too old to say.
    pub applied: i64,
    /// The last one that this code knows.
    pub known: i64,
}

impl SchemaVersion {
    /// Migrations only add: code runs with a schema that is newer than it is, never with an older one.
    pub fn serves(self) -> bool {
        self.applied >= self.known
    }
}

impl Database {
    /// Asks the database for an answer, and whether its schema is at least what this code was built with.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if there is none; [`StorageError::Missing`] if the schema is older.
    pub async fn check(&self) -> Result<(), StorageError> {
        if self.schema_version().await?.serves() { Ok(()) } else { Err(StorageError::Missing { what: "schema: run `media migrate`" }) }
    }

    /// Which migrations the schema has.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn schema_version(&self) -> Result<SchemaVersion, StorageError> {
        let known = migrate::newest();
        // Older schemas do not say it.
        let says = sqlx::query_scalar!(r#"SELECT to_regprocedure('media.schema_version()') IS NOT NULL AS "says!""#)
            .fetch_one(self.pool())
            .await?;
        if !says {
            return Ok(SchemaVersion { applied: 0, known });
        }
        let applied = sqlx::query_scalar!(r#"SELECT media.schema_version() AS "applied!""#).fetch_one(self.pool()).await?;
        Ok(SchemaVersion { applied, known })
    }

    /// What else can be wrong with a database that answers.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn examine(&self) -> Result<Examination, StorageError> {
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version') AS "server_version!", current_user::text AS "role!",
              (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.rolname = current_user) AS "role_bypasses!",
              coalesce((SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
                WHERE c.relnamespace = to_regnamespace('media') AND c.relkind IN ('r', 'p')
                  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)), '{}') AS "unguarded!""#
        )
        .fetch_one(self.pool())
        .await?;
        Ok(Examination {
            server_version: row.server_version,
            role: row.role,
            role_bypasses: row.role_bypasses,
            unguarded: row.unguarded,
            clock_difference: self.clock_difference().await?,
        })
    }

    /// The reading took some time, within which the server may have looked at its clock at any moment.
    async fn clock_difference(&self) -> Result<Duration, StorageError> {
        let (before, began) = (OffsetDateTime::now_utc(), Instant::now());
        let theirs = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(self.pool()).await?;
        let after = before + began.elapsed();
        let beyond = if theirs < before { before - theirs } else { (theirs - after).max(time::Duration::ZERO) };
        Ok(beyond.unsigned_abs())
    }
}
