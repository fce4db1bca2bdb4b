//! RetentionService.

use std::time::Duration;

use media_domain::AssetId;
use media_proto::v1::{
    AddReferenceRequest, BundleAsset, EraseOwnerRequest, EraseTenantRequest, Erasure, ErasureState, GetAssetRequest, GetErasureRequest,
    GetTenantPolicyRequest, Hold, ListReferencesRequest, PlaceHoldRequest, ReleaseHoldRequest, RemoveReferenceRequest,
    SetReferencesRequest, TenantPolicy, UpdateTenantPolicyRequest,
};

use super::scene::Scene;
use crate::harness::{Caller, eventually};

const LIMIT: Duration = Duration::from_secs(60);

pub async fn walk(scene: &Scene) {
    references_and_holds(scene).await;
    policies(scene).await;
    erasures(scene).await;
    too_fast(scene).await;
}

/// Ends what keeps an asset from its deletion.
pub async fn let_go(caller: &mut Caller, hold: &Hold, bundle_id: &str) {
    let release = ReleaseHoldRequest { asset_id: hold.asset_id.clone(), hold_id: hold.id.clone() };
    caller.retention.release_hold(release).await.unwrap();
    let remove = RemoveReferenceRequest { asset_id: hold.asset_id.clone(), bundle_id: bundle_id.to_owned() };
    caller.retention.remove_reference(remove).await.unwrap();
}

async fn references_and_holds(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let (asset_id, bundle_id) = (scene.letter.clone(), "shown".to_owned());
    let add = AddReferenceRequest { bundle_id: bundle_id.clone(), asset_id: asset_id.clone(), expire_time: None };
    cells.happy(owner.retention.add_reference(add).await);
    let list = ListReferencesRequest { asset_id: asset_id.clone(), ..Default::default() };
    assert_eq!(cells.happy(owner.retention.list_references(list.clone()).await).references.len(), 1);
    let forged = ListReferencesRequest { page_token: "forged".to_owned(), ..list };
    cells.refused("PAGE_TOKEN_INVALID", owner.retention.list_references(forged).await);
    let remove = RemoveReferenceRequest { bundle_id: bundle_id.clone(), asset_id: asset_id.clone() };
    cells.happy(owner.retention.remove_reference(remove).await);
    let assets = vec![BundleAsset { asset_id: asset_id.clone(), expire_time: None }];
    cells.happy(owner.retention.set_references(SetReferencesRequest { bundle_id: bundle_id.clone(), assets }).await);
    cells.happy(owner.retention.set_references(SetReferencesRequest { bundle_id, assets: Vec::new() }).await);

    let once = PlaceHoldRequest { asset_id: asset_id.clone(), reason: "a case".to_owned(), request_id: "held".to_owned() };
    let hold = cells.happy(owner.retention.place_hold(once.clone()).await).hold.unwrap();
    let other = PlaceHoldRequest { reason: "another case".to_owned(), ..once };
    cells.refused("REQUEST_ID_REUSED", owner.retention.place_hold(other).await);
    let release = |hold_id: &str| ReleaseHoldRequest { asset_id: asset_id.clone(), hold_id: hold_id.to_owned() };
    cells.refused("HOLD_NOT_FOUND", owner.retention.release_hold(release(&asset_id)).await);
    assert!(cells.happy(owner.retention.release_hold(release(&hold.id)).await).hold.unwrap().release_time.is_some());
}

