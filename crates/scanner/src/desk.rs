//! Who does which piece of work of this queue: what is to be fetched goes to the importer, all else to the scanner.

use media_domain::work::{Group, Queue};
use media_storage::{StorageError, TenantTx, work::Lease};
use media_worker::{JobError, Progress, Work};
use tokio_util::sync::CancellationToken;

use crate::{
    import::{Fetched, Importer},
    scan::{Found, Scanner},
};

pub struct Desk {
    pub scanner: Scanner,
    pub importer: Importer,
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
            Group::Import => self.importer.run(lease, progress, stop).await.map(Done::Fetched),
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
