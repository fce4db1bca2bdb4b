//! `media`, as a person types it.

use std::process::Command;

use super::{Caller, World, program};

/// The command line of a caller, yet to be run.
pub fn media(world: &World, caller: &Caller, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("media"));
    command
        .args(arguments)
        .env("MEDIA_API", world.fleet.grpc_url())
        .env("MEDIA_TOKEN", &caller.token)
        .env("MEDIA_OWNER", caller.owner.to_string());
    command
}
