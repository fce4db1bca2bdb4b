//! Real servers as child processes, for tests and for a person who develops: Postgres, RabbitMQ, clamd and SeaweedFS on
//! free ports of the loopback address, unprivileged, in one temporary folder.
//!
//! Its promise: what it starts ends with it, also when it is killed with -9. Each server runs in a process group of its
//! own beside a watcher that kills the group when our end of a pipe closes, which the kernel does for a process however
//! it died.
//!
//! - `media-devstack run -- COMMAND` gives a whole test run one [`Stack`]; a test says
//!   [`StackInfo::from_env`]`()?.`[`isolated`](StackInfo::isolated)`("its name")` and gets a database, a vhost and two buckets of its own.
//! - A test that must kill a server starts a stack in which only that one is its own: [`StackOptions::beside`].
//! - `media-devstack up` serves a person, and `media-devstack demo` shows one all that there is.
//! - Each server can be one given by URL: [`Given::from_env`] names the variables.
//! - Services can be put somewhere else before they run, such as into the root of their image: `MEDIA_DEVSTACK_LAUNCHER` names the
//!   program that does it; it is given a binary's name and its path, and must become that binary (`exec`).

mod checkout;
mod clamd;
mod error;
mod fleet;
mod folder;
mod given;
mod info;
mod isolated;
mod launcher;
mod place;
mod ports;
mod postgres;
mod rabbitmq;
mod seaweedfs;
mod server;
mod service;
mod stack;
mod supervise;
mod template;

pub use error::DevstackError;
pub use fleet::{Fleet, JWT_AUDIENCE, JWT_ISSUER, JWT_SECRET};
pub use given::{Given, cache_folder};
pub use info::{ClamdInfo, DatabaseRole, PostgresInfo, RabbitMqInfo, S3Credentials, S3Identity, S3Info, StackInfo};
pub use isolated::Isolated;
pub use postgres::postgres_programs;
pub use server::Server;
pub use service::{Binary, Service};
pub use stack::{Stack, StackOptions};
