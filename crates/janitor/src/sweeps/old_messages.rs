//! Published rows of the outbox and rows of the inbox, after they were kept long enough.

use super::{BATCH, Janitor};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    let mut swept = 0;
    loop {
        let outbox = across.prune_outbox(janitor.config.outbox_kept, BATCH).await?;
        let inbox = across.prune_inbox(janitor.config.inbox_kept, BATCH).await?;
        swept += (outbox + inbox).unsigned_abs();
        if outbox < i64::from(BATCH) && inbox < i64::from(BATCH) {
            return Ok(swept);
        }
    }
}
