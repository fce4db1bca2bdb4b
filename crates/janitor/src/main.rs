//! media-janitor: brings back to order what time and accidents have left, by the clock.

mod config;
mod dry_run;
mod sweeps;

use std::process::ExitCode;

use anyhow::Context as _;
use backon::Retryable as _;
use media_blobs::{BlobError, Blobs, patience};
use media_runtime::Once;
use media_storage::Database;

use crate::{config::JanitorConfig, sweeps::Janitor};

const NAME: &str = "media-janitor";
const DRY_RUN: Once = Once { name: "dry-run", help: "Say what would be deleted now and why, change nothing, and leave" };
const ONCE: Once = Once { name: "once", help: "Run all sweeps until nothing is left for them, and leave" };
const FLAGS: &[Once] = &[DRY_RUN, ONCE];

fn main() -> ExitCode {
    media_runtime::main_or_once(NAME, include_str!("../defaults.toml"), FLAGS, async |cx: media_runtime::Context<JanitorConfig>| {
        let JanitorConfig { database, s3, sweeps } = cx.config.clone();
        let database = Database::connect(&database, NAME)?;
        let janitor = Janitor { database, blobs: Blobs::connect(&s3)?, config: sweeps, archive_class: s3.archive_class };
        if cx.is_once(DRY_RUN) {
            return Box::pin(dry_run::print(&janitor)).await;
        }
        if let Some(class) = janitor.archive_class {
            // Before anything is entrusted to it.
            let try_class = async || janitor.blobs.try_class(class).await;
            let tried = try_class.retry(patience()).when(BlobError::is_transient).await;
            tried.with_context(|| format!("s3.archive_class is {class}, which was tried on the store"))?;
        }
        if cx.is_once(ONCE) {
            return Box::pin(janitor.run_once(&cx)).await;
        }
        media_worker::watch_database(&cx, &janitor.database);
        Box::pin(janitor.run(&cx)).await;
        Ok(())
    })
}