async fn policies(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger) = (scene.owner.clone(), scene.stranger.clone());
    let update = |policy: TenantPolicy| UpdateTenantPolicyRequest {
        policy: Some(policy),
        update_mask: Some(media_proto::FieldMask { paths: vec!["grace_days".to_owned()] }),
    };
    let stale = TenantPolicy { grace_days: Some(7), etag: "999".to_owned(), ..Default::default() };
    cells.refused("ETAG_MISMATCH", owner.retention.update_tenant_policy(update(stale)).await);
    let week = TenantPolicy { grace_days: Some(7), ..Default::default() };
    cells.happy(owner.retention.update_tenant_policy(update(week)).await);
    // What one tenant decides is no other's.
    let named = TenantPolicy { tenant_id: owner.tenant.to_string(), grace_days: Some(9), ..Default::default() };
    cells.apart(stranger.retention.update_tenant_policy(update(named)).await, |answer| {
        answer.policy.as_ref().is_some_and(|policy| policy.tenant_id == scene.stranger.tenant.to_string())
    });
    let own = cells.happy(owner.retention.get_tenant_policy(GetTenantPolicyRequest {}).await).policy.unwrap();
    assert_eq!(own.grace_days, Some(7));
    cells.apart(stranger.retention.get_tenant_policy(GetTenantPolicyRequest {}).await, |answer| {
        answer.policy.as_ref().is_some_and(|policy| policy.grace_days == Some(9))
    });
}

/// Waits until an erasure has come to its end.
async fn done(caller: &Caller, erasure: &Erasure) -> Erasure {
    let mut caller = caller.clone();
    let request = GetErasureRequest { erasure_id: erasure.id.clone(), ..Default::default() };
    eventually("the erasure is done", LIMIT, async move || {
        let erasure = caller.retention.get_erasure(request.clone()).await.unwrap().into_inner().erasure.unwrap();
        if erasure.state() == ErasureState::Done { Ok(erasure) } else { Err(erasure) }
    })
    .await
}

async fn erasures(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let person = AssetId::generate().to_string();
    let once = EraseOwnerRequest { owner_user_id: person, request_id: "erased".to_owned() };
    let erasure = cells.happy(owner.retention.erase_owner(once.clone()).await).erasure.unwrap();
    let other = EraseOwnerRequest { owner_user_id: AssetId::generate().to_string(), ..once };
    cells.refused("REQUEST_ID_REUSED", owner.retention.erase_owner(other).await);
    let get = GetErasureRequest { erasure_id: erasure.id.clone(), ..Default::default() };
    cells.happy(owner.retention.get_erasure(get.clone()).await);
    let forged = GetErasureRequest { page_token: "forged".to_owned(), ..get };
    cells.refused("PAGE_TOKEN_INVALID", owner.retention.get_erasure(forged).await);

    // The same person in another tenant, and a whole other tenant: what is the owner's stays.
    let mut newcomer = scene.world.caller().await;
    let same = EraseOwnerRequest { owner_user_id: owner.owner.to_string(), ..Default::default() };
    let theirs = newcomer.retention.erase_owner(same).await;
    let begun = theirs.as_ref().unwrap().get_ref().erasure.clone().unwrap();
    assert!(done(&newcomer, &begun).await.counts.is_empty(), "a newcomer has nothing of that person");
    let asset = GetAssetRequest { asset_id: scene.letter.clone() };
    owner.assets.get_asset(asset.clone()).await.unwrap();
    cells.apart(theirs, |answer| answer.erasure.is_some());
    let named = EraseTenantRequest { tenant_id: owner.tenant.to_string(), ..Default::default() };
    cells.apart_by_refusal("FIELD_INVALID", newcomer.retention.erase_tenant(named).await);
    let mut leaving = scene.world.caller().await;
    leaving.create(leaving.request(media_proto::v1::AssetKind::Subtitle, "a.vtt", 10)).await;
    let all = EraseTenantRequest { tenant_id: leaving.tenant.to_string(), ..Default::default() };
    let begun = cells.happy(leaving.retention.erase_tenant(all).await).erasure.unwrap();
    done(&leaving, &begun).await;
    owner.assets.get_asset(asset).await.unwrap();
}

async fn too_fast(scene: &Scene) {
    let mut hurried = scene.hurried.clone();
    let hold = PlaceHoldRequest { asset_id: scene.letter.clone(), reason: "a case".to_owned(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.retention.place_hold(hold.clone()).await).await;
    let person = EraseOwnerRequest { owner_user_id: AssetId::generate().to_string(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.retention.erase_owner(person.clone()).await).await;
    let other = EraseTenantRequest { tenant_id: scene.owner.tenant.to_string(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.retention.erase_tenant(other.clone()).await).await;
}
