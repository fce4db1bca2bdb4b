//! QuarantineService: what a scan found, and what people decide about it.
//!
//! This process has no right on the quarantine bucket. A decision is rows; the scanner moves the bytes, and the janitor removes them.

use std::sync::Arc;

use media_blobs::keys;
use media_domain::{AssetId, Status};
use media_proto::v1::{self, quarantine_service_server::QuarantineService};
use media_storage::{
    TenantTx,
    assets::{Asset, AssetFilter},
    quarantine::Decider,
};
use tonic::{Request, Response};

use super::{Api, asset_id, there};
use crate::{
    auth::Caller,
    convert::{self, operations as show},
    error::{ApiError, Violations},
};

/// The most characters of a reason.
const WHY_CHARS_MAX: usize = 1000;

pub struct Quarantine(pub Arc<Api>);

#[tonic::async_trait]
impl QuarantineService for Quarantine {
    async fn list_quarantined(
        &self,
        request: Request<v1::ListQuarantinedRequest>,
    ) -> Result<Response<v1::ListQuarantinedResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, request).await?))
    }

    async fn release_asset(&self, request: Request<v1::ReleaseAssetRequest>) -> Result<Response<v1::ReleaseAssetResponse>, tonic::Status> {
        let (caller, v1::ReleaseAssetRequest { asset_id, why }) = Caller::of(request)?;
        let asset = self.release(&caller, &asset_id, why).await?;
        Ok(Response::new(v1::ReleaseAssetResponse { asset: Some(convert::asset(&asset)) }))
    }

    async fn purge_asset(&self, request: Request<v1::PurgeAssetRequest>) -> Result<Response<v1::PurgeAssetResponse>, tonic::Status> {
        let (caller, v1::PurgeAssetRequest { asset_id, why }) = Caller::of(request)?;
        let asset = self.purge(&caller, &asset_id, why).await?;
        Ok(Response::new(v1::PurgeAssetResponse { asset: Some(convert::asset(&asset)) }))
    }

    async fn rescan_asset(&self, request: Request<v1::RescanAssetRequest>) -> Result<Response<v1::RescanAssetResponse>, tonic::Status> {
        let (caller, v1::RescanAssetRequest { asset_id, why }) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let asset = self.rescan(&caller, &asset_id, why).await?;
        Ok(Response::new(v1::RescanAssetResponse { asset: Some(convert::asset(&asset)) }))
    }
}

impl Quarantine {
    async fn list(&self, caller: &Caller, request: v1::ListQuarantinedRequest) -> Result<v1::ListQuarantinedResponse, ApiError> {
        let page = self.0.page(caller, &request)?;
        let after = page.after()?;
        let filter = AssetFilter { status: Some(Status::Quarantined), ..AssetFilter::default() };
        let mut tx = self.0.begin(caller, "api.list_quarantined").await?;
        let mut assets = tx.assets().list(&filter, after, page.fetch()).await?;
        let next_page_token = page.cut(&mut assets, |last| (last.created_at, last.id));
        let ids: Vec<AssetId> = assets.iter().map(|asset| asset.id).collect();
        let signatures = tx.quarantine().signatures(&ids).await?;
        let decisions = tx.quarantine().decisions(&ids).await?;
        let shown = assets.iter().map(|asset| v1::QuarantinedAsset {
            asset: Some(convert::asset(asset)),
            signature: signatures.iter().find(|(id, _)| *id == asset.id).map(|(_, found)| found.clone()).unwrap_or_default(),
            decisions: decisions.iter().filter(|decided| decided.asset == asset.id).map(show::decision).collect(),
        });
        Ok(v1::ListQuarantinedResponse { assets: shown.collect(), next_page_token })
    }

    async fn release(&self, caller: &Caller, id: &str, why: String) -> Result<Asset, ApiError> {
        let (id, by) = (asset_id(id)?, decider(caller, why)?);
        let mut tx = self.0.begin(caller, "api.release_asset").await?;
        let asset = there(tx.assets().lock(id).await?)?;
        if asset.status != Status::Quarantined {
            return Err(ApiError::NotQuarantined(asset.status));
        }
        tx.quarantine().release(&asset, &by).await?;
        committed(tx, id).await
    }

    async fn purge(&self, caller: &Caller, id: &str, why: String) -> Result<Asset, ApiError> {
        let (id, by) = (asset_id(id)?, decider(caller, why)?);
        let mut tx = self.0.begin(caller, "api.purge_asset").await?;
        // Also one that was deleted: its bytes lie in quarantine until its grace has passed.
        let asset = tx.assets().lock(id).await?.ok_or(ApiError::AssetNotFound)?;
        if tx.quarantine().is_purged(id).await? {
            return Ok(asset);
        }
        if asset.status != Status::Quarantined {
            let asset = there(Some(asset))?;
            return Err(ApiError::NotQuarantined(asset.status));
        }
        tx.quarantine().purge(&asset, &by, &keys::asset_prefix(caller.tenant(), id)).await?;
        committed(tx, id).await
    }

    async fn rescan(&self, caller: &Caller, id: &str, why: String) -> Result<Asset, ApiError> {
        let (id, by) = (asset_id(id)?, decider(caller, why)?);
        let mut tx = self.0.begin(caller, "api.rescan_asset").await?;
        let asset = there(tx.assets().lock(id).await?)?;
        tx.quarantine().rescan(&asset, &by).await?;
        committed(tx, id).await
    }
}

/// Commits a decision; answers the asset as it left it.
async fn committed(mut tx: TenantTx, id: AssetId) -> Result<Asset, ApiError> {
    let asset = tx.assets().lookup(id).await?.ok_or(ApiError::AssetNotFound)?;
    tx.commit().await?;
    Ok(asset)
}

fn decider(caller: &Caller, why: String) -> Result<Decider, ApiError> {
    check_why(&why)?;
    Ok(Decider { who: caller.subject().to_owned(), why })
}

fn check_why(why: &str) -> Result<(), ApiError> {
    let chars = why.chars().count();
    if why.trim().is_empty() {
        return Err(Violations::of("why", "must be given"));
    }
    if chars > WHY_CHARS_MAX {
        return Err(Violations::of("why", format!("has {chars} characters, the limit is {WHY_CHARS_MAX}")));
    }
    if why.contains('\0') {
        return Err(Violations::of("why", "holds a NUL character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_without_a_reason_or_with_an_endless_one_is_refused() {
        assert!(check_why("a false positive, ticket 7").is_ok());
        assert!(check_why(&"ä".repeat(WHY_CHARS_MAX)).is_ok(), "characters, not bytes");
        for why in ["", " \n", &"a".repeat(WHY_CHARS_MAX + 1), "a\0b"] {
            assert!(matches!(check_why(why), Err(ApiError::Invalid(_))), "{why:?}");
        }
    }
}
