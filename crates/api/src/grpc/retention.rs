//! RetentionService: who needs an asset, what holds it, the tenant's policy (`tenant_policy`), and erasures (`erasure`).

use std::{collections::BTreeSet, sync::Arc};

use media_domain::{AssetId, HoldId, ids::NotAnId};
use media_proto::{
    Timestamp,
    v1::{self, retention_service_server::RetentionService},
};
use media_storage::{TenantTx, holds::Hold, references::Reference};
use time::OffsetDateTime;
use tonic::{Request, Response};

use super::{Api, asset_id, erasure, tenant_policy, there};
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
    once::{self, Once},
};

/// Of a bundle's id; it is the caller's word.
const MAX_BUNDLE_ID_BYTES: usize = 200;
/// How many assets one SetReferences may name: all of them are locked at once.
const MAX_REFERENCES_SET: usize = 2_000;
const MAX_REASON_CHARS: usize = 500;

pub struct Retention(pub Arc<Api>);

#[tonic::async_trait]
impl RetentionService for Retention {
    async fn add_reference(&self, request: Request<v1::AddReferenceRequest>) -> Result<Response<v1::AddReferenceResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let asset = self.add(&caller, &request).await?;
        Ok(Response::new(v1::AddReferenceResponse { asset: Some(asset) }))
    }

    async fn remove_reference(
        &self,
        request: Request<v1::RemoveReferenceRequest>,
    ) -> Result<Response<v1::RemoveReferenceResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let asset = self.remove(&caller, &request).await?;
        Ok(Response::new(v1::RemoveReferenceResponse { asset: Some(asset) }))
    }

    async fn set_references(
        &self,
        request: Request<v1::SetReferencesRequest>,
    ) -> Result<Response<v1::SetReferencesResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.set(&caller, &request).await?;
        Ok(Response::new(v1::SetReferencesResponse {}))
    }

    async fn list_references(
        &self,
        request: Request<v1::ListReferencesRequest>,
    ) -> Result<Response<v1::ListReferencesResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.list(&caller, &request).await?))
    }

    async fn place_hold(&self, request: Request<v1::PlaceHoldRequest>) -> Result<Response<v1::PlaceHoldResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        let hold = self.place(&caller, request).await?;
        Ok(Response::new(v1::PlaceHoldResponse { hold: Some(hold) }))
    }

    async fn release_hold(&self, request: Request<v1::ReleaseHoldRequest>) -> Result<Response<v1::ReleaseHoldResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let hold = self.release(&caller, &request).await?;
        Ok(Response::new(v1::ReleaseHoldResponse { hold: Some(hold) }))
    }

    async fn get_tenant_policy(
        &self,
        request: Request<v1::GetTenantPolicyRequest>,
    ) -> Result<Response<v1::GetTenantPolicyResponse>, tonic::Status> {
        let (caller, _) = Caller::of(request)?;
        let policy = tenant_policy::get(&self.0, &caller).await?;
        Ok(Response::new(v1::GetTenantPolicyResponse { policy: Some(policy) }))
    }

    async fn update_tenant_policy(
        &self,
        request: Request<v1::UpdateTenantPolicyRequest>,
    ) -> Result<Response<v1::UpdateTenantPolicyResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        let policy = tenant_policy::update(&self.0, &caller, request).await?;
        Ok(Response::new(v1::UpdateTenantPolicyResponse { policy: Some(policy) }))
    }

    async fn erase_owner(&self, request: Request<v1::EraseOwnerRequest>) -> Result<Response<v1::EraseOwnerResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(erasure::erase_owner(&self.0, &caller, request).await?))
    }

    async fn erase_tenant(&self, request: Request<v1::EraseTenantRequest>) -> Result<Response<v1::EraseTenantResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        self.0.rate_limit.take(caller.tenant())?;
        Ok(Response::new(erasure::erase_tenant(&self.0, &caller, request).await?))
    }

    async fn get_erasure(&self, request: Request<v1::GetErasureRequest>) -> Result<Response<v1::GetErasureResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(erasure::get(&self.0, &caller, request).await?))
    }
}

