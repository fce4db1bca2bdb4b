//! The two steps of stopping: first take nothing new, then leave.
//!
//! Promise: `hard` is never cancelled before `soft`, and the process does not outlive `hard` by more than
//! [`LAST_WORD`] and the time that the last traces may take.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long tasks may still run once `hard` is cancelled: enough to kill a child, not to finish anything.
pub const LAST_WORD: Duration = Duration::from_secs(1);

/// What a service listens to in order to stop well.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// Take nothing new; finish or release what runs. Cancelled by the first SIGTERM or SIGINT, by the death of a
    /// critical task, and by the end of the service itself.
    pub soft: CancellationToken,
    /// Drop everything. Cancelled by a second signal, or when the grace after `soft` is over.
    pub hard: CancellationToken,
}

impl Shutdown {
    /// Cancels both tokens, `soft` first.
    pub(crate) fn cut(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }
}
