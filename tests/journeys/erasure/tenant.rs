//! All of a tenant.

use media_devstack::{Binary, DatabaseRole};
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, EraseOwnerRequest, EraseTenantRequest, ErasureOutcome, GetErasureRequest, GetUsageRequest};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tonic::Code;

use super::{LIMIT, done, outcome, rows_with};
use crate::{
    harness::{Caller, World, samples},
    operations::infected_document,
    refusals::{leftovers, reason, refused},
    schema::seed::seed,
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_is_left_but_the_receipt() {
    let mut world = World::with("erased-tenant", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (consumer, sql, store) = (world.consumer().await, world.sql().await, leftovers::store(&world));
    let (mut caller, mut neighbour) = (world.caller().await, world.caller().await);
    // A row in every table that there is, whatever comes to be one, and none that waits for what was never stored.
    let mut superuser = PgConnection::connect(world.isolated().database_url(DatabaseRole::Superuser).as_str()).await.unwrap();
    let seeded = seed(&mut superuser, caller.tenant.0, "content").await;
    let bucket = world.isolated().bucket();
    for set in [
        format!("UPDATE media.uploads SET bucket = '{bucket}', state = 'aborting'"),
        format!("UPDATE media.output_uploads SET bucket = '{bucket}'"),
        format!("UPDATE media.blobs SET bucket = '{bucket}'"),
        "UPDATE media.asset_holds SET released_at = now()".to_owned(),
        // What goes with no asset.
        "UPDATE media.dead_letters SET work_id = NULL".to_owned(),
        "UPDATE media.ai_media_artifacts SET output_asset_id = NULL, source_asset_id = NULL".to_owned(),
        "UPDATE media.erasures SET state = 'done', owner_user_id = NULL".to_owned(),
        "UPDATE media.tenant_policies SET max_bytes = NULL, quota_bytes = NULL, profiles = NULL".to_owned(),
        "UPDATE media.assets SET media_info = NULL, failure_reason = NULL, retention_class = 'operational'".to_owned(),
    ] {
        sqlx::query(AssertSqlSafe(set)).execute(&sql).await.unwrap();
    }
    assert!(seeded.rows.len() > 15);
    let file = samples::document(1000);
    let letter = caller.upload(AssetKind::Document, "letter.rtf", &file).await;
    caller.until(&letter, AssetStatus::Ready, LIMIT).await;
    let infected = caller.upload(AssetKind::Document, "letter.rtf", &infected_document()).await;
    caller.until(&infected, AssetStatus::Quarantined, LIMIT).await;
    let open = caller.create(caller.request(AssetKind::Document, "never.rtf", 1000)).await.asset.unwrap().id;
    let theirs = neighbour.upload(AssetKind::Document, "letter.rtf", &file).await;
    neighbour.until(&theirs, AssetStatus::Ready, LIMIT).await;
    let before = rows_with(&sql, &[neighbour.tenant.to_string()]).await.len();

    let request = EraseTenantRequest { tenant_id: caller.tenant.to_string(), request_id: "once".to_owned() };
    let begun = caller.retention.erase_tenant(request.clone()).await.unwrap().into_inner().erasure.unwrap();
    let again = caller.retention.erase_tenant(request).await.unwrap().into_inner().erasure.unwrap();
    assert_eq!(begun.id, again.id);
    world.start_all(&[Binary::Janitor]).await;
    let (_, items) = done(&caller, &begun.id).await;
    for id in [&letter, &infected, &open] {
        assert_eq!(outcome(&items, id), Some(ErasureOutcome::Erased), "{items:?}");
    }
    assert!(items.iter().all(|item| item.outcome() == ErasureOutcome::Erased), "{items:?}");
    let subject = caller.tenant.to_string();
    consumer.until(&subject, "media.tenant.erased.v1", LIMIT).await;
    assert_eq!(
        consumer.events().iter().rfind(|event| event.tenant == subject).unwrap().event_type,
        "media.tenant.erased.v1",
        "the last of all"
    );
    let left: Vec<String> = rows_with(&sql, &[subject]).await;
    let is_receipt = |row: &String| row.starts_with("media.erasures: ") || row.starts_with("media.erasure_items: ");
    assert!(left.iter().all(is_receipt), "{left:#?}");
    assert!(leftovers::objects(&store, &world, caller.tenant).await.is_empty());
    assert!(leftovers::open_uploads(&store, &world, caller.tenant).await.is_empty());

    assert_eq!(rows_with(&sql, &[neighbour.tenant.to_string()]).await.len(), before, "the neighbour has all it had");
    assert_eq!(neighbour.get(&theirs).await.asset.unwrap().status(), AssetStatus::Ready);
    let usage = caller.operations.get_usage(GetUsageRequest {}).await.unwrap().into_inner();
    assert!(usage.asset_counts.is_empty(), "{usage:?}");
    let fresh = caller.upload(AssetKind::Document, "letter.rtf", &file).await;
    let asset = caller.until(&fresh, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    assert!(!asset.deduplicated, "a tenant may begin anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_erasure_is_refused() {
    let world = World::with("erased-refused", &[Binary::Api]).await;
    let (mut caller, stranger) = (world.caller().await, world.caller().await);
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    let owner = |owner: &str, request_id: &str| EraseOwnerRequest { owner_user_id: owner.to_owned(), request_id: request_id.to_owned() };
    assert_eq!(refused(caller.retention.erase_owner(owner("me", "")).await), invalid);
    assert_eq!(refused(caller.retention.erase_owner(owner(&"0".repeat(26), "")).await), invalid, "nobody");
    let (one, two) = (AssetId::generate().to_string(), AssetId::generate().to_string());
    assert_eq!(refused(caller.retention.erase_owner(owner(&one, &"x".repeat(65))).await), invalid);
    caller.retention.erase_owner(owner(&one, "id")).await.unwrap();
    assert_eq!(refused(caller.retention.erase_owner(owner(&two, "id")).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    for tenant_id in [String::new(), stranger.tenant.to_string()] {
        let request = EraseTenantRequest { tenant_id, request_id: String::new() };
        assert_eq!(refused(caller.retention.erase_tenant(request).await), invalid);
    }
    let get = |erasure_id: &str, page_size, page_token: &str| GetErasureRequest {
        erasure_id: erasure_id.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    };
    assert_eq!(refused(caller.retention.get_erasure(get("me", 0, "")).await), invalid);
    assert_eq!(refused(caller.retention.get_erasure(get(&one, -1, "")).await), invalid);
    assert_eq!(refused(caller.retention.get_erasure(get(&one, 0, "forged")).await), reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
    assert_eq!(refused(caller.retention.get_erasure(get(&one, 0, "")).await), reason(Code::NotFound, "ERASURE_NOT_FOUND"));
    let token = crate::harness::caller::token(caller.tenant, "media.read media.write media.delete media.review", 60);
    let mut service = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, token).await;
    let missing = reason(Code::PermissionDenied, "SCOPE_MISSING");
    assert_eq!(refused(service.retention.erase_owner(owner(&one, "")).await), missing);
    let request = EraseTenantRequest { tenant_id: caller.tenant.to_string(), request_id: String::new() };
    assert_eq!(refused(service.retention.erase_tenant(request).await), missing);
    assert_eq!(refused(service.retention.get_erasure(get(&one, 0, "")).await), missing);
}
