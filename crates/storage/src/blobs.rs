//! One row per stored object. Deletion has two steps: the row is doomed by the transaction that stops naming the object;
//! only then is S3 called, by the janitor.

use std::time::Duration;

use media_domain::BlobName;

use crate::{StorageError, TenantTx, error::exactly_one};

/// The blobs of the transaction's tenant.
pub struct Blobs<'t>(pub(crate) &'t mut TenantTx);

impl Blobs<'_> {
    /// Notes that an object exists and is named by a row of this transaction.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the object is doomed: what is doomed is never named again.
    pub async fn put(&mut self, blob: &BlobName, sha256: Option<&str>, size_bytes: Option<u64>) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- blobs.put
            INSERT INTO media.blobs (tenant_id, bucket, key, sha256, size_bytes) VALUES ($1, $2, $3, $4::text::bpchar, $5)
            ON CONFLICT (bucket, key) DO UPDATE SET sha256 = coalesce(excluded.sha256, blobs.sha256),
              size_bytes = coalesce(excluded.size_bytes, blobs.size_bytes)
            WHERE blobs.doomed_at IS NULL",
            self.0.tenant().0,
            blob.bucket,
            blob.key,
            sha256,
            size_bytes.map(u64::cast_signed),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })
    }

    /// Notes an object before it is written, by a caller that may die before any row names it: unless it is [kept](Self::keep)
    /// within that time, it is removed.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if it is noted already.
    pub async fn expect(&mut self, blob: &BlobName, within: Duration) -> Result<(), StorageError> {
        sqlx::query!(
            "-- blobs.expect
            INSERT INTO media.blobs (tenant_id, bucket, key, doomed_at) VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))",
            self.0.tenant().0,
            blob.bucket,
            blob.key,
            within.as_secs_f64(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Keeps an object that was expected, in the transaction that names it.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if its time was over: it may be gone.
    pub async fn keep(&mut self, blob: &BlobName) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- blobs.keep
            UPDATE media.blobs SET doomed_at = NULL WHERE bucket = $1 AND key = $2 AND doomed_at > clock_timestamp()",
            blob.bucket,
            blob.key,
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })
    }

    /// Forgets an object that its writer has removed and may write again: a copy, which nobody reads by a signature.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn forget(&mut self, blob: &BlobName) -> Result<(), StorageError> {
        sqlx::query!("-- blobs.forget\nDELETE FROM media.blobs WHERE bucket = $1 AND key = $2", blob.bucket, blob.key)
            .execute(self.0.connection())
            .await?;
        Ok(())
    }

    /// Whether an object is noted, doomed or not.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn is_noted(&mut self, blob: &BlobName) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- blobs.is_noted
            SELECT EXISTS (SELECT FROM media.blobs WHERE bucket = $1 AND key = $2) AS "noted!""#,
            blob.bucket,
            blob.key,
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Dooms an object that no row names any more. Whoever was given its URL may read it for `keep` longer.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn doom(&mut self, blob: &BlobName, keep: Duration) -> Result<(), StorageError> {
        sqlx::query!(
            "-- blobs.doom
            UPDATE media.blobs SET doomed_at = coalesce(doomed_at, clock_timestamp() + make_interval(secs => $3)) WHERE bucket = $1 AND key = $2",
            blob.bucket,
            blob.key,
            keep.as_secs_f64(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Forgets a doomed object after it was removed from the bucket.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if it is not doomed.
    pub async fn erase(&mut self, blob: &BlobName) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- blobs.erase\nDELETE FROM media.blobs WHERE bucket = $1 AND key = $2 AND doomed_at IS NOT NULL",
            blob.bucket,
            blob.key
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })
    }
}
