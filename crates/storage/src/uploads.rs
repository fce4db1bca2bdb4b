//! Uploads by callers: one multipart upload per asset, from its plan to its end.

use media_domain::{
    AssetId, BlobName, Status, UploadId,
    event::{AssetUploaded, Event},
    work::Group,
};

use crate::{
    StorageError, TenantTx,
    assets::Asset,
    error::{exactly_one, word},
};

/// The uploads of the transaction's tenant.
pub struct Uploads<'t>(pub(crate) &'t mut TenantTx);

/// Where an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    Open,
    Completed,
    /// Given up; its parts may still be in the bucket.
    Aborting,
    Aborted,
}

impl UploadState {
    const fn as_str(self) -> &'static str {
        match self {
            UploadState::Open => "open",
            UploadState::Completed => "completed",
            UploadState::Aborting => "aborting",
            UploadState::Aborted => "aborted",
        }
    }
}

impl std::str::FromStr for UploadState {
    type Err = media_domain::asset::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Open, Self::Completed, Self::Aborting, Self::Aborted]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| media_domain::asset::UnknownWord { known: "open, completed, aborting, aborted", word: text.to_owned() })
    }
}

/// One upload as its row has it.
#[derive(Clone, Debug)]
pub struct Upload {
    pub id: UploadId,
    pub asset: AssetId,
    pub blob: BlobName,
    pub s3_upload_id: String,
    pub size_bytes: u64,
    pub part_size_bytes: u64,
    pub part_count: u32,
    pub state: UploadState,
}

impl TenantTx {
    /// Ends an upload well, under its asset's lock: the object is the asset's, and its scan follows.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if the upload is not open any more; [`StorageError::IllegalTransition`].
    pub async fn finish_upload(&mut self, asset: &Asset, upload: &Upload) -> Result<(), StorageError> {
        let (asset_id, size_bytes) = (asset.id, upload.size_bytes);
        self.assets().advance(asset_id, Status::Scanning).await?;
        self.uploads().advance(upload.id, UploadState::Open, UploadState::Completed).await?;
        self.blobs().put(&upload.blob, None, Some(size_bytes)).await?;
        self.outbox().event(&Event::AssetUploaded(AssetUploaded { asset_id, size_bytes })).await?;
        self.work().plan(asset_id, Group::Scan, asset.priority).await.map(|_planned| ())
    }
}

impl Uploads<'_> {
    /// Writes an upload that has just been opened.
    ///
    /// # Errors
    /// [`StorageError::Refused`] if the asset already has one.
    pub async fn insert(&mut self, upload: &Upload) -> Result<(), StorageError> {
        sqlx::query!(
            "-- uploads.insert
            INSERT INTO media.uploads (id, tenant_id, asset_id, bucket, key, s3_upload_id, size_bytes, part_size_bytes, part_count, state)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            upload.id.as_uuid(),
            self.0.tenant().0,
            upload.asset.as_uuid(),
            upload.blob.bucket,
            upload.blob.key,
            upload.s3_upload_id,
            upload.size_bytes.cast_signed(),
            upload.part_size_bytes.cast_signed(),
            upload.part_count.cast_signed(),
            upload.state.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// The upload of an asset.
    ///
    /// # Errors
    /// [`StorageError::BadRow`] if the row cannot be read.
    pub async fn of_asset(&mut self, asset: AssetId) -> Result<Option<Upload>, StorageError> {
        let row = sqlx::query!(
            "-- uploads.of_asset
            SELECT id, bucket, key, s3_upload_id, size_bytes, part_size_bytes, part_count, state FROM media.uploads WHERE asset_id = $1",
            asset.as_uuid(),
        )
        .fetch_optional(self.0.connection())
        .await?;
        row.map(|row| {
            Ok(Upload {
                id: row.id.into(),
                asset,
                blob: BlobName { bucket: row.bucket, key: row.key },
                s3_upload_id: row.s3_upload_id,
                size_bytes: row.size_bytes.unsigned_abs(),
                part_size_bytes: row.part_size_bytes.unsigned_abs(),
                part_count: row.part_count.unsigned_abs(),
                state: word("uploads", "state", row.id, &row.state)?,
            })
        })
        .transpose()
    }

    /// Gives an asset's upload up, if it is open.
    pub(crate) async fn give_up(&mut self, asset: AssetId) -> Result<(), StorageError> {
        sqlx::query!(
            "-- uploads.give_up\nUPDATE media.uploads SET state = 'aborting', finished_at = now() WHERE asset_id = $1 AND state = 'open'",
            asset.as_uuid()
        )
        .execute(self.0.connection())
        .await?;
        Ok(())
    }

    /// Moves an upload on, if it is where the caller thinks.
    ///
    /// # Errors
    /// [`StorageError::Changed`] if it is not.
    pub async fn advance(&mut self, id: UploadId, from: UploadState, to: UploadState) -> Result<(), StorageError> {
        let done = sqlx::query!(
            "-- uploads.advance
            UPDATE media.uploads SET state = $3, finished_at = now() WHERE id = $1 AND state = $2",
            id.as_uuid(),
            from.as_str(),
            to.as_str(),
        )
        .execute(self.0.connection())
        .await?;
        exactly_one(done.rows_affected(), StorageError::Changed { what: "upload" })
    }
}
