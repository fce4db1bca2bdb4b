//! The outbox: events and commands that commit with the change they tell of, and the relay's side of it.

use std::collections::BTreeMap;

use media_domain::{
    AssetId, EventId, TenantId, WorkId,
    command::{Command, Delay},
    event::{Aggregate, Event},
    work::Queue,
};
use serde_json::Value;
use sqlx::{Postgres, Transaction};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Database, StorageError, TenantTx, error::word};

/// How many partitions the outbox has: the low four bits of the aggregate's id (`outbox.part`).
pub const PARTITIONS: i16 = 16;
/// The class of our advisory locks on partitions.
pub(crate) const LOCK_CLASS: i32 = 0x6d65_6469;

/// Writes for the transaction's tenant.
pub struct Outbox<'t>(pub(crate) &'t mut TenantTx);

impl Outbox<'_> {
    /// Tells a fact. It is numbered under the lock of the aggregate's row, which holds until the transaction ends: that is
    /// what keeps the order of an aggregate's events. A tenant's own are numbered by its usage, the last row to be locked.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn event(&mut self, event: &Event) -> Result<(), StorageError> {
        let aggregate = event.aggregate();
        let sequence = match aggregate {
            Aggregate::Asset(asset) => {
                sqlx::query_scalar!(
                    "-- outbox.number\nUPDATE media.assets SET last_sequence = last_sequence + 1 WHERE id = $1 RETURNING last_sequence",
                    asset.as_uuid(),
                )
                .fetch_optional(self.0.connection())
                .await?
            }
            Aggregate::Tenant(tenant) => {
                sqlx::query_scalar!(
                    "-- outbox.number\nUPDATE media.tenant_usage SET last_sequence = last_sequence + 1 WHERE tenant_id = $1 RETURNING last_sequence",
                    tenant.0,
                )
                .fetch_optional(self.0.connection())
                .await?
            }
        };
        let sequence = sequence.ok_or(StorageError::Missing { what: aggregate.word() })?;
        let data = serde_json::to_value(event).map_err(|error| StorageError::bad_row("outbox", "data", aggregate)(error.into()))?;
        let (traceparent, correlation, causation) = self.0.cause();
        sqlx::query!(
            "-- outbox.event
            INSERT INTO media.outbox (id, tenant_id, aggregate, aggregate_id, kind, type, routing_key, data, sequence, traceparent,
              correlation_id, causation_id)
            VALUES ($1, $2, $3, $4, 'event', $5, $5, $6, $7, $8, $9, $10)",
            EventId::generate().as_uuid(),
            self.0.tenant().0,
            aggregate.word(),
            aggregate.as_uuid(),
            event.event_type(),
            data,
            sequence,
            traceparent,
            correlation,
            causation,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Asks a worker to look for work.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the row cannot be written.
    pub async fn command(&mut self, queue: Queue, asset: AssetId, work: WorkId, delay: Option<Delay>) -> Result<(), StorageError> {
        let command = Command { queue: Some(queue), work_id: Some(work) };
        let data = serde_json::to_value(&command).map_err(|error| StorageError::bad_row("outbox", "data", work)(error.into()))?;
        let (traceparent, correlation, causation) = self.0.cause();
        sqlx::query!(
            "-- outbox.command
            INSERT INTO media.outbox (id, tenant_id, aggregate_id, kind, type, routing_key, data, traceparent, correlation_id, causation_id)
            VALUES ($1, $2, $3, 'command', $4, $5, $6, $7, $8, $9)",
            EventId::generate().as_uuid(),
            self.0.tenant().0,
            asset.as_uuid(),
            queue.command_type(),
            queue.routing_key(delay),
            data,
            traceparent,
            correlation,
            causation,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}

/// What a row of the outbox is to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutboxKind {
    Event { sequence: u64 },
    Command,
}

/// One message that waits to be published.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub seq: i64,
    pub id: EventId,
    pub tenant: TenantId,
    /// What it is about, or whom a command is for.
    pub aggregate: Aggregate,
    pub kind: OutboxKind,
    pub message_type: String,
    pub routing_key: String,
    pub data: Value,
    pub created_at: OffsetDateTime,
    pub traceparent: Option<String>,
    pub correlation_id: Option<String>,
    pub causation_id: Option<String>,
}

