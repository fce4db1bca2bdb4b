//! The result of the work, by profile.

use media_domain::{AssetId, JobId, Reason, WorkId, profile::ProfileName, work::WorkState};
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    error::{exactly_one, word},
    give_up::{profile_name, reason},
};

const TABLE: &str = "transcode_jobs";

/// The jobs of the transaction's tenant.
pub struct TranscodeJobs<'t>(pub(crate) &'t mut TenantTx);

/// One profile of one asset, and how far it is.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: JobId,
    pub profile: ProfileName,
    pub state: WorkState,
    pub required: bool,
    pub progress_percent: u8,
    pub attempts: u32,
    pub reason: Option<Reason>,
    pub error_message: Option<String>,
}

pub(crate) struct JobRow {
    pub id: Uuid,
    pub profile: String,
    pub status: String,
    pub required: bool,
    pub progress_percent: i16,
    pub attempts: i32,
    pub reason: Option<String>,
    pub error_message: Option<String>,
}

impl TryFrom<JobRow> for Job {
    type Error = StorageError;

    fn try_from(row: JobRow) -> Result<Self, StorageError> {
        Ok(Job {
            id: row.id.into(),
            profile: profile_name(TABLE, row.id, row.profile)?,
            state: word(TABLE, "status", row.id, &row.status)?,
            required: row.required,
            progress_percent: u8::try_from(row.progress_percent.clamp(0, 100)).unwrap_or(100),
            attempts: row.attempts.unsigned_abs(),
            reason: reason(TABLE, row.id, row.reason)?,
            error_message: row.error_message,
        })
    }
}

