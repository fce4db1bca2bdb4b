//! `media rm`: deletes assets, softly: for the tenant's grace `media undelete` takes it back.

use media_domain::AssetId;
use media_proto::v1::DeleteAssetRequest;

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Rm {
    /// The assets' ids
    #[arg(required = true)]
    assets: Vec<AssetId>,
}

impl Rm {
    /// # Errors
    /// The first that is refused; those before it are deleted, and were printed.
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        for asset in self.assets {
            let request = DeleteAssetRequest { asset_id: asset.to_string(), etag: String::new() };
            let answer = call(|| {
                let (mut assets, request) = (api.assets.clone(), request.clone());
                async move { assets.delete_asset(request).await }
            })
            .await?;
            if json {
                output::json(&answer)?;
            } else {
                output::line(&answer.asset.as_ref().map(asset_text::row).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}
