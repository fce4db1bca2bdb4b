//! `media`, as a person types it.

use std::{
    process::{Command, Output, Stdio},
    time::Duration,
};

use tokio::time::timeout;

use super::{Caller, World, program};

/// Longer than any test lets it work or wait.
const LIMIT: Duration = Duration::from_secs(300);

/// The command line of a caller, yet to be run.
pub fn media(world: &World, caller: &Caller, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("media"));
    command
        .args(arguments)
        .env_clear()
        .env("MEDIA_API", world.fleet.grpc_url())
        .env("MEDIA_TOKEN", &caller.token)
        .env("MEDIA_OWNER", caller.owner.to_string())
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end. One that has none is killed.
pub async fn run(command: impl Into<tokio::process::Command>) -> Output {
    let mut command = command.into();
    let ended = timeout(LIMIT, command.kill_on_drop(true).output()).await;
    ended.unwrap_or_else(|_| panic!("it did not end within {LIMIT:?}: {command:?}")).unwrap()
}
