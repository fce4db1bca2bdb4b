//! media-api: takes uploads, shows assets and lets players in.
//!
//! Two ports: gRPC for internal services ([`grpc`]) and HTTP for players ([`door`]). A call passes [`auth`] first, which makes the
//! only [`auth::Caller`] a handler can get; every error leaves by [`status`]. Bytes never pass through here: the store's
//! signatures let clients send and fetch them directly.

mod auth;
mod config;
mod convert;
mod door;
mod error;
mod grpc;
mod keyring;
mod once;
mod page;
mod rate_limit;
mod serve;
mod status;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    media_runtime::main("media-api", include_str!("../defaults.toml"), serve::serve)
}
