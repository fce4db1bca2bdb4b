//! `media-transcoder`: the service, and behind a hidden subcommand the child that it starts for each piece of work.

use std::process::ExitCode;

use media_blobs::Blobs;
use media_messaging::Broker;
use media_storage::Database;
use media_transcoder::{child, config::TranscoderConfig, job::Transcoder, parent};

const NAME: &str = "media-transcoder";
/// This program, also after its file was replaced.
const OURSELVES: &str = "/proc/self/exe";

fn main() -> ExitCode {
    // Before anything else: the child must not read settings, open ports or start threads.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == child::SUBCOMMAND) {
        child::main();
    }
    media_runtime::main(NAME, include_str!("../defaults.toml"), async |cx: media_runtime::Context<TranscoderConfig>| {
        let TranscoderConfig { database, amqp, s3, worker, profiles, sandbox } = cx.config.clone();
        // Before any work is taken.
        let layers = sandbox.check(child::lock::Layers::of_this_kernel())?;
        match parent::prepare_cgroups() {
            Ok(()) => tracing::info!("each child's memory is limited by a cgroup of its own"),
            Err(error) => {
                tracing::info!(%error, "no memory cgroup can be made here: a child's memory is limited by its address space alone")
            }
        }
        metrics::counter!("media_child_policy_violations_total").absolute(0);
        let database = Database::connect(&database, NAME)?;
        let broker = Broker::connect(&amqp, NAME).await?;
        let transcoder = Transcoder {
            database: database.clone(),
            blobs: Blobs::connect(&s3)?,
            profiles: profiles.load()?,
            program: OURSELVES.into(),
            lease: worker.lease,
            layers,
        };
        media_worker::run(&cx, worker, database, broker, transcoder).await
    })
}
