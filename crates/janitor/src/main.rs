//! media-janitor: brings back to order what time and accidents have left, by the clock.

mod config;
mod sweeps;

use std::process::ExitCode;

use media_blobs::Blobs;
use media_storage::Database;

use crate::{config::JanitorConfig, sweeps::Janitor};

const NAME: &str = "media-janitor";

fn main() -> ExitCode {
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<JanitorConfig>| {
        let JanitorConfig { database, s3, sweeps } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        media_worker::watch_database(&cx, &database);
        let janitor = Janitor { database, blobs: Blobs::connect(&s3)?, config: sweeps };
        Box::pin(janitor.run(&cx)).await;
        Ok(())
    })
}
