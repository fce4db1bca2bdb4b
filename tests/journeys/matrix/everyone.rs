//! What every method refuses, walked over the contract: who has no good token, the wrong tenant or not the scope, ids that are none, and
//! ids that are another tenant's.

use media_domain::{AssetId, TenantId};
use media_proto::v1::{AssetKind, CaptionKind, EraseOwnerRequest};

use super::scene::Scene;
use crate::{
    harness::{Caller, asking::ask, caller, contract::CONTRACT, samples},
    refusals::{refusal, strangers::naming},
};

/// Neither an id nor anything else that a field may hold.
const NOTHING: &str = "no\0id";

pub async fn walk(scene: &Scene) {
    let url = scene.world.fleet.grpc_url();
    let (tenant, other) = (scene.owner.tenant, TenantId(uuid::Uuid::new_v4()));
    let mut late = Caller::with_token(&url, tenant, caller::token(tenant, caller::ALL_SCOPES, -120)).await;
    let mut powerless = Caller::with_token(&url, tenant, caller::token(tenant, "media.nothing", 60)).await;
    let mut posing = Caller::with_token(&url, tenant, caller::token(other, caller::ALL_SCOPES, 60)).await;
    let mut owner = scene.owner.clone();
    for method in CONTRACT.methods.keys() {
        scene.cells.refused("TOKEN_INVALID", ask(&mut late, method, &scene.letter, &scene.letter).await);
        scene.cells.refused("SCOPE_MISSING", ask(&mut powerless, method, &scene.letter, &scene.letter).await);
        scene.cells.refused("TENANT_MISMATCH", ask(&mut posing, method, &scene.letter, &scene.letter).await);
        // What is asked without an id has its cell elsewhere.
        if let Err(refused) = ask(&mut owner, method, NOTHING, NOTHING).await {
            assert_eq!(refusal(&refused).1, "FIELD_INVALID", "{method}");
            scene.cells.refused::<()>("FIELD_INVALID", Err(refused));
        }
    }
    hide(scene).await;
}

async fn hide(scene: &Scene) {
    let (mut owner, mut stranger) = (scene.owner.clone(), scene.stranger.clone());
    let asset = owner.create(owner.request(AssetKind::Subtitle, "mine.vtt", 10)).await.asset.unwrap().id;
    let track = owner.import(&asset, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap().id;
    let nobody = EraseOwnerRequest { owner_user_id: AssetId::generate().to_string(), ..Default::default() };
    let erasure = owner.retention.erase_owner(nobody).await.unwrap().into_inner().erasure.unwrap().id;
    let never = AssetId::generate().to_string();
    for method in naming() {
        let theirs = match method {
            "OperationsService/RetryJob" => &scene.job,
            "OperationsService/RedriveDeadLetters" => &scene.dead_letter,
            "AiArtifactService/GetAiArtifact" => &scene.artifact,
            "RetentionService/GetErasure" => &erasure,
            _ => &asset,
        };
        let foreign = ask(&mut stranger, method, theirs, &track).await;
        scene.cells.hidden(foreign, ask(&mut stranger, method, &never, &never).await);
    }
}
