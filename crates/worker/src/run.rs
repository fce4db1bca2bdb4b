//! The loop: take a message with a permit free, claim, acknowledge, work.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use media_messaging::{Broker, CommandSource, Delivery};
use media_runtime::{Context, Problem};
use media_storage::{Database, StorageError, across::Claimed};
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{
    Work,
    job::{self, Next},
    watch_broker, watch_database,
};

/// The settings of the loop.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// How many jobs run at once.
    pub permits: u16,
    /// How long a lease lasts without a heartbeat.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// How often a lease is prolonged.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How often an idle worker looks for work without a message.
    #[serde(with = "humantime_serde")]
    pub idle_poll: Duration,
}

/// How long a permit waits after the database could not be asked, or a job found something that it needs away.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// What all permits share.
pub(crate) struct Shared<W> {
    pub work: W,
    pub database: Database,
    pub config: WorkerConfig,
    pub owner: String,
    pub shutdown: media_runtime::Shutdown,
}

/// Works until the service is told to stop; then takes nothing new, and ends when the last job has.
///
/// # Errors
/// If a permit's task died.
pub async fn run<C, W: Work>(cx: &Context<C>, config: WorkerConfig, database: Database, broker: Broker, work: W) -> anyhow::Result<()> {
    watch_database(cx, &database);
    watch_broker(cx, &broker);
    job::count_from_zero(W::QUEUE);
    let shared = Arc::new(Shared { work, database, owner: cx.instance.clone(), shutdown: cx.shutdown.clone(), config });
    let source = Arc::new(CommandSource::new(&broker, W::QUEUE));
    let mut permits = tokio::task::JoinSet::new();
    for _ in 0..shared.config.permits {
        permits.spawn(permit(shared.clone(), source.clone()));
    }
    while let Some(ended) = permits.join_next().await {
        ended.context("a permit's task died")?;
    }
    Ok(())
}

async fn permit<W: Work>(shared: Arc<Shared<W>>, source: Arc<CommandSource>) {
    let stop = &shared.shutdown.soft;
    // The first look comes soon, and not at the same moment in every pod of a roll-out.
    let mut wait = jittered(Duration::from_millis(200));
    while !stop.is_cancelled() {
        let delivery = tokio::select! {
            delivery = source.next(stop) => delivery,
            () = sleep(wait) => None,
        };
        wait = jittered(shared.config.idle_poll);
        let mut message = delivery;
        // After each job, and after each message, look again until nothing waits.
        while !stop.is_cancelled() {
            let sender = message.as_ref().and_then(|delivery| delivery.message.traceparent.clone());
            match claim(&shared, message.take()).await {
                Ok(Some(claimed)) => {
                    if job::run(&shared, claimed, sender).await == Next::Pause {
                        stop.run_until_cancelled(sleep(jittered(AFTER_ERROR))).await;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(queue = %W::QUEUE, error = %error, "work could not be claimed");
                    // Not before: the message went back, and would be here again at once.
                    stop.run_until_cancelled(sleep(jittered(AFTER_ERROR))).await;
                    break;
                }
            }
        }
    }
}

/// Claims the next piece of work; acknowledges the message once that is committed. On an error the message goes back.
async fn claim<W: Work>(shared: &Shared<W>, message: Option<Delivery>) -> Result<Option<Claimed>, StorageError> {
    let id = message.as_ref().and_then(|delivery| delivery.message.message_id);
    let claimed = shared.database.across_tenants().claim(W::QUEUE, &shared.owner, shared.config.lease, id).await?;
    if let Some(delivery) = message
        && let Err(redelivered) = delivery.ack().await
    {
        debug!(queue = %W::QUEUE, error = %redelivered, "the inbox will know the message when it comes again");
    }
    Ok(claimed)
}

fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.75..1.25))
}

impl WorkerConfig {
    /// What is wrong with these settings; see `Settings::problems`.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.permits == 0 {
            problems.push(Problem::new("worker.permits", "must be at least 1"));
        }
        // The first is a rhythm, which there has to be; the other would let an idle worker ask without a pause.
        for (place, every) in [("worker.heartbeat", self.heartbeat), ("worker.idle_poll", self.idle_poll)] {
            if every.is_zero() {
                problems.push(Problem::new(place, "must be longer than nothing"));
            }
        }
        if self.heartbeat.saturating_mul(3) > self.lease {
            problems.push(Problem::new(
                "worker.heartbeat",
                "must be at most a third of worker.lease: one that is late must not lose the lease",
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_or_spin_a_worker_is_refused_by_its_name() {
        let good = WorkerConfig {
            permits: 1,
            lease: Duration::from_secs(60),
            heartbeat: Duration::from_secs(4),
            idle_poll: Duration::from_secs(30),
        };
        let refused = |config: &WorkerConfig| config.problems().iter().map(|it| it.place().to_owned()).collect::<Vec<_>>();
        let nothing = Duration::ZERO;
        assert!(refused(&good).is_empty());
        assert_eq!(refused(&WorkerConfig { heartbeat: nothing, ..good.clone() }), ["worker.heartbeat"]);
        assert_eq!(refused(&WorkerConfig { idle_poll: nothing, ..good.clone() }), ["worker.idle_poll"]);
        assert_eq!(refused(&WorkerConfig { permits: 0, ..good.clone() }), ["worker.permits"]);
        assert_eq!(refused(&WorkerConfig { lease: nothing, ..good.clone() }), ["worker.heartbeat"]);
        assert_eq!(refused(&WorkerConfig { heartbeat: Duration::MAX, ..good }), ["worker.heartbeat"]);
    }
}
