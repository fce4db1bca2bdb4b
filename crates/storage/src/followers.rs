//! Those who wait for what is made of the same bytes for another asset, their leader.
//!
//! A follower in `transcoding` has no work and no jobs of its own: it is ready when its leader is. One that is ready follows on while
//! optional variants are still to come; until then its jobs mirror the leader's, and belong to no work. Whoever holds the leader's row
//! may lock its followers' rows. What is written of a follower goes on in the trace of its own upload, whoever's work it comes from.

use std::time::Duration;

use media_domain::{AssetId, BlobName, JobId, Profiles, Status, policy::CaptionMode, profile::ProfileName, work::Group};
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    assets::Asset,
    error::{exactly_one, word},
    give_up::profile_name,
    work::CaptionWork,
};

impl TenantTx {
    /// Gives those who follow an asset what it has by now. Those who waited are ready with it, and what they were asked for beyond it
    /// is planned. The asset must be locked.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn share(&mut self, id: AssetId, profiles: &Profiles) -> Result<(), StorageError> {
        let followers = self.lock_followers(id).await?;
        if followers.is_empty() {
            return Ok(());
        }
        let leader = self.assets().lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let mut left: Vec<BlobName> = Vec::new();
        for follower in followers {
            let is_new = follower.status == Status::Transcoding;
            if is_new && leader.status != Status::Ready {
                continue;
            }
            let before = self.go_over_to(&follower);
            left.extend(self.take_over(&leader, follower.id).await?);
            if is_new {
                self.plan_lacking(follower.id, profiles).await?;
            }
            self.go_back_to(before);
        }
        // Last, for it counts for the quota.
        self.blobs().doom_left(&left, Duration::ZERO).await
    }

    /// Tells those who follow an asset, and are ready, how its jobs ended. Texts are made for each of them from what is stored. The
    /// asset must be locked.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn share_ends(&mut self, id: AssetId) -> Result<(), StorageError> {
        let followers = self.lock_followers(id).await?;
        let more_to_come = self.is_at_work(id).await?;
        for follower in followers.into_iter().filter(|follower| follower.status != Status::Transcoding) {
            sqlx::query!(
                "-- followers.share_ends
                UPDATE media.transcode_jobs f SET status = t.status, reason = t.reason, error_message = t.error_message,
                  progress_percent = t.progress_percent, completed_at = t.completed_at
                FROM media.transcode_jobs t
                WHERE t.asset_id = $1 AND f.asset_id = $2 AND f.profile = t.profile AND f.work_id IS NULL AND f.status = 'waiting'
                  AND (t.status IN ('failed', 'skipped') OR (t.status = 'succeeded' AND NOT EXISTS (
                    SELECT FROM media.variants v WHERE v.asset_id = $1 AND v.profile = t.profile)))",
                id.as_uuid(),
                follower.id.as_uuid(),
            )
            .execute(self.connection())
            .await?;
            let before = self.go_over_to(&follower);
            self.plan_texts(id, follower.id, follower.priority).await?;
            self.go_back_to(before);
            if !more_to_come {
                self.end_following(follower.id).await?;
            }
        }
        Ok(())
    }

    /// Lets those go who follow an asset at which nothing more is made: the oldest gets work of its own, and the others follow it.
    pub(crate) async fn leave_followers(&mut self, id: AssetId) -> Result<(), StorageError> {
        let mut followers = self.lock_followers(id).await?.into_iter();
        let Some(oldest) = followers.next() else { return Ok(()) };
        let others: Vec<AssetId> = followers.map(|follower| follower.id).collect();
        self.follow(&[oldest.id], None).await?;
        self.follow(&others, Some(oldest.id)).await?;
        let before = self.go_over_to(&oldest);
        self.plan_left(id, &oldest).await?;
        self.go_back_to(before);
        Ok(())
    }

    /// Plans for the heir of a leader what that one has not made.
    async fn plan_left(&mut self, id: AssetId, heir: &Asset) -> Result<(), StorageError> {
        if heir.status == Status::Transcoding {
            return self.work().plan(heir.id, Group::Probe, heir.priority).await.map(|_planned| ());
        }
        let left = sqlx::query!(
            "-- followers.left
            SELECT f.id, f.profile, w.group_name FROM media.transcode_jobs f
            JOIN media.transcode_jobs t ON t.asset_id = $1 AND t.profile = f.profile JOIN media.work w ON w.id = t.work_id
            WHERE f.asset_id = $2 AND f.work_id IS NULL AND f.status = 'waiting' ORDER BY f.id",
            id.as_uuid(),
            heir.id.as_uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        let left = left.into_iter().map(|row| group_and_profile(row.id, &row.group_name, row.profile)).collect::<Result<_, _>>()?;
        self.plan_mirrored(heir.id, left, heir.priority).await?;
        self.end_following(heir.id).await
    }

    /// Lets an asset follow nobody any more. What of its jobs is nobody's work now is cancelled: `RetryJob` and `RequestVariant` make it.
    pub(crate) async fn end_following(&mut self, id: AssetId) -> Result<(), StorageError> {
        self.follow(&[id], None).await?;
        sqlx::query!(
            "-- followers.end
            UPDATE media.transcode_jobs SET status = 'cancelled', completed_at = now()
            WHERE asset_id = $1 AND work_id IS NULL AND status = 'waiting'",
            id.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Lets those go who follow an asset that is at rest, if there are any: whoever ended it knew nothing of them. Those that are ready
    /// learn how its jobs ended.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn release_followers(&mut self, leader: AssetId) -> Result<bool, StorageError> {
        let Some(asset) = self.assets().lock(leader).await? else { return Ok(false) };
        let is_working = asset.deleted_at.is_none() && matches!(asset.status, Status::Scanning | Status::Transcoding);
        if is_working || self.is_at_work(leader).await? || self.lock_followers(leader).await?.is_empty() {
            return Ok(false);
        }
        self.share_ends(leader).await?;
        self.leave_followers(leader).await?;
        Ok(true)
    }

    /// Notes whom assets follow from now on.
    pub(crate) async fn follow(&mut self, assets: &[AssetId], leader: Option<AssetId>) -> Result<(), StorageError> {
        let ids: Vec<Uuid> = assets.iter().map(AssetId::as_uuid).collect();
        let done = sqlx::query!(
            "-- followers.follow\nUPDATE media.assets SET follows = $2 WHERE id = ANY($1)",
            &ids,
            leader.map(|leader| leader.as_uuid()) as _,
        )
        .execute(self.connection())
        .await?;
        if done.rows_affected() == ids.len() as u64 { Ok(()) } else { Err(StorageError::Missing { what: "asset" }) }
    }

    async fn lock_followers(&mut self, leader: AssetId) -> Result<Vec<Asset>, StorageError> {
        let tenant = self.tenant().0;
        let ids = sqlx::query_scalar!(
            "-- followers.lock
            SELECT id FROM media.assets WHERE tenant_id = $1 AND follows = $2 ORDER BY created_at, id FOR UPDATE",
            tenant,
            leader.as_uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        let mut followers = Vec::with_capacity(ids.len());
        for id in ids {
            followers.push(self.assets().lookup(id.into()).await?.ok_or(StorageError::Missing { what: "asset" })?);
        }
        Ok(followers)
    }

    /// Whether jobs of an asset wait or run.
    pub(crate) async fn is_at_work(&mut self, id: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- followers.is_at_work
            SELECT EXISTS (SELECT FROM media.transcode_jobs WHERE asset_id = $1 AND status IN ('waiting', 'running')) AS "at_work!""#,
            id.as_uuid(),
        )
        .fetch_one(self.connection())
        .await?)
    }

    /// Writes a follower's jobs as its leader's are; those that are its own stay.
    pub(crate) async fn mirror_jobs(&mut self, leader: AssetId, follower: AssetId) -> Result<(), StorageError> {
        let jobs = self.transcode_jobs().list(leader).await?;
        let (ids, profiles): (Vec<Uuid>, Vec<String>) =
            jobs.iter().map(|job| (JobId::generate().as_uuid(), job.profile.to_string())).unzip();
        sqlx::query!(
            "-- followers.mirror_jobs
            INSERT INTO media.transcode_jobs AS f (id, tenant_id, asset_id, profile, required, status, progress_percent, reason, error_message,
              completed_at)
            SELECT n.id, t.tenant_id, $2, t.profile, t.required, CASE t.status WHEN 'running' THEN 'waiting' ELSE t.status END,
              CASE t.status WHEN 'running' THEN 0 ELSE t.progress_percent END, t.reason, t.error_message, t.completed_at
            FROM media.transcode_jobs t JOIN unnest($3::uuid[], $4::text[]) AS n (id, profile) ON n.profile = t.profile
            LEFT JOIN media.work w ON w.id = t.work_id
            WHERE t.asset_id = $1 AND t.status <> 'cancelled' AND w.language IS NULL
            ON CONFLICT (tenant_id, asset_id, profile) DO UPDATE SET work_id = NULL, required = excluded.required, status = excluded.status,
              progress_percent = excluded.progress_percent, reason = excluded.reason, error_message = excluded.error_message,
              completed_at = excluded.completed_at
            WHERE f.status = 'cancelled' OR (f.status = 'waiting' AND f.work_id IS NULL)",
            leader.as_uuid(),
            follower.as_uuid(),
            &ids,
            &profiles,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Plans those texts of a follower that its leader has: they belong to their asset and may be edited there, so that none is shared.
    /// What was heard is not heard again: the captioner finds what is stored.
    pub(crate) async fn plan_texts(&mut self, leader: AssetId, follower: AssetId, priority: i16) -> Result<(), StorageError> {
        let texts = sqlx::query!(
            "-- followers.texts
            SELECT f.id, f.profile, w.group_name FROM media.transcode_jobs f
            JOIN media.transcode_jobs t ON t.asset_id = $1 AND t.profile = f.profile AND t.status = 'succeeded'
            JOIN media.work w ON w.id = t.work_id AND w.group_name IN ('captions', 'subtitles')
            WHERE f.asset_id = $2 AND f.work_id IS NULL AND f.status = 'succeeded'
              AND NOT EXISTS (SELECT FROM media.variants v WHERE v.asset_id = $2 AND v.profile = f.profile) ORDER BY f.id",
            leader.as_uuid(),
            follower.as_uuid(),
        )
        .fetch_all(self.connection())
        .await?;
        let texts = texts.into_iter().map(|row| group_and_profile(row.id, &row.group_name, row.profile)).collect::<Result<_, _>>()?;
        self.plan_mirrored(follower, texts, priority).await
    }

    /// Plans the captions of an asset that has got its speech, as its making would have, if they are made of themselves; not where the
    /// leader's are under way: then they are waited for. A text in a language that somebody asked for is the leader's alone.
    pub(crate) async fn plan_captions_of_speech(&mut self, id: AssetId, priority: i16) -> Result<(), StorageError> {
        let (captions, policy) = (ProfileName::captions(), self.tenant_policies().current().await?.policy);
        if policy.captions != CaptionMode::Automatic
            || self.transcode_jobs().list(id).await?.iter().any(|job| job.profile == captions)
            || self.variants().lookup(id, &ProfileName::speech()).await?.is_none()
        {
            return Ok(());
        }
        let language = policy.caption_languages.first().map(String::as_str);
        match self.work().plan_captions(id, language, priority).await? {
            CaptionWork::Planned(work) => self.transcode_jobs().plan(id, work, &captions, false).await,
            CaptionWork::UnderWay(_) | CaptionWork::Busy => Ok(()),
        }
    }

    /// Makes mirrored jobs an asset's own: plans the work that makes them. Where work of their group runs, which takes up no more jobs,
    /// they are cancelled: whoever ends the leader must not fail for want of a place for what is optional here.
    async fn plan_mirrored(&mut self, id: AssetId, jobs: Vec<(Group, ProfileName)>, priority: i16) -> Result<(), StorageError> {
        for (group, profile) in jobs {
            let work = match self.work().plan(id, group, priority).await? {
                Some(work) => Some(work),
                None => self.work().lock_waiting(id, group).await?,
            };
            let done = sqlx::query!(
                "-- followers.plan
                UPDATE media.transcode_jobs SET work_id = $3::uuid, status = CASE WHEN $3::uuid IS NULL THEN 'cancelled' ELSE 'waiting' END,
                  progress_percent = 0, completed_at = CASE WHEN $3::uuid IS NULL THEN now() END
                WHERE asset_id = $1 AND profile = $2 AND work_id IS NULL",
                id.as_uuid(),
                profile.as_str(),
                work.map(|work| work.as_uuid()),
            )
            .execute(self.connection())
            .await?;
            exactly_one(done.rows_affected(), StorageError::Missing { what: "job" })?;
        }
        Ok(())
    }
}

fn group_and_profile(job: Uuid, group: &str, profile: String) -> Result<(Group, ProfileName), StorageError> {
    Ok((word("work", "group_name", job, group)?, profile_name("transcode_jobs", job, profile)?))
}
