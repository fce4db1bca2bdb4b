//! media-outbox-relay: publishes what the outbox holds.

mod config;
mod drain;

use std::process::ExitCode;

use media_messaging::Broker;
use media_storage::Database;

use crate::{config::RelayConfig, drain::Relay};

const NAME: &str = "media-outbox-relay";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<RelayConfig>| {
        let RelayConfig { database, amqp, drain } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        media_worker::watch_database(&cx, &database);
        media_worker::watch_broker(&cx, &broker);
        Relay { database, broker, config: drain }.run(&cx.shutdown.soft).await;
        Ok(())
    })
}
