//! How far behind the service is, as metrics: every janitor tells the same, so that dashboards take the largest.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use media_domain::{Reason, TenantId};
use media_runtime::Context;
use media_storage::{Database, StorageError, across::Across};
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
    // From the start: of what is never told nobody can say that it is missing.
    let ours = Reason::ALL.iter().filter(|reason| reason.is_ours()).map(|reason| reason.as_str().to_owned()).collect();
    let mut told = Told { reasons: ours, ..Told::default() };
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        stop.run_until_cancelled(tell(&database.across_tenants(), &mut told)).await;
    }
}

/// What something was told of before: where there is nothing more to tell, that is told too.
#[derive(Default)]
struct Told {
    reasons: BTreeSet<String>,
    tenants: BTreeSet<String>,
}

/// Each by itself: one that cannot be read keeps no other from being told, else the alerts on all of them would fall silent with it.
async fn tell(across: &Across, told: &mut Told) {
    note("queues", queues(across).await);
    note("outbox", outbox(across).await);
    note("dead letters", dead_letters(across, &mut told.reasons).await);
    note("stored bytes", stored_bytes(across, &mut told.tenants).await);
    note("sweeps", sweeps(across).await);
    note("erasures", erasures(across).await);
}

fn note(what: &'static str, outcome: Result<(), StorageError>) {
    if let Err(error) = outcome {
        warn!(%error, what, "how far behind the service is could not be read");
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of rows and bytes below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

async fn queues(across: &Across) -> Result<(), StorageError> {
    for depth in across.queue_depths().await? {
        let queue = depth.queue.as_str();
        metrics::gauge!("media_queue_waiting", "queue" => queue).set(number(depth.waiting));
        metrics::gauge!("media_queue_running", "queue" => queue).set(number(depth.running));
        metrics::gauge!("media_queue_oldest_seconds", "queue" => queue).set(depth.oldest.as_secs_f64());
    }
    Ok(())
}

async fn outbox(across: &Across) -> Result<(), StorageError> {
    let outbox = across.outbox_depth().await?;
    metrics::gauge!("media_outbox_waiting").set(number(outbox.waiting));
    metrics::gauge!("media_outbox_oldest_seconds").set(outbox.oldest.as_secs_f64());
    Ok(())
}

async fn dead_letters(across: &Across, told: &mut BTreeSet<String>) -> Result<(), StorageError> {
    let letters: BTreeMap<String, u64> = across.open_dead_letters().await?.into_iter().collect();
    told.extend(letters.keys().cloned());
    for reason in &*told {
        metrics::gauge!("media_dead_letters_open", "reason" => reason.clone()).set(number(letters.get(reason).copied().unwrap_or(0)));
    }
    Ok(())
}

async fn stored_bytes(across: &Across, told: &mut BTreeSet<String>) -> Result<(), StorageError> {
    let name = |tenant: Option<TenantId>| tenant.map_or_else(|| "others".to_owned(), |tenant| tenant.to_string());
    let stored: BTreeMap<String, u64> =
        across.stored_bytes(TENANTS).await?.into_iter().map(|(tenant, bytes)| (name(tenant), bytes)).collect();
    // One that is no longer among the largest is counted with the others. It is told so once, and then forgotten: else the series grow.
    let overtaken = told.iter().filter(|tenant| !stored.contains_key(*tenant)).map(|tenant| (tenant, 0));
    for (tenant, bytes) in stored.iter().map(|(tenant, bytes)| (tenant, *bytes)).chain(overtaken) {
        metrics::gauge!("media_stored_bytes", "tenant" => tenant.clone()).set(number(bytes));
    }
    *told = stored.into_keys().collect();
    Ok(())
}

/// Of sweeps that do not tell of themselves (`sweeps::lag`): a sweep that did both would overwrite what is left with what was taken.
async fn sweeps(across: &Across) -> Result<(), StorageError> {
    for (sweep, late) in across.sweep_lags().await? {
        metrics::gauge!("media_sweep_lag_seconds", "sweep" => sweep).set(late.as_secs_f64());
    }
    Ok(())
}

async fn erasures(across: &Across) -> Result<(), StorageError> {
    let erasures = across.open_erasures().await?;
    metrics::gauge!("media_erasures_open").set(number(erasures.open));
    metrics::gauge!("media_erasure_oldest_seconds").set(erasures.oldest.as_secs_f64());
    Ok(())
}
