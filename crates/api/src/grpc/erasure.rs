//! RetentionService's part that erases what a person, or a tenant, left here, and shows the receipt. The janitor does the work.

use media_domain::{
    ErasureId, OwnerId,
    erasure::{Outcome, Scope, nobody},
    ids::NotAnId,
};
use media_proto::v1;
use media_storage::{TenantTx, erasures::ErasureItem};

use super::Api;
use crate::{
    auth::Caller,
    convert,
    error::{ApiError, Violations},
    once::{self, Once},
};

pub async fn erase_owner(api: &Api, caller: &Caller, mut request: v1::EraseOwnerRequest) -> Result<v1::EraseOwnerResponse, ApiError> {
    let request_id = std::mem::take(&mut request.request_id);
    let mut violations = Violations::default();
    once::check(&request_id, &mut violations);
    let owner = request.owner_user_id.parse().map_err(|error: NotAnId| violations.add("owner_user_id", format!("is {error}"))).ok();
    if owner == Some(nobody()) {
        violations.add("owner_user_id", "is nobody: what is anonymised already");
    }
    violations.into_result()?;
    let once = Once::of(caller, "EraseOwner", &request_id, &request);
    let erasure = begin(api, caller, owner, once).await?;
    Ok(v1::EraseOwnerResponse { erasure: Some(erasure) })
}

pub async fn erase_tenant(api: &Api, caller: &Caller, mut request: v1::EraseTenantRequest) -> Result<v1::EraseTenantResponse, ApiError> {
    let request_id = std::mem::take(&mut request.request_id);
    let mut violations = Violations::default();
    once::check(&request_id, &mut violations);
    if request.tenant_id != caller.tenant().to_string() {
        violations.add("tenant_id", "must be the tenant that the call is for: nobody erases one by mistake");
    }
    violations.into_result()?;
    let once = Once::of(caller, "EraseTenant", &request_id, &request);
    let erasure = begin(api, caller, None, once).await?;
    Ok(v1::EraseTenantResponse { erasure: Some(erasure) })
}

async fn begin(api: &Api, caller: &Caller, owner: Option<OwnerId>, once: Option<Once>) -> Result<v1::Erasure, ApiError> {
    let id = ErasureId::generate();
    let mut tx = api.begin(caller, "api.erase").await?;
    if let Some(once) = once
        && let Some(made) = once.note(&mut tx, id.as_uuid()).await?
    {
        return erasure(&mut tx, made.into()).await;
    }
    tx.erasures().insert(id, owner).await?;
    let begun = erasure(&mut tx, id).await?;
    tx.commit().await?;
    Ok(begun)
}

pub async fn get(api: &Api, caller: &Caller, request: v1::GetErasureRequest) -> Result<v1::GetErasureResponse, ApiError> {
    let id: ErasureId = request.erasure_id.parse().map_err(|error: NotAnId| Violations::of("erasure_id", format!("is {error}")))?;
    let page = api.page(caller, &request)?;
    let after = page.after()?;
    let mut tx = api.begin(caller, "api.get_erasure").await?;
    let shown = erasure(&mut tx, id).await?;
    let mut items = tx.erasures().page(id, after, page.fetch()).await?;
    let next_page_token = page.cut(&mut items, |last| last.id);
    Ok(v1::GetErasureResponse { erasure: Some(shown), items: items.iter().map(item).collect(), next_page_token })
}

async fn erasure(tx: &mut TenantTx, id: ErasureId) -> Result<v1::Erasure, ApiError> {
    let found = tx.erasures().lookup(id).await?.ok_or(ApiError::ErasureNotFound)?;
    let counts = tx.erasures().counts(id).await?;
    Ok(v1::Erasure {
        id: id.to_string(),
        scope: match found.scope {
            Scope::Owner => v1::ErasureScope::Owner.into(),
            Scope::Tenant => v1::ErasureScope::Tenant.into(),
        },
        owner_sha256: found.owner_sha256.unwrap_or_default(),
        state: if found.finished_at.is_some() { v1::ErasureState::Done.into() } else { v1::ErasureState::Running.into() },
        create_time: Some(convert::timestamp(found.created_at)),
        finish_time: found.finished_at.map(convert::timestamp),
        counts: counts
            .into_iter()
            .map(|(became, assets, objects)| v1::ErasureCount {
                outcome: outcome(became).into(),
                asset_count: assets.cast_signed(),
                object_count: objects.cast_signed(),
            })
            .collect(),
    })
}

fn item(item: &ErasureItem) -> v1::ErasureItem {
    v1::ErasureItem {
        asset_id: item.asset.to_string(),
        bucket: item.object.as_ref().map(|object| object.bucket.clone()).unwrap_or_default(),
        key: item.object.as_ref().map(|object| object.key.clone()).unwrap_or_default(),
        outcome: outcome(item.outcome).into(),
        update_time: Some(convert::timestamp(item.changed_at)),
    }
}

fn outcome(outcome: Outcome) -> v1::ErasureOutcome {
    match outcome {
        Outcome::Pending => v1::ErasureOutcome::Pending,
        Outcome::Erased => v1::ErasureOutcome::Erased,
        Outcome::Anonymised => v1::ErasureOutcome::Anonymised,
        Outcome::Shared => v1::ErasureOutcome::Shared,
        Outcome::Held => v1::ErasureOutcome::Held,
    }
}
