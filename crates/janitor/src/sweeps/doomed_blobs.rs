//! Objects that no row names any more, with all their versions, when their time has come.

use media_domain::{BlobName, TenantId, archive::ArchiveState};

use super::{BATCH, Janitor, swept};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for (tenant, blob) in janitor.database.across_tenants().doomed_blobs(BATCH).await? {
        count += swept("doomed_blobs", &blob.key, erase(janitor, tenant, &blob).await);
    }
    Ok(count)
}

async fn erase(janitor: &Janitor, tenant: TenantId, blob: &BlobName) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.doomed_blobs").await?;
    let in_hand = tx.unsettled(blob).await?.is_some_and(|unsettled| unsettled.archive.state == ArchiveState::Archiving);
    drop(tx);
    if in_hand {
        // Moved where it lies while it is erased, it could come back. It is erased once it has arrived.
        return Ok(false);
    }
    janitor.blobs.erase(blob).await?;
    let mut tx = janitor.database.in_tenant(tenant, "janitor.doomed_blobs").await?;
    tx.blobs().erase(blob).await?;
    tx.commit().await?;
    Ok(true)
}
