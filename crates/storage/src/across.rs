//! The acts that see across tenants: claim, sweep, prune. Each is a narrow function in the schema (migrations 0007 and 0012) that
//! returns ids and a tenant, never content, and is granted to one login role.

use std::time::Duration;

use media_domain::{
    AssetId, BlobName, ErasureId, EventId, TenantId, UploadId, WorkId,
    limits::REQUEST_ID_KEPT,
    policy::{ARCHIVE_AFTER_DAYS, GRACE_DAYS},
    work::Queue,
};
use sqlx::postgres::PgPool;
use uuid::Uuid;

use crate::{StorageError, outbox::queue};

/// Made by [`crate::Database::across_tenants`].
pub struct Across {
    pub(crate) pool: PgPool,
}

/// What a claim won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub work: WorkId,
    pub tenant: TenantId,
    pub attempt: i32,
}

/// An upload that the janitor must bring to its end.
#[derive(Clone, Copy, Debug)]
pub struct UnfinishedUpload {
    pub upload: UploadId,
    pub tenant: TenantId,
    pub asset: AssetId,
}

struct ClaimedRow {
    work_id: Uuid,
    tenant_id: Uuid,
    attempt: i32,
}

impl From<ClaimedRow> for Claimed {
    fn from(row: ClaimedRow) -> Self {
        Claimed { work: row.work_id.into(), tenant: TenantId(row.tenant_id), attempt: row.attempt }
    }
}

impl Across {
    /// Admits the message, if there is one, to the inbox and leases the next piece of work of a queue. When this returns,
    /// both are committed, and the message can be acknowledged.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like: then the message must not be acknowledged.
    pub async fn claim(
        &self,
        queue: Queue,
        owner: &str,
        lease: Duration,
        message: Option<EventId>,
    ) -> Result<Option<Claimed>, StorageError> {
        let (seconds, message) = (lease.as_secs_f64(), message.map(|id| id.as_uuid()));
        let row = match queue {
            Queue::Scan => {
                sqlx::query_as!(
                    ClaimedRow,
                    r#"SELECT work_id AS "work_id!", tenant_id AS "tenant_id!", attempt AS "attempt!" FROM media.claim_scan($1, $2, $3)"#,
                    owner,
                    seconds,
                    message
                )
                .fetch_optional(&self.pool)
                .await?
            }
            Queue::Transcode => sqlx::query_as!(
                ClaimedRow,
                r#"SELECT work_id AS "work_id!", tenant_id AS "tenant_id!", attempt AS "attempt!" FROM media.claim_transcode($1, $2, $3)"#,
                owner,
                seconds,
                message
            )
            .fetch_optional(&self.pool)
            .await?,
            Queue::Caption => sqlx::query_as!(
                ClaimedRow,
                r#"SELECT work_id AS "work_id!", tenant_id AS "tenant_id!", attempt AS "attempt!" FROM media.claim_caption($1, $2, $3)"#,
                owner,
                seconds,
                message
            )
            .fetch_optional(&self.pool)
            .await?,
        };
        Ok(row.map(Claimed::from))
    }

