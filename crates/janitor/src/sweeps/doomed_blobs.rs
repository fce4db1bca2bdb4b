//! Objects that no row names any more, with all their versions, when their time has come.

use media_domain::{BlobName, TenantId, archive::ArchiveState};

use super::{Janitor, Whose, all_due::all_due};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    all_due(
        "doomed_blobs",
        async |most| across.doomed_blobs(most).await,
        |(_, blob)| format!("{}/{}", blob.bucket, blob.key),
        |(tenant, blob)| Whose::blob(*tenant, blob),
        async |(tenant, blob)| erase(janitor, tenant, &blob).await,
    )
    .await
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
