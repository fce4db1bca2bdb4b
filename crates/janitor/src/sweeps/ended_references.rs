//! References that are over lose their rows, and their assets begin to count the days.

use media_domain::{AssetId, TenantId};

use super::{BATCH, Janitor, Whose, lag::Lag, swept};

const NAME: &str = "ended_references";

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let (mut lag, mut count) = (Lag::of(NAME), 0);
    loop {
        let due = janitor.database.across_tenants().ended_references(BATCH).await?;
        let is_full = i32::try_from(due.len()).is_ok_and(|due| due == BATCH);
        let mut done = 0;
        for (tenant, asset) in due {
            done += swept(NAME, Whose::asset(tenant, asset), &asset, end(janitor, tenant, asset, &mut lag).await);
        }
        count += done;
        // What cannot be swept now is left for the next turn.
        if !is_full || done == 0 {
            return Ok(count);
        }
    }
}

async fn end(janitor: &Janitor, tenant: TenantId, asset: AssetId, lag: &mut Lag) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(tenant, "janitor.ended_references").await?;
    let late = tx.sweep_references(asset).await?;
    if lag.note(late) {
        tx.commit().await?;
        return Ok(true);
    }
    Ok(false)
}
