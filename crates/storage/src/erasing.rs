//! What is done for an erasure: asset by asset, each in a transaction of its own, so that it goes on where it was cut off.

use media_domain::{
    AssetId, ErasureId, OwnerId,
    erasure::{NOBODY, Outcome, Scope, nobody},
    event::{Event, TenantErased},
};

use crate::{StorageError, TenantTx, assets::Asset, erasures::Erasure, error::exactly_one};

impl TenantTx {
    /// Erases one asset for an erasure, or says in the receipt why not: a hold beats it, and what a bundle needs stays without its
    /// owner. `folder` is where the asset's objects lie. False: nothing could be done now.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn erase_for(&mut self, id: ErasureId, asset: AssetId, folder: &str) -> Result<bool, StorageError> {
        let Some(asset) = self.assets().lock(asset).await? else { return Ok(false) };
        let Some(erasure) = self.erasures().lookup(id).await?.filter(|erasure| erasure.finished_at.is_none()) else { return Ok(false) };
        if erasure.owner.is_some_and(|owner| owner != asset.owner || asset.created_at > erasure.created_at) {
            return Ok(false);
        }
        self.caused_by(None, None);
        if !self.holds().standing(asset.id).await?.is_empty() {
            if !self.erasures().is_noted_as_held(id, asset.id).await? {
                self.note_whole(id, asset.id, folder, Outcome::Held).await?;
            }
            return Ok(false);
        }
        if erasure.scope == Scope::Owner && asset.deleted_at.is_none() && !self.references().bundles_of(asset.id).await?.is_empty() {
            self.anonymise(&asset).await?;
            self.note_whole(id, asset.id, folder, Outcome::Anonymised).await?;
            return Ok(true);
        }
        self.let_go(&asset, &erasure).await?;
        if self.is_in_use(asset.id).await? {
            // A worker is about to stop, and other sweeps clear its parts away.
            self.erasures().note(id, asset.id, Outcome::Pending).await?;
            return Ok(asset.deleted_at.is_none());
        }
        let objects = self.erase(asset.id, Some(folder)).await?;
        self.erasures().note_all(id, asset.id, &objects, Outcome::Pending).await?;
        self.erasures().note(id, asset.id, Outcome::Erased).await?;
        Ok(true)
    }

    /// Notes of an asset that stays, and of each of its objects, why.
    async fn note_whole(&mut self, id: ErasureId, asset: AssetId, folder: &str, outcome: Outcome) -> Result<(), StorageError> {
        let objects = self.objects_of(asset, Some(folder)).await?;
        self.erasures().note_all(id, asset, &objects, outcome).await?;
        self.erasures().note(id, asset, outcome).await
    }

    /// Deletes an asset, also one that bundles need where all of the tenant goes. What runs is told to stop, as at any deletion.
    async fn let_go(&mut self, asset: &Asset, erasure: &Erasure) -> Result<(), StorageError> {
        if asset.deleted_at.is_some() {
            return self.work().cancel_of_asset(asset.id).await;
        }
        if erasure.scope == Scope::Tenant {
            sqlx::query!("-- erasing.references\nDELETE FROM media.asset_references WHERE asset_id = $1", asset.id.as_uuid())
                .execute(self.connection())
                .await?;
        }
        self.assets().delete(asset.id, None).await.map(|_deleted| ())
    }

    /// Takes out of an asset what names a person. Its bytes, its text and its place in bundles stay.
    async fn anonymise(&mut self, asset: &Asset) -> Result<(), StorageError> {
        let id = asset.id.as_uuid();
        let done = sqlx::query!(
            "-- erasing.anonymise
            UPDATE media.assets SET owner_user_id = $2, original_filename = NULL, traceparent = NULL, etag = etag + 1 WHERE id = $1",
            id,
            nobody().as_uuid(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        sqlx::query!(
            "-- erasing.anonymise\nUPDATE media.ai_media_artifacts SET prompt_ref = NULL WHERE $1 IN (output_asset_id, source_asset_id)",
            id
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("-- erasing.anonymise\nUPDATE media.work SET traceparent = NULL WHERE asset_id = $1", id)
            .execute(self.connection())
            .await?;
        sqlx::query_scalar!("-- erasing.anonymise\nSELECT media.anonymise_provenance($1)", id).fetch_one(self.connection()).await?;
        Ok(())
    }

    /// Takes one more step to the end of an erasure, after its assets. True: it is done.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if somebody else ends it just now.
    pub async fn settle_erasure(&mut self, id: ErasureId) -> Result<bool, StorageError> {
        let Some(erasure) = self.erasures().lookup(id).await?.filter(|erasure| erasure.finished_at.is_none()) else { return Ok(false) };
        self.erasures().look_again(id).await?;
        if let Some(owner) = erasure.owner {
            self.forget_mentions(&erasure, owner).await?;
        }
        if self.erasures().is_pending(id).await? || !self.erasures().assets_left(id, None, 1).await?.is_empty() {
            return Ok(false);
        }
        if erasure.scope == Scope::Tenant && !self.forget_tenant(&erasure).await? {
            return Ok(false);
        }
        self.erasures().finish(id).await?;
        Ok(true)
    }

    /// What a person had done in assets of others when the erasure began, decisions and holds, is kept as done by nobody.
    async fn forget_mentions(&mut self, erasure: &Erasure, owner: OwnerId) -> Result<(), StorageError> {
        let (tenant, person, until) = (self.tenant().0, owner.to_string(), erasure.created_at);
        sqlx::query!(
            "-- erasing.forget_mentions
            UPDATE media.caption_tracks SET reviewed_by = $2 WHERE reviewed_by = $1 AND reviewed_at <= $3",
            owner.as_uuid(),
            nobody().as_uuid(),
            until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- erasing.forget_mentions
            UPDATE media.quarantine_decisions SET decided_by = $2 WHERE decided_by = $1 AND decided_at <= $3",
            person,
            NOBODY,
            until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- erasing.forget_mentions
            UPDATE media.asset_holds SET placed_by = CASE WHEN placed_by = $1 AND placed_at <= $3 THEN $2 ELSE placed_by END,
              released_by = CASE WHEN released_by = $1 AND released_at <= $3 THEN $2 ELSE released_by END
            WHERE placed_by = $1 AND placed_at <= $3 OR released_by = $1 AND released_at <= $3",
            person,
            NOBODY,
            until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- erasing.forget_mentions
            UPDATE media.tenant_policies SET updated_by = $2 WHERE tenant_id = $3 AND updated_by = $1 AND updated_at <= $4",
            person,
            NOBODY,
            tenant,
            until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- erasing.forget_mentions
            DELETE FROM media.request_ids WHERE caller_sha256 = sha256(convert_to($1, 'UTF8')) AND created_at <= $2",
            person,
            until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "-- erasing.forget_mentions
            UPDATE media.outbox o SET data = data
              || CASE WHEN data ->> 'ownerUserId' = $1 THEN jsonb_build_object('ownerUserId', $2::text) ELSE '{}' END
              || CASE WHEN data ->> 'reviewedBy' = $1 THEN jsonb_build_object('reviewedBy', $2::text) ELSE '{}' END
            WHERE tenant_id = $3 AND kind = 'event' AND $1 IN (data ->> 'ownerUserId', data ->> 'reviewedBy')
              AND (created_at <= $4 OR data ->> 'ownerUserId' = $1
                AND EXISTS (SELECT FROM media.erasure_items i WHERE i.erasure_id = $5 AND i.about = o.aggregate_id))",
            person,
            nobody().to_string(),
            tenant,
            until,
            erasure.id.as_uuid()
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Removes what a tenant has beside assets, tells its end, and, once that is told, removes what told it. True: nothing is left.
    async fn forget_tenant(&mut self, erasure: &Erasure) -> Result<bool, StorageError> {
        let tenant = self.tenant();
        let objects_left = sqlx::query_scalar!(
            r#"-- erasing.objects_left
            WITH doomed AS (
              UPDATE media.blobs SET doomed_at = least(doomed_at, clock_timestamp()) WHERE tenant_id = $1
                AND (doomed_at IS NULL OR doomed_at > clock_timestamp()) RETURNING 1)
            SELECT EXISTS (SELECT FROM media.blobs WHERE tenant_id = $1) OR EXISTS (SELECT FROM doomed) AS "left!""#,
            tenant.0,
        )
        .fetch_one(self.connection())
        .await?;
        if objects_left {
            return Ok(false);
        }
        // Its end is the last that is told of a tenant, also where others drain what was written before.
        let to_be_told = sqlx::query_scalar!(
            r#"-- erasing.to_be_told
            SELECT EXISTS (SELECT FROM media.outbox WHERE tenant_id = $1 AND published_at IS NULL) AS "to_be_told!""#,
            tenant.0,
        )
        .fetch_one(self.connection())
        .await?;
        if to_be_told {
            return Ok(false);
        }
        if erasure.told_at.is_none() {
            self.erasures().told(erasure.id).await?;
            // The tenant's own events are numbered by this row.
            self.quota().lock().await?;
            self.outbox().event(&Event::TenantErased(TenantErased { tenant_id: tenant, erasure_id: erasure.id })).await?;
            return Ok(false);
        }
        for statement in [
            "DELETE FROM media.outbox WHERE tenant_id = $1",
            "DELETE FROM media.ai_media_artifacts WHERE tenant_id = $1",
            "DELETE FROM media.dead_letters WHERE tenant_id = $1",
            "DELETE FROM media.quarantine_decisions WHERE tenant_id = $1",
            "DELETE FROM media.request_ids WHERE tenant_id = $1",
            "DELETE FROM media.tenant_usage WHERE tenant_id = $1",
            "DELETE FROM media.tenant_policies WHERE tenant_id = $1",
        ] {
            sqlx::query(statement).bind(tenant.0).execute(self.connection()).await?;
        }
        Ok(true)
    }
}
