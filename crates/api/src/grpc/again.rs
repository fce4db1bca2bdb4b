//! AssetService's part that has things made again: an asset as a whole, or one variant that it does not have yet.

use media_domain::{
    Status,
    plan::{self, One},
    profile::{NotAProfileName, ProfileName},
    work::{Group, WorkState},
};
use media_proto::v1;
use media_storage::{StorageError, TenantTx, again::PlannedOne, assets::Asset, transcode_jobs::Job};

use super::{Api, asset_id, etag, generate_captions, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
};

pub async fn reprocess(api: &Api, caller: &Caller, request: v1::ReprocessAssetRequest) -> Result<v1::ReprocessAssetResponse, ApiError> {
    let (id, etag) = (asset_id(&request.asset_id)?, etag(&request.etag)?);
    let mut tx = api.begin(caller, "api.reprocess_asset").await?;
    let asset = there(tx.assets().lock(id).await?)?;
    if etag.is_some_and(|etag| etag != asset.etag) {
        return Err(ApiError::EtagMismatch);
    }
    if asset.status == Status::Quarantined {
        // Only whoever may release it lets it out.
        return Err(ApiError::Quarantined);
    }
    tx.reprocess(&asset).await?;
    let asset = there(tx.assets().lookup(id).await?)?;
    tx.commit().await?;
    Ok(v1::ReprocessAssetResponse { asset: Some(convert::asset(&asset)) })
}

pub async fn request_variant(
    api: &Api,
    caller: &Caller,
    request: v1::RequestVariantRequest,
) -> Result<v1::RequestVariantResponse, ApiError> {
    let id = asset_id(&request.asset_id)?;
    let name = ProfileName::try_from(request.profile).map_err(|error: NotAProfileName| Violations::of("profile", error.to_string()))?;
    let mut tx = api.begin(caller, "api.request_variant").await?;
    let asset = there(tx.assets().lock(id).await?)?;
    match asset.status {
        Status::Ready => {}
        Status::Quarantined => return Err(ApiError::Quarantined),
        status => return Err(ApiError::NotReady(status)),
    }
    let existing = job_of(&mut tx, &asset, &name).await?;
    // Skipped: perhaps only for want of somebody who asked.
    if let Some(job) = existing.as_ref().filter(|job| job.state != WorkState::Skipped) {
        return Ok(v1::RequestVariantResponse { job: Some(convert::job(job)) });
    }
    let what = plan::one(asset.kind, asset.info.as_ref(), &api.profiles, &name);
    if what == One::Make(Group::Speech) {
        generate_captions::wanted(&mut tx).await?;
    }
    match (what, existing) {
        (One::Make(group), _) => match tx.plan_one(&asset, group, &name, false, None).await? {
            PlannedOne::Planned => {}
            PlannedOne::GroupRuns => return Err(ApiError::GroupRuns),
        },
        (One::Skip(_) | One::Unknown, Some(job)) => return Ok(v1::RequestVariantResponse { job: Some(convert::job(&job)) }),
        (One::Skip(why), None) => tx.transcode_jobs().skip(id, &name, why).await?,
        (One::Unknown, None) => {
            let known = api.profiles.of_kind(asset.kind);
            let names: Vec<&str> = known.iter().map(|profile| profile.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(Violations::of("profile", format!("is none of an asset of kind {}: it has {names}", asset.kind)));
        }
    }
    let job = job_of(&mut tx, &asset, &name).await?.ok_or(ApiError::JobNotFound)?;
    tx.commit().await?;
    Ok(v1::RequestVariantResponse { job: Some(convert::job(&job)) })
}

async fn job_of(tx: &mut TenantTx, asset: &Asset, name: &ProfileName) -> Result<Option<Job>, StorageError> {
    Ok(tx.transcode_jobs().list(asset.id).await?.into_iter().find(|job| &job.profile == name))
}
