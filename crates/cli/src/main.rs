//! `media`: what a person types to hand files over, watch what becomes of them, and get them back.
//!
//! A file per verb in `verbs`. Results go to stdout (with `--json` as protobuf JSON), progress and errors to stderr; every
//! error is one sentence and an exit code of [`failure::Failure`].

mod api;
mod args;
mod asset_text;
mod failure;
mod file_kind;
mod follow;
mod moment;
mod operations_text;
mod output;
mod part_plan;
mod progress;
mod provenance;
mod resume;
mod tls;
mod transfer;
mod verbs;
mod words;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{args::Args, failure::Failure};

fn main() -> ExitCode {
    let args = Args::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Unexpected(format!("no threads to run on: {error}")))
        .and_then(|runtime| runtime.block_on(Box::pin(verbs::run(args))));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}
