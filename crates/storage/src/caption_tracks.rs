//! Caption tracks: text over a picture, by language and kind. Each row is a version that is never changed; what a review says of it
//! is in [`crate::caption_review`].

use media_domain::{
    AssetId, BlobName, CaptionKind, CaptionSource, CaptionTrackId, OwnerId, TranscriptId, caption::TrackState, provenance::Provenance,
};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    error::{exactly_one, word},
};

const TABLE: &str = "caption_tracks";

/// The caption tracks of the transaction's tenant.
pub struct CaptionTracks<'t>(pub(crate) &'t mut TenantTx);

/// A version that nobody has looked at yet, as WebVTT. It waits for a person's approval.
#[derive(Clone, Debug)]
pub struct NewCaptionTrack {
    pub id: CaptionTrackId,
    pub asset: AssetId,
    /// BCP 47.
    pub language: String,
    pub kind: CaptionKind,
    /// The immutable object of this version.
    pub blob: BlobName,
    pub size_bytes: u64,
    pub origin: CaptionOrigin,
}

/// Where a track's text comes from.
#[derive(Clone, Debug)]
pub enum CaptionOrigin {
    /// A machine heard it, and wrote the transcript down with it.
    Ai { provenance: Provenance, transcript: TranscriptId },
    /// It was in the asset's own file, or was made elsewhere.
    Imported,
    /// A person wrote it.
    Human,
    /// A person changed an earlier version.
    Edit { of: CaptionTrackId, version: u32 },
}

impl CaptionOrigin {
    pub const fn source(&self) -> CaptionSource {
        match self {
            CaptionOrigin::Ai { .. } => CaptionSource::Ai,
            CaptionOrigin::Imported => CaptionSource::Imported,
            CaptionOrigin::Human | CaptionOrigin::Edit { .. } => CaptionSource::Human,
        }
    }
}

/// One version as its row has it.
#[derive(Clone, Debug)]
pub struct CaptionTrack {
    pub id: CaptionTrackId,
    pub asset: AssetId,
    pub language: String,
    pub kind: CaptionKind,
    pub format: String,
    pub source: CaptionSource,
    pub approved: bool,
    pub rejected: bool,
    /// 1, and one more than the version that it was edited from.
    pub version: u32,
    /// The version that it was edited from, which may have been deleted since.
    pub based_on: Option<CaptionTrackId>,
    /// The version that took its place.
    pub superseded_by: Option<CaptionTrackId>,
    pub reviewed_by: Option<OwnerId>,
    pub reviewed_at: Option<OffsetDateTime>,
    /// The immutable object of this version.
    pub blob: BlobName,
}

impl CaptionTrack {
    pub const fn state(&self) -> TrackState {
        TrackState::of(self.approved, self.rejected, self.superseded_by.is_some())
    }
}

/// Which versions of an asset a caller wants to see; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct CaptionFilter {
    pub language: Option<String>,
    pub kind: Option<CaptionKind>,
    /// Also those whose place another version has taken.
    pub superseded: bool,
}

struct CaptionTrackRow {
    id: Uuid,
    asset_id: Uuid,
    language: String,
    kind: String,
    format: String,
    source: String,
    approved: bool,
    rejected: bool,
    version: i32,
    based_on: Option<Uuid>,
    superseded_by: Option<Uuid>,
    reviewed_by: Option<Uuid>,
    reviewed_at: Option<OffsetDateTime>,
    bucket: String,
    version_key: String,
}

impl TryFrom<CaptionTrackRow> for CaptionTrack {
    type Error = StorageError;

    fn try_from(row: CaptionTrackRow) -> Result<Self, StorageError> {
        Ok(CaptionTrack {
            id: row.id.into(),
            asset: row.asset_id.into(),
            language: row.language,
            kind: word(TABLE, "kind", row.id, &row.kind)?,
            format: row.format,
            source: word(TABLE, "source", row.id, &row.source)?,
            approved: row.approved,
            rejected: row.rejected,
            version: row.version.unsigned_abs(),
            based_on: row.based_on.map(CaptionTrackId::from),
            superseded_by: row.superseded_by.map(CaptionTrackId::from),
            reviewed_by: row.reviewed_by.map(OwnerId::from),
            reviewed_at: row.reviewed_at,
            blob: BlobName { bucket: row.bucket, key: row.version_key },
        })
    }
}

