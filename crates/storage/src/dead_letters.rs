//! What was given up, by a worker or by the broker, for a person to look at and to send again.

use media_domain::{AssetId, DeadLetterId, EventId, Reason, WorkId, work::Queue};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx, error::exactly_one, work::Lease};

/// The dead letters of the transaction's tenant.
pub struct DeadLetters<'t>(pub(crate) &'t mut TenantTx);

/// One dead letter as its row has it.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    pub id: DeadLetterId,
    /// The word of a queue of ours, or the name of another.
    pub queue: String,
    /// A worker's reason, or the broker's: `delivery_limit`, `rejected`, `expired`.
    pub reason: String,
    /// The work that was given up, or that the message asked for.
    pub work: Option<WorkId>,
    /// Where the broker gave it up.
    pub message: Option<EventId>,
    pub traceparent: Option<String>,
    pub body: Value,
    pub created_at: OffsetDateTime,
    pub redriven_at: Option<OffsetDateTime>,
}

impl DeadLetter {
    /// The asset that it was about, where that was known.
    pub fn asset(&self) -> Option<AssetId> {
        self.body.get("assetId")?.as_str()?.parse().ok()
    }

    /// What an owner was told, where a worker gave up.
    pub fn detail(&self) -> Option<&str> {
        self.body.get("detail")?.as_str()
    }
}

/// A message that the broker gave up.
#[derive(Clone, Debug)]
pub struct BrokersLetter {
    pub message: Option<EventId>,
    pub queue: String,
    pub reason: String,
    pub traceparent: Option<String>,
    pub body: Value,
}

/// Which dead letters a caller wants to see; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct DeadLetterFilter {
    pub queue: Option<Queue>,
    pub reason: Option<String>,
    /// Also those that were sent again.
    pub with_redriven: bool,
}

struct Row {
    id: Uuid,
    queue: String,
    reason: String,
    work_id: Option<Uuid>,
    message_id: Option<Uuid>,
    traceparent: Option<String>,
    body: Value,
    created_at: OffsetDateTime,
    redriven_at: Option<OffsetDateTime>,
}

impl From<Row> for DeadLetter {
    fn from(row: Row) -> Self {
        let asked_for = || row.body.get("workId")?.as_str()?.parse().ok();
        DeadLetter {
            id: row.id.into(),
            queue: row.queue,
            reason: row.reason,
            work: row.work_id.map(WorkId::from).or_else(asked_for),
            message: row.message_id.map(EventId::from),
            traceparent: row.traceparent,
            body: row.body,
            created_at: row.created_at,
            redriven_at: row.redriven_at,
        }
    }
}

impl DeadLetters<'_> {
    /// Notes a piece of work that was given up.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn insert(&mut self, lease: &Lease, reason: Reason, detail: &str) -> Result<(), StorageError> {
        sqlx::query!(
            "-- dead_letters.insert
            INSERT INTO media.dead_letters (id, tenant_id, queue, work_id, reason, traceparent, body) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            DeadLetterId::generate().as_uuid(),
            self.0.tenant().0,
            lease.group.queue().as_str(),
            lease.work.as_uuid(),
            reason.as_str(),
            lease.traceparent,
            json!({ "assetId": lease.asset, "group": lease.group, "attempt": lease.attempt, "detail": detail }),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Notes a message that the broker gave up; `false` if it was noted before.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if it holds what a row cannot, such as NUL characters.
    pub async fn insert_brokers(&mut self, letter: &BrokersLetter) -> Result<bool, StorageError> {
        let done = sqlx::query!(
            "-- dead_letters.insert_brokers
            INSERT INTO media.dead_letters (id, tenant_id, queue, message_id, reason, traceparent, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT DO NOTHING",
            DeadLetterId::generate().as_uuid(),
            self.0.tenant().0,
            letter.queue,
            letter.message.map(|id| id.as_uuid()),
            letter.reason,
            letter.traceparent,
            letter.body,
        )
        .execute(self.0.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// A page of dead letters, newest first, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn list(
        &mut self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, StorageError> {
        let rows = sqlx::query_as!(
            Row,
            "-- dead_letters.list
            SELECT id, queue, reason, work_id, message_id, traceparent, body, created_at, redriven_at FROM media.dead_letters
            WHERE ($1::text IS NULL OR queue = $1) AND ($2::text IS NULL OR reason = $2) AND ($3 OR redriven_at IS NULL)
              AND ($4::uuid IS NULL OR id < $4)
            ORDER BY id DESC LIMIT $5",
            filter.queue.map(Queue::as_str),
            filter.reason,
            filter.with_redriven,
            after.map(|id| id.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows.into_iter().map(DeadLetter::from).collect())
    }

    /// One dead letter, locked until the transaction ends.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn lock(&mut self, id: DeadLetterId) -> Result<Option<DeadLetter>, StorageError> {
        let row = sqlx::query_as!(
            Row,
            "-- dead_letters.lock
            SELECT id, queue, reason, work_id, message_id, traceparent, body, created_at, redriven_at FROM media.dead_letters
            WHERE id = $1 FOR UPDATE",
            id.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(row.map(DeadLetter::from))
    }

    pub(crate) async fn mark_redriven(&mut self, id: DeadLetterId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- dead_letters.mark_redriven
            UPDATE media.dead_letters SET redriven_at = clock_timestamp() WHERE id = $1 AND redriven_at IS NULL",
            id.as_uuid()
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "dead letter" })
    }
}
