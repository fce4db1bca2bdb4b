//! media-scanner: one pass over each original that came in.

mod clamd;
mod config;
mod scan;
mod sniff;

use std::process::ExitCode;

use media_blobs::Blobs;
use media_messaging::Broker;
use media_storage::Database;

use crate::{config::ScannerConfig, scan::Scanner};

const NAME: &str = "media-scanner";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<ScannerConfig>| {
        let ScannerConfig { database, amqp, s3, worker, profiles, clamd } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        let scanner = Scanner { database: database.clone(), blobs: Blobs::connect(&s3)?, profiles: profiles.load()?, clamd };
        media_worker::run(&cx, worker, database, broker, scanner).await
    })
}
