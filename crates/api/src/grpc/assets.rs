//! AssetService: what became of the files that were handed over.

use std::{collections::HashMap, sync::Arc};

use media_domain::{AssetId, provenance::ArtifactKind};
use media_proto::v1::{self, asset_service_server::AssetService};
use media_storage::{
    StorageError,
    assets::{Asset, AssetFilter},
};
use tonic::{Request, Response};

use super::{
    Api, again, asset_id, asset_ids,
    asset_update::AssetUpdate,
    etag,
    new_upload::is_sha256,
    restore, there,
    watch::{self, WatchStream},
};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

pub struct Assets(pub Arc<Api>);

#[tonic::async_trait]
impl AssetService for Assets {
    async fn get_asset(&self, request: Request<v1::GetAssetRequest>) -> Result<Response<v1::GetAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.get(&caller, request).await?))
    }

    async fn list_assets(&self, request: Request<v1::ListAssetsRequest>) -> Result<Response<v1::ListAssetsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, request).await?))
    }

    async fn batch_get_assets(
        &self,
        request: Request<v1::BatchGetAssetsRequest>,
    ) -> Result<Response<v1::BatchGetAssetsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.batch_get(&caller, request).await?))
    }

    async fn update_asset(&self, request: Request<v1::UpdateAssetRequest>) -> Result<Response<v1::UpdateAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let asset = self.update(&caller, AssetUpdate::read(request)?).await?;
        Ok(Response::new(v1::UpdateAssetResponse { asset: Some(convert::asset(&asset)) }))
    }

    type WatchAssetStream = WatchStream;

    async fn watch_asset(&self, request: Request<v1::WatchAssetRequest>) -> Result<Response<WatchStream>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let id = asset_id(&request.asset_id)?;
        Ok(Response::new(watch::open(&self.0, &caller, id).await?))
    }

    async fn delete_asset(&self, request: Request<v1::DeleteAssetRequest>) -> Result<Response<v1::DeleteAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.delete(&caller, request).await?))
    }

    async fn reprocess_asset(
        &self,
        request: Request<v1::ReprocessAssetRequest>,
    ) -> Result<Response<v1::ReprocessAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(again::reprocess(&self.0, &caller, request).await?))
    }

    async fn request_variant(
        &self,
        request: Request<v1::RequestVariantRequest>,
    ) -> Result<Response<v1::RequestVariantResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(again::request_variant(&self.0, &caller, request).await?))
    }

    async fn restore_asset(&self, request: Request<v1::RestoreAssetRequest>) -> Result<Response<v1::RestoreAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(restore::restore(&self.0, &caller, &request).await?))
    }

    async fn undelete_asset(
        &self,
        request: Request<v1::UndeleteAssetRequest>,
    ) -> Result<Response<v1::UndeleteAssetResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(self.undelete(&caller, request).await?))
    }
}

