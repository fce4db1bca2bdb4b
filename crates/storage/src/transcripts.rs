//! What was said, with its times.

use media_domain::{AssetId, TranscriptId, provenance::Provenance};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

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
    pub segments: Vec<Segment>,
    pub provenance: Provenance,
}

impl Transcripts<'_> {
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn insert(&mut self, new: &NewTranscript) -> Result<(), StorageError> {
        sqlx::query!(
            "-- transcripts.insert
            INSERT INTO media.transcripts (id, tenant_id, asset_id, language, segments, source, ai_provenance)
            VALUES ($1, $2, $3, $4, $5, 'ai', $6)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.asset.as_uuid(),
            new.language,
            Json(&new.segments) as _,
            Json(&new.provenance) as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}
