//! `media reprocess`: makes everything of an asset again.

use media_domain::AssetId;
use media_proto::v1::ReprocessAssetRequest;

use crate::{api::Api, asset_text, failure::Failure, output};

#[derive(Debug, clap::Args)]
pub struct Reprocess {
    /// The asset's id
    asset: AssetId,
}

impl Reprocess {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        // Made once: a second time, the asset would be found at work already.
        let request = ReprocessAssetRequest { asset_id: self.asset.to_string(), etag: String::new() };
        let asset = api.assets.clone().reprocess_asset(request).await?.into_inner().asset.unwrap_or_default();
        if json { output::json(&asset) } else { output::line(&asset_text::row(&asset)) }
    }
}
