//! How old the signatures are that files are scanned with: a scanner whose clamd is no longer kept up to date finds less every day.

use std::time::Duration;

use media_clamd::ClamdConfig;
use media_runtime::Context;
use time::OffsetDateTime;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

const EVERY: Duration = Duration::from_secs(60);

/// Tells the age as a metric, for as long as the service runs: no number where clamd has no signatures but its operator's own.
pub fn watch<C>(cx: &Context<C>, clamd: ClamdConfig) {
    let stop = cx.shutdown.soft.clone();
    cx.spawn_critical("signature age", async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match stop.run_until_cancelled(media_clamd::version(&clamd)).await {
                None => break,
                Some(Ok(version)) => {
                    metrics::gauge!("media_clamd_up").set(1.0);
                    let age = version.signatures_made_at.map(|made_at| (OffsetDateTime::now_utc() - made_at).as_seconds_f64());
                    metrics::gauge!("media_clamd_signature_age_seconds").set(age.unwrap_or(f64::NAN));
                }
                Some(Err(error)) => {
                    metrics::gauge!("media_clamd_up").set(0.0);
                    warn!(%error, "clamd does not say how old its signatures are");
                }
            }
        }
        Ok(())
    });
}
