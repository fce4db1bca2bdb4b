//! What a machine made, with where it came from and what it cost.

use media_domain::{AiArtifactId, AssetId, provenance::Provenance};
use sqlx::types::Json;

use crate::{StorageError, TenantTx};

/// The AI artifacts of the transaction's tenant.
pub struct AiArtifacts<'t>(pub(crate) &'t mut TenantTx);

/// An artifact that was made from an asset.
#[derive(Clone, Debug)]
pub struct NewAiArtifact {
    pub id: AiArtifactId,
    pub kind: &'static str,
    pub source: AssetId,
    pub cost_micro_usd: i64,
    pub provenance: Provenance,
}

impl AiArtifacts<'_> {
    /// # Errors
    /// [`StorageError::Refused`] if the asset is not there.
    pub async fn insert(&mut self, new: &NewAiArtifact) -> Result<(), StorageError> {
        sqlx::query!(
            "-- ai_artifacts.insert
            INSERT INTO media.ai_media_artifacts (id, tenant_id, kind, source_asset_id, cost_micro_usd, ai_provenance)
            VALUES ($1, $2, $3, $4, $5, $6)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.kind,
            new.source.as_uuid(),
            new.cost_micro_usd,
            Json(&new.provenance) as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}
