//! Readiness: whether the database answers and the broker is connected.

use std::time::Duration;

use media_messaging::Broker;
use media_runtime::Context;
use media_storage::Database;
use tokio::time::{MissedTickBehavior, interval};

/// How often the database is asked.
const EVERY: Duration = Duration::from_secs(5);

/// Keeps `/readyz` true about Postgres for as long as the service runs.
pub fn watch_database<C>(cx: &Context<C>, database: &Database) {
    let postgres = cx.health.component("postgres");
    let database = database.clone();
    let stop = cx.shutdown.soft.clone();
    cx.spawn_critical("readiness", async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match database.check().await {
                Ok(()) => postgres.ready(),
                Err(error) => postgres.not_ready(error.to_string()),
            }
        }
        Ok(())
    });
}

/// Keeps `/readyz` true about RabbitMQ for as long as the service runs.
pub fn watch_broker<C>(cx: &Context<C>, broker: &Broker) {
    let up = broker.watch();
    cx.health.check("rabbitmq", move || if *up.borrow() { Ok(()) } else { Err("not connected".to_owned()) });
}
