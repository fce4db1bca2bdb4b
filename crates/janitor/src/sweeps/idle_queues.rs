//! Where work waits and none is claimed, the news of it was lost, or its workers are scaled to zero: one command per
//! queue asks again.

use media_storage::StorageError;

use super::Janitor;

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut woken = 0;
    for (queue, work, tenant) in janitor.database.across_tenants().idle_queues(janitor.config.idle_after).await? {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.idle_queues").await?;
        match tx.work().wake(work, queue).await {
            Ok(()) => tx.commit().await?,
            // It was claimed meanwhile.
            Err(StorageError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        woken += 1;
    }
    Ok(woken)
}
