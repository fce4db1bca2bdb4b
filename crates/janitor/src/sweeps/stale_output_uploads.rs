//! Multipart uploads that attempts left behind, of work that has ended.

use media_blobs::UploadHandle;

use super::{BATCH, Janitor};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut swept = 0;
    for (tenant, work) in janitor.database.across_tenants().stale_output_uploads(BATCH).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.stale_output_uploads").await?;
        let uploads = tx.output_uploads().of_work(work).await?;
        drop(tx);
        for upload in uploads {
            janitor.blobs.abort(&UploadHandle { blob: upload.blob, upload_id: upload.s3_upload_id }).await?;
            swept += 1;
        }
        let mut tx = janitor.database.in_tenant(tenant, "janitor.stale_output_uploads").await?;
        tx.output_uploads().forget(work).await?;
        tx.commit().await?;
    }
    Ok(swept)
}
