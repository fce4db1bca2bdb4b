//! How far behind the service is, as metrics: every janitor tells the same, so that dashboards take the largest.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use media_domain::TenantId;
use media_runtime::Context;
use media_storage::{Database, StorageError};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

const EVERY: Duration = Duration::from_secs(15);
/// How many tenants' bytes are told one by one.
const TENANTS: i32 = 20;

/// Tells them for as long as the service runs.
pub async fn watch<C>(cx: &Context<C>, database: &Database) {
    let stop = &cx.shutdown.soft;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(Err(error)) = stop.run_until_cancelled(tell(database, &mut told)).await {
            warn!(%error, "how far behind the service is could not be read");
        }
    }
}

/// What something was told of before: where there is nothing more to tell, that is told too.
#[derive(Default)]
struct Told {
    reasons: BTreeSet<String>,
    tenants: BTreeSet<String>,
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes below 2^53")]
async fn tell(database: &Database, told: &mut Told) -> Result<(), StorageError> {
    let across = database.across_tenants();
    for depth in across.queue_depths().await? {
        let queue = depth.queue.as_str();
        metrics::gauge!("media_queue_waiting", "queue" => queue).set(depth.waiting as f64);
        metrics::gauge!("media_queue_running", "queue" => queue).set(depth.running as f64);
        metrics::gauge!("media_queue_oldest_seconds", "queue" => queue).set(depth.oldest.as_secs_f64());
    }
    let outbox = across.outbox_depth().await?;
    metrics::gauge!("media_outbox_waiting").set(outbox.waiting as f64);
    metrics::gauge!("media_outbox_oldest_seconds").set(outbox.oldest.as_secs_f64());
    let letters: BTreeMap<String, u64> = across.open_dead_letters().await?.into_iter().collect();
    told.reasons.extend(letters.keys().cloned());
    for reason in &told.reasons {
        metrics::gauge!("media_dead_letters_open", "reason" => reason.clone()).set(letters.get(reason).copied().unwrap_or(0) as f64);
    }
    let name = |tenant: Option<TenantId>| tenant.map_or_else(|| "others".to_owned(), |tenant| tenant.to_string());
    let stored: BTreeMap<String, u64> =
        across.stored_bytes(TENANTS).await?.into_iter().map(|(tenant, bytes)| (name(tenant), bytes)).collect();
    // One that is no longer among the largest is counted with the others. It is told so once, and then forgotten: else the series grow.
    let overtaken = told.tenants.iter().filter(|tenant| !stored.contains_key(*tenant)).map(|tenant| (tenant, 0));
    for (tenant, bytes) in stored.iter().map(|(tenant, bytes)| (tenant, *bytes)).chain(overtaken) {
        metrics::gauge!("media_stored_bytes", "tenant" => tenant.clone()).set(bytes as f64);
    }
    told.tenants = stored.into_keys().collect();
    Ok(())
}
