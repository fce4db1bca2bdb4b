//! `media undelete`: takes a deletion back, as long as the tenant's grace lasts.

use media_domain::AssetId;
use media_proto::v1::UndeleteAssetRequest;

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Undelete {
    /// The asset's id
    asset: AssetId,
}

impl Undelete {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request = UndeleteAssetRequest { asset_id: self.asset.to_string(), etag: String::new() };
        let answer = call(|| {
            let (mut assets, request) = (api.assets.clone(), request.clone());
            async move { assets.undelete_asset(request).await }
        })
        .await?;
        if json {
            return output::json(&answer);
        }
        output::line(&answer.asset.as_ref().map(asset_text::row).unwrap_or_default())
    }
}