    /// Partitions of the outbox in which something waits.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn outbox_waiting_parts(&self) -> Result<Vec<i16>, StorageError> {
        Ok(sqlx::query_scalar!(r#"SELECT part AS "part!" FROM media.outbox_waiting_parts()"#).fetch_all(&self.pool).await?)
    }

    /// Work whose lease has ended.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn expired_leases(&self, limit: i32) -> Result<Vec<Claimed>, StorageError> {
        let rows = sqlx::query_as!(
            ClaimedRow,
            r#"SELECT work_id AS "work_id!", tenant_id AS "tenant_id!", attempt AS "attempt!" FROM media.expired_leases($1)"#,
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Claimed::from).collect())
    }

    /// Queues in which work waits while none was claimed for `idle`, each with one row to name.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn idle_queues(&self, idle: Duration) -> Result<Vec<(Queue, WorkId, TenantId)>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT queue AS "queue!", work_id AS "work_id!", tenant_id AS "tenant_id!" FROM media.idle_queues($1)"#,
            idle.as_secs_f64()
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(|row| Ok((queue(row.work_id, &row.queue)?, row.work_id.into(), TenantId(row.tenant_id)))).collect()
    }

    /// Uploads that were given up, or to which nothing came for `abandoned`.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn unfinished_uploads(&self, abandoned: Duration, limit: i32) -> Result<Vec<UnfinishedUpload>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT upload_id AS "upload_id!", tenant_id AS "tenant_id!", asset_id AS "asset_id!" FROM media.unfinished_uploads($1, $2)"#,
            abandoned.as_secs_f64(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| UnfinishedUpload { upload: row.upload_id.into(), tenant: TenantId(row.tenant_id), asset: row.asset_id.into() })
            .collect())
    }

    /// Objects that may be removed now.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn doomed_blobs(&self, limit: i32) -> Result<Vec<(TenantId, BlobName)>, StorageError> {
        let rows =
            sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", bucket AS "bucket!", key AS "key!" FROM media.doomed_blobs($1)"#, limit)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), BlobName { bucket: row.bucket, key: row.key })).collect())
    }

    /// Assets with references that are over and still have their rows, tenant by tenant in turn.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn ended_references(&self, limit: i32) -> Result<Vec<(TenantId, AssetId)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", asset_id AS "asset_id!" FROM media.ended_references($1)"#, limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.asset_id.into())).collect())
    }

    /// Assets whose retention is over and that are not held, tenant by tenant in turn.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn ended_retention(&self, limit: i32) -> Result<Vec<(TenantId, AssetId)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", asset_id AS "asset_id!" FROM media.ended_retention($1)"#, limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.asset_id.into())).collect())
    }

    /// Deleted assets whose grace is over and that are not held, tenant by tenant in turn.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn ended_grace(&self, limit: i32) -> Result<Vec<(TenantId, AssetId)>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id AS "tenant_id!", asset_id AS "asset_id!" FROM media.ended_grace($1, $2)"#,
            GRACE_DAYS.cast_signed(),
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.asset_id.into())).collect())
    }

    /// Originals that no asset has used for its tenant's days, tenant by tenant in turn.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn cold_originals(&self, limit: i32) -> Result<Vec<(TenantId, BlobName)>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id AS "tenant_id!", bucket AS "bucket!", key AS "key!" FROM media.cold_originals($1, $2)"#,
            ARCHIVE_AFTER_DAYS.cast_signed(),
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), BlobName { bucket: row.bucket, key: row.key })).collect())
    }

    /// Originals in the cold tier that are to be looked after: left by a janitor that was lost longer than `lost` ago, asked back and not
    /// looked at for `every`, or back for no longer.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn unsettled_archives(&self, lost: Duration, every: Duration, limit: i32) -> Result<Vec<(TenantId, BlobName)>, StorageError> {
        let rows = sqlx::query!(
            r#"SELECT tenant_id AS "tenant_id!", bucket AS "bucket!", key AS "key!" FROM media.unsettled_archives($1, $2, $3)"#,
            lost.as_secs_f64(),
            every.as_secs_f64(),
            limit
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), BlobName { bucket: row.bucket, key: row.key })).collect())
    }

    /// Assets at rest that others still follow.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn left_followers(&self, limit: i32) -> Result<Vec<(TenantId, AssetId)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", leader_id AS "leader_id!" FROM media.left_followers($1)"#, limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.leader_id.into())).collect())
    }

    /// Erasures that are not done yet, the oldest first.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn running_erasures(&self, limit: i32) -> Result<Vec<(TenantId, ErasureId)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", erasure_id AS "erasure_id!" FROM media.running_erasures($1)"#, limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.erasure_id.into())).collect())
    }

    /// Tenants whose assets do not all follow their policy yet.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn changed_policies(&self, limit: i32) -> Result<Vec<TenantId>, StorageError> {
        let tenants =
            sqlx::query_scalar!(r#"SELECT tenant_id AS "tenant_id!" FROM media.changed_policies($1)"#, limit).fetch_all(&self.pool).await?;
        Ok(tenants.into_iter().map(TenantId).collect())
    }

    /// Work that has ended and still has upload ids of its outputs written down.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn stale_output_uploads(&self, limit: i32) -> Result<Vec<(TenantId, WorkId)>, StorageError> {
        let rows = sqlx::query!(r#"SELECT tenant_id AS "tenant_id!", work_id AS "work_id!" FROM media.stale_output_uploads($1)"#, limit)
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|row| (TenantId(row.tenant_id), row.work_id.into())).collect())
    }

    /// Removes published rows of the outbox that are older than `keep`; says how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn prune_outbox(&self, keep: Duration, limit: i32) -> Result<i64, StorageError> {
        Ok(sqlx::query_scalar!(r#"SELECT media.prune_outbox($1, $2) AS "count!""#, keep.as_secs_f64(), limit).fetch_one(&self.pool).await?)
    }

    /// Removes rows of the inbox that are older than `keep`; says how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn prune_inbox(&self, keep: Duration, limit: i32) -> Result<i64, StorageError> {
        Ok(sqlx::query_scalar!(r#"SELECT media.prune_inbox($1, $2) AS "count!""#, keep.as_secs_f64(), limit).fetch_one(&self.pool).await?)
    }

    /// Forgets request ids that are older than they are promised to be kept; says how many.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn prune_request_ids(&self, limit: i32) -> Result<i64, StorageError> {
        let kept = REQUEST_ID_KEPT.as_secs_f64();
        Ok(sqlx::query_scalar!(r#"SELECT media.prune_request_ids($1, $2) AS "count!""#, kept, limit).fetch_one(&self.pool).await?)
    }
}
