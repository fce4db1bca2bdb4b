//! What attempts left behind in the bucket, of work that has ended: multipart uploads, and objects that no row names.

use media_blobs::UploadHandle;
use media_domain::{TenantId, WorkId};

use super::{Janitor, Whose, all_due::all_due};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    all_due(
        "stale_output_uploads",
        async |most| across.stale_output_uploads(most).await,
        |(_, work)| *work,
        |(tenant, _)| Whose::tenant(*tenant),
        async |(tenant, work)| clear(janitor, tenant, work).await,
    )
    .await
}

async fn clear(janitor: &Janitor, tenant: TenantId, work: WorkId) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.stale_output_uploads").await?;
    let mut left = Vec::new();
    for upload in tx.output_uploads().of_work(work).await? {
        let named = tx.blobs().is_noted(&upload.blob).await?;
        left.push((UploadHandle { blob: upload.blob, upload_id: upload.s3_upload_id }, named));
    }
    drop(tx);
    for (handle, named) in left {
        janitor.blobs.abort(&handle).await?;
        if !named {
            // Completed by an attempt whose work then ended without it.
            janitor.blobs.erase(&handle.blob).await?;
        }
    }
    let mut tx = janitor.database.in_tenant(tenant, "janitor.stale_output_uploads").await?;
    tx.output_uploads().forget(work).await?;
    tx.commit().await?;
    Ok(true)
}
