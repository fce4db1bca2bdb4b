//! One attempt: from the lease's row to the transaction that ends it.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use media_domain::{
    Reason,
    command::Delay,
    work::{Group, Queue},
};
use media_runtime::trace_context;
use media_storage::{
    StorageError, TenantTx,
    across::Claimed,
    work::{Lease, MAX_FAILURES},
};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, error, field, info, info_span, warn};

use crate::{JobError, Progress, Work, lease, run::Shared};

/// How long a job may take to end after it was told to stop. Then it is dropped.
const STOPPING_LIMIT: Duration = Duration::from_secs(10);
/// The same when the process leaves: what remains of its last second is for giving the lease back.
const LEAVING_LIMIT: Duration = Duration::from_millis(400);

/// How an attempt ended.
enum End<O> {
    Done(O),
    Failed(JobError),
    Cancelled,
    /// The process must leave.
    Released,
}

/// What an attempt is counted under that ended for a reason which may pass; the others are told once they happen.
const MAY_PASS: [&str; 3] = ["failed", "unavailable", "lost"];

/// From the start: a rate of what is not there is no rate.
pub(crate) fn count_from_zero(queue: Queue) {
    for group in Group::ALL.iter().filter(|group| group.queue() == queue) {
        for outcome in MAY_PASS {
            metrics::counter!("media_jobs_total", "queue" => queue.as_str(), "group" => group.as_str(), "outcome" => outcome).absolute(0);
        }
    }
}

/// What a permit does after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    /// Something that every job needs is away: not at once to the next.
    Pause,
}

pub(crate) async fn run<W: Work>(shared: &Shared<W>, claimed: Claimed, sender: Option<String>) -> Next {
    let read = async || begin(shared, claimed).await;
    let lease = match read.retry(tries()).when(StorageError::is_transient).await {
        Ok(Some(lease)) => lease,
        Ok(None) => return Next::GoOn,
        Err(error) => {
            warn!(work.id = %claimed.work, error = chain(&error), "claimed work could not be read; its lease runs out");
            return Next::Pause;
        }
    };
    let span = info_span!(
        "job", otel.name = format!("{} {}", W::QUEUE.name(), lease.group), otel.kind = "consumer",
        asset.id = %lease.asset, tenant.id = %lease.tenant, work.id = %lease.work, job.group = %lease.group,
        job.attempt = lease.attempt, outcome = field::Empty,
    );
    if let Some(traceparent) = &lease.traceparent {
        trace_context::set_parent(&span, traceparent);
    }
    if let Some(sender) = &sender {
        trace_context::add_link(&span, sender);
    }
    attempt(shared, &lease).instrument(span).await
}

/// How often the database is asked again while it is away: for about half a minute.
fn tries() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(2))
        .with_max_times(20)
        .with_jitter()
}

/// Reads the lease's row and marks its jobs as running.
async fn begin<W: Work>(shared: &Shared<W>, claimed: Claimed) -> Result<Option<Lease>, StorageError> {
    let mut tx = shared.database.in_tenant(claimed.tenant, "worker.begin").await?;
    let Some(lease) = tx.work().lookup_lease(claimed.work, claimed.attempt).await? else { return Ok(None) };
    tx.transcode_jobs().start(lease.work).await?;
    tx.commit().await?;
    Ok(Some(lease))
}

async fn attempt<W: Work>(shared: &Shared<W>, lease: &Lease) -> Next {
    let begun = Instant::now();
    info!("the attempt begins");
    let progress = Progress::default();
    let end = long_half(shared, lease, &progress).await;
    let outcome = match &end {
        End::Done(_) => "done",
        End::Failed(JobError::LeaseLost | JobError::Stopped) => "lost",
        End::Failed(JobError::Permanent { .. }) => "refused",
        End::Failed(JobError::Failed { .. }) => "failed",
        End::Failed(JobError::NoRoom) => "no_room",
        End::Failed(JobError::Unavailable(_)) => "unavailable",
        End::Cancelled => "cancelled",
        End::Released => "released",
    };
    Span::current().record("outcome", outcome);
    metrics::counter!("media_jobs_total", "queue" => W::QUEUE.as_str(), "group" => lease.group.as_str(), "outcome" => outcome).increment(1);
    metrics::histogram!("media_job_seconds", "queue" => W::QUEUE.as_str(), "group" => lease.group.as_str()).record(begun.elapsed());
    let next = if outcome == "unavailable" { Next::Pause } else { Next::GoOn };
    let done = matches!(end, End::Done(_));
    let mut settled = settle(shared, lease, end).await;
    if let Err(error) = &settled
        && done
        && !matches!(error, StorageError::LeaseLost)
        && !error.is_transient()
    {
        // The same would be refused again: that is a failure of this attempt, and not a worker that was lost.
        error!(error = chain(error), "the outcome cannot be written");
        let refused = std::io::Error::other(error.to_string()).into();
        settled = settle::<W>(shared, lease, End::Failed(JobError::Failed { reason: Reason::Internal, source: refused })).await;
    }
    match settled {
        Ok(()) => info!(outcome, duration_ms = begun.elapsed().as_millis(), "the attempt ended"),
        Err(StorageError::LeaseLost) => info!(outcome, "another attempt has the lease, or the work was cancelled: nothing is written"),
        Err(error) => error!(outcome, error = chain(&error), "the attempt's end could not be written; its lease runs out"),
    }
    next
}

