//! The cold tier in rows: which originals nobody uses, which are on their way, and which come back.
//!
//! A state belongs to the stored object, for several assets may name it. Who changes it locks the assets that name it, in the order
//! of their ids, and then the object's row. The store is asked in between: before an object is moved its row says so, and from
//! then on nobody begins to read it.

use std::time::Duration;

use media_domain::{
    AssetId, BlobName,
    archive::{Archive, ArchiveClass, ArchiveState},
    event::{AssetArchived, AssetRestored, Event},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    assets::Asset,
    error::{exactly_one, word},
    retention::lateness,
};

const TABLE: &str = "blobs";
/// How often a use is written down.
const USE_NOTED_EVERY: Duration = Duration::from_secs(24 * 3600);

/// An original that nobody has used for its tenant's days.
#[derive(Clone, Debug)]
pub struct Cold {
    /// Whose original it is, by id.
    pub assets: Vec<AssetId>,
    pub unused_since: OffsetDateTime,
    /// For how long it has been due.
    pub late: Duration,
}

/// A stored object that is not where it was uploaded to, and is to be looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsettled {
    pub archive: Archive,
    /// What the store was not told yet.
    pub restore_days: Option<u32>,
}

impl TenantTx {
    /// Notes that assets are used: played, downloaded, or something is made of them. At most once a day, so that reading stays cheap;
    /// and who plays waits for nobody who has the row: then it is noted the next time.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn note_use(&mut self, assets: &[AssetId]) -> Result<(), StorageError> {
        let ids: Vec<Uuid> = assets.iter().map(|asset| asset.as_uuid()).collect();
        sqlx::query!(
            "-- archive.note_use
            UPDATE media.assets SET last_accessed_at = now() WHERE id IN (
              SELECT id FROM media.assets
              WHERE id = ANY ($1::uuid[]) AND (last_accessed_at IS NULL OR last_accessed_at < now() - make_interval(secs => $2))
              FOR NO KEY UPDATE SKIP LOCKED)",
            &ids,
            USE_NOTED_EVERY.as_secs_f64(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Refuses what needs an original that has to be brought back first.
    ///
    /// # Errors
    /// [`StorageError::Archived`].
    pub fn refuse_if_archived(&self, asset: &Asset) -> Result<(), StorageError> {
        match asset.archive.filter(|archive| !archive.is_readable(OffsetDateTime::now_utc())) {
            Some(archive) => Err(StorageError::Archived { state: archive.state }),
            None => Ok(()),
        }
    }

    /// Takes an original in hand that is to be moved to `class`, if under all locks still nobody uses it. `None`: somebody does, or
    /// another janitor has it.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn begin_archiving(&mut self, blob: &BlobName, class: ArchiveClass) -> Result<Option<Cold>, StorageError> {
        let assets = self.naming(blob).await?;
        let days = self.tenant_policies().current().await?.policy.archive_after_days;
        let row = sqlx::query!(
            r#"-- archive.unused
            SELECT count(*) AS "count!", max(coalesce(a.last_accessed_at, a.created_at)) AS since,
              extract(epoch FROM clock_timestamp() - make_interval(days => $3) - max(coalesce(a.last_accessed_at, a.created_at)))::double precision AS late,
              bool_or(a.status <> 'ready' OR a.deleted_at IS NOT NULL OR EXISTS (
                SELECT FROM media.work w WHERE w.asset_id = a.id AND w.state IN ('waiting', 'running'))) AS is_busy
            FROM media.assets a WHERE a.bucket = $1 AND a.key = $2"#,
            blob.bucket,
            blob.key,
            days.cast_signed(),
        )
        .fetch_one(self.connection())
        .await?;
        let (Some(unused_since), Some(late), Some(false)) = (row.since, lateness(row.late), row.is_busy) else { return Ok(None) };
        let done = sqlx::query!(
            "-- archive.begin
            UPDATE media.blobs SET archive_state = 'archiving', archive_class = $3, archive_changed_at = clock_timestamp(),
              archive_looked_at = clock_timestamp(), restore_days = NULL, available_until = NULL
            WHERE bucket = $1 AND key = $2 AND doomed_at IS NULL AND archive_state IS NULL",
            blob.bucket,
            blob.key,
            class.as_str(),
        )
        .execute(self.connection())
        .await?;
        Ok((done.rows_affected() == 1).then_some(Cold { assets, unused_since, late }))
    }

    /// Takes an object in hand that a lost janitor has had since longer than `lost` ago.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if another one has it.
    pub async fn take_archiving_over(&mut self, blob: &BlobName, lost: Duration) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- archive.take_over
            UPDATE media.blobs SET archive_changed_at = clock_timestamp()
            WHERE bucket = $1 AND key = $2 AND archive_state = 'archiving'
              AND archive_changed_at < clock_timestamp() - make_interval(secs => $3)",
            blob.bucket,
            blob.key,
            lost.as_secs_f64(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })
    }

    /// Writes that the store has an object in the cold tier: after it was moved, or once what was brought back has gone again.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if it is not in the state `from` any more.
    pub async fn archived(&mut self, blob: &BlobName, from: ArchiveState) -> Result<(), StorageError> {
        let assets = self.naming(blob).await?;
        let done = sqlx::query!(
            "-- archive.archived
            UPDATE media.blobs SET archive_state = 'archived', archive_changed_at = clock_timestamp(), available_until = NULL
            WHERE bucket = $1 AND key = $2 AND archive_state = $3",
            blob.bucket,
            blob.key,
            from.as_str(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })?;
        let ids: Vec<Uuid> = assets.iter().map(AssetId::as_uuid).collect();
        sqlx::query!("-- archive.archived_assets\nUPDATE media.assets SET archived_at = now() WHERE id = ANY($1)", &ids)
            .execute(self.connection())
            .await?;
        for asset_id in assets {
            self.outbox().event(&Event::AssetArchived(AssetArchived { asset_id })).await?;
        }
        Ok(())
    }

    /// Asks for an archived original for so many days; of one that is there, its end is moved. The janitor tells the store. The asset
    /// must be locked. Nothing happens to one that can be read without.
    ///
    /// # Errors
    /// [`StorageError::Changed`] while it is on its way to the cold tier.
    pub async fn ask_back(&mut self, asset: &Asset, days: u32) -> Result<(), StorageError> {
        let Some(archive) = asset.archive.filter(|archive| archive.class.needs_restore()) else { return Ok(()) };
        if archive.state == ArchiveState::Archiving {
            return Err(StorageError::Changed { what: "original" });
        }
        let done = sqlx::query!(
            "-- archive.ask_back
            UPDATE media.blobs SET restore_days = $3, archive_looked_at = NULL,
              archive_changed_at = CASE archive_state WHEN 'archived' THEN clock_timestamp() ELSE archive_changed_at END,
              archive_state = CASE archive_state WHEN 'archived' THEN 'restoring' ELSE archive_state END
            WHERE bucket = $1 AND key = $2 AND archive_state IN ('archived', 'restoring', 'available')",
            asset.blob.bucket,
            asset.blob.key,
            days.cast_signed(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "original" })
    }

    /// What the rows say of an object that is not where it was uploaded to.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn unsettled(&mut self, blob: &BlobName) -> Result<Option<Unsettled>, StorageError> {
        let row = sqlx::query!(
            r#"-- archive.unsettled
            SELECT archive_state AS "state!", archive_class AS "class!", available_until, restore_days
            FROM media.blobs WHERE bucket = $1 AND key = $2 AND archive_state IS NOT NULL"#,
            blob.bucket,
            blob.key,
        )
        .fetch_optional(self.connection())
        .await?;
        row.map(|row| {
            let state = word(TABLE, "archive_state", Uuid::nil(), &row.state)?;
            let class = word(TABLE, "archive_class", Uuid::nil(), &row.class)?;
            let archive = Archive { state, class, available_until: row.available_until };
            Ok(Unsettled { archive, restore_days: row.restore_days.map(i32::unsigned_abs) })
        })
        .transpose()
    }

    /// Notes that the store was told for how many days an object is wanted. Who asked for others meanwhile is not forgotten.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn told_store(&mut self, blob: &BlobName, days: u32) -> Result<(), StorageError> {
        sqlx::query!(
            "-- archive.told_store\nUPDATE media.blobs SET restore_days = NULL WHERE bucket = $1 AND key = $2 AND restore_days = $3",
            blob.bucket,
            blob.key,
            days.cast_signed(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Notes that the store was asked how far it is, and knows nothing new. One that does not know of the wish is told once more:
    /// `again` for so many days.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn looked_at(&mut self, blob: &BlobName, again: Option<u32>) -> Result<(), StorageError> {
        sqlx::query!(
            "-- archive.looked_at
            UPDATE media.blobs SET archive_looked_at = clock_timestamp(), restore_days = coalesce(restore_days, $3)
            WHERE bucket = $1 AND key = $2",
            blob.bucket,
            blob.key,
            again.map(u32::cast_signed),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Writes that an object can be read until then, and tells so where it could not be before.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if nobody had asked it back.
    pub async fn available(&mut self, blob: &BlobName, until: OffsetDateTime, from: ArchiveState) -> Result<(), StorageError> {
        let assets = self.naming(blob).await?;
        let done = sqlx::query!(
            "-- archive.available
            UPDATE media.blobs SET archive_state = 'available', available_until = $3, archive_looked_at = clock_timestamp(),
              archive_changed_at = CASE WHEN archive_state = $4 AND $4 <> 'available' THEN clock_timestamp() ELSE archive_changed_at END
            WHERE bucket = $1 AND key = $2 AND archive_state = $4",
            blob.bucket,
            blob.key,
            until,
            from.as_str(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })?;
        if from == ArchiveState::Available {
            return Ok(());
        }
        for asset_id in assets {
            self.outbox().event(&Event::AssetRestored(AssetRestored { asset_id, available_until: until })).await?;
        }
        Ok(())
    }

    /// Writes that an object lies where it was uploaded to after all: somebody else moved it there.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn not_archived(&mut self, blob: &BlobName) -> Result<(), StorageError> {
        let assets: Vec<Uuid> = self.naming(blob).await?.iter().map(AssetId::as_uuid).collect();
        sqlx::query!(
            "-- archive.not_archived
            UPDATE media.blobs SET archive_state = NULL, restore_days = NULL, available_until = NULL WHERE bucket = $1 AND key = $2",
            blob.bucket,
            blob.key,
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("-- archive.not_archived\nUPDATE media.assets SET archived_at = NULL WHERE id = ANY($1)", &assets)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// The assets whose original an object is, locked in the order of their ids.
    async fn naming(&mut self, blob: &BlobName) -> Result<Vec<AssetId>, StorageError> {
        let ids = sqlx::query_scalar!(
            r#"-- archive.naming
            SELECT id AS "id: Uuid" FROM media.assets WHERE tenant_id = $3 AND bucket = $1 AND key = $2 ORDER BY id FOR UPDATE"#,
            blob.bucket,
            blob.key,
            self.tenant().0,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(ids.into_iter().map(AssetId::from).collect())
    }
}
