//! What a tenant has stored.

use media_domain::{Kind, Status};

use crate::{StorageError, TenantTx, error::word};

/// What a tenant has stored, in bytes and assets.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// Of originals; one that several assets share counts once. Also of deleted assets, until their bytes are gone.
    pub original_bytes: u64,
    pub variant_bytes: u64,
    /// Of assets that are not deleted.
    pub counts: Vec<UsageCount>,
    pub deleted_assets: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageCount {
    pub kind: Kind,
    pub status: Status,
    pub assets: u64,
}

impl TenantTx {
    /// Adds up what the transaction's tenant has stored.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if a row cannot be read.
    pub async fn usage(&mut self) -> Result<Usage, StorageError> {
        let bytes = sqlx::query!(
            r#"-- usage
            SELECT
              (SELECT coalesce(sum(b.size_bytes), 0)::bigint FROM media.blobs b WHERE b.doomed_at IS NULL
                 AND EXISTS (SELECT FROM media.assets a WHERE a.bucket = b.bucket AND a.key = b.key)) AS "original_bytes!",
              (SELECT coalesce(sum(b.size_bytes), 0)::bigint FROM media.blobs b WHERE b.doomed_at IS NULL
                 AND EXISTS (SELECT FROM media.variants v WHERE v.bucket = b.bucket AND v.key = b.key)) AS "variant_bytes!",
              (SELECT count(*) FROM media.assets WHERE deleted_at IS NOT NULL) AS "deleted_assets!""#
        )
        .fetch_one(self.connection())
        .await?;
        let rows = sqlx::query_as!(
            Count,
            r#"-- usage
            SELECT kind, status, count(*) AS "assets!" FROM media.assets WHERE deleted_at IS NULL GROUP BY kind, status ORDER BY kind, status"#
        )
        .fetch_all(self.connection())
        .await?;
        let tenant = self.tenant().0;
        let count = |row: &Count| {
            Ok(UsageCount {
                kind: word("assets", "kind", tenant, &row.kind)?,
                status: word("assets", "status", tenant, &row.status)?,
                assets: row.assets.unsigned_abs(),
            })
        };
        Ok(Usage {
            original_bytes: bytes.original_bytes.unsigned_abs(),
            variant_bytes: bytes.variant_bytes.unsigned_abs(),
            counts: rows.iter().map(count).collect::<Result<_, StorageError>>()?,
            deleted_assets: bytes.deleted_assets.unsigned_abs(),
        })
    }
}

struct Count {
    kind: String,
    status: String,
    assets: i64,
}
