//! The deletion of an asset, which can be taken back until its grace is over.

use media_domain::{
    AssetId, Status,
    event::{AssetDeleted, Event},
};

use crate::{
    StorageError,
    assets::{Asset, Assets},
    error::exactly_one,
};

impl Assets<'_> {
    /// Marks an asset as deleted, ends its playback, gives its upload up and cancels its work. A second time changes nothing.
    ///
    /// # Errors
    /// [`StorageError::Missing`]; [`StorageError::Changed`] if `etag` is given and is not the asset's; [`StorageError::Held`] and
    /// [`StorageError::Referenced`].
    pub async fn delete(&mut self, id: AssetId, etag: Option<i64>) -> Result<Asset, StorageError> {
        let asset = self.lock(id).await?.ok_or(StorageError::Missing { what: "asset" })?;
        if etag.is_some_and(|etag| etag != asset.etag) {
            return Err(StorageError::Changed { what: "asset" });
        }
        if asset.deleted_at.is_some() {
            return Ok(asset);
        }
        self.0.refuse_if_kept(id).await?;
        self.0.leave_followers(id).await?;
        self.0.work().cancel_of_asset(id).await?;
        let done = sqlx::query!(
            "-- assets.delete
            UPDATE media.assets SET deleted_at = now(), follows = NULL, playback_epoch = playback_epoch + 1, etag = etag + 1 WHERE id = $1",
            id.as_uuid(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        self.0.outbox().event(&Event::AssetDeleted(AssetDeleted { asset_id: id })).await?;
        if asset.status == Status::Uploading {
            // The janitor throws the parts away.
            self.0.uploads().give_up(id).await?;
        }
        self.lookup(id).await?.ok_or(StorageError::Missing { what: "asset" })
    }
}
