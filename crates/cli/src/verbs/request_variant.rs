//! `media request-variant`: asks for one more variant of an asset.

use media_domain::AssetId;
use media_proto::v1::RequestVariantRequest;

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct RequestVariant {
    /// The asset's id
    asset: AssetId,
    /// What to make, such as av1-720p
    profile: String,
}

impl RequestVariant {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request = RequestVariantRequest { asset_id: self.asset.to_string(), profile: self.profile };
        let answer = call(|| {
            let (mut assets, request) = (api.assets.clone(), request.clone());
            async move { assets.request_variant(request).await }
        })
        .await?;
        let job = answer.job.unwrap_or_default();
        if json { output::json(&job) } else { output::line(asset_text::job(&job).trim_end()) }
    }
}
