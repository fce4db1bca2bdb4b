//! The upload ids that attempts opened for their outputs. An upload id is the fence that S3 understands: a new attempt
//! aborts all that earlier ones left, and a late Complete then gets `NoSuchUpload`.

use media_domain::{BlobName, WorkId, profile::ProfileName};

use crate::{StorageError, TenantTx, work::Lease};

/// The output uploads of the transaction's tenant.
pub struct OutputUploads<'t>(pub(crate) &'t mut TenantTx);

/// An upload that an attempt opened.
#[derive(Clone, Debug)]
pub struct OutputUpload {
    pub blob: BlobName,
    pub s3_upload_id: String,
}

impl OutputUploads<'_> {
    /// Writes an upload id down, before the first part is sent.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt holds the work.
    pub async fn insert(&mut self, lease: &Lease, profile: &ProfileName, upload: &OutputUpload) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- output_uploads.insert
            INSERT INTO media.output_uploads (tenant_id, work_id, attempt, profile, bucket, key, s3_upload_id)
            SELECT w.tenant_id, w.id, w.attempts, $3, $4, $5, $6 FROM media.work w
            WHERE w.id = $1 AND w.attempts = $2 AND w.state = 'running' FOR UPDATE",
            lease.work.as_uuid(),
            lease.attempt,
            profile.as_str(),
            upload.blob.bucket,
            upload.blob.key,
            upload.s3_upload_id,
        )
        .execute(self.0.connection())
        .await?;
        crate::error::exactly_one(done.rows_affected(), StorageError::LeaseLost)
    }

    /// What attempts before this one opened, also those of work on the same asset that is over: a late Complete of one would
    /// meet the key that this attempt writes.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn of_earlier_attempts(&mut self, lease: &Lease) -> Result<Vec<OutputUpload>, StorageError> {
        let rows = sqlx::query!(
            "-- output_uploads.of_earlier_attempts
            SELECT u.bucket, u.key, u.s3_upload_id FROM media.output_uploads u JOIN media.work w ON w.id = u.work_id
            WHERE (w.id = $1 AND u.attempt < $2) OR (w.asset_id = $3 AND w.id <> $1 AND w.state IN ('succeeded', 'failed', 'cancelled'))",
            lease.work.as_uuid(),
            lease.attempt,
            lease.asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| OutputUpload { blob: BlobName { bucket: row.bucket, key: row.key }, s3_upload_id: row.s3_upload_id })
            .collect())
    }

    /// All that is written down for a piece of work.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn of_work(&mut self, work: WorkId) -> Result<Vec<OutputUpload>, StorageError> {
        let rows = sqlx::query!(
            "-- output_uploads.of_work\nSELECT bucket, key, s3_upload_id FROM media.output_uploads WHERE work_id = $1",
            work.as_uuid()
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| OutputUpload { blob: BlobName { bucket: row.bucket, key: row.key }, s3_upload_id: row.s3_upload_id })
            .collect())
    }

    /// Forgets what earlier attempts opened, once it is aborted.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn forget_earlier_attempts(&mut self, work: WorkId, attempt: i32) -> Result<(), StorageError> {
        sqlx::query!(
            "-- output_uploads.forget_earlier_attempts\nDELETE FROM media.output_uploads WHERE work_id = $1 AND attempt < $2",
            work.as_uuid(),
            attempt
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Forgets all uploads of a piece of work that is done.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn forget(&mut self, work: WorkId) -> Result<(), StorageError> {
        sqlx::query!("-- output_uploads.forget\nDELETE FROM media.output_uploads WHERE work_id = $1", work.as_uuid())
            .execute(self.0.connection())
            .await?;
        Ok(())
    }
}
