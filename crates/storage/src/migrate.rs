//! The schema, brought up to date. Run by `media migrate` as the owner's role, never by a service.

use sqlx::{Connection, Executor, PgConnection, migrate::Migrator};

use crate::StorageError;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// The version of the last migration that this code was built with.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The migration could not be carried out. What was applied before it stays.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("the database cannot be reached with this URL")]
    Connect(#[source] StorageError),
    #[error("a migration failed")]
    Apply(#[from] sqlx::migrate::MigrateError),
}

/// Applies every migration that the database does not have yet, and says how many there are in all.
///
/// # Errors
/// See [`MigrateError`]. Two at once wait for each other.
pub async fn migrate(url: &str) -> Result<usize, MigrateError> {
    let mut connection = PgConnection::connect(url).await.map_err(|error| MigrateError::Connect(error.into()))?;
    // Functions are handed over to roles that the owner makes. Up to version 15 who makes a role may do so by that.
    if connection.server_version_num() >= Some(16_00_00) {
        let granted = connection.execute("SET createrole_self_grant = 'set, inherit'").await;
        granted.map_err(|error| MigrateError::Connect(error.into()))?;
    }
    MIGRATIONS.run(&mut connection).await?;
    Ok(MIGRATIONS.iter().count())
}