impl Retention {
    async fn add(&self, caller: &Caller, request: &v1::AddReferenceRequest) -> Result<v1::Asset, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        let bundle = bundle_id(&request.bundle_id, &mut violations);
        let expires_at = expire_time(request.expire_time.as_ref(), "expire_time", &mut violations);
        violations.into_result()?;
        let mut tx = self.0.begin(caller, "api.add_reference").await?;
        tx.add_reference(bundle, id, expires_at).await?;
        shown_and_committed(tx, id).await
    }

    async fn remove(&self, caller: &Caller, request: &v1::RemoveReferenceRequest) -> Result<v1::Asset, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        let bundle = bundle_id(&request.bundle_id, &mut violations);
        violations.into_result()?;
        let mut tx = self.0.begin(caller, "api.remove_reference").await?;
        tx.remove_reference(bundle, id).await?;
        shown_and_committed(tx, id).await
    }

    async fn set(&self, caller: &Caller, request: &v1::SetReferencesRequest) -> Result<(), ApiError> {
        let mut violations = Violations::default();
        let bundle = bundle_id(&request.bundle_id, &mut violations);
        let wanted = wanted(&request.assets, &mut violations);
        violations.into_result()?;
        let mut tx = self.0.begin(caller, "api.set_references").await?;
        tx.set_references(bundle, &wanted).await?;
        Ok(tx.commit().await?)
    }

    async fn list(&self, caller: &Caller, request: &v1::ListReferencesRequest) -> Result<v1::ListReferencesResponse, ApiError> {
        let page = self.0.page(caller, request)?;
        let mut tx = self.0.begin(caller, "api.list_references").await?;
        let (references, next_page_token) = match (&*request.asset_id, &*request.bundle_id) {
            ("", "") => return Err(Violations::of("asset_id", "or bundle_id must be given")),
            (id, "") => {
                let id = asset_id(id)?;
                there(tx.assets().lookup(id).await?)?;
                let after: Option<String> = page.after()?;
                let mut references = tx.references().of_asset(id, after.as_deref(), page.fetch()).await?;
                let next = page.cut(&mut references, |last| last.bundle.clone());
                (references, next)
            }
            ("", bundle) => {
                let mut violations = Violations::default();
                bundle_id(bundle, &mut violations);
                violations.into_result()?;
                let mut references = tx.references().of_bundle(bundle, page.after()?, page.fetch()).await?;
                let next = page.cut(&mut references, |last| last.asset);
                (references, next)
            }
            _ => return Err(Violations::of("bundle_id", "and asset_id cannot both be given")),
        };
        Ok(v1::ListReferencesResponse { references: references.iter().map(reference).collect(), next_page_token })
    }

    async fn place(&self, caller: &Caller, mut request: v1::PlaceHoldRequest) -> Result<v1::Hold, ApiError> {
        let request_id = std::mem::take(&mut request.request_id);
        let once = Once::of(caller, "PlaceHold", &request_id, &request);
        let asset = asset_id(&request.asset_id)?;
        let mut violations = Violations::default();
        once::check(&request_id, &mut violations);
        let chars = request.reason.chars().count();
        if !(1..=MAX_REASON_CHARS).contains(&chars) || request.reason.contains('\0') {
            violations.add("reason", format!("has {chars} characters, and needs 1 to {MAX_REASON_CHARS}, none of them NUL"));
        }
        violations.into_result()?;
        let id = HoldId::generate();
        let mut tx = self.0.begin(caller, "api.place_hold").await?;
        if let Some(once) = once
            && let Some(made) = once.note(&mut tx, id.as_uuid()).await?
        {
            // A hold goes only with its asset.
            return tx.holds().lookup(asset, made.into()).await?.as_ref().map(hold).ok_or(ApiError::AssetNotFound);
        }
        let placed = tx.holds().place(id, asset, &request.reason, caller.subject()).await?;
        tx.commit().await?;
        Ok(hold(&placed))
    }

    async fn release(&self, caller: &Caller, request: &v1::ReleaseHoldRequest) -> Result<v1::Hold, ApiError> {
        let id = asset_id(&request.asset_id)?;
        let hold_id: HoldId = request.hold_id.parse().map_err(|error: NotAnId| Violations::of("hold_id", format!("is {error}")))?;
        let mut tx = self.0.begin(caller, "api.release_hold").await?;
        let released = tx.holds().release(id, hold_id, caller.subject()).await?;
        tx.commit().await?;
        Ok(hold(&released))
    }
}

