//! One row per stored object. Deletion has two steps: the row is doomed by the transaction that stops naming the object;
//! only then is S3 called, by the janitor.

use std::time::Duration;

use media_domain::{AssetId, BlobName};

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
    /// within that time, it is removed. An earlier attempt of the same caller may have expected it.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if it is named by a row, or its time was over: it may be removed at any moment.
    pub async fn expect(&mut self, blob: &BlobName, within: Duration) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- blobs.expect
            INSERT INTO media.blobs (tenant_id, bucket, key, doomed_at) VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4))
            ON CONFLICT (bucket, key) DO UPDATE SET doomed_at = excluded.doomed_at WHERE blobs.doomed_at > clock_timestamp()",
            self.0.tenant().0,
            blob.bucket,
            blob.key,
            within.as_secs_f64(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "blob" })
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

    /// Whether an object is there to be read: noted, and not doomed.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn is_live(&mut self, blob: &BlobName) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- blobs.is_live
            SELECT EXISTS (SELECT FROM media.blobs WHERE bucket = $1 AND key = $2 AND doomed_at IS NULL) AS "live!""#,
            blob.bucket,
            blob.key,
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Dooms originals and variants that this transaction has ceased to name, unless another row names them too. Whoever was given
    /// their URLs may read them for `keep` longer.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn doom_left(&mut self, left: &[BlobName], keep: Duration) -> Result<(), StorageError> {
        self.lock(left).await?;
        let (buckets, keys) = in_columns(left);
        sqlx::query!(
            "-- blobs.doom_left
            UPDATE media.blobs b SET doomed_at = least(b.doomed_at, clock_timestamp() + make_interval(secs => $3))
            FROM unnest($1::text[], $2::text[]) AS n (bucket, key)
            WHERE b.bucket = n.bucket AND b.key = n.key AND NOT media.is_named(b.bucket, b.key)",
            &buckets,
            &keys,
            keep.as_secs_f64(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Locks the rows of objects that this transaction ceases to name: of two who give up the last two names at once, the second
    /// then sees what the first did.
    pub(crate) async fn lock(&mut self, names: &[BlobName]) -> Result<(), StorageError> {
        let (buckets, keys) = in_columns(names);
        sqlx::query!(
            "-- blobs.lock
            SELECT b.key FROM media.blobs b JOIN unnest($1::text[], $2::text[]) AS n (bucket, key) ON b.bucket = n.bucket AND b.key = n.key
            ORDER BY b.bucket, b.key FOR UPDATE OF b",
            &buckets,
            &keys,
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(())
    }

    /// Dooms everything of a purged asset at once: what its rows name, and what else lies in its `folder`, such as variants that
    /// were made again since. What a row of another asset names stays, unless that was purged too.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn doom_all(&mut self, asset: AssetId, folder: &str) -> Result<(), StorageError> {
        let names = sqlx::query_as!(
            BlobName,
            "-- blobs.doom_all
            SELECT b.bucket, b.key FROM media.blobs b
            WHERE starts_with(b.key, $2)
              OR EXISTS (SELECT FROM media.assets a WHERE a.id = $1 AND a.bucket = b.bucket AND a.key = b.key)
              OR EXISTS (SELECT FROM media.variants v WHERE v.asset_id = $1 AND v.bucket = b.bucket AND v.key = b.key)
              OR EXISTS (SELECT FROM media.caption_tracks c WHERE c.asset_id = $1 AND c.bucket = b.bucket AND b.key IN (c.key, c.version_key))",
            asset.as_uuid(),
            folder,
        )
        .fetch_all(self.0.connection())
        .await?;
        self.doom_left(&names, Duration::ZERO).await
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

/// The columns of a list of names.
pub(crate) fn in_columns(names: &[BlobName]) -> (Vec<String>, Vec<String>) {
    names.iter().map(|name| (name.bucket.clone(), name.key.clone())).unzip()
}
