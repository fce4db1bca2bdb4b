//! The parent's half: starts a child for each piece of work, answers its asks, takes what it sends, and believes nothing
//! that it has not counted itself.

mod cgroup;
mod collect;
mod failure;
mod process;
mod run;
mod serve;
mod spawn;
mod waited;

pub use cgroup::prepare as prepare_cgroups;
pub(crate) use collect::Collected;
pub use collect::{Fragment, OutputWriter};
pub use failure::{BoxError, ChildFailure, FailureKind};
pub use process::Usage;
pub use run::{ChildDone, Made, run_child};
pub use serve::RangeReader;
