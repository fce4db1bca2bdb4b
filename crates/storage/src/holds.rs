//! Holds: while one stands, nothing deletes its asset. Several may stand at once. One that was released stays as the record.

use media_domain::{AssetId, HoldId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx};

/// The holds of the transaction's tenant.
pub struct Holds<'t>(pub(crate) &'t mut TenantTx);

/// One hold as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: HoldId,
    pub asset: AssetId,
    pub reason: String,
    /// Who called.
    pub placed_by: String,
    pub placed_at: OffsetDateTime,
    pub released_by: Option<String>,
    pub released_at: Option<OffsetDateTime>,
}

struct HoldRow {
    id: Uuid,
    asset_id: Uuid,
    reason: String,
    placed_by: String,
    placed_at: OffsetDateTime,
    released_by: Option<String>,
    released_at: Option<OffsetDateTime>,
}

impl From<HoldRow> for Hold {
    fn from(row: HoldRow) -> Self {
        Hold {
            id: row.id.into(),
            asset: row.asset_id.into(),
            reason: row.reason,
            placed_by: row.placed_by,
            placed_at: row.placed_at,
            released_by: row.released_by,
            released_at: row.released_at,
        }
    }
}

impl Holds<'_> {
    /// A hold of an asset, also one that was released.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn lookup(&mut self, asset: AssetId, hold: HoldId) -> Result<Option<Hold>, StorageError> {
        let row = sqlx::query_as!(
            HoldRow,
            "-- holds.lookup
            SELECT id, asset_id, reason, placed_by, placed_at, released_by, released_at FROM media.asset_holds
            WHERE id = $1 AND asset_id = $2",
            hold.as_uuid(),
            asset.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        Ok(row.map(Hold::from))
    }

    /// Places a hold, also on an asset that is deleted and not erased yet.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there.
    pub async fn place(&mut self, hold: HoldId, asset: AssetId, reason: &str, by: &str) -> Result<Hold, StorageError> {
        // Whoever deletes it has either seen the hold, or is done.
        self.0.assets().lock(asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let tenant = self.0.tenant().0;
        let row = sqlx::query_as!(
            HoldRow,
            "-- holds.place
            INSERT INTO media.asset_holds (id, tenant_id, asset_id, reason, placed_by) VALUES ($1, $2, $3, $4, $5)
            RETURNING id, asset_id, reason, placed_by, placed_at, released_by, released_at",
            hold.as_uuid(),
            tenant,
            asset.as_uuid(),
            reason,
            by,
        )
        .fetch_one(self.0.connection())
        .await?;
        Ok(row.into())
    }

    /// Releases a hold. A second time changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there, or has no such hold.
    pub async fn release(&mut self, asset: AssetId, hold: HoldId, by: &str) -> Result<Hold, StorageError> {
        self.0.assets().lock(asset).await?.ok_or(StorageError::Missing { what: "asset" })?;
        let row = sqlx::query_as!(
            HoldRow,
            "-- holds.release
            UPDATE media.asset_holds SET released_by = coalesce(released_by, $3), released_at = coalesce(released_at, now())
            WHERE id = $1 AND asset_id = $2
            RETURNING id, asset_id, reason, placed_by, placed_at, released_by, released_at",
            hold.as_uuid(),
            asset.as_uuid(),
            by,
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(Hold::from).ok_or(StorageError::Missing { what: "hold" })
    }

    /// The holds that stand on an asset, oldest first.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn standing(&mut self, asset: AssetId) -> Result<Vec<HoldId>, StorageError> {
        let ids = sqlx::query_scalar!(
            "-- holds.standing\nSELECT id FROM media.asset_holds WHERE asset_id = $1 AND released_at IS NULL ORDER BY id",
            asset.as_uuid()
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(ids.into_iter().map(HoldId::from).collect())
    }
}
