//! Published rows of the outbox, rows of the inbox, and request ids, after they were kept long enough.

use super::{BATCH, Janitor};

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let across = janitor.database.across_tenants();
    let mut swept = 0;
    loop {
        let outbox = across.prune_outbox(janitor.config.outbox_kept, BATCH).await?;
        let inbox = across.prune_inbox(janitor.config.inbox_kept, BATCH).await?;
        let request_ids = across.prune_request_ids(BATCH).await?;
        swept += (outbox + inbox + request_ids).unsigned_abs();
        if [outbox, inbox, request_ids].into_iter().all(|count| count < i64::from(BATCH)) {
            return Ok(swept);
        }
    }
}
