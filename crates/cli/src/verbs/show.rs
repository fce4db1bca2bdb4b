//! `media show`: an asset with its variants, jobs and captions.

use media_domain::AssetId;
use media_proto::v1::{GetAssetRequest, GetAssetResponse};

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The asset's id
    asset: AssetId,
}

impl Show {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let answer = get(api, &self.asset.to_string()).await?;
        if json { output::json(&answer) } else { output::line(&asset_text::page(&answer)) }
    }
}

/// An asset with all that belongs to it.
pub async fn get(api: &Api, asset_id: &str) -> Result<GetAssetResponse, Failure> {
    let request = GetAssetRequest { asset_id: asset_id.to_owned() };
    call(|| {
        let (mut assets, request) = (api.assets.clone(), request.clone());
        async move { assets.get_asset(request).await }
    })
    .await
}
