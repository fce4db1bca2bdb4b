//! Imports that are under way: where each fetches from, and how much it reserves. The schema ends one when its asset leaves
//! `uploading` or is deleted (migration 0016).

use media_domain::{
    AssetId, BlobName, Reason, Status,
    event::{AssetUploaded, Event},
    work::Group,
};

use crate::{StorageError, TenantTx, error::exactly_one, work::Lease};

/// The imports of the transaction's tenant.
pub struct Imports<'t>(pub(crate) &'t mut TenantTx);

impl Imports<'_> {
    /// Notes an import. `url` may hold a signature: only the scanner's role can read it again.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset has one.
    pub async fn insert(&mut self, asset: AssetId, url: &str, reserved_bytes: u64) -> Result<(), StorageError> {
        let tenant = self.0.tenant().0;
        sqlx::query!(
            "-- imports.insert\nINSERT INTO media.imports (tenant_id, asset_id, reserved_bytes) VALUES ($1, $2, $3)",
            tenant,
            asset.as_uuid(),
            reserved_bytes.cast_signed(),
        )
        .execute(self.0.connection())
        .await?;
        sqlx::query!(
            "-- imports.insert_url\nINSERT INTO media.import_urls (tenant_id, asset_id, url) VALUES ($1, $2, $3)",
            tenant,
            asset.as_uuid(),
            url,
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Where an asset is fetched from; `None` once its import has ended.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn url(&mut self, asset: AssetId) -> Result<Option<String>, StorageError> {
        let url = sqlx::query_scalar!("-- imports.url\nSELECT url FROM media.import_urls WHERE asset_id = $1", asset.as_uuid())
            .fetch_optional(self.0.connection())
            .await?;
        Ok(url)
    }
}

impl TenantTx {
    /// Reserves as many bytes for an import as are known of it by now, if the tenant's quota has room for them. The last act of its
    /// transaction.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] if another attempt holds the work, or the import was cancelled; [`StorageError::QuotaExceeded`]:
    /// then the transaction must not be committed.
    pub async fn reserve_for_import(&mut self, lease: &Lease, bytes: u64) -> Result<(), StorageError> {
        self.work().hold(lease).await?;
        let done = sqlx::query!(
            "-- imports.reserve\nUPDATE media.imports SET reserved_bytes = $2 WHERE asset_id = $1",
            lease.asset.as_uuid(),
            bytes.cast_signed(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::LeaseLost)?;
        self.fit_quota(bytes).await
    }

    /// Ends an import well: the object is the asset's, and what follows is what follows an upload.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] if the asset is not `uploading`; [`StorageError::Missing`].
    pub async fn finish_import(&mut self, id: AssetId, blob: &BlobName, size_bytes: u64, priority: i16) -> Result<(), StorageError> {
        self.assets().advance(id, Status::Scanning).await?;
        let done = sqlx::query!(
            "-- imports.finish\nUPDATE media.assets SET size_bytes = $2 WHERE id = $1",
            id.as_uuid(),
            size_bytes.cast_signed(),
        )
        .execute(self.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        self.blobs().put(blob, None, Some(size_bytes)).await?;
        self.outbox().event(&Event::AssetUploaded(AssetUploaded { asset_id: id, size_bytes })).await?;
        self.work().plan(id, Group::Scan, priority).await.map(|_planned| ())
    }

    /// Gives an import up for its caller; the asset must be locked. Its worker is told by its next heartbeat.
    ///
    /// # Errors
    /// [`StorageError::IllegalTransition`] if the import has ended.
    pub async fn abort_import(&mut self, id: AssetId) -> Result<(), StorageError> {
        self.work().cancel_of_asset(id).await?;
        self.assets().fail(id, Reason::UploadAborted, "the caller gave the import up").await
    }
}
