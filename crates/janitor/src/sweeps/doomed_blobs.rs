//! Objects that no row names any more, when their time has come.

use super::{BATCH, Janitor};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut swept = 0;
    for (tenant, blob) in janitor.database.across_tenants().doomed_blobs(BATCH).await? {
        janitor.blobs.delete(&blob).await?;
        let mut tx = janitor.database.in_tenant(tenant, "janitor.doomed_blobs").await?;
        tx.blobs().erase(&blob).await?;
        tx.commit().await?;
        swept += 1;
    }
    Ok(swept)
}
