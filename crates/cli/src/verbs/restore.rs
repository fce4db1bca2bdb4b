//! `media restore`: brings an original back from the cold tier, for a while.

use media_domain::AssetId;
use media_proto::v1::RestoreAssetRequest;

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The asset's id
    asset: AssetId,
    /// For how many days it is wanted, 1 to 90
    #[arg(long, default_value = "7")]
    days: i32,
}

impl Restore {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request = RestoreAssetRequest { asset_id: self.asset.to_string(), days: self.days };
        let answer = call(|| {
            let (mut assets, request) = (api.assets.clone(), request.clone());
            async move { assets.restore_asset(request).await }
        })
        .await?;
        let asset = answer.asset.unwrap_or_default();
        if json { output::json(&asset) } else { output::line(&asset_text::head(&asset).join("\n")) }
    }
}
