//! The sweeps: each is named for what it sweeps, takes no input, works in batches, and is safe to run twice at once.

mod abandoned_uploads;
mod all_due;
mod changed_policies;
mod cold_originals;
mod doomed_blobs;
mod ended_grace;
mod ended_references;
mod ended_retention;
mod expired_leases;
mod idle_queues;
mod lag;
mod left_followers;
mod lost_completions;
mod old_messages;
mod running_erasures;
mod stale_output_uploads;
mod unsettled_archives;

use std::{fmt::Display, time::Duration};

use anyhow::Context as _;
use media_blobs::{Blobs, Key};
use media_domain::{AssetId, BlobName, TenantId, archive::ArchiveClass};
use media_runtime::Context;
use media_storage::{Database, StorageError};
use serde::{Deserialize, Serialize};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

/// The settings of the sweeps.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SweepsConfig {
    /// How often lost leases and idle queues are looked for.
    #[serde(with = "humantime_serde")]
    pub work_every: Duration,
    /// How often assets, uploads, blobs and old messages are looked for.
    #[serde(with = "humantime_serde")]
    pub storage_every: Duration,
    /// How long work may wait while none of its queue is claimed, before its workers are asked again.
    #[serde(with = "humantime_serde")]
    pub idle_after: Duration,
    /// After how long an upload whose object is whole, and whose row is open, is taken for one that nobody will complete.
    #[serde(with = "humantime_serde")]
    pub lost_after: Duration,
    /// How long an upload may stay unfinished.
    #[serde(with = "humantime_serde")]
    pub abandoned_after: Duration,
    /// How often the store is asked how far a restore is.
    #[serde(with = "humantime_serde")]
    pub restores_every: Duration,
    /// How long published messages are kept, so that they can be replayed.
    #[serde(with = "humantime_serde")]
    pub outbox_kept: Duration,
    /// How long the inbox remembers a message.
    #[serde(with = "humantime_serde")]
    pub inbox_kept: Duration,
}

/// How many rows a sweep takes at a time.
pub(crate) const BATCH: i32 = 100;

/// Whose a row of a sweep is, by which what is said of it is found among all that is said of a tenant, or an asset.
#[derive(Clone, Copy)]
struct Whose {
    tenant: TenantId,
    asset: Option<AssetId>,
}

impl Whose {
    fn tenant(tenant: TenantId) -> Self {
        Self { tenant, asset: None }
    }

    fn asset(tenant: TenantId, asset: AssetId) -> Self {
        Self { tenant, asset: Some(asset) }
    }

    /// A key has the asset for which its object was made.
    fn blob(tenant: TenantId, blob: &BlobName) -> Self {
        Self { tenant, asset: blob.key.parse::<Key>().ok().map(|key| key.asset) }
    }
}

/// Counts one row of a sweep. A row that cannot be swept is told and left for the next turn: it must not keep the others from
/// theirs. One that somebody else swept meanwhile is done.
fn swept(name: &'static str, whose: Whose, row: &dyn Display, outcome: anyhow::Result<bool>) -> u64 {
    match outcome {
        Ok(done) => u64::from(done),
        Err(error) if is_done_elsewhere(&error) => 0,
        Err(error) => {
            metrics::counter!("media_sweep_failures_total", "sweep" => name).increment(1);
            warn!(
                sweep = name, row = %row, tenant.id = %whose.tenant, asset.id = whose.asset.map(tracing::field::display),
                error = format!("{error:#}"), "a row cannot be swept; it is tried again at the next turn"
            );
            0
        }
    }
}

fn is_done_elsewhere(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(StorageError::Changed { .. } | StorageError::LeaseLost))
}

/// What a sweep works with.
pub struct Janitor {
    pub database: Database,
    pub blobs: Blobs,
    pub config: SweepsConfig,
    /// Where originals go that nobody uses; `None`: nowhere.
    pub archive_class: Option<ArchiveClass>,
}

