//! Until when assets are kept, and what happens then. The rule is `domain::retention`; here it is fed and written down.

use std::time::Duration;

use media_domain::{
    AssetId, Profiles,
    asset::RetentionClass,
    retention::{Kept, retention_until},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    StorageError, TenantTx,
    assets::Asset,
    error::{exactly_one, word},
};

/// How many assets one transaction reckons anew after a change of policy.
const ASSETS_PER_TURN: i64 = 100;

/// An asset whose time was over, and for how long.
#[derive(Clone, Debug)]
pub struct Over {
    pub asset: Asset,
    pub late: Duration,
}

impl TenantTx {
    /// Reckons anew until when these assets are kept, and writes it where it changed. Whoever changes what it depends on
    /// (class, references, deletion taken back) holds the assets' locks and calls this before the end of the transaction.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn settle_retention(&mut self, assets: &[AssetId]) -> Result<(), StorageError> {
        let policy = self.tenant_policies().current().await?.policy;
        let ids: Vec<Uuid> = assets.iter().map(AssetId::as_uuid).collect();
        let rows = sqlx::query!(
            r#"-- retention.settle
            SELECT a.id, a.retention_class, a.created_at AS "created_at!", a.undeleted_at, a.last_reference_ended_at,
              EXISTS (SELECT FROM media.asset_references r WHERE r.tenant_id = a.tenant_id AND r.asset_id = a.id AND r.expires_at IS NULL)
                AS "is_needed!",
              (SELECT max(r.expires_at) FROM media.asset_references r WHERE r.tenant_id = a.tenant_id AND r.asset_id = a.id) AS needed_until
            FROM media.assets a WHERE a.id = ANY($1)"#,
            &ids,
        )
        .fetch_all(self.connection())
        .await?;
        let (mut settled, mut until): (Vec<Uuid>, Vec<Option<OffsetDateTime>>) = (Vec::new(), Vec::new());
        for row in rows {
            let class: RetentionClass = word("assets", "retention_class", row.id, &row.retention_class)?;
            let kept = Kept {
                class,
                created_at: row.created_at,
                undeleted_at: row.undeleted_at,
                is_needed: row.is_needed,
                needed_until: row.needed_until,
                reference_ended_at: row.last_reference_ended_at,
            };
            settled.push(row.id);
            until.push(retention_until(&kept, &policy));
        }
        sqlx::query!(
            "-- retention.settle
            UPDATE media.assets a SET retention_until = s.until FROM unnest($1::uuid[], $2::timestamptz[]) AS s (id, until)
            WHERE a.id = s.id AND a.retention_until IS DISTINCT FROM s.until",
            &settled,
            &until as _,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Refuses what a hold or a live reference forbids: to delete the asset.
    pub(crate) async fn refuse_if_kept(&mut self, asset: AssetId) -> Result<(), StorageError> {
        self.refuse_if_held(asset).await?;
        let bundles = self.references().bundles_of(asset).await?;
        if bundles.is_empty() { Ok(()) } else { Err(StorageError::Referenced { bundles }) }
    }

    /// Refuses what a hold forbids: that its bytes go, also of an asset that is deleted.
    pub(crate) async fn refuse_if_held(&mut self, asset: AssetId) -> Result<(), StorageError> {
        let holds = self.holds().standing(asset).await?;
        if holds.is_empty() { Ok(()) } else { Err(StorageError::Held { holds }) }
    }

    /// Deletes an asset whose retention is over, if that is still so under its lock. Which asset, and how late it was; `None`: it
    /// was not deleted.
    ///
    /// # Errors
    /// As [`delete`](crate::assets::Assets::delete); a hold or a reference is none.
    pub async fn delete_if_over(&mut self, id: AssetId) -> Result<Option<Over>, StorageError> {
        let Some(asset) = self.assets().lock(id).await? else { return Ok(None) };
        if asset.deleted_at.is_some() {
            return Ok(None);
        }
        self.caused_by(asset.traceparent.clone(), None);
        self.settle_retention(&[id]).await?;
        let late = sqlx::query_scalar!(
            "-- retention.late
            SELECT extract(epoch FROM clock_timestamp() - retention_until)::double precision AS late FROM media.assets WHERE id = $1",
            id.as_uuid()
        )
        .fetch_one(self.connection())
        .await?;
        let Some(late) = lateness(late) else { return Ok(None) };
        match self.assets().delete(id, None).await {
            Ok(deleted) => Ok(Some(Over { asset: deleted, late })),
            Err(StorageError::Held { .. } | StorageError::Referenced { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Applies a changed policy to the next of the tenant's assets, by id. How many; 0: all follow it now. Begun again by
    /// somebody else, it goes on where the last transaction ended.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn apply_policy(&mut self) -> Result<u64, StorageError> {
        let tenant = self.tenant().0;
        let Some(row) = sqlx::query!(
            "-- retention.apply_policy\nSELECT etag, applied_to_id FROM media.tenant_policies WHERE tenant_id = $1 AND etag <> applied_etag",
            tenant
        )
        .fetch_optional(self.connection())
        .await?
        else {
            return Ok(0);
        };
        let assets = sqlx::query_scalar!(
            "-- retention.apply_policy
            SELECT id FROM media.assets WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3",
            tenant,
            row.applied_to_id,
            ASSETS_PER_TURN,
        )
        .fetch_all(self.connection())
        .await?;
        self.lock_in_order(&assets).await?;
        self.settle_retention(&assets.iter().copied().map(AssetId::from).collect::<Vec<_>>()).await?;
        // Changed once more meanwhile, it begins anew: then this changes no row.
        sqlx::query!(
            "-- retention.apply_policy
            UPDATE media.tenant_policies SET applied_to_id = $3::uuid, applied_etag = CASE WHEN $3::uuid IS NULL THEN etag ELSE applied_etag END
            WHERE tenant_id = $1 AND etag = $2",
            tenant,
            row.etag,
            assets.last().copied(),
        )
        .execute(self.connection())
        .await?;
        Ok(assets.len() as u64)
    }

    /// Takes a deletion back, within the tenant's grace: the asset is there again, and what the deletion cancelled is planned
    /// again. One that was deleted while it was uploaded comes back as failed: its parts are gone. An asset that is not
    /// deleted is left as it is.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if it is not there, or its grace is over; [`StorageError::Changed`] if `etag` is given and is
    /// not the asset's.
    pub async fn undelete(&mut self, id: AssetId, etag: Option<i64>, profiles: &Profiles) -> Result<Asset, StorageError> {
        let missing = || StorageError::Missing { what: "asset" };
        let asset = self.assets().lock(id).await?.ok_or_else(missing)?;
        let Some(deleted_at) = asset.deleted_at else { return Ok(asset) };
        if self.grace_late(id).await?.is_some() || self.quarantine().is_purged(id).await? {
            return Err(missing());
        }
        if etag.is_some_and(|etag| etag != asset.etag) {
            return Err(StorageError::Changed { what: "asset" });
        }
        let done = sqlx::query!(
            "-- retention.undelete\nUPDATE media.assets SET deleted_at = NULL, undeleted_at = now(), etag = etag + 1 WHERE id = $1",
            id.as_uuid(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), missing())?;
        self.resume(&asset, deleted_at, profiles).await?;
        self.settle_retention(&[id]).await?;
        self.assets().lookup(id).await?.ok_or_else(missing)
    }

    /// How long ago the grace of a deleted asset ended, by the database's clock; `None`: it did not yet.
    pub(crate) async fn grace_late(&mut self, id: AssetId) -> Result<Option<Duration>, StorageError> {
        let grace_days = self.tenant_policies().current().await?.policy.grace_days;
        let late = sqlx::query_scalar!(
            "-- retention.grace_late
            SELECT extract(epoch FROM clock_timestamp() - make_interval(days => $2) - deleted_at)::double precision AS late
            FROM media.assets WHERE id = $1",
            id.as_uuid(),
            grace_days.cast_signed(),
        )
        .fetch_one(self.connection())
        .await?;
        Ok(lateness(late))
    }
}

/// How long something is over, by the seconds since its end; `None`: it has no end, or not yet.
pub(crate) fn lateness(seconds: Option<f64>) -> Option<Duration> {
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
