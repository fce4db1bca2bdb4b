//! Assets that wait for what is made of the same bytes for another one, which is at rest: in a roll-out, an older worker ends an asset
//! and knows nothing of its followers. The oldest of them gets work of its own.

use media_domain::{AssetId, TenantId};

use super::{Janitor, Whose, all_due::all_due};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    all_due(
        "left_followers",
        async |most| across.left_followers(most).await,
        |(_, leader)| *leader,
        |(tenant, leader)| Whose::asset(*tenant, *leader),
        async |(tenant, leader)| release(janitor, tenant, leader).await,
    )
    .await
}

async fn release(janitor: &Janitor, tenant: TenantId, leader: AssetId) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.left_followers").await?;
    if tx.release_followers(leader).await? {
        tx.commit().await?;
        return Ok(true);
    }
    Ok(false)
}
