//! Caption tracks: text over a picture, by language, approved or not.

use media_domain::{AssetId, BlobName, CaptionTrackId, provenance::Provenance};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{StorageError, TenantTx};

/// The caption tracks of the transaction's tenant.
pub struct CaptionTracks<'t>(pub(crate) &'t mut TenantTx);

/// A track that nobody has looked at yet, as WebVTT. It waits for a person's approval.
#[derive(Clone, Debug)]
pub struct NewCaptionTrack {
    pub id: CaptionTrackId,
    pub asset: AssetId,
    pub language: String,
    /// The immutable object of this version.
    pub blob: BlobName,
    pub size_bytes: u64,
    pub origin: CaptionOrigin,
}

/// Where a track's text comes from.
#[derive(Clone, Debug)]
pub enum CaptionOrigin {
    /// A machine heard it.
    Ai(Provenance),
    /// It was in the asset's own file.
    Imported,
}

impl CaptionOrigin {
    /// The words of the row: source and kind. A file's own text says what is said, not what is heard.
    const fn words(&self) -> (&'static str, &'static str) {
        match self {
            CaptionOrigin::Ai(_) => ("ai", "captions"),
            CaptionOrigin::Imported => ("imported", "subtitles"),
        }
    }
}

/// One track as its row has it.
#[derive(Clone, Debug)]
pub struct CaptionTrack {
    pub id: CaptionTrackId,
    pub asset: AssetId,
    pub language: String,
    pub kind: String,
    pub format: String,
    pub source: String,
    pub approved: bool,
    /// The immutable object of this version.
    pub blob: BlobName,
}

struct CaptionTrackRow {
    id: Uuid,
    asset_id: Uuid,
    language: String,
    kind: String,
    format: String,
    source: String,
    approved: bool,
    bucket: String,
    version_key: String,
}

impl From<CaptionTrackRow> for CaptionTrack {
    fn from(row: CaptionTrackRow) -> Self {
        CaptionTrack {
            id: row.id.into(),
            asset: row.asset_id.into(),
            language: row.language,
            kind: row.kind,
            format: row.format,
            source: row.source,
            approved: row.approved,
            blob: BlobName { bucket: row.bucket, key: row.version_key },
        }
    }
}

impl CaptionTracks<'_> {
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn insert(&mut self, new: &NewCaptionTrack) -> Result<(), StorageError> {
        self.0.blobs().put(&new.blob, None, Some(new.size_bytes)).await?;
        let (source, kind) = new.origin.words();
        let provenance = match &new.origin {
            CaptionOrigin::Ai(provenance) => Some(Json(provenance)),
            CaptionOrigin::Imported => None,
        };
        sqlx::query!(
            "-- caption_tracks.insert
            INSERT INTO media.caption_tracks (id, tenant_id, asset_id, language, kind, format, bucket, key, version_key, source, ai_provenance)
            VALUES ($1, $2, $3, $4, $5, 'vtt', $6, $7, $7, $8, $9)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.asset.as_uuid(),
            new.language,
            kind,
            new.blob.bucket,
            new.blob.key,
            source,
            provenance as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// The tracks of an asset, oldest first.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn list(&mut self, asset: AssetId) -> Result<Vec<CaptionTrack>, StorageError> {
        let rows = sqlx::query_as!(
            CaptionTrackRow,
            r#"-- caption_tracks.list
            SELECT id, asset_id, language, kind, format, source, coalesce(approved, false) AS "approved!", bucket, coalesce(version_key, key) AS "version_key!"
            FROM media.caption_tracks WHERE asset_id = $1 ORDER BY id"#,
            asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows.into_iter().map(CaptionTrack::from).collect())
    }
}