async fn shown_and_committed(mut tx: TenantTx, id: AssetId) -> Result<v1::Asset, ApiError> {
    let asset = there(tx.assets().lookup(id).await?)?;
    tx.commit().await?;
    Ok(convert::asset(&asset))
}

fn bundle_id<'a>(text: &'a str, violations: &mut Violations) -> &'a str {
    if !(1..=MAX_BUNDLE_ID_BYTES).contains(&text.len()) {
        violations.add("bundle_id", format!("has {} bytes, and needs 1 to {MAX_BUNDLE_ID_BYTES}", text.len()));
    } else if text.chars().any(char::is_control) {
        violations.add("bundle_id", "holds a control character");
    }
    text
}

fn expire_time(given: Option<&Timestamp>, field: &'static str, violations: &mut Violations) -> Option<OffsetDateTime> {
    let time = convert::read_timestamp(given?);
    if time.is_none_or(|time| time <= OffsetDateTime::now_utc()) {
        violations.add(field, "is no time in the future");
    }
    time
}

fn wanted(given: &[v1::BundleAsset], violations: &mut Violations) -> Vec<(AssetId, Option<OffsetDateTime>)> {
    if given.len() > MAX_REFERENCES_SET {
        violations.add("assets", format!("has {}, the limit is {MAX_REFERENCES_SET}", given.len()));
        return Vec::new();
    }
    let (mut seen, mut wanted) = (BTreeSet::new(), Vec::new());
    for asset in given {
        let Ok(id) = asset.asset_id.parse::<AssetId>() else {
            violations.add("assets", format!("holds an asset_id that is {NotAnId}"));
            break;
        };
        if !seen.insert(id) {
            violations.add("assets", format!("holds {id} twice"));
        }
        wanted.push((id, expire_time(asset.expire_time.as_ref(), "assets", violations)));
    }
    wanted
}

fn reference(reference: &Reference) -> v1::Reference {
    v1::Reference {
        bundle_id: reference.bundle.clone(),
        asset_id: reference.asset.to_string(),
        expire_time: reference.expires_at.map(convert::timestamp),
        create_time: Some(convert::timestamp(reference.created_at)),
    }
}

fn hold(hold: &Hold) -> v1::Hold {
    v1::Hold {
        id: hold.id.to_string(),
        asset_id: hold.asset.to_string(),
        reason: hold.reason.clone(),
        placed_by: hold.placed_by.clone(),
        place_time: Some(convert::timestamp(hold.placed_at)),
        released_by: hold.released_by.clone().unwrap_or_default(),
        release_time: hold.released_at.map(convert::timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(assets: &[v1::BundleAsset]) -> usize {
        let mut violations = Violations::default();
        wanted(assets, &mut violations);
        violations.0.len()
    }

    fn asset(id: &str, seconds: Option<i64>) -> v1::BundleAsset {
        v1::BundleAsset { asset_id: id.to_owned(), expire_time: seconds.map(|seconds| Timestamp { seconds, nanos: 0 }) }
    }

    #[test]
    fn a_bundles_list_names_each_asset_once_and_no_end_that_is_past() {
        let (a, b) = (AssetId::generate().to_string(), AssetId::generate().to_string());
        assert_eq!(faults(&[asset(&a, None), asset(&b, Some(32_503_680_000))]), 0);
        assert_eq!(faults(&[asset(&a, None), asset(&a, None)]), 1);
        assert_eq!(faults(&[asset(&a, Some(1)), asset(&b, Some(i64::MAX))]), 2);
        assert_eq!(faults(&[asset("me", None)]), 1);
        assert_eq!(faults(&vec![asset(&a, None); MAX_REFERENCES_SET + 1]), 1);
    }

    #[test]
    fn a_bundles_id_is_short_and_can_be_printed() {
        let faults = |text: &str| {
            let mut violations = Violations::default();
            bundle_id(text, &mut violations);
            violations.0.len()
        };
        assert_eq!(["a", "course/7 é", &"x".repeat(200)].map(faults), [0; 3]);
        assert_eq!(["", "a\0", "a\nb", &"x".repeat(201)].map(faults), [1; 4]);
    }
}
