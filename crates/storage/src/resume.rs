//! What a deletion cancelled goes on, once the deletion is taken back.

use media_domain::{
    AssetId, Profiles, Reason, Status, WorkId,
    event::{AssetUndeleted, Event},
    work::Group,
};
use time::OffsetDateTime;

use crate::{StorageError, TenantTx, assets::Asset, error::word};

impl TenantTx {
    /// Tells that an asset is back, and plans again what the deletion at `deleted_at` cancelled.
    pub(crate) async fn resume(&mut self, asset: &Asset, deleted_at: OffsetDateTime, profiles: &Profiles) -> Result<(), StorageError> {
        self.outbox().event(&Event::AssetUndeleted(AssetUndeleted { asset_id: asset.id })).await?;
        match asset.status {
            Status::Uploading => self.assets().fail(asset.id, Reason::UploadAborted, "it was deleted while it was uploaded").await,
            Status::Scanning => self.resume_work(asset, deleted_at).await.map(|_count| ()),
            // Meanwhile the same may have been made for another asset, or be under way there.
            Status::Transcoding => {
                if self.join_twin(asset.id, Some(profiles)).await? {
                    return Ok(());
                }
                let resumed = self.resume_work(asset, deleted_at).await?;
                // It followed another, and had no work that could be cancelled.
                if resumed == 0 { self.work().plan(asset.id, Group::Probe, asset.priority).await.map(|_planned| ()) } else { Ok(()) }
            }
            Status::Ready => {
                self.resume_work(asset, deleted_at).await?;
                if self.has_mirrored_jobs_cancelled(asset.id).await? && !self.join_twin(asset.id, Some(profiles)).await? {
                    self.plan_lacking(asset.id, profiles).await?;
                }
                self.rescan_if_suspect(asset.id).await
            }
            // What is cancelled there was cancelled before, by the failure.
            Status::Failed | Status::Quarantined => Ok(()),
        }
    }

    /// Whether jobs were cancelled that were another asset's work.
    async fn has_mirrored_jobs_cancelled(&mut self, asset: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- resume.mirrored
            SELECT EXISTS (SELECT FROM media.transcode_jobs WHERE asset_id = $1 AND work_id IS NULL AND status = 'cancelled') AS "cancelled!""#,
            asset.as_uuid(),
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// How many pieces of work go on.
    async fn resume_work(&mut self, asset: &Asset, deleted_at: OffsetDateTime) -> Result<usize, StorageError> {
        let cancelled = sqlx::query!(
            "-- resume.cancelled
            SELECT id, group_name, state, language FROM media.work
            WHERE asset_id = $1 AND ((state = 'running' AND cancel_requested) OR (state = 'cancelled' AND finished_at >= $2))
            ORDER BY rank, id FOR UPDATE",
            asset.id.as_uuid(),
            deleted_at,
        )
        .fetch_all(self.connection())
        .await?;
        let count = cancelled.len();
        for row in cancelled {
            let (work, group): (WorkId, Group) = (row.id.into(), word("work", "group_name", row.id, &row.group_name)?);
            if row.state == "running" {
                self.go_on(work).await?;
            } else if let Some(again) = self.work().plan_in(asset.id, group, asset.priority, row.language.as_deref()).await? {
                self.move_jobs(work, again).await?;
            }
        }
        Ok(count)
    }

    /// Its worker has not been told yet, or is about to let go: then the work waits again (`Work::cancelled`).
    async fn go_on(&mut self, work: WorkId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- resume.go_on\nUPDATE media.work SET cancel_requested = false, finished_at = NULL WHERE id = $1 AND state = 'running'",
            work.as_uuid()
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- resume.go_on
            UPDATE media.transcode_jobs SET status = 'running', completed_at = NULL WHERE work_id = $1 AND status = 'cancelled'",
            work.as_uuid()
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    async fn move_jobs(&mut self, from: WorkId, to: WorkId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- resume.move_jobs
            UPDATE media.transcode_jobs SET work_id = $2, status = 'waiting', progress_percent = 0, started_at = NULL, completed_at = NULL
            WHERE work_id = $1 AND status = 'cancelled'",
            from.as_uuid(),
            to.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
