//! The jobs of a tenant, whatever their asset, as operators look at them.

use media_domain::{
    AssetId, JobId, WorkId,
    profile::ProfileName,
    work::{Group, Queue, WorkState},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError,
    error::word,
    transcode_jobs::{Job, JobRow, TranscodeJobs},
};

/// A job with where it belongs.
#[derive(Clone, Debug)]
pub struct ListedJob {
    pub job: Job,
    pub asset: AssetId,
    /// `None` where no work was planned: the profile does not apply.
    pub group: Option<Group>,
    /// Of what is heard: the language that was asked for.
    pub language: Option<String>,
    pub started_at: Option<OffsetDateTime>,
    pub completed_at: Option<OffsetDateTime>,
}

/// Which jobs a caller wants to see; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    pub state: Option<WorkState>,
    pub asset: Option<AssetId>,
    pub profile: Option<ProfileName>,
    pub queue: Option<Queue>,
}

struct ListedRow {
    id: Uuid,
    asset_id: Uuid,
    profile: String,
    status: String,
    required: bool,
    progress_percent: i16,
    attempts: i32,
    reason: Option<String>,
    error_message: Option<String>,
    group_name: Option<String>,
    language: Option<String>,
    started_at: Option<OffsetDateTime>,
    completed_at: Option<OffsetDateTime>,
}

impl TryFrom<ListedRow> for ListedJob {
    type Error = StorageError;

    fn try_from(row: ListedRow) -> Result<Self, StorageError> {
        Ok(ListedJob {
            asset: row.asset_id.into(),
            group: row.group_name.map(|name| word("work", "group_name", row.id, &name)).transpose()?,
            language: row.language,
            started_at: row.started_at,
            completed_at: row.completed_at,
            job: Job::try_from(JobRow {
                id: row.id,
                profile: row.profile,
                status: row.status,
                required: row.required,
                progress_percent: row.progress_percent,
                attempts: row.attempts,
                reason: row.reason,
                error_message: row.error_message,
            })?,
        })
    }
}

impl TranscodeJobs<'_> {
    /// A page of the tenant's jobs, newest first, after the one that `after` names. Jobs of deleted assets are not shown.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn page(&mut self, filter: &JobFilter, after: Option<JobId>, limit: u32) -> Result<Vec<ListedJob>, StorageError> {
        let rows = sqlx::query_as!(
            ListedRow,
            r#"-- transcode_jobs.page
            SELECT j.id, j.asset_id, j.profile, j.status, j.required, j.progress_percent, coalesce(j.attempts, 0) AS "attempts!", j.reason,
              j.error_message, w.group_name AS "group_name?", w.language, j.started_at, j.completed_at
            FROM media.transcode_jobs j JOIN media.assets a ON a.id = j.asset_id AND a.deleted_at IS NULL LEFT JOIN media.work w ON w.id = j.work_id
            WHERE ($1::text IS NULL OR j.status = $1) AND ($2::uuid IS NULL OR j.asset_id = $2) AND ($3::text IS NULL OR j.profile = $3)
              AND ($4::text IS NULL OR w.queue = $4) AND ($5::uuid IS NULL OR j.id < $5)
            ORDER BY j.id DESC LIMIT $6"#,
            filter.state.map(WorkState::as_str),
            filter.asset.map(|asset| asset.as_uuid()),
            filter.profile.as_ref().map(ProfileName::as_str),
            filter.queue.map(Queue::as_str),
            after.map(|job| job.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(ListedJob::try_from).collect()
    }

    /// One job with where it belongs.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, id: JobId) -> Result<Option<ListedJob>, StorageError> {
        let row = sqlx::query_as!(
            ListedRow,
            r#"-- transcode_jobs.lookup
            SELECT j.id, j.asset_id, j.profile, j.status, j.required, j.progress_percent, coalesce(j.attempts, 0) AS "attempts!", j.reason,
              j.error_message, w.group_name AS "group_name?", w.language, j.started_at, j.completed_at
            FROM media.transcode_jobs j LEFT JOIN media.work w ON w.id = j.work_id WHERE j.id = $1"#,
            id.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(ListedJob::try_from).transpose()
    }

    /// The jobs of a piece of work that failed or were cancelled with it.
    pub(crate) async fn given_up(&mut self, work: WorkId) -> Result<Vec<ListedJob>, StorageError> {
        let rows = sqlx::query_as!(
            ListedRow,
            r#"-- transcode_jobs.given_up
            SELECT j.id, j.asset_id, j.profile, j.status, j.required, j.progress_percent, coalesce(j.attempts, 0) AS "attempts!", j.reason,
              j.error_message, w.group_name AS "group_name?", w.language, j.started_at, j.completed_at
            FROM media.transcode_jobs j JOIN media.work w ON w.id = j.work_id
            WHERE j.work_id = $1 AND j.status IN ('failed', 'cancelled') ORDER BY j.id"#,
            work.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(ListedJob::try_from).collect()
    }
}
