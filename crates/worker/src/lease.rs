//! Keeping a lease alive, and knowing when it is lost.

use std::time::Duration;

use media_storage::{
    Database, StorageError,
    work::{Heartbeat, Lease},
};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tracing::warn;

use crate::{Progress, WorkerConfig};

/// Why a lease is no longer to be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Another attempt has it, or it is so near its end without a heartbeat that another may.
    Lost,
    /// The asset was deleted, or the job cancelled.
    Cancelled,
}

/// Heartbeats until the lease is lost or its work cancelled.
pub(crate) async fn hold(database: &Database, lease: &Lease, progress: &Progress, config: &WorkerConfig) -> Ended {
    // The process's clock, from before each call: this side always believes the lease to end before the database does.
    let mut held_until = Instant::now() + safe(config.lease);
    let mut ticks = interval(config.heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let before = Instant::now();
        match timeout_at(held_until, beat(database, lease, progress, config)).await {
            Ok(Ok(Heartbeat::Held)) => held_until = before + safe(config.lease),
            Ok(Ok(Heartbeat::CancelRequested)) => return Ended::Cancelled,
            Ok(Err(StorageError::LeaseLost)) => return Ended::Lost,
            Ok(Err(error)) => warn!(work.id = %lease.work, error = %error, "a heartbeat failed; the lease is held until its end is near"),
            Err(_) => return Ended::Lost,
        }
        if Instant::now() >= held_until {
            return Ended::Lost;
        }
    }
}

async fn beat(database: &Database, lease: &Lease, progress: &Progress, config: &WorkerConfig) -> Result<Heartbeat, StorageError> {
    let mut tx = database.in_tenant(lease.tenant, "worker.heartbeat").await?;
    let answer = tx.work().heartbeat(lease, config.lease).await?;
    if progress.percent() > 0 {
        tx.transcode_jobs().progress(lease.work, progress.percent()).await?;
    }
    tx.commit().await?;
    Ok(answer)
}

/// How much of a lease is worked in without a heartbeat: a tenth is left for clocks and for what is under way.
fn safe(lease: Duration) -> Duration {
    lease.mul_f64(0.9)
}
