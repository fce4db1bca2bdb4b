//! media-janitor: brings back to order what time and accidents have left, by the clock.

mod config;
mod dry_run;
mod sweeps;

use std::process::ExitCode;

use media_blobs::Blobs;
use media_runtime::Once;
use media_storage::Database;

use crate::{config::JanitorConfig, sweeps::Janitor};

const NAME: &str = "media-janitor";
const DRY_RUN: Once = Once { name: "dry-run", help: "Say what would be deleted now and why, change nothing, and leave" };

fn main() -> ExitCode {
    media_runtime::main_or_once(NAME, include_str!("../defaults.toml"), &[DRY_RUN], async |cx: media_runtime::Context<JanitorConfig>| {
        let JanitorConfig { database, s3, sweeps } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        let janitor = Janitor { database, blobs: Blobs::connect(&s3)?, config: sweeps };
        if cx.is_once(DRY_RUN) {
            return Box::pin(dry_run::print(&janitor)).await;
        }
        media_worker::watch_database(&cx, &janitor.database);
        Box::pin(janitor.run(&cx)).await;
        Ok(())
    })
}
