//! Uploads that nobody finished are failed, and the parts of those given up leave the bucket.

use media_blobs::{BlobError, UploadHandle};
use media_domain::{Reason, Status};
use media_storage::{across::UnfinishedUpload, uploads::UploadState};

use super::{Janitor, Whose, all_due::all_due, lost_completions};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    all_due(
        "abandoned_uploads",
        async |most| across.unfinished_uploads(janitor.config.abandoned_after, most).await,
        |unfinished| unfinished.upload,
        |unfinished| Whose::asset(unfinished.tenant, unfinished.asset),
        async |unfinished| end(janitor, unfinished).await,
    )
    .await
}

async fn end(janitor: &Janitor, unfinished: UnfinishedUpload) -> anyhow::Result<bool> {
    // What is whole is nobody's to throw away, however late it is found: after a restore, all that was open is old.
    match lost_completions::find(janitor, unfinished).await {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        // Where the store does not let us look, it does not let us remove anything either; its caller is told all the same.
        Err(error) if matches!(error.downcast_ref(), Some(BlobError::Denied(_))) => {}
        Err(error) => return Err(error),
    }
    let UnfinishedUpload { tenant, asset: id, .. } = unfinished;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.abandon_upload").await?;
    let Some(asset) = tx.assets().lock(id).await? else { return Ok(false) };
    let Some(upload) = tx.uploads().of_asset(id).await? else { return Ok(false) };
    match upload.state {
        UploadState::Open => {
            tx.caused_by(asset.traceparent.clone(), Some(upload.id.to_string()));
            tx.uploads().advance(upload.id, UploadState::Open, UploadState::Aborting).await?;
            if asset.status == Status::Uploading {
                tx.assets().fail(id, Reason::UploadAbandoned, "the upload was not finished in time").await?;
            }
            tx.commit().await?;
        }
        UploadState::Aborting => drop(tx),
        UploadState::Completed | UploadState::Aborted => return Ok(false),
    }
    let handle = UploadHandle { blob: upload.blob, upload_id: upload.s3_upload_id };
    janitor.blobs.abort(&handle).await?;
    // The store may have completed it before the api could say so. An upload that was given up never becomes the asset's.
    janitor.blobs.erase(&handle.blob).await?;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.abort_upload").await?;
    tx.uploads().advance(upload.id, UploadState::Aborting, UploadState::Aborted).await?;
    tx.commit().await?;
    Ok(true)
}
