//! media-outbox-relay: publishes what the outbox holds, and makes rows of what the broker gave up.

mod config;
mod dead_letters;
mod drain;

use std::process::ExitCode;

use media_messaging::Broker;
use media_storage::Database;

use crate::{config::RelayConfig, dead_letters::DeadLetterMover, drain::Relay};

const NAME: &str = "media-outbox-relay";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<RelayConfig>| {
        let RelayConfig { database, amqp, drain } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        media_worker::watch_database(&cx, &database);
        media_worker::watch_broker(&cx, &broker);
        let mover = DeadLetterMover { database: database.clone(), broker: broker.clone() };
        let relay = Relay { database, broker, config: drain };
        tokio::join!(relay.run(&cx.shutdown.soft), mover.run(&cx.shutdown.soft));
        Ok(())
    })
}
