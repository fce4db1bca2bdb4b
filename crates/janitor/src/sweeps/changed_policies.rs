//! Where a tenant has other days than before, the retention of all of its assets is reckoned anew, some at a time: each
//! transaction goes on where the one before it ended, whoever made that.

use media_domain::TenantId;

use super::{BATCH, Janitor, Whose, swept};

/// How often a tenant's turn comes before the others of this sweep wait for the next.
const TURNS: usize = 100;

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for _ in 0..TURNS {
        let mut done = 0;
        for tenant in janitor.database.across_tenants().changed_policies(BATCH).await? {
            done += swept("changed_policies", Whose::tenant(tenant), &tenant, apply(janitor, tenant).await);
        }
        count += done;
        if done == 0 {
            break;
        }
    }
    Ok(count)
}

async fn apply(janitor: &Janitor, tenant: TenantId) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.changed_policies").await?;
    let assets = tx.apply_policy().await?;
    tx.commit().await?;
    Ok(assets > 0)
}
