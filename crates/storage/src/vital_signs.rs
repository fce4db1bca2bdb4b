//! How far behind the service is, over all tenants: for metrics and for `media doctor`.

use std::time::Duration;

use media_domain::{TenantId, work::Queue};

use crate::{StorageError, across::Across};

/// What waits in a queue, and what is done of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    pub queue: Queue,
    /// May begin, and has not.
    pub waiting: u64,
    pub running: u64,
    /// Runs by its row, with a lease that is over: a janitor gives it back within its next turn.
    pub lapsed: u64,
    /// For how long the oldest that waits might have begun.
    pub oldest: Duration,
}

/// What the relay has not published yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    pub waiting: u64,
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