impl CaptionTracks<'_> {
    /// Writes a version.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there; [`StorageError::Changed`] if its object is doomed.
    pub async fn insert(&mut self, new: &NewCaptionTrack) -> Result<(), StorageError> {
        self.0.blobs().put(&new.blob, None, Some(new.size_bytes)).await?;
        let (provenance, transcript) = match &new.origin {
            CaptionOrigin::Ai { provenance, transcript } => (Some(Json(provenance)), Some(transcript.as_uuid())),
            _ => (None, None),
        };
        let (based_on, version) = match new.origin {
            CaptionOrigin::Edit { of, version } => (Some(of.as_uuid()), version.saturating_add(1)),
            _ => (None, 1),
        };
        sqlx::query!(
            "-- caption_tracks.insert
            INSERT INTO media.caption_tracks (id, tenant_id, asset_id, language, kind, format, bucket, key, version_key, source, ai_provenance,
              transcript_id, based_on, version)
            VALUES ($1, $2, $3, $4, $5, 'vtt', $6, $7, $7, $8, $9, $10, $11, $12)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.asset.as_uuid(),
            new.language,
            new.kind.as_str(),
            new.blob.bucket,
            new.blob.key,
            new.origin.source().as_str(),
            provenance as _,
            transcript,
            based_on,
            version.cast_signed(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// One version of an asset's.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, asset: AssetId, id: CaptionTrackId) -> Result<Option<CaptionTrack>, StorageError> {
        let row = sqlx::query_as!(
            CaptionTrackRow,
            r#"-- caption_tracks.lookup
            SELECT id, asset_id, language, kind, format, source, coalesce(approved, false) AS "approved!", rejected, version, based_on,
              superseded_by, reviewed_by, reviewed_at, bucket, coalesce(version_key, key) AS "version_key!"
            FROM media.caption_tracks WHERE asset_id = $1 AND id = $2"#,
            asset.as_uuid(),
            id.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(CaptionTrack::try_from).transpose()
    }

    /// The versions of an asset that no other has superseded, oldest first.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list(&mut self, asset: AssetId) -> Result<Vec<CaptionTrack>, StorageError> {
        let rows = sqlx::query_as!(
            CaptionTrackRow,
            r#"-- caption_tracks.list
            SELECT id, asset_id, language, kind, format, source, coalesce(approved, false) AS "approved!", rejected, version, based_on,
              superseded_by, reviewed_by, reviewed_at, bucket, coalesce(version_key, key) AS "version_key!"
            FROM media.caption_tracks WHERE asset_id = $1 AND (approved OR superseded_by IS NULL) ORDER BY id"#,
            asset.as_uuid(),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(CaptionTrack::try_from).collect()
    }

    /// The same of several assets.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn list_many(&mut self, assets: &[AssetId]) -> Result<Vec<CaptionTrack>, StorageError> {
        let assets: Vec<Uuid> = assets.iter().map(AssetId::as_uuid).collect();
        let rows = sqlx::query_as!(
            CaptionTrackRow,
            r#"-- caption_tracks.list_many
            SELECT id, asset_id, language, kind, format, source, coalesce(approved, false) AS "approved!", rejected, version, based_on,
              superseded_by, reviewed_by, reviewed_at, bucket, coalesce(version_key, key) AS "version_key!"
            FROM media.caption_tracks WHERE asset_id = ANY ($1::uuid[]) AND (approved OR superseded_by IS NULL) ORDER BY id"#,
            &assets,
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(CaptionTrack::try_from).collect()
    }

    /// A page of an asset's versions, newest first, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn page(
        &mut self,
        asset: AssetId,
        filter: &CaptionFilter,
        after: Option<CaptionTrackId>,
        limit: u32,
    ) -> Result<Vec<CaptionTrack>, StorageError> {
        let rows = sqlx::query_as!(
            CaptionTrackRow,
            r#"-- caption_tracks.page
            SELECT id, asset_id, language, kind, format, source, coalesce(approved, false) AS "approved!", rejected, version, based_on,
              superseded_by, reviewed_by, reviewed_at, bucket, coalesce(version_key, key) AS "version_key!"
            FROM media.caption_tracks
            WHERE asset_id = $1 AND ($2::text IS NULL OR language = $2) AND ($3::text IS NULL OR kind = $3)
              AND ($4 OR approved OR superseded_by IS NULL) AND ($5::uuid IS NULL OR id < $5)
            ORDER BY id DESC LIMIT $6"#,
            asset.as_uuid(),
            filter.language,
            filter.kind.map(CaptionKind::as_str),
            filter.superseded,
            after.map(|id| id.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(CaptionTrack::try_from).collect()
    }

    /// The version of a language and kind that players are shown.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn shown(&mut self, asset: AssetId, language: &str, kind: CaptionKind) -> Result<Option<CaptionTrack>, StorageError> {
        let tracks = self.list(asset).await?;
        Ok(tracks.into_iter().find(|track| track.approved && track.language == language && track.kind == kind))
    }

    /// Notes that `by` has taken a version's place. One that is approved is still shown.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if another has taken it, or the version is gone.
    pub(crate) async fn supersede(&mut self, id: CaptionTrackId, by: CaptionTrackId) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- caption_tracks.supersede\nUPDATE media.caption_tracks SET superseded_by = $2 WHERE id = $1 AND superseded_by IS NULL",
            id.as_uuid(),
            by.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "caption track" })
    }

    /// Lets a machine's version take the place of what a machine made of the same language and kind and nobody has reviewed.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn supersede_unreviewed(&mut self, by: &NewCaptionTrack) -> Result<(), StorageError> {
        sqlx::query!(
            "-- caption_tracks.supersede_unreviewed
            UPDATE media.caption_tracks SET superseded_by = $4
            WHERE asset_id = $1 AND language = $2 AND kind = $3 AND id <> $4 AND source = 'ai' AND superseded_by IS NULL
              AND NOT coalesce(approved, false) AND NOT rejected",
            by.asset.as_uuid(),
            by.language,
            by.kind.as_str(),
            by.id.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}
