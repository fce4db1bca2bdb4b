//! Erasures that were asked for: asset by asset, until nothing of a person, or of a tenant, is left but what the receipt says.

use media_blobs::keys;
use media_domain::{AssetId, ErasureId, TenantId};

use super::{BATCH, Janitor, swept};

const NAME: &str = "running_erasures";

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for (tenant, erasure) in janitor.database.across_tenants().running_erasures(BATCH).await? {
        count += assets(janitor, tenant, erasure).await?;
        count += swept(NAME, &erasure, settle(janitor, tenant, erasure).await);
    }
    Ok(count)
}

/// Goes once through all assets that are left.
async fn assets(janitor: &Janitor, tenant: TenantId, erasure: ErasureId) -> anyhow::Result<u64> {
    let (mut count, mut after) = (0, None);
    loop {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.running_erasures").await?;
        let left = tx.erasures().assets_left(erasure, after, BATCH).await?;
        drop(tx);
        for asset in &left {
            count += swept(NAME, asset, erase(janitor, tenant, erasure, *asset).await);
        }
        match left.last() {
            Some(last) if i32::try_from(left.len()).is_ok_and(|left| left == BATCH) => after = Some(*last),
            _ => return Ok(count),
        }
    }
}

async fn erase(janitor: &Janitor, tenant: TenantId, erasure: ErasureId, asset: AssetId) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.running_erasures").await?;
    let done = tx.erase_for(erasure, asset, &keys::asset_prefix(tenant, asset)).await?;
    tx.commit().await?;
    Ok(done)
}

async fn settle(janitor: &Janitor, tenant: TenantId, erasure: ErasureId) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.running_erasures").await?;
    let done = tx.settle_erasure(erasure).await?;
    tx.commit().await?;
    Ok(done)
}
