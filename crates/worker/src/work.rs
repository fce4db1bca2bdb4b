//! What a worker is: its queue, and the two halves of its job.

use std::sync::atomic::{AtomicU8, Ordering};

use media_domain::{Reason, work::Queue};
use media_storage::{StorageError, TenantTx, work::Lease};
use tokio_util::sync::CancellationToken;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One kind of job.
pub trait Work: Send + Sync + 'static {
    /// The queue that it works on.
    const QUEUE: Queue;
    /// What the long half hands to the short one.
    type Outcome: Send + Sync;

    /// The long half. It holds no transaction. When `stop` is cancelled it ends soon and leaves nothing behind that a later
    /// attempt could not clear away; what it then returns is not committed.
    fn run(
        &self,
        lease: &Lease,
        progress: &Progress,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<Self::Outcome, JobError>> + Send;

    /// The short half: it writes the outcome in the transaction that ends the lease, and awaits nothing but `tx`. It may be
    /// called again if the transaction failed.
    fn commit(&self, tx: &mut TenantTx, lease: &Lease, done: &Self::Outcome) -> impl Future<Output = Result<(), StorageError>> + Send;
}

/// Why the long half did not come to its end, by what is done about it.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Another attempt holds the lease. Stop; write nothing.
    #[error("another attempt holds the lease")]
    LeaseLost,
    /// `stop` was cancelled.
    #[error("stopped before the end")]
    Stopped,
    /// The file cannot be processed: the job fails, and its owner is told the reason. `detail` is shown to the owner; it
    /// holds nothing that came out of the file.
    #[error("the file cannot be processed: {reason}")]
    Permanent { reason: Reason, detail: String },
    /// It went wrong and may go right: tried again with a delay, three times in all.
    #[error("the attempt failed: {reason}")]
    Failed {
        reason: Reason,
        #[source]
        source: BoxError,
    },
    /// There is no room for this kind of job here at the moment. Tried again soon, here or elsewhere.
    #[error("there is no room for it at the moment")]
    NoRoom,
    /// A dependency is away. Tried again with a delay, for as long as it takes.
    #[error("a dependency is unavailable")]
    Unavailable(#[source] BoxError),
}

impl From<StorageError> for JobError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::LeaseLost => JobError::LeaseLost,
            error if error.is_transient() => JobError::Unavailable(error.into()),
            error => JobError::Failed { reason: Reason::Internal, source: error.into() },
        }
    }
}

/// How far a job is. Each heartbeat carries it to the database.
#[derive(Debug, Default)]
pub struct Progress(AtomicU8);

impl Progress {
    /// Notes a percentage; it never falls, and stays below 100 until the commit.
    pub fn at(&self, percent: u8) {
        self.0.fetch_max(percent.min(99), Ordering::Relaxed);
    }

    pub(crate) fn percent(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}