/// Runs the job beside its heartbeat, and stops it when the lease is lost, cancelled, or the process must leave.
async fn long_half<W: Work>(shared: &Shared<W>, lease: &Lease, progress: &Progress) -> End<W::Outcome> {
    let stop = CancellationToken::new();
    let mut running = std::pin::pin!(shared.work.run(lease, progress, &stop));
    let end = tokio::select! {
        result = &mut running => return match result { Ok(done) => End::Done(done), Err(error) => End::Failed(error) },
        ended = lease::hold(&shared.database, lease, progress, &shared.config) => match ended {
            lease::Ended::Lost => End::Failed(JobError::LeaseLost),
            lease::Ended::Cancelled => End::Cancelled,
        },
        () = shared.shutdown.hard.cancelled() => End::Released,
    };
    stop.cancel();
    let limit = if matches!(end, End::Released) { LEAVING_LIMIT } else { STOPPING_LIMIT };
    if timeout(limit, running).await.is_err() {
        warn!("the job did not end when it was told to, and was dropped");
    }
    end
}

/// Writes the end of an attempt. A database that is away is asked again for as long as a lease lasts.
async fn settle<W: Work>(shared: &Shared<W>, lease: &Lease, end: End<W::Outcome>) -> Result<(), StorageError> {
    if let End::Failed(error) = &end {
        match error {
            JobError::LeaseLost | JobError::Stopped => return Err(StorageError::LeaseLost),
            JobError::NoRoom => {}
            error => warn!(error = chain(error), "the attempt failed"),
        }
    }
    let write = async || timeout(shared.config.lease, write(shared, lease, &end)).await.unwrap_or(Err(StorageError::LeaseLost));
    write.retry(tries()).when(StorageError::is_transient).await
}

async fn write<W: Work>(shared: &Shared<W>, lease: &Lease, end: &End<W::Outcome>) -> Result<(), StorageError> {
    let mut tx = shared.database.in_tenant(lease.tenant, "worker.settle").await?;
    tx.caused_by(trace_context::current_traceparent().or_else(|| lease.traceparent.clone()), Some(lease.work.to_string()));
    // First the asset, then its work, as everybody does who locks both: else a deletion and a commit wait for each other.
    tx.assets().lock(lease.asset).await?;
    match end {
        End::Done(done) => {
            tx.work().complete(lease).await?;
            shared.work.commit(&mut tx, lease, done).await?;
        }
        End::Failed(error) => failed(&mut tx, lease, error).await?,
        End::Cancelled => tx.work().cancelled(lease).await?,
        End::Released => tx.work().release(lease, None, None).await?,
    }
    tx.commit().await
}

async fn failed(tx: &mut TenantTx, lease: &Lease, error: &JobError) -> Result<(), StorageError> {
    match error {
        JobError::LeaseLost | JobError::Stopped => Err(StorageError::LeaseLost),
        JobError::Permanent { reason, detail } => tx.give_up(lease, *reason, detail).await,
        JobError::NoRoom | JobError::Unavailable(_) => tx.work().release(lease, Some(Delay::TenSeconds), None).await,
        JobError::Failed { reason, .. } if lease.failures + 1 >= MAX_FAILURES => tx.give_up(lease, *reason, said(*reason)).await,
        JobError::Failed { reason, .. } => {
            tx.work().release(lease, Some(Delay::after(lease.failures + 1)), Some((*reason, said(*reason)))).await
        }
    }
}

/// What an owner is told where the cause is, or may be, ours.
fn said(reason: Reason) -> &'static str {
    match reason {
        Reason::LimitHit => "a limit on memory, time or output was hit at every try",
        Reason::ImportFailed => "the server that the URL names did not give the file",
        Reason::TimedOut => "processing took longer than its deadline, or stood still",
        _ => "processing failed for a reason of our own",
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
