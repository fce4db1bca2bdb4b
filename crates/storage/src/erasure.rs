//! The end of an asset: its rows go, and with them every name of its bytes.

use media_domain::{
    AssetId, BlobName,
    event::{AssetErased, Event},
};

use crate::{StorageError, TenantTx, blobs::in_columns, error::exactly_one, retention::Over};

impl TenantTx {
    /// Erases an asset that was deleted longer ago than its tenant's grace: all its rows, and of its objects those that no other
    /// row names are doomed. Which asset, and how late it was; `None`: it was not, as while a hold stands, or something of it is still
    /// to be cleared away.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn erase_if_over(&mut self, id: AssetId) -> Result<Option<Over>, StorageError> {
        let Some(asset) = self.assets().lock(id).await? else { return Ok(None) };
        let Some(late) = self.grace_late(id).await? else { return Ok(None) };
        if !self.holds().standing(id).await?.is_empty() || self.is_in_use(id).await? {
            return Ok(None);
        }
        self.caused_by(asset.traceparent.clone(), None);
        self.erase(id, None).await?;
        Ok(Some(Over { asset, late }))
    }

    /// Erases an asset that is deleted and of which nothing is in use; it must be locked. Objects that no other row names are doomed:
    /// those that its rows name, and what else lies in its `folder`, where one is given. Answers all of them.
    ///
    /// # Errors
    /// [`StorageError::Missing`] if it is not there.
    pub(crate) async fn erase(&mut self, id: AssetId, folder: Option<&str>) -> Result<Vec<BlobName>, StorageError> {
        let names = self.objects_of(id, folder).await?;
        self.blobs().lock(&names).await?;
        self.outbox().event(&Event::AssetErased(AssetErased { asset_id: id })).await?;
        let done =
            sqlx::query!("-- erasure.erase\nDELETE FROM media.assets WHERE id = $1", id.as_uuid()).execute(self.connection()).await?;
        exactly_one(done.rows_affected(), StorageError::Missing { what: "asset" })?;
        let (buckets, keys) = in_columns(&names);
        let tenant = self.tenant().0;
        sqlx::query!(
            "-- erasure.doom
            UPDATE media.blobs b SET doomed_at = least(b.doomed_at, clock_timestamp())
            FROM unnest($2::text[], $3::text[]) AS n (bucket, key)
            WHERE b.tenant_id = $1 AND b.bucket = n.bucket AND b.key = n.key
              AND NOT media.is_named(n.bucket, n.key)
              AND NOT EXISTS (SELECT FROM media.caption_tracks c WHERE c.tenant_id = $1 AND c.key = n.key AND c.bucket = n.bucket)
              AND NOT EXISTS (SELECT FROM media.caption_tracks c WHERE c.tenant_id = $1 AND c.version_key = n.key AND c.bucket = n.bucket)",
            tenant,
            &buckets,
            &keys,
        )
        .execute(self.connection())
        .await?;
        Ok(names)
    }

    /// The objects of an asset: those that its rows name, and what else lies in its `folder`, where one is given.
    pub(crate) async fn objects_of(&mut self, id: AssetId, folder: Option<&str>) -> Result<Vec<BlobName>, StorageError> {
        let names = sqlx::query!(
            r#"-- erasure.names
            SELECT bucket AS "bucket!", key AS "key!" FROM media.assets WHERE id = $1
            UNION SELECT bucket, key FROM media.variants WHERE asset_id = $1
            UNION SELECT bucket, key FROM media.caption_tracks WHERE asset_id = $1
            UNION SELECT bucket, version_key FROM media.caption_tracks WHERE asset_id = $1 AND version_key IS NOT NULL
            UNION SELECT bucket, key FROM media.caption_copies WHERE asset_id = $1
            UNION SELECT bucket, key FROM media.blobs WHERE starts_with(key, $2)"#,
            id.as_uuid(),
            folder,
        )
        .fetch_all(self.connection())
        .await?;
        Ok(names.into_iter().map(|name| BlobName { bucket: name.bucket, key: name.key }).collect())
    }

    /// Whether an upload of the asset is not yet brought to its end, or a worker may still write or have left something.
    pub(crate) async fn is_in_use(&mut self, id: AssetId) -> Result<bool, StorageError> {
        Ok(sqlx::query_scalar!(
            r#"-- erasure.is_in_use
            SELECT EXISTS (SELECT FROM media.uploads WHERE asset_id = $1 AND state IN ('open', 'aborting'))
              OR EXISTS (SELECT FROM media.work WHERE asset_id = $1 AND state = 'running')
              OR EXISTS (SELECT FROM media.output_uploads u JOIN media.work w ON w.id = u.work_id WHERE w.asset_id = $1) AS "is_in_use!""#,
            id.as_uuid(),
        )
        .fetch_one(self.connection())
        .await?)
    }
}
