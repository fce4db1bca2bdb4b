//! Work whose worker died or lost touch goes back to its queue, or is given up after too many such losses.

use media_domain::{Reason, command::Delay, work::Queue};
use media_storage::{across::Claimed, work::MAX_FAILURES};
use tracing::warn;

use super::{BATCH, Janitor, Whose, swept};

const SAID: &str = "the worker was lost";

/// From the start: an increase of what is not there is no increase.
pub fn count_from_zero() {
    for queue in Queue::ALL {
        metrics::counter!("media_leases_lost_total", "queue" => queue.as_str()).absolute(0);
    }
}

pub async fn sweep(janitor: &Janitor) -> anyhow::Result<u64> {
    let mut count = 0;
    for expired in janitor.database.across_tenants().expired_leases(BATCH).await? {
        count += swept("expired_leases", Whose::tenant(expired.tenant), &expired.work, take_back(janitor, expired).await);
    }
    Ok(count)
}

async fn take_back(janitor: &Janitor, expired: Claimed) -> anyhow::Result<bool> {
    let mut tx = janitor.database.in_tenant(expired.tenant, "janitor.expired_leases").await?;
    // First the asset, then its work, as everybody does who locks both.
    let Some(lease) = tx.work().lookup_lease(expired.work, expired.attempt).await? else { return Ok(false) };
    tx.assets().lock(lease.asset).await?;
    let Some(lease) = tx.work().lock_expired(lease.work, lease.attempt).await? else { return Ok(false) };
    tx.caused_by(lease.traceparent.clone(), Some(lease.work.to_string()));
    let failures = lease.failures + 1;
    if failures >= MAX_FAILURES {
        tx.give_up(&lease, Reason::WorkerLost, SAID).await?;
    } else {
        // The first loss is most often a roll-out or a lost node: no reason to wait.
        let delay = (failures > 1).then(|| Delay::after(failures));
        tx.work().release(&lease, delay, Some((Reason::WorkerLost, SAID))).await?;
    }
    tx.commit().await?;
    metrics::counter!("media_leases_lost_total", "queue" => lease.group.queue().as_str()).increment(1);
    warn!(
        asset.id = %lease.asset, tenant.id = %lease.tenant, work.id = %lease.work, job.group = %lease.group, job.attempt = lease.attempt,
        lease.owner = lease.owner, failures, "a lease was lost: its worker died, or stood still for longer than the lease"
    );
    Ok(true)
}