impl Janitor {
    /// Runs every sweep by the clock, until the service is told to stop. One that fails is tried again at its next turn.
    pub async fn run<C>(&self, cx: &Context<C>) {
        expired_leases::count_from_zero();
        tokio::join!(
            self.every(cx, "expired_leases", self.config.work_every, async || expired_leases::sweep(self).await),
            self.every(cx, "idle_queues", self.config.work_every, async || idle_queues::sweep(self).await),
            self.every(cx, "lost_completions", self.config.lost_after, async || lost_completions::sweep(self).await),
            self.every(cx, "abandoned_uploads", self.config.storage_every, async || abandoned_uploads::sweep(self).await),
            self.every(cx, "left_followers", self.config.storage_every, async || left_followers::sweep(self).await),
            self.every(cx, "stale_output_uploads", self.config.storage_every, async || stale_output_uploads::sweep(self).await),
            self.every(cx, "doomed_blobs", self.config.storage_every, async || doomed_blobs::sweep(self).await),
            self.every(cx, "changed_policies", self.config.storage_every, async || changed_policies::sweep(self).await),
            self.every(cx, "ended_references", self.config.storage_every, async || ended_references::sweep(self).await),
            self.every(cx, "ended_retention", self.config.storage_every, async || ended_retention::sweep(self).await),
            self.every(cx, "ended_grace", self.config.storage_every, async || ended_grace::sweep(self).await),
            self.every(cx, "cold_originals", self.config.storage_every, async || cold_originals::sweep(self).await),
            self.every(cx, "unsettled_archives", self.config.storage_every, async || unsettled_archives::sweep(self).await),
            self.every(cx, "running_erasures", self.config.storage_every, async || running_erasures::sweep(self).await),
            self.every(cx, "old_messages", self.config.storage_every, async || old_messages::sweep(self).await),
        );
    }

    /// Runs the sweeps one after the other, in the order in which one leaves something to the next, round after round until a round
    /// takes nothing.
    ///
    /// # Errors
    /// If a sweep failed, after all others had their turn; if it was told to stop before the end. A row that cannot be swept is told, and
    /// left for the next run.
    pub async fn run_once<C>(&self, cx: &Context<C>) -> anyhow::Result<()> {
        let stop = &cx.shutdown.soft;
        loop {
            let round = stop.run_until_cancelled(Box::pin(self.round())).await.context("told to stop before the end")?;
            let (mut taken, mut failed) = (0, Vec::new());
            for (name, outcome) in round {
                match outcome {
                    Ok(0) => {}
                    Ok(swept) => {
                        taken += swept;
                        info!(sweep = name, swept, "swept");
                    }
                    Err(error) => failed.push(format!("{name}: {error:#}")),
                }
            }
            anyhow::ensure!(failed.is_empty(), "sweeps failed: {}", failed.join("; "));
            if taken == 0 {
                return Ok(());
            }
        }
    }

    async fn round(&self) -> [(&'static str, anyhow::Result<u64>); 15] {
        [
            ("expired_leases", expired_leases::sweep(self).await),
            ("idle_queues", idle_queues::sweep(self).await),
            ("lost_completions", lost_completions::sweep(self).await),
            ("abandoned_uploads", abandoned_uploads::sweep(self).await),
            ("left_followers", left_followers::sweep(self).await),
            ("stale_output_uploads", stale_output_uploads::sweep(self).await),
            ("changed_policies", changed_policies::sweep(self).await),
            ("ended_references", ended_references::sweep(self).await),
            ("ended_retention", ended_retention::sweep(self).await),
            ("ended_grace", ended_grace::sweep(self).await),
            ("cold_originals", cold_originals::sweep(self).await),
            ("unsettled_archives", unsettled_archives::sweep(self).await),
            ("running_erasures", running_erasures::sweep(self).await),
            ("doomed_blobs", doomed_blobs::sweep(self).await),
            ("old_messages", old_messages::sweep(self).await),
        ]
    }

    async fn every<C>(&self, cx: &Context<C>, name: &'static str, period: Duration, sweep: impl AsyncFn() -> anyhow::Result<u64>) {
        // From the start: a rate of what is not there is no rate.
        metrics::counter!("media_swept_total", "sweep" => name).absolute(0);
        metrics::counter!("media_sweep_failures_total", "sweep" => name).absolute(0);
        let stop = &cx.shutdown.soft;
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(sweep()).await {
                Some(Ok(0)) | None => {}
                Some(Ok(swept)) => {
                    metrics::counter!("media_swept_total", "sweep" => name).increment(swept);
                    info!(sweep = name, swept, "swept");
                }
                Some(Err(error)) => {
                    metrics::counter!("media_sweep_failures_total", "sweep" => name).increment(1);
                    warn!(sweep = name, error = format!("{error:#}"), "a sweep failed; it is tried again at its next turn");
                }
            }
        }
    }
}
