//! The loop that receives, claims, heartbeats, runs and commits. It exists once; a worker's crate is its job and nothing else.
//!
//! The row owns the work, and a message is a hint. A claim admits the message and leases a row in one transaction; when
//! it has committed, the message is acknowledged, and from there the lease owns the work. A job has two halves: the long one,
//! [`Work::run`], holds no transaction; the short one, [`Work::commit`], does no other I/O. A worker whose lease was taken
//! cannot commit.

mod job;
mod lease;
mod ready;
mod run;
mod work;

pub use ready::{watch_broker, watch_database};
pub use run::{WorkerConfig, run};
pub use work::{JobError, Progress, Work};