impl TranscodeJobs<'_> {
    /// Plans a profile as a part of a piece of work. Planned again, the row starts anew.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if asset or work are not there.
    pub async fn plan(&mut self, asset: AssetId, work: WorkId, profile: &ProfileName, required: bool) -> Result<(), StorageError> {
        self.put(asset, Some(work), profile, required, WorkState::Waiting, None).await
    }

    /// Lets a job that is there wait for another piece of work.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if it is not there.
    pub(crate) async fn plan_again(&mut self, asset: AssetId, work: WorkId, profile: &ProfileName) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- transcode_jobs.plan_again
            UPDATE media.transcode_jobs SET work_id = $3, status = 'waiting', progress_percent = 0, reason = NULL, error_message = NULL,
              started_at = NULL, completed_at = NULL
            WHERE asset_id = $1 AND profile = $2",
            asset.as_uuid(),
            profile.as_str(),
            work.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "job" })
    }

    /// Notes that a profile does not apply, and why.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn skip(&mut self, asset: AssetId, profile: &ProfileName, why: &str) -> Result<(), StorageError> {
        self.put(asset, None, profile, false, WorkState::Skipped, Some(why)).await
    }

    async fn put(
        &mut self,
        asset: AssetId,
        work: Option<WorkId>,
        profile: &ProfileName,
        required: bool,
        state: WorkState,
        why: Option<&str>,
    ) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcode_jobs.put
            INSERT INTO media.transcode_jobs (id, tenant_id, asset_id, work_id, profile, required, status, error_message)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            ON CONFLICT (tenant_id, asset_id, profile) DO UPDATE SET work_id = excluded.work_id, required = excluded.required,
              status = excluded.status, error_message = excluded.error_message, reason = NULL, progress_percent = 0,
              started_at = NULL, completed_at = NULL",
            JobId::generate().as_uuid(),
            self.0.tenant().0,
            asset.as_uuid(),
            work.map(|work| work.as_uuid()),
            profile.as_str(),
            required,
            state.as_str(),
            why,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// All jobs of an asset, by profile.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list(&mut self, asset: AssetId) -> Result<Vec<Job>, StorageError> {
        let rows = sqlx::query_as!(
            JobRow,
            r#"-- transcode_jobs.list
            SELECT id, profile, status, required, progress_percent, coalesce(attempts, 0) AS "attempts!", reason, error_message
            FROM media.transcode_jobs WHERE asset_id = $1 ORDER BY profile"#,
            asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// The profiles that a piece of work is still to make.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn of_work(&mut self, work: WorkId) -> Result<Vec<ProfileName>, StorageError> {
        let rows = sqlx::query!(
            "-- transcode_jobs.of_work\nSELECT id, profile FROM media.transcode_jobs
            WHERE work_id = $1 AND status IN ('waiting', 'running') ORDER BY id",
            work.as_uuid()
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(|row| profile_name(TABLE, row.id, row.profile)).collect()
    }

    /// Notes that an attempt has begun.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn start(&mut self, work: WorkId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcode_jobs.start
            UPDATE media.transcode_jobs SET status = 'running', attempts = coalesce(attempts, 0) + 1,
              started_at = coalesce(started_at, clock_timestamp())
            WHERE work_id = $1 AND status IN ('waiting', 'running')",
            work.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Notes how far the jobs of a piece of work are. It never falls, and never reaches 100 before the commit.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn progress(&mut self, work: WorkId, percent: u8) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcode_jobs.progress
            UPDATE media.transcode_jobs SET progress_percent = least($2, 99)
            WHERE work_id = $1 AND status = 'running' AND progress_percent < least($2, 99)",
            work.as_uuid(),
            i32::from(percent),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Ends a job well.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if the job was cancelled meanwhile.
    pub async fn succeed(&mut self, work: WorkId, profile: &ProfileName) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- transcode_jobs.succeed
            UPDATE media.transcode_jobs SET status = 'succeeded', progress_percent = 100, completed_at = clock_timestamp(),
              reason = NULL, error_message = NULL
            WHERE work_id = $1 AND profile = $2 AND status IN ('waiting', 'running')",
            work.as_uuid(),
            profile.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)
    }

    /// Fails what is left of a piece of work, and says which jobs those were.
    pub(crate) async fn fail(&mut self, work: WorkId, why: Reason, message: &str) -> Result<Vec<Job>, StorageError> {
        let rows = sqlx::query_as!(
            JobRow,
            r#"-- transcode_jobs.fail
            UPDATE media.transcode_jobs SET status = 'failed', reason = $2, error_message = $3, completed_at = clock_timestamp()
            WHERE work_id = $1 AND status IN ('waiting', 'running')
            RETURNING id, profile, status, required, progress_percent, coalesce(attempts, 0) AS "attempts!", reason, error_message"#,
            work.as_uuid(),
            why.as_str(),
            message,
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Fails the optional jobs of a piece of work that has required ones beside them, and says which those were.
    pub(crate) async fn fail_optional(&mut self, work: WorkId, why: Reason, message: &str) -> Result<Vec<Job>, StorageError> {
        let rows = sqlx::query_as!(
            JobRow,
            r#"-- transcode_jobs.fail_optional
            UPDATE media.transcode_jobs SET status = 'failed', reason = $2, error_message = $3, completed_at = clock_timestamp()
            WHERE work_id = $1 AND NOT required AND status IN ('waiting', 'running') AND EXISTS (
              SELECT FROM media.transcode_jobs j WHERE j.work_id = $1 AND j.required AND j.status IN ('waiting', 'running'))
            RETURNING id, profile, status, required, progress_percent, coalesce(attempts, 0) AS "attempts!", reason, error_message"#,
            work.as_uuid(),
            why.as_str(),
            message,
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// Fails one job of a piece of work, and says which it was.
    pub(crate) async fn fail_one(
        &mut self,
        work: WorkId,
        profile: &ProfileName,
        why: Reason,
        message: &str,
    ) -> Result<JobId, StorageError> {
        let id = sqlx::query_scalar!(
            "-- transcode_jobs.fail_one
            UPDATE media.transcode_jobs SET status = 'failed', reason = $3, error_message = $4, completed_at = clock_timestamp()
            WHERE work_id = $1 AND profile = $2 AND status IN ('waiting', 'running')
            RETURNING id",
            work.as_uuid(),
            profile.as_str(),
            why.as_str(),
            message,
        )
        .fetch_optional(self.0.connection())
        .await?;
        id.map(JobId::from).ok_or(StorageError::LeaseLost)
    }

    pub(crate) async fn wait_again(&mut self, work: WorkId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcode_jobs.wait_again\nUPDATE media.transcode_jobs SET status = 'waiting' WHERE work_id = $1 AND status = 'running'",
            work.as_uuid()
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Whether an asset's jobs were planned and all that are required are done.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn are_complete(&mut self, asset: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- transcode_jobs.are_complete
            SELECT count(*) > 0 AND count(*) FILTER (WHERE required AND status <> 'succeeded') = 0 AS "complete!"
            FROM media.transcode_jobs WHERE asset_id = $1"#,
            asset.as_uuid(),
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Whether a profile of an asset was made.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn is_made(&mut self, asset: AssetId, profile: &ProfileName) -> Result<bool, StorageError> {
        Ok(self.list(asset).await?.iter().any(|job| &job.profile == profile && job.state == WorkState::Succeeded))
    }

    /// How many required profiles of an asset do not exist yet.
    pub(crate) async fn required_missing(&mut self, asset: AssetId) -> Result<i64, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- transcode_jobs.required_missing
            SELECT count(*) AS "count!" FROM media.transcode_jobs WHERE asset_id = $1 AND required AND status <> 'succeeded'"#,
            asset.as_uuid(),
        )
        .fetch_one(self.0.connection())
        .await?)
    }
}