impl Assets {
    async fn get(&self, caller: &Caller, request: v1::GetAssetRequest) -> Result<v1::GetAssetResponse, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let mut tx = self.0.begin(caller, "api.get_asset").await?;
        let asset = there(tx.assets().lookup(id).await?)?;
        let variants = tx.variants().list(id).await?;
        let jobs = tx.transcode_jobs().list(id).await?;
        let tracks = tx.caption_tracks().list(id).await?;
        let provenance = match ArtifactKind::of(asset.kind) {
            Some(_) => tx.ai_artifacts().provenance_of(id).await?,
            None => None,
        };
        Ok(v1::GetAssetResponse {
            asset: Some(convert::asset(&asset)),
            variants: variants.iter().map(convert::variant).collect(),
            jobs: jobs.iter().map(convert::job).collect(),
            caption_tracks: tracks.iter().map(convert::caption_track).collect(),
            provenance: provenance.as_ref().map(convert::provenance::show),
        })
    }

    async fn batch_get(&self, caller: &Caller, request: v1::BatchGetAssetsRequest) -> Result<v1::BatchGetAssetsResponse, ApiError> {
        let ids = asset_ids(&request.asset_ids)?;
        let mut tx = self.0.begin(caller, "api.batch_get_assets").await?;
        let mut found: HashMap<AssetId, Asset> = tx.assets().lookup_many(&ids).await?.into_iter().map(|asset| (asset.id, asset)).collect();
        let mut answer = v1::BatchGetAssetsResponse::default();
        for id in ids {
            match found.remove(&id).filter(|asset| asset.deleted_at.is_none()) {
                Some(asset) => answer.assets.push(convert::asset(&asset)),
                None => answer.missing_asset_ids.push(id.to_string()),
            }
        }
        Ok(answer)
    }

    async fn update(&self, caller: &Caller, update: AssetUpdate) -> Result<Asset, ApiError> {
        let mut tx = self.0.begin(caller, "api.update_asset").await?;
        let before = there(tx.assets().lock(update.id).await?)?;
        if update.etag.is_some_and(|etag| etag != before.etag) {
            return Err(ApiError::EtagMismatch);
        }
        if !update.changes(&before) {
            return Ok(before);
        }
        tx.assets().edit(update.id, update.filename.as_deref(), update.retention_class).await?;
        tx.settle_retention(&[update.id]).await?;
        let asset = there(tx.assets().lookup(update.id).await?)?;
        tx.commit().await?;
        Ok(asset)
    }

    async fn list(&self, caller: &Caller, request: v1::ListAssetsRequest) -> Result<v1::ListAssetsResponse, ApiError> {
        let filter = filter(&request)?;
        let page = self.0.page(caller, &request)?;
        let after = page.after()?;
        let mut tx = self.0.begin(caller, "api.list_assets").await?;
        let mut assets = tx.assets().list(&filter, after, page.fetch()).await?;
        let next_page_token = page.cut(&mut assets, |last| (last.created_at, last.id));
        Ok(v1::ListAssetsResponse { assets: assets.iter().map(convert::asset).collect(), next_page_token })
    }

    async fn delete(&self, caller: &Caller, request: v1::DeleteAssetRequest) -> Result<v1::DeleteAssetResponse, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let mut tx = self.0.begin(caller, "api.delete_asset").await?;
        let before = tx.assets().lock(id).await?.ok_or(ApiError::AssetNotFound)?;
        if before.deleted_at.is_some() {
            return Ok(v1::DeleteAssetResponse { asset: Some(convert::asset(&before)) });
        }
        let asset = tx.assets().delete(id, etag(&request.etag)?).await.map_err(changed_is_mismatch)?;
        tx.commit().await?;
        Ok(v1::DeleteAssetResponse { asset: Some(convert::asset(&asset)) })
    }

    async fn undelete(&self, caller: &Caller, request: v1::UndeleteAssetRequest) -> Result<v1::UndeleteAssetResponse, ApiError> {
        let (id, etag) = (asset_id(&request.asset_id)?, etag(&request.etag));
        let mut tx = self.0.begin(caller, "api.undelete_asset").await?;
        tx.assets().lock(id).await?.ok_or(ApiError::AssetNotFound)?;
        let asset = tx.undelete(id, etag?, &self.0.profiles).await.map_err(changed_is_mismatch)?;
        tx.commit().await?;
        Ok(v1::UndeleteAssetResponse { asset: Some(convert::asset(&asset)) })
    }
}

fn changed_is_mismatch(error: StorageError) -> ApiError {
    match error {
        StorageError::Changed { what: "asset" } => ApiError::EtagMismatch,
        other => other.into(),
    }
}

fn filter(request: &v1::ListAssetsRequest) -> Result<AssetFilter, ApiError> {
    let mut violations = Violations::default();
    let unknown = "is none that this version knows";
    let kind = v1::AssetKind::try_from(request.kind).map_err(|_| violations.add("kind", unknown)).ok().and_then(convert::read_kind);
    let status =
        v1::AssetStatus::try_from(request.status).map_err(|_| violations.add("status", unknown)).ok().and_then(convert::read_status);
    let source =
        v1::AssetSource::try_from(request.source).map_err(|_| violations.add("source", unknown)).ok().and_then(convert::read_source);
    let owner = match request.owner_user_id.as_str() {
        "" => None,
        text => text.parse().map_err(|error: media_domain::ids::NotAnId| violations.add("owner_user_id", format!("is {error}"))).ok(),
    };
    let sha256 = Some(request.sha256.to_ascii_lowercase()).filter(|text| !text.is_empty());
    if sha256.as_deref().is_some_and(|text| !is_sha256(text)) {
        violations.add("sha256", "must be 64 hexadecimal digits");
    }
    let mut time = |field, given: &Option<media_proto::Timestamp>| {
        let read = given.as_ref().map(convert::read_timestamp);
        if read == Some(None) {
            violations.add(field, "is no time");
        }
        read.flatten()
    };
    let created_from = time("min_create_time", &request.min_create_time);
    let created_before = time("max_create_time", &request.max_create_time);
    violations.into_result()?;
    Ok(AssetFilter { kind, status, source, owner, sha256, created_from, created_before })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_every_field_at_fault() {
        let request = v1::ListAssetsRequest {
            kind: 99,
            owner_user_id: "me".into(),
            sha256: "abc".into(),
            min_create_time: Some(media_proto::Timestamp { seconds: i64::MAX, nanos: 0 }),
            ..v1::ListAssetsRequest::default()
        };
        let ApiError::Invalid(violations) = filter(&request).unwrap_err() else { panic!("another error") };
        assert_eq!(violations.0.iter().map(|it| it.field).collect::<Vec<_>>(), ["kind", "owner_user_id", "sha256", "min_create_time"]);
    }

    #[test]
    fn what_is_not_given_narrows_nothing() {
        let any = filter(&v1::ListAssetsRequest::default()).unwrap();
        assert!(any.kind.is_none() && any.status.is_none() && any.source.is_none() && any.owner.is_none() && any.sha256.is_none());
    }
}
