//! How far behind the service is, over all tenants: for metrics and for `media doctor`.

use std::time::Duration;

use media_domain::{TenantId, work::Queue};

use crate::{StorageError, across::Across};

/// What waits in a queue, and what is done of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    pub queue: Queue,
    /// Not begun, or given back: it may begin, or may within ten minutes, which is the longest that a release puts it off.
    pub waiting: u64,
    pub running: u64,
    /// Runs by its row, with a lease that is over: a janitor gives it back within its next turn.
    pub lapsed: u64,
    /// How long ago the oldest that waits was planned, however often it was tried since.
    pub oldest: Duration,
}

/// What the relay has not published yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    pub waiting: u64,
    /// For how long the oldest waits: of one that is told again, since that was asked for.
    pub oldest: Duration,
}

/// Erasures that are not done yet: also those of which a hold keeps something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenErasures {
    pub open: u64,
    /// How long ago the oldest was asked for.
    pub oldest: Duration,
}

impl Across {
    /// The depth of every queue.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT queue AS "queue!", waiting AS "waiting!", running AS "running!", lapsed AS "lapsed!", oldest_seconds AS "oldest!"
            FROM media.queue_depths()"#
        )
        .fetch_all(&self.pool)
        .await?;
        let depth = |&queue: &Queue| match rows.iter().find(|row| row.queue == queue.as_str()) {
            Some(row) => QueueDepth {
                queue,
                waiting: row.waiting.unsigned_abs(),
                running: row.running.unsigned_abs(),
                lapsed: row.lapsed.unsigned_abs(),
                oldest: age(row.oldest),
            },
            None => QueueDepth { queue, waiting: 0, running: 0, lapsed: 0, oldest: Duration::ZERO },
        };
        Ok(Queue::ALL.iter().map(depth).collect())
    }

    /// What waits to be published.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, StorageError> {
        let row = sqlx::query!(r#"SELECT waiting AS "waiting!", oldest_seconds AS "oldest!" FROM media.outbox_depth()"#)
            .fetch_one(&self.pool)
            .await?;
        Ok(OutboxDepth { waiting: row.waiting.unsigned_abs(), oldest: age(row.oldest) })
    }

    /// Sweeps that remove from the store, each with how long the oldest has been due that is still there: zero where nothing is.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn sweep_lags(&self) -> Result<Vec<(String, Duration)>, StorageError> {
        let rows =
            sqlx::query!(r#"SELECT sweep AS "sweep!", oldest_seconds AS "oldest!" FROM media.sweep_lags()"#).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (row.sweep, age(row.oldest))).collect())
    }

    /// Erasures that are not done yet.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn open_erasures(&self) -> Result<OpenErasures, StorageError> {
        let row = sqlx::query!(r#"SELECT waiting AS "open!", oldest_seconds AS "oldest!" FROM media.open_erasures()"#)
            .fetch_one(&self.pool)
            .await?;
        Ok(OpenErasures { open: row.open.unsigned_abs(), oldest: age(row.oldest) })
    }

    /// How much work was given up that nobody has sent again, by why: a [`Reason`](media_domain::Reason), or the broker's word.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn open_dead_letters(&self) -> Result<Vec<(String, u64)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT reason AS "reason!", waiting AS "waiting!" FROM media.open_dead_letters()"#)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (row.reason, row.waiting.unsigned_abs())).collect())
    }

    /// Bytes of originals of the `limit` tenants that store most, and of all others together (`None`), if there are others.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn stored_bytes(&self, limit: i32) -> Result<Vec<(Option<TenantId>, u64)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id, bytes AS "bytes!" FROM media.stored_bytes($1)"#, limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (row.tenant_id.map(TenantId), row.bytes.unsigned_abs())).collect())
    }
}

/// A row that another clock wrote may be younger than now.
fn age(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
