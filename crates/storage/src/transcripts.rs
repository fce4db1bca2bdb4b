//! What was said, with its times.

use media_domain::{AssetId, BlobName, CaptionTrackId, TranscriptId, provenance::Provenance};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx};

/// The transcripts of the transaction's tenant.
pub struct Transcripts<'t>(pub(crate) &'t mut TenantTx);

/// One stretch of speech. The names are those of the column's JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_label: Option<String>,
    /// Mean probability of its words, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// A transcript that a machine made.
#[derive(Clone, Debug)]
pub struct NewTranscript {
    pub id: TranscriptId,
    pub asset: AssetId,
    pub language: String,
    /// The language that was asked for; `None`: the model found out.
    pub asked_language: Option<String>,
    pub segments: Vec<Segment>,
    pub provenance: Provenance,
}

/// A transcript as its row has it.
#[derive(Clone, Debug)]
pub struct Transcript {
    pub id: TranscriptId,
    pub asset: AssetId,
    pub language: String,
    pub source: String,
    pub segments: Vec<Segment>,
    pub created_at: OffsetDateTime,
}

/// A transcript without what was said.
#[derive(Clone, Debug)]
pub struct TranscriptSummary {
    pub id: TranscriptId,
    pub asset: AssetId,
    pub language: String,
    pub source: String,
    pub segment_count: u32,
    pub created_at: OffsetDateTime,
}

/// What a machine would do, exactly enough to find that it was done before.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// Of the original.
    pub sha256: &'a str,
    /// The engine with its version.
    pub engine: &'a str,
    pub model_sha256: &'a str,
    /// The language that is asked for; `None`: the model finds out.
    pub language: Option<&'a str>,
}

/// What was made before by the same recipe.
#[derive(Clone, Debug)]
pub struct StoredResult {
    pub transcript: Transcript,
    pub provenance: Provenance,
    /// Its captions: `None` where nobody spoke.
    pub track: Option<StoredTrack>,
}

#[derive(Clone, Debug)]
pub struct StoredTrack {
    pub id: CaptionTrackId,
    pub blob: BlobName,
    /// Whether it waits, or is shown: neither rejected nor superseded.
    pub stands: bool,
}

struct TranscriptRow {
    id: Uuid,
    asset_id: Uuid,
    language: String,
    source: String,
    segments: Json<Vec<Segment>>,
    created_at: OffsetDateTime,
}

impl From<TranscriptRow> for Transcript {
    fn from(row: TranscriptRow) -> Self {
        Transcript {
            id: row.id.into(),
            asset: row.asset_id.into(),
            language: row.language,
            source: row.source,
            segments: row.segments.0,
            created_at: row.created_at,
        }
    }
}

impl Transcripts<'_> {
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn insert(&mut self, new: &NewTranscript) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcripts.insert
            INSERT INTO media.transcripts (id, tenant_id, asset_id, language, asked_language, segments, source, ai_provenance)
            VALUES ($1, $2, $3, $4, $5, $6, 'ai', $7)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.asset.as_uuid(),
            new.language,
            new.asked_language,
            Json(&new.segments) as _,
            Json(&new.provenance) as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Whether an asset's speech was written down in a language, asked for or found.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn is_in(&mut self, asset: AssetId, language: &str) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- transcripts.is_in
            SELECT EXISTS (SELECT FROM media.transcripts WHERE asset_id = $1 AND (asked_language = $2 OR language = $2)) AS "is_in!""#,
            asset.as_uuid(),
            language,
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// A transcript of an asset's: the one named, or the newest; of the language, where one is given.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the stored segments cannot be read.
    pub async fn lookup(
        &mut self,
        asset: AssetId,
        id: Option<TranscriptId>,
        language: Option<&str>,
    ) -> Result<Option<Transcript>, StorageError> {
        let row = sqlx::query_as!(
            TranscriptRow,
            r#"-- transcripts.lookup
            SELECT id, asset_id, language, source, segments AS "segments: Json<Vec<Segment>>", created_at AS "created_at!"
            FROM media.transcripts
            WHERE asset_id = $1 AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR language = $3)
            ORDER BY id DESC LIMIT 1"#,
            asset.as_uuid(),
            id.map(|id| id.as_uuid()),
            language,
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(row.map(Transcript::from))
    }

    /// A page of an asset's transcripts, newest first, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn page(&mut self, asset: AssetId, after: Option<TranscriptId>, limit: u32) -> Result<Vec<TranscriptSummary>, StorageError> {
        let rows = sqlx::query!(
            r#"-- transcripts.page
            SELECT id, asset_id, language, source, created_at AS "created_at!",
              CASE jsonb_typeof(segments) WHEN 'array' THEN jsonb_array_length(segments) ELSE 0 END AS "segment_count!"
            FROM media.transcripts WHERE asset_id = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3"#,
            asset.as_uuid(),
            after.map(|id| id.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| TranscriptSummary {
                id: row.id.into(),
                asset: row.asset_id.into(),
                language: row.language,
                source: row.source,
                segment_count: row.segment_count.unsigned_abs(),
                created_at: row.created_at,
            })
            .collect())
    }

    /// What this tenant has stored of the same recipe, of the asset itself rather than of another one, and newer rather than older.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if what is stored cannot be read.
    pub async fn stored_result(&mut self, asset: AssetId, recipe: &Recipe<'_>) -> Result<Option<StoredResult>, StorageError> {
        let row = sqlx::query!(
            r#"-- transcripts.stored_result
            SELECT t.id, t.asset_id, t.language, t.source, t.segments AS "segments: Json<Vec<Segment>>", t.created_at AS "created_at!",
              t.ai_provenance AS "provenance!: Json<Provenance>", c.id AS "track_id?", c.bucket AS "bucket?", c.version_key AS "key?",
              (NOT c.rejected AND (c.approved OR c.superseded_by IS NULL)) AS stands
            FROM media.transcripts t JOIN media.assets a ON a.id = t.asset_id
            LEFT JOIN media.caption_tracks c ON c.transcript_id = t.id AND c.source = 'ai'
            WHERE a.sha256 = $2::text::bpchar AND a.deleted_at IS NULL AND t.source = 'ai'
              AND t.ai_provenance ->> 'engine' = $3 AND t.ai_provenance ->> 'model_sha256' = $4
              AND (t.asked_language IS NOT DISTINCT FROM $5 OR t.language = $5)
              AND (c.id IS NOT NULL OR t.segments = '[]')
            ORDER BY t.asset_id = $1 DESC, t.id DESC, stands DESC, c.id DESC LIMIT 1"#,
            asset.as_uuid(),
            recipe.sha256,
            recipe.engine,
            recipe.model_sha256,
            recipe.language,
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(row.map(|row| StoredResult {
            transcript: Transcript {
                id: row.id.into(),
                asset: row.asset_id.into(),
                language: row.language,
                source: row.source,
                segments: row.segments.0,
                created_at: row.created_at,
            },
            provenance: row.provenance.0,
            track: match (row.track_id, row.bucket, row.key) {
                (Some(id), Some(bucket), Some(key)) => {
                    Some(StoredTrack { id: id.into(), blob: BlobName { bucket, key }, stands: row.stands.unwrap_or(false) })
                }
                _ => None,
            },
        }))
    }
}
