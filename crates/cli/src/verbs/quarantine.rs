//! `media quarantine`: what a scan found, and what is decided about it.

use media_domain::AssetId;
use media_proto::v1::{Asset, ListQuarantinedRequest, PurgeAssetRequest, ReleaseAssetRequest, RescanAssetRequest};

use crate::{
    api::{Api, call},
    asset_text,
    failure::Failure,
    operations_text, output,
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: u32 = 200;

#[derive(Debug, clap::Subcommand)]
pub enum Quarantine {
    /// List quarantined assets, newest first
    List(List),
    /// Let what was found pass, if a new scan finds nothing else
    Release(Decision),
    /// Delete an asset for good, with all its bytes
    Purge(Decision),
    /// Scan an asset again, ready or quarantined
    Rescan(Decision),
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
pub struct Decision {
    /// The asset's id
    asset: AssetId,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    why: String,
}

impl Quarantine {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        // A decision is made once: a second time, the asset would be found where it brought it.
        let mut service = api.quarantine.clone();
        match self {
            Quarantine::List(list) => list.run(api, json).await,
            Quarantine::Release(Decision { asset, why }) => {
                let request = ReleaseAssetRequest { asset_id: asset.to_string(), why };
                show(service.release_asset(request).await?.into_inner().asset, json)
            }
            Quarantine::Purge(Decision { asset, why }) => {
                let request = PurgeAssetRequest { asset_id: asset.to_string(), why };
                show(service.purge_asset(request).await?.into_inner().asset, json)
            }
            Quarantine::Rescan(Decision { asset, why }) => {
                let request = RescanAssetRequest { asset_id: asset.to_string(), why };
                show(service.rescan_asset(request).await?.into_inner().asset, json)
            }
        }
    }
}

fn show(asset: Option<Asset>, json: bool) -> Result<(), Failure> {
    let asset = asset.unwrap_or_default();
    if json { output::json(&asset) } else { output::line(&asset_text::row(&asset)) }
}

impl List {
    async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let mut request = ListQuarantinedRequest::default();
        let mut left = self.limit;
        while left > 0 {
            request.page_size = i32::try_from(left.min(PAGE_SIZE_MAX)).unwrap_or(0);
            let page = call(|| {
                let (mut quarantine, request) = (api.quarantine.clone(), request.clone());
                async move { quarantine.list_quarantined(request).await }
            })
            .await?;
            for found in &page.assets {
                if json { output::json(found)? } else { output::line(&operations_text::quarantined(found))? }
            }
            left = left.saturating_sub(u32::try_from(page.assets.len()).unwrap_or(left));
            if page.next_page_token.is_empty() || page.assets.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(())
    }
}
