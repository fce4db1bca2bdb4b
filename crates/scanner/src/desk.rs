//! Who does which piece of work of this queue: what is to be fetched goes to the importer, all else to the scanner.

use std::time::Duration;

use media_domain::work::{Group, Queue};
use media_storage::{StorageError, TenantTx, work::Lease};
use media_worker::{JobError, Progress, Work};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    import::{Fetched, Importer},
    scan::{Found, Scanner},
};

/// How long an import waits for others to end, and a permit with it.
const PLACE_WAITED_FOR: Duration = Duration::from_secs(2);

pub struct Desk {
    scanner: Scanner,
    importer: Importer,
    /// How many imports may run at once: another side that is slow keeps nobody's scan waiting.
    imports: Semaphore,
}

impl Desk {
    /// One of the worker's permits is left to scans, if there are two.
    pub fn new(scanner: Scanner, importer: Importer, permits: u16) -> Self {
        let imports = Semaphore::new(usize::from(permits.saturating_sub(1).max(1)));
        Self { scanner, importer, imports }
    }
}

/// What came of a piece of work.
pub enum Done {
    Scanned(Box<Found>),
    Fetched(Fetched),
}

impl Work for Desk {
    const QUEUE: Queue = Queue::Scan;
    type Outcome = Done;

    async fn run(&self, lease: &Lease, progress: &Progress, stop: &CancellationToken) -> Result<Done, JobError> {
        match lease.group {
            Group::Import => {
                // Quick ones follow each other here; where those that run are slow, this one goes back.
                let place = tokio::time::timeout(PLACE_WAITED_FOR, self.imports.acquire()).await;
                let _place = place.ok().and_then(Result::ok).ok_or(JobError::NoRoom)?;
                self.importer.run(lease, progress, stop).await.map(Done::Fetched)
            }
            _ => Ok(Done::Scanned(Box::new(self.scanner.run(lease, progress, stop).await?))),
        }
    }

    async fn commit(&self, tx: &mut TenantTx, lease: &Lease, done: &Done) -> Result<(), StorageError> {
        match done {
            Done::Scanned(found) => self.scanner.commit(tx, lease, found).await,
            Done::Fetched(fetched) => self.importer.commit(tx, lease, fetched).await,
        }
    }
}