/// What waits in one partition, held under its lock until it is settled or dropped.
pub struct Batch {
    tx: Transaction<'static, Postgres>,
    /// In the order in which they must be published.
    pub rows: Vec<OutboxRow>,
}

impl Database {
    /// Takes the next messages of a partition, under its lock; `None` if another relay has it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn outbox_batch(&self, part: i16, limit: i32) -> Result<Option<Batch>, StorageError> {
        let mut tx = self.begin("BEGIN".to_owned()).await?;
        let locked = sqlx::query_scalar!(
            r#"-- outbox.batch
            SELECT pg_try_advisory_xact_lock($1, $2) AS "locked!""#,
            LOCK_CLASS,
            i32::from(part)
        )
        .fetch_one(&mut *tx)
        .await?;
        if !locked {
            return Ok(None);
        }
        let pending = sqlx::query!(
            r#"-- outbox.batch
            SELECT seq AS "seq!", tenant_id AS "tenant_id!" FROM media.outbox_pending($1, $2)"#,
            part,
            limit
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut by_tenant: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
        for row in pending {
            by_tenant.entry(row.tenant_id).or_default().push(row.seq);
        }
        let mut rows = Vec::new();
        for (tenant, seqs) in by_tenant {
            set_tenant(&mut tx, tenant).await?;
            rows.extend(read(&mut tx, TenantId(tenant), &seqs).await?);
        }
        rows.sort_by_key(|row| row.seq);
        Ok(Some(Batch { tx, rows }))
    }
}

impl Batch {
    /// Marks what the broker confirmed, and lets the partition go.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if a row was marked by somebody else, which the lock rules out.
    pub async fn settle(mut self, confirmed: &[i64]) -> Result<(), StorageError> {
        let mut by_tenant: BTreeMap<TenantId, Vec<i64>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| confirmed.contains(&row.seq)) {
            by_tenant.entry(row.tenant).or_default().push(row.seq);
        }
        for (tenant, seqs) in by_tenant {
            set_tenant(&mut self.tx, tenant.0).await?;
            let done = sqlx::query!(
                "-- outbox.settle\nUPDATE media.outbox SET published_at = clock_timestamp() WHERE seq = ANY($1) AND published_at IS NULL",
                &seqs,
            )
            .execute(&mut *self.tx)
            .await?;
            if done.rows_affected() != seqs.len() as u64 {
                return Err(StorageError::Changed { what: "outbox" });
            }
        }
        self.tx.commit().await?;
        Ok(())
    }
}

async fn set_tenant(tx: &mut Transaction<'static, Postgres>, tenant: Uuid) -> Result<(), StorageError> {
    sqlx::query_scalar!("SELECT set_config('app.tenant_id', $1, true)", tenant.hyphenated().to_string()).fetch_one(&mut **tx).await?;
    Ok(())
}

async fn read(tx: &mut Transaction<'static, Postgres>, tenant: TenantId, seqs: &[i64]) -> Result<Vec<OutboxRow>, StorageError> {
    let rows = sqlx::query!(
        "-- outbox.read
        SELECT seq, id, aggregate, aggregate_id, kind, type, routing_key, data, sequence, created_at, traceparent, correlation_id, causation_id
        FROM media.outbox WHERE seq = ANY($1)",
        seqs,
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let kind = match row.sequence {
                Some(sequence) => OutboxKind::Event { sequence: sequence.unsigned_abs() },
                None => OutboxKind::Command,
            };
            let aggregate = Aggregate::of(&row.aggregate, row.aggregate_id)
                .ok_or_else(|| StorageError::bad_row("outbox", "aggregate", row.seq)(row.aggregate.clone().into()))?;
            Ok(OutboxRow {
                seq: row.seq,
                id: row.id.into(),
                tenant,
                aggregate,
                kind,
                message_type: row.r#type,
                routing_key: row.routing_key,
                data: row.data,
                created_at: row.created_at,
                traceparent: row.traceparent,
                correlation_id: row.correlation_id,
                causation_id: row.causation_id,
            })
        })
        .collect()
}

/// Reads a queue's name as stored.
pub(crate) fn queue(id: Uuid, text: &str) -> Result<Queue, StorageError> {
    word("work", "queue", id, text)
}
