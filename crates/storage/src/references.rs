//! Which bundle needs which asset. A reference lives until it ends by itself or is removed; what ended is noted with its
//! asset, whose retention is reckoned anew with every change.

use std::{collections::BTreeSet, time::Duration};

use media_domain::AssetId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{StorageError, TenantTx, retention::lateness};

/// How many bundles a refusal names.
const BUNDLES_NAMED: i64 = 10;

/// The references of the transaction's tenant.
pub struct References<'t>(pub(crate) &'t mut TenantTx);

/// One bundle's need of one asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub bundle: String,
    pub asset: AssetId,
    /// `None`: until it is removed.
    pub expires_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

struct ReferenceRow {
    bundle_id: String,
    asset_id: Uuid,
    expires_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl From<ReferenceRow> for Reference {
    fn from(row: ReferenceRow) -> Self {
        Reference { bundle: row.bundle_id, asset: row.asset_id.into(), expires_at: row.expires_at, created_at: row.created_at }
    }
}

impl References<'_> {
    /// The live references of an asset, by bundle, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn of_asset(&mut self, asset: AssetId, after: Option<&str>, limit: u32) -> Result<Vec<Reference>, StorageError> {
        let rows = sqlx::query_as!(
            ReferenceRow,
            "-- references.of_asset
            SELECT bundle_id, asset_id, expires_at, created_at FROM media.asset_references
            WHERE asset_id = $1 AND ($2::text IS NULL OR bundle_id > $2) AND (expires_at IS NULL OR expires_at > clock_timestamp())
            ORDER BY bundle_id LIMIT $3",
            asset.as_uuid(),
            after,
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows.into_iter().map(Reference::from).collect())
    }

    /// The live references of a bundle, by asset, after the one that `after` names.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn of_bundle(&mut self, bundle: &str, after: Option<AssetId>, limit: u32) -> Result<Vec<Reference>, StorageError> {
        let rows = sqlx::query_as!(
            ReferenceRow,
            "-- references.of_bundle
            SELECT bundle_id, asset_id, expires_at, created_at FROM media.asset_references
            WHERE bundle_id = $1 AND ($2::uuid IS NULL OR asset_id > $2) AND (expires_at IS NULL OR expires_at > clock_timestamp())
            ORDER BY asset_id LIMIT $3",
            bundle,
            after.map(|asset| asset.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        Ok(rows.into_iter().map(Reference::from).collect())
    }

    /// The first of the bundles that need an asset now.
    pub(crate) async fn bundles_of(&mut self, asset: AssetId) -> Result<Vec<String>, StorageError> {
        Ok(sqlx::query_scalar!(
            "-- references.bundles_of
            SELECT bundle_id FROM media.asset_references
            WHERE asset_id = $1 AND (expires_at IS NULL OR expires_at > clock_timestamp()) ORDER BY bundle_id LIMIT $2",
            asset.as_uuid(),
            BUNDLES_NAMED,
        )
        .fetch_all(self.0.connection())
        .await?)
    }

    async fn put(&mut self, bundle: &str, assets: &[Uuid], ends: &[Option<OffsetDateTime>]) -> Result<(), StorageError> {
        let tenant = self.0.tenant().0;
        sqlx::query!(
            "-- references.put
            INSERT INTO media.asset_references (tenant_id, bundle_id, asset_id, expires_at)
            SELECT $1, $2, n.asset_id, n.expires_at FROM unnest($3::uuid[], $4::timestamptz[]) AS n (asset_id, expires_at)
            ON CONFLICT (tenant_id, bundle_id, asset_id) DO UPDATE SET expires_at = excluded.expires_at",
            tenant,
            bundle,
            assets,
            ends as _,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Ends a bundle's references to these assets now, and notes that with the assets; one that was over ended when it did.
    async fn end(&mut self, bundle: &str, assets: &[Uuid]) -> Result<(), StorageError> {
        sqlx::query!(
            "-- references.end
            WITH gone AS (
              DELETE FROM media.asset_references WHERE bundle_id = $1 AND asset_id = ANY($2)
              RETURNING asset_id, least(expires_at, clock_timestamp()) AS ended_at)
            UPDATE media.assets a SET last_reference_ended_at = greatest(a.last_reference_ended_at, gone.ended_at)
            FROM gone WHERE a.id = gone.asset_id",
            bundle,
            assets,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }
}

impl TenantTx {
    /// Says that a bundle needs an asset, until some time or until further notice. Said again, the new end counts.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there, or is deleted.
    pub async fn add_reference(&mut self, bundle: &str, asset: AssetId, expires_at: Option<OffsetDateTime>) -> Result<(), StorageError> {
        self.lock_all_there(&[asset.as_uuid()]).await?;
        self.references().put(bundle, &[asset.as_uuid()], &[expires_at]).await?;
        self.settle_retention(&[asset]).await
    }

    /// Ends a bundle's need of an asset. Where there is none, nothing happens.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if the asset is not there, or is deleted.
    pub async fn remove_reference(&mut self, bundle: &str, asset: AssetId) -> Result<(), StorageError> {
        self.lock_all_there(&[asset.as_uuid()]).await?;
        self.references().end(bundle, &[asset.as_uuid()]).await?;
        self.settle_retention(&[asset]).await
    }

    /// Makes these the references of a bundle, and no others. Two at once for the same bundle are one after the other.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if one of the assets is not there, or is deleted: then nothing is changed.
    pub async fn set_references(&mut self, bundle: &str, wanted: &[(AssetId, Option<OffsetDateTime>)]) -> Result<(), StorageError> {
        let tenant = self.tenant().0;
        sqlx::query!(
            "-- references.set\nSELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))",
            tenant.hyphenated().to_string(),
            bundle,
        )
        .fetch_one(self.connection())
        .await?;
        let before = sqlx::query_scalar!("-- references.set\nSELECT asset_id FROM media.asset_references WHERE bundle_id = $1", bundle)
            .fetch_all(self.connection())
            .await?;
        let (assets, ends): (Vec<Uuid>, Vec<Option<OffsetDateTime>>) = wanted.iter().map(|(asset, end)| (asset.as_uuid(), *end)).unzip();
        let gone: Vec<Uuid> = before.into_iter().filter(|asset| !assets.contains(asset)).collect();
        let touched: BTreeSet<Uuid> = assets.iter().chain(&gone).copied().collect();
        let touched: Vec<Uuid> = touched.into_iter().collect();
        self.lock_in_order(&touched).await?;
        self.lock_all_there(&assets).await?;
        self.references().end(bundle, &gone).await?;
        self.references().put(bundle, &assets, &ends).await?;
        self.settle_retention(&touched.into_iter().map(AssetId::from).collect::<Vec<_>>()).await
    }

    /// Forgets the references of an asset that are over, and notes when the last of them ended. How late that is; `None`: there
    /// was none.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn sweep_references(&mut self, asset: AssetId) -> Result<Option<Duration>, StorageError> {
        self.lock_in_order(&[asset.as_uuid()]).await?;
        let late = sqlx::query_scalar!(
            "-- references.sweep
            WITH gone AS (
              DELETE FROM media.asset_references WHERE asset_id = $1 AND expires_at <= clock_timestamp() RETURNING expires_at)
            UPDATE media.assets a SET last_reference_ended_at = greatest(a.last_reference_ended_at, last.ended_at)
            FROM (SELECT max(expires_at) AS ended_at, min(expires_at) AS since FROM gone) last WHERE a.id = $1 AND last.ended_at IS NOT NULL
            RETURNING extract(epoch FROM clock_timestamp() - last.since)::double precision",
            asset.as_uuid(),
        )
        .fetch_optional(self.connection())
        .await?;
        self.settle_retention(&[asset]).await?;
        Ok(lateness(late.flatten()))
    }

    /// Locks assets in the order of their ids, as everybody does who locks several.
    pub(crate) async fn lock_in_order(&mut self, assets: &[Uuid]) -> Result<(), StorageError> {
        sqlx::query!("-- assets.lock_in_order\nSELECT id FROM media.assets WHERE id = ANY($1) ORDER BY id FOR UPDATE", assets)
            .fetch_all(self.connection())
            .await?;
        Ok(())
    }

    async fn lock_all_there(&mut self, assets: &[Uuid]) -> Result<(), StorageError> {
        let there = sqlx::query_scalar!(
            "-- assets.lock_all_there\nSELECT id FROM media.assets WHERE id = ANY($1) AND deleted_at IS NULL ORDER BY id FOR UPDATE",
            assets
        )
        .fetch_all(self.connection())
        .await?;
        let wanted: BTreeSet<&Uuid> = assets.iter().collect();
        if there.len() == wanted.len() { Ok(()) } else { Err(StorageError::Missing { what: "asset" }) }
    }
}
