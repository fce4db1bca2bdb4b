//! media-scanner: fetches what is imported, and makes one pass over each original that came in.

mod config;
mod desk;
mod fetch;
mod import;
mod scan;
mod signature_age;
mod sniff;

use std::process::ExitCode;

use media_blobs::Blobs;
use media_messaging::Broker;
use media_storage::Database;

use crate::{
    config::ScannerConfig,
    desk::Desk,
    fetch::{Client, SystemResolver},
    import::Importer,
    scan::Scanner,
};

const NAME: &str = "media-scanner";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<ScannerConfig>| {
        let ScannerConfig { database, amqp, s3, worker, profiles, clamd, import, fetch } = cx.config.clone();
        scan::count_from_zero();
        signature_age::watch(&cx, clamd.clone());
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        let blobs = Blobs::connect(&s3)?;
        let scanner = Scanner { database: database.clone(), blobs: blobs.clone(), profiles: profiles.load()?, clamd };
        let client = Client::new(import, fetch, SystemResolver)?;
        let importer = Importer { database: database.clone(), blobs, client, lease: worker.lease };
        let desk = Desk::new(scanner, importer, worker.permits);
        media_worker::run(&cx, worker, database, broker, desk).await
    })
}
