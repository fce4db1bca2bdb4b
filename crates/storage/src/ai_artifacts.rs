//! What a machine made, with where it came from and what it cost.

use media_domain::{
    AiArtifactId, AssetId,
    provenance::{ArtifactKind, Provenance},
};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx, error::word};

/// The AI artifacts of the transaction's tenant.
pub struct AiArtifacts<'t>(pub(crate) &'t mut TenantTx);

/// Something that was made.
#[derive(Clone, Debug)]
pub struct NewAiArtifact {
    pub id: AiArtifactId,
    pub kind: ArtifactKind,
    pub prompt_ref: Option<String>,
    /// The asset that is it.
    pub output: Option<AssetId>,
    /// The asset that it was made from.
    pub source: Option<AssetId>,
    pub cost_micro_usd: i64,
    pub provenance: Provenance,
}

/// One artifact as its row has it.
#[derive(Clone, Debug)]
pub struct AiArtifact {
    pub id: AiArtifactId,
    pub kind: ArtifactKind,
    pub prompt_ref: Option<String>,
    pub output: Option<AssetId>,
    pub source: Option<AssetId>,
    pub cost_micro_usd: i64,
    pub provenance: Provenance,
    pub created_at: OffsetDateTime,
}

/// Which artifacts a caller wants to see; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AiArtifactFilter {
    pub kind: Option<ArtifactKind>,
    pub output: Option<AssetId>,
    pub model: Option<String>,
    pub created_from: Option<OffsetDateTime>,
    pub created_before: Option<OffsetDateTime>,
}

struct Row {
    id: Uuid,
    kind: String,
    prompt_ref: Option<String>,
    output_asset_id: Option<Uuid>,
    source_asset_id: Option<Uuid>,
    cost_micro_usd: Option<i64>,
    ai_provenance: Json<Provenance>,
    created_at: OffsetDateTime,
}

impl TryFrom<Row> for AiArtifact {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        Ok(AiArtifact {
            id: row.id.into(),
            kind: word("ai_media_artifacts", "kind", row.id, &row.kind)?,
            prompt_ref: row.prompt_ref,
            output: row.output_asset_id.map(AssetId::from),
            source: row.source_asset_id.map(AssetId::from),
            cost_micro_usd: row.cost_micro_usd.unwrap_or_default(),
            provenance: row.ai_provenance.0,
            created_at: row.created_at,
        })
    }
}

impl AiArtifacts<'_> {
    /// # Errors
    /// [`StorageError::Refused`] if an asset that it names is not there.
    pub async fn insert(&mut self, new: &NewAiArtifact) -> Result<(), StorageError> {
        sqlx::query!(
            "-- ai_artifacts.insert
            INSERT INTO media.ai_media_artifacts
              (id, tenant_id, kind, prompt_ref, output_asset_id, source_asset_id, cost_micro_usd, ai_provenance)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            new.id.as_uuid(),
            self.0.tenant().0,
            new.kind.as_str(),
            new.prompt_ref,
            new.output.map(|asset| asset.as_uuid()),
            new.source.map(|asset| asset.as_uuid()),
            new.cost_micro_usd,
            Json(&new.provenance) as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn lookup(&mut self, id: AiArtifactId) -> Result<Option<AiArtifact>, StorageError> {
        let row = sqlx::query_as!(
            Row,
            r#"-- ai_artifacts.lookup
            SELECT id, kind, prompt_ref, output_asset_id, source_asset_id, cost_micro_usd, ai_provenance AS "ai_provenance: Json<Provenance>",
              created_at AS "created_at!"
            FROM media.ai_media_artifacts WHERE id = $1"#,
            id.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(AiArtifact::try_from).transpose()
    }

    /// The first that was recorded of an asset: of one that came with its record, that record.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn first_of(&mut self, output: AssetId) -> Result<Option<AiArtifact>, StorageError> {
        let row = sqlx::query_as!(
            Row,
            r#"-- ai_artifacts.first_of
            SELECT id, kind, prompt_ref, output_asset_id, source_asset_id, cost_micro_usd, ai_provenance AS "ai_provenance: Json<Provenance>",
              created_at AS "created_at!"
            FROM media.ai_media_artifacts WHERE output_asset_id = $1 ORDER BY created_at, id LIMIT 1"#,
            output.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(AiArtifact::try_from).transpose()
    }

    /// A page of them, newest first: those after `after`.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn page(
        &mut self,
        filter: &AiArtifactFilter,
        after: Option<AiArtifactId>,
        limit: u32,
    ) -> Result<Vec<AiArtifact>, StorageError> {
        let rows = sqlx::query_as!(
            Row,
            r#"-- ai_artifacts.page
            SELECT id, kind, prompt_ref, output_asset_id, source_asset_id, cost_micro_usd, ai_provenance AS "ai_provenance: Json<Provenance>",
              created_at AS "created_at!"
            FROM media.ai_media_artifacts
            WHERE ($1::text IS NULL OR kind = $1) AND ($2::uuid IS NULL OR output_asset_id = $2)
              AND ($3::text IS NULL OR ai_provenance ->> 'model' = $3)
              AND ($4::timestamptz IS NULL OR created_at >= $4) AND ($5::timestamptz IS NULL OR created_at < $5)
              AND ($6::uuid IS NULL OR id < $6)
            ORDER BY id DESC LIMIT $7"#,
            filter.kind.map(ArtifactKind::as_str),
            filter.output.map(|asset| asset.as_uuid()),
            filter.model,
            filter.created_from,
            filter.created_before,
            after.map(|artifact| artifact.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter().map(AiArtifact::try_from).collect()
    }

    /// Where an asset comes from, if a machine made it.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] if the database is away.
    pub async fn provenance_of(&mut self, asset: AssetId) -> Result<Option<Provenance>, StorageError> {
        let found = sqlx::query_scalar!(
            r#"-- ai_artifacts.provenance_of
            SELECT ai_provenance AS "ai_provenance: Json<Provenance>" FROM media.assets WHERE id = $1"#,
            asset.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(found.flatten().map(|provenance| provenance.0))
    }
}
