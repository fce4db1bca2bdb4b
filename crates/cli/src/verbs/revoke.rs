//! `media revoke`: ends the playback URLs of an asset that were given out so far.

use media_domain::AssetId;
use media_proto::v1::RevokePlaybackRequest;
use serde::Serialize;

use crate::{
    api::{Api, call},
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The asset's id
    asset: AssetId,
}

/// What a revocation answers, for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Revoked {
    asset_id: String,
}

impl Revoke {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let asset_id = self.asset.to_string();
        let request = RevokePlaybackRequest { asset_id: asset_id.clone() };
        call(|| {
            let (mut playback, request) = (api.playback.clone(), request.clone());
            async move { playback.revoke_playback(request).await }
        })
        .await?;
        if json {
            output::json(&Revoked { asset_id })
        } else {
            output::line(&format!("{asset_id}  its playback URLs end within 5 seconds"))
        }
    }
}
