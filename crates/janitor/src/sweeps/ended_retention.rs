//! Assets whose retention is over are deleted, as a caller deletes: they can be brought back in the grace.

use media_domain::{AssetId, TenantId};

use super::{BATCH, Janitor, Whose, lag::Lag, swept};

const NAME: &str = "ended_retention";

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let (mut lag, mut count) = (Lag::of(NAME), 0);
    loop {
        let due = janitor.database.across_tenants().ended_retention(BATCH).await?;
        let is_full = i32::try_from(due.len()).is_ok_and(|due| due == BATCH);
        let mut done = 0;
        for (tenant, asset) in due {
            done += swept(NAME, Whose::asset(tenant, asset), &asset, delete(janitor, tenant, asset, &mut lag).await);
        }
        count += done;
        // What cannot be swept now is left for the next turn.
        if !is_full || done == 0 {
            return Ok(count);
        }
    }
}

async fn delete(janitor: &Janitor, tenant: TenantId, asset: AssetId, lag: &mut Lag) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.ended_retention").await?;
    let late = tx.delete_if_over(asset).await?.map(|over| over.late);
    if lag.note(late) {
        tx.commit().await?;
        return Ok(true);
    }
    Ok(false)
}
