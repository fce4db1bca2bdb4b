//! What administrators decide about assets in which something was found. Each decision leaves a row.

use media_domain::{
    AssetId, QuarantineDecisionId,
    event::{AssetReleased, Event},
    quarantine::Decision,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    assets::Asset,
    error::{exactly_one, word},
};

const TABLE: &str = "quarantine_decisions";

/// The quarantine of the transaction's tenant.
pub struct Quarantine<'t>(pub(crate) &'t mut TenantTx);

/// Who decides, and why.
#[derive(Clone, Debug)]
pub struct Decider {
    /// The subject of a token.
    pub who: String,
    pub why: String,
}

/// One decision as its row has it.
#[derive(Clone, Debug)]
pub struct Decided {
    pub id: QuarantineDecisionId,
    pub asset: AssetId,
    pub decision: Decision,
    pub by: Decider,
    pub sha256: Option<String>,
    pub signature: Option<String>,
    pub at: OffsetDateTime,
}

impl Quarantine<'_> {
    /// What the last scan of each asset found, where it found something.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn signatures(&mut self, assets: &[AssetId]) -> Result<Vec<(AssetId, String)>, StorageError> {
        let rows = sqlx::query!(
            r#"-- quarantine.signatures
            SELECT id, scan_signature AS "signature!" FROM media.assets WHERE id = ANY($1) AND scan_signature IS NOT NULL"#,
            &uuids(assets),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows.into_iter().map(|row| (row.id.into(), row.signature)).collect())
    }

    /// All decisions on these assets, oldest first.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn decisions(&mut self, assets: &[AssetId]) -> Result<Vec<Decided>, StorageError> {
        let rows = sqlx::query!(
            "-- quarantine.decisions
            SELECT id, about, decision, decided_by, why, sha256, signature, decided_at
            FROM media.quarantine_decisions WHERE about = ANY($1) ORDER BY decided_at, id",
            &uuids(assets),
        )
        .fetch_all(self.0.connection())
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Decided {
                    id: row.id.into(),
                    asset: row.about.into(),
                    decision: word(TABLE, "decision", row.id, &row.decision)?,
                    by: Decider { who: row.decided_by, why: row.why },
                    sha256: row.sha256,
                    signature: row.signature,
                    at: row.decided_at,
                })
            })
            .collect()
    }

    /// Whether what was found in these bytes may pass: whether the newest decision on both is a release.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn may_pass(&mut self, sha256: &str, signature: &str) -> Result<bool, StorageError> {
        let newest = sqlx::query_scalar!(
            "-- quarantine.may_pass
            SELECT decision FROM media.quarantine_decisions
            WHERE sha256 = $1::text::bpchar AND signature = $2 AND decision IN ('release', 'purge') ORDER BY decided_at DESC, id DESC LIMIT 1",
            sha256,
            signature,
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(newest.as_deref() == Some(Decision::Release.as_str()))
    }

    /// Lets a quarantined asset go into a new scan, which what was found may pass. The asset must be locked.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] if it is in no state that a scan follows.
    pub async fn release(&mut self, asset: &Asset, by: &Decider) -> Result<(), StorageError> {
        let signature = self.insert(asset, Decision::Release, by).await?;
        let told = AssetReleased {
            asset_id: asset.id,
            signature: signature.unwrap_or_default(),
            sha256: asset.sha256.clone().unwrap_or_default(),
        };
        self.0.outbox().event(&Event::AssetReleased(told)).await?;
        self.0.rescan(asset).await
    }

    /// Scans an asset again, by the signatures of today. The asset must be locked.
    ///
    /// # Errors
    /// As [`release`](Self::release).
    pub async fn rescan(&mut self, asset: &Asset, by: &Decider) -> Result<(), StorageError> {
        self.insert(asset, Decision::Rescan, by).await?;
        self.0.rescan(asset).await
    }

    /// Deletes an asset for good, and dooms all that is stored of it: see [`crate::blobs::Blobs::doom_all`]. The asset must be locked.
    ///
    /// # Errors
    /// [`StorageError::Held`] and [`StorageError::Referenced`], as for any deletion.
    pub async fn purge(&mut self, asset: &Asset, by: &Decider, folder: &str) -> Result<(), StorageError> {
        self.0.refuse_if_held(asset.id).await?;
        self.insert(asset, Decision::Purge, by).await?;
        self.0.assets().delete(asset.id, None).await?;
        let done = sqlx::query!(
            "-- quarantine.purge\nUPDATE media.assets SET purged_at = clock_timestamp() WHERE id = $1 AND purged_at IS NULL",
            asset.id.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        self.0.blobs().doom_all(asset.id, folder).await.map(|_doomed| ())
    }

    /// Whether an asset was purged before.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn is_purged(&mut self, asset: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- quarantine.is_purged
            SELECT EXISTS (SELECT FROM media.assets WHERE id = $1 AND purged_at IS NOT NULL) AS "purged!""#,
            asset.as_uuid()
        )
        .fetch_one(self.0.connection())
        .await?)
    }

    /// Notes a decision with what it was about; answers what had been found.
    async fn insert(&mut self, asset: &Asset, decision: Decision, by: &Decider) -> Result<Option<String>, StorageError> {
        Ok(sqlx::query_scalar!(
            "-- quarantine.insert
            INSERT INTO media.quarantine_decisions (id, tenant_id, about, decision, decided_by, why, sha256, signature)
            SELECT $1, tenant_id, id, $3, $4, $5, sha256, scan_signature FROM media.assets WHERE id = $2
            RETURNING signature",
            QuarantineDecisionId::generate().as_uuid(),
            asset.id.as_uuid(),
            decision.as_str(),
            by.who,
            by.why,
        )
        .fetch_one(self.0.connection())
        .await?)
    }
}

fn uuids(assets: &[AssetId]) -> Vec<Uuid> {
    assets.iter().map(AssetId::as_uuid).collect()
}
