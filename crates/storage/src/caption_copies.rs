//! The copies of approved tracks at the asked-for keys, `captions/{lang}.vtt`: what should lie there, and what does.

use media_domain::{AssetId, BlobName, CaptionKind, CaptionTrackId};

use crate::{
    StorageError, TenantTx,
    error::{exactly_one, word},
};

const TABLE: &str = "caption_copies";

/// The copies of the transaction's tenant.
pub struct CaptionCopies<'t>(pub(crate) &'t mut TenantTx);

/// What lies at an asked-for key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptionCopy {
    pub language: String,
    pub kind: CaptionKind,
    pub blob: BlobName,
    /// The version that it is a copy of; `None`: nobody knows, for whoever wrote it did not come to its end.
    pub of: Option<CaptionTrackId>,
}

impl CaptionCopies<'_> {
    /// What lies at the asked-for keys of an asset.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list(&mut self, asset: AssetId) -> Result<Vec<CaptionCopy>, StorageError> {
        let rows = sqlx::query!(
            "-- caption_copies.list
            SELECT language, kind, bucket, key, track_id FROM media.caption_copies WHERE asset_id = $1 ORDER BY language, kind",
            asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(CaptionCopy {
                    language: row.language,
                    kind: word(TABLE, "kind", asset.as_uuid(), &row.kind)?,
                    blob: BlobName { bucket: row.bucket, key: row.key },
                    of: row.track_id.map(CaptionTrackId::from),
                })
            })
            .collect()
    }

    /// Notes, before an object is written, that nobody knows what lies there until [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the object is doomed.
    pub async fn begin(&mut self, asset: AssetId, language: &str, kind: CaptionKind, blob: &BlobName) -> Result<(), StorageError> {
        self.0.blobs().put(blob, None, None).await?;
        sqlx::query!(
            "-- caption_copies.begin
            INSERT INTO media.caption_copies (tenant_id, asset_id, language, kind, bucket, key) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (tenant_id, asset_id, language, kind) DO UPDATE SET track_id = NULL, bucket = excluded.bucket, key = excluded.key",
            self.0.tenant().0,
            asset.as_uuid(),
            language,
            kind.as_str(),
            blob.bucket,
            blob.key,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Notes what lies there now. The version's row names the copy as its `key`, and no other does.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if it was not begun.
    pub async fn finish(&mut self, asset: AssetId, copy: &CaptionCopy, size_bytes: u64) -> Result<(), StorageError> {
        self.0.blobs().put(&copy.blob, None, Some(size_bytes)).await?;
        let done = sqlx::query!(
            "-- caption_copies.finish
            UPDATE media.caption_copies SET track_id = $4 WHERE asset_id = $1 AND language = $2 AND kind = $3",
            asset.as_uuid(),
            copy.language,
            copy.kind.as_str(),
            copy.of.map(|id| id.as_uuid()),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "caption copy" })?;
        self.name(asset, copy).await
    }

    /// Forgets a copy whose object was removed.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn erase(&mut self, asset: AssetId, copy: &CaptionCopy) -> Result<(), StorageError> {
        sqlx::query!(
            "-- caption_copies.erase\nDELETE FROM media.caption_copies WHERE asset_id = $1 AND language = $2 AND kind = $3",
            asset.as_uuid(),
            copy.language,
            copy.kind.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        self.0.blobs().forget(&copy.blob).await?;
        self.name(asset, &CaptionCopy { of: None, ..copy.clone() }).await
    }

    /// Writes into the rows of a language and kind which of them the copy is of.
    async fn name(&mut self, asset: AssetId, copy: &CaptionCopy) -> Result<(), StorageError> {
        sqlx::query!(
            "-- caption_copies.name
            UPDATE media.caption_tracks SET key = CASE WHEN id = $4 THEN $5 ELSE version_key END
            WHERE asset_id = $1 AND language = $2 AND kind = $3 AND version_key IS NOT NULL
              AND key IS DISTINCT FROM CASE WHEN id = $4 THEN $5 ELSE version_key END",
            asset.as_uuid(),
            copy.language,
            copy.kind.as_str(),
            copy.of.map(|id| id.as_uuid()),
            copy.blob.key,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}
