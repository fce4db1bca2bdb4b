//! What can go wrong with the database, said by what the caller can do about it.

use media_domain::{
    HoldId,
    archive::ArchiveState,
    asset::{IllegalTransition, UnknownWord},
    caption::NotReviewable,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The database cannot be reached or is shutting down. Come back later.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// Another transaction was in the way: a deadlock or a serialization failure. Come back soon.
    #[error("another transaction was in the way")]
    Contention(#[source] sqlx::Error),
    /// Another attempt holds the lease, or the work was cancelled. Stop; write nothing.
    #[error("another attempt holds the lease")]
    LeaseLost,
    /// The asset is not in a state from which this is allowed.
    #[error(transparent)]
    IllegalTransition(#[from] IllegalTransition),
    /// The caption track is not one of which this can be said.
    #[error(transparent)]
    NotReviewable(#[from] NotReviewable),
    /// The row that was to be changed is not there, or is another tenant's.
    #[error("no such {what}")]
    Missing { what: &'static str },
    /// The row was changed since the caller read it.
    #[error("the {what} was changed by somebody else")]
    Changed { what: &'static str },
    /// What is stored and reserved would be more than the tenant's quota. Delete something, or have the quota raised.
    #[error("the quota of {quota_bytes} bytes is reached: {used_bytes} are used, {reserved_bytes} reserved, {asked_bytes} more asked for")]
    QuotaExceeded { used_bytes: u64, reserved_bytes: u64, asked_bytes: u64, quota_bytes: u64 },
    /// A hold stands: nothing deletes the asset before it is released.
    #[error("the asset is held")]
    Held { holds: Vec<HoldId> },
    /// Bundles need the asset. The first of them are named.
    #[error("the asset is referenced")]
    Referenced { bundles: Vec<String> },
    /// The original cannot be read now. Bring it back, or wait until it is back.
    #[error("the original is in the cold tier ({state}): RestoreAsset brings it back, which takes the store hours")]
    Archived { state: ArchiveState },
    /// A stored row cannot be read as what it should be.
    #[error("{table}.{column} of {id} cannot be read")]
    BadRow {
        table: &'static str,
        column: &'static str,
        id: String,
        #[source]
        source: BoxError,
    },
    /// The statement is wrong. A defect of ours.
    #[error("a statement was refused by the database")]
    Refused(#[source] sqlx::Error),
}

impl StorageError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, StorageError::Unavailable(_) | StorageError::Contention(_))
    }

    /// Names the row and the column that could not be read.
    pub(crate) fn bad_row(table: &'static str, column: &'static str, id: impl ToString) -> impl FnOnce(BoxError) -> Self {
        move |source| StorageError::BadRow { table, column, id: id.to_string(), source }
    }
}

impl From<sqlx::Error> for StorageError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // SQLSTATE classes: 40 transaction rollback, 55P03 lock not available; 53 insufficient resources, 57P administrator
            // shutdown, 57014 statement timeout, 25P03 idle for too long in a transaction, 08 connection (PostgreSQL, appendix A).
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // A primary that was demoted, and credentials that were rotated.
                Some(code) if code == "25006" || code.starts_with("28") => StorageError::Unavailable(error),
                Some("40001" | "40P01" | "55P03") => StorageError::Contention(error),
                Some("57014" | "25P03") => StorageError::Unavailable(error),
                Some(code) if code.starts_with("53") || code.starts_with("57P") || code.starts_with("08") => {
                    StorageError::Unavailable(error)
                }
                _ => StorageError::Refused(error),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_)
            | sqlx::Error::BeginFailed => StorageError::Unavailable(error),
            _ => StorageError::Refused(error),
        }
    }
}

/// Reads a stored word as the set that it belongs to.
pub(crate) fn word<T: std::str::FromStr<Err = UnknownWord>>(
    table: &'static str,
    column: &'static str,
    id: uuid::Uuid,
    text: &str,
) -> Result<T, StorageError> {
    text.parse().map_err(|error: UnknownWord| StorageError::bad_row(table, column, ulid::Ulid::from(id))(error.into()))
}

/// Refuses an UPDATE that did not change exactly one row.
pub(crate) fn exactly_one(rows: u64, otherwise: StorageError) -> Result<(), StorageError> {
    if rows == 1 { Ok(()) } else { Err(otherwise) }
}
