//! Erasures that were asked for: asset by asset, until nothing of a person, or of a tenant, is left but what the receipt says.

use std::sync::atomic::{AtomicU64, Ordering};

use media_blobs::keys;
use media_domain::{AssetId, ErasureId, TenantId};

use super::{BATCH, Janitor, Whose, all_due::all_due, swept};

const NAME: &str = "running_erasures";

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let (across, assets_swept) = (janitor.database.across_tenants(), AtomicU64::new(0));
    // Those that wait for holds are as old as they are: whoever comes after them has a turn, too.
    let done = all_due(
        NAME,
        async |most| across.running_erasures(most).await,
        |(_, erasure)| *erasure,
        |(tenant, _)| Whose::tenant(*tenant),
        async |(tenant, erasure)| {
            assets_swept.fetch_add(assets(janitor, tenant, erasure).await?, Ordering::Relaxed);
            settle(janitor, tenant, erasure).await
        },
    )
    .await?;
    Ok(done + assets_swept.into_inner())
}

/// Goes once through all assets that are left.
async fn assets(janitor: &Janitor, tenant: TenantId, erasure: ErasureId) -> anyhow::Result<u64> {
    let (mut count, mut after) = (0, None);
    loop {
        let mut tx = janitor.database.in_tenant(tenant, "janitor.running_erasures").await?;
        let left = tx.erasures().assets_left(erasure, after, BATCH).await?;
        drop(tx);
        for asset in &left {
            count += swept(NAME, Whose::asset(tenant, *asset), asset, erase(janitor, tenant, erasure, *asset).await);
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
