//! `media watch`: follows an asset until nothing of it waits or runs.

use media_domain::AssetId;
use media_proto::v1::Asset;

use crate::{
    api::Api,
    asset_text,
    failure::Failure,
    follow::{follow, outcome},
    output,
    progress::Progress,
    verbs::show,
};

#[derive(Debug, clap::Args)]
pub struct Watch {
    /// The asset's id
    asset: AssetId,
}

impl Watch {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        to_the_end(api, &self.asset.to_string(), json).await.and_then(|asset| outcome(&asset))
    }
}

/// Shows an asset's way with a bar per job, then what became of it. With JSON: each update, on a line of its own.
pub async fn to_the_end(api: &Api, asset_id: &str, json: bool) -> Result<Asset, Failure> {
    let mut bars = Progress::of(json).jobs();
    let done = follow(api, asset_id, |update| {
        bars.show(update);
        if json { output::json(update) } else { Ok(()) }
    })
    .await;
    bars.finish();
    let asset = done?;
    if !json {
        output::line(&asset_text::page(&show::get(api, asset_id).await?))?;
    }
    Ok(asset)
}
