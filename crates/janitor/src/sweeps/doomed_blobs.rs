//! Objects that no row names any more, with all their versions, when their time has come.

use media_domain::{BlobName, TenantId};

use super::{BATCH, Janitor, swept};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for (tenant, blob) in janitor.database.across_tenants().doomed_blobs(BATCH).await? {
        count += swept("doomed_blobs", &blob.key, erase(janitor, tenant, &blob).await);
    }
    Ok(count)
}

async fn erase(janitor: &Janitor, tenant: TenantId, blob: &BlobName) -> anyhow::Result<bool> {
    janitor.blobs.erase(blob).await?;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.doomed_blobs").await?;
    tx.blobs().erase(blob).await?;
    tx.commit().await?;
    Ok(true)
}
