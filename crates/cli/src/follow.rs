//! Following an asset to its end, over as many connections as it takes.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use media_proto::v1::{Asset, AssetStatus, JobStatus, WatchAssetRequest, WatchAssetResponse};

use crate::{api::Api, failure::Failure, output::printable, words};

/// How often a stream that broke or ended early is opened again.
const REOPENINGS: usize = 20;

/// Hands every update to `each`, and answers the asset as it was when nothing waited or ran any more.
///
/// # Errors
/// What the service says, what `each` says, and [`Failure::TryAgain`] where the stream breaks again and again.
pub async fn follow(api: &Api, asset_id: &str, mut each: impl FnMut(&WatchAssetResponse) -> Result<(), Failure>) -> Result<Asset, Failure> {
    let mut waits = ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(5))
        .with_max_times(REOPENINGS)
        .build();
    loop {
        let broke = match watch_once(api, asset_id, &mut each).await {
            Ok(Some(update)) if is_done(&update) => {
                return update.asset.ok_or_else(|| Failure::Unexpected("the service sent no asset".into()));
            }
            Ok(_) => Failure::TryAgain("the service stopped speaking of the asset before it was done".into()),
            Err(failure @ Failure::TryAgain(_)) => failure,
            Err(failure) => return Err(failure),
        };
        match waits.next() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(broke),
        }
    }
}

/// One stream to its end. Answers the last update.
async fn watch_once(
    api: &Api,
    asset_id: &str,
    each: &mut impl FnMut(&WatchAssetResponse) -> Result<(), Failure>,
) -> Result<Option<WatchAssetResponse>, Failure> {
    let mut updates = api.assets.clone().watch_asset(WatchAssetRequest { asset_id: asset_id.to_owned() }).await?.into_inner();
    let mut last = None;
    while let Some(update) = updates.message().await? {
        each(&update)?;
        last = Some(update);
    }
    Ok(last)
}

fn is_done(update: &WatchAssetResponse) -> bool {
    let is_final = update
        .asset
        .as_ref()
        .is_some_and(|asset| matches!(asset.status(), AssetStatus::Ready | AssetStatus::Failed | AssetStatus::Quarantined));
    is_final && !update.jobs.iter().any(|job| matches!(job.status(), JobStatus::Waiting | JobStatus::Running))
}

/// Whether an asset that is done is what one hoped for.
///
/// # Errors
/// [`Failure::Refused`] with the reason where it failed or is in quarantine.
pub fn outcome(asset: &Asset) -> Result<(), Failure> {
    match asset.status() {
        AssetStatus::Failed => {
            let detail = if asset.failure_detail.is_empty() { String::new() } else { format!(" ({})", printable(&asset.failure_detail)) };
            Err(Failure::Refused(format!("{} failed: {}{detail}", asset.id, asset.failure_reason)))
        }
        AssetStatus::Quarantined => Err(Failure::Refused(format!("{} is in quarantine: the scan found something in it", asset.id))),
        AssetStatus::Ready => Ok(()),
        other => Err(Failure::TryAgain(format!("{} is still {}", asset.id, words::status(other)))),
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
