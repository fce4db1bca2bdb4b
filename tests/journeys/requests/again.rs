use std::{collections::BTreeSet, time::Duration};

use media_devstack::Binary;
use media_proto::v1::{AssetKind, CreateUploadRequest, DeleteAssetRequest};
use tonic::Code;

use crate::{
    harness::{Caller, World, caller, eventually},
    refusals::{reason, refused},
};

fn named(caller: &Caller, request_id: &str) -> CreateUploadRequest {
    CreateUploadRequest { request_id: request_id.to_owned(), ..caller.request(AssetKind::Subtitle, "a.vtt", 10) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_is_sent_again_is_answered_with_the_asset_that_it_made() {
    let world = World::with("again", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let first = caller.create(named(&caller, "one")).await;
    let again = caller.create(named(&caller, "one")).await;
    assert_eq!(first.asset.as_ref().unwrap().id, again.asset.as_ref().unwrap().id);
    let (first_plan, plan) = (first.plan.unwrap(), again.plan.clone().unwrap());
    assert_eq!((first_plan.upload_id, first_plan.part_count), (plan.upload_id, plan.part_count));

    caller.put_all(&again, b"WEBVTT\n\n\n\n").await;
    let id = again.asset.unwrap().id;
    caller.complete(&id).await.unwrap();
    let after = caller.create(named(&caller, "one")).await;
    assert_eq!((after.asset.unwrap().id, after.plan), (id.clone(), None), "there is nothing left to upload");

    let without = [caller.create(named(&caller, "")).await, caller.create(named(&caller, "")).await];
    assert_ne!(without[0].asset.as_ref().unwrap().id, without[1].asset.as_ref().unwrap().id, "without an id each call creates");
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: id, ..Default::default() }).await.unwrap();
    assert_eq!(refused(caller.uploads.create_upload(named(&caller, "one")).await), reason(Code::NotFound, "ASSET_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_under_one_id_one_makes_the_asset() {
    let world = World::with("at_once", &[Binary::Api]).await;
    let caller = world.caller().await;
    for round in 0..5 {
        let calls = (0..12).map(|_| {
            let mut caller = caller.clone();
            let request = named(&caller, &format!("round {round}"));
            tokio::spawn(async move { caller.create(request).await.asset.unwrap().id })
        });
        let ids: BTreeSet<String> = futures::future::join_all(calls).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM media.assets").fetch_one(&world.sql().await).await.unwrap();
    assert_eq!(rows, 5, "nothing is half-written");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_the_same_id_is_refused_and_other_callers_ids_are_their_own() {
    let world = World::with("reused", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let first = caller.create(named(&caller, "one")).await.asset.unwrap().id;
    let other = CreateUploadRequest { size_bytes: 11, ..named(&caller, "one") };
    assert_eq!(refused(caller.uploads.create_upload(other).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));

    let token = caller::token_of("another service", caller.tenant, caller::ALL_SCOPES, 60);
    let mut service = Caller::with_token(&world.fleet.grpc_url(), caller.tenant, token).await;
    service.owner = caller.owner;
    assert_ne!(service.create(named(&caller, "one")).await.asset.unwrap().id, first, "another caller");
    let mut stranger = world.caller().await;
    assert_ne!(stranger.create(named(&caller, "one")).await.asset.unwrap().id, first, "another tenant");
    let long = named(&caller, &"x".repeat(65));
    assert_eq!(refused(caller.uploads.create_upload(long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_forgotten_after_a_day() {
    let world = World::with("forgotten", &[Binary::Api, Binary::Janitor]).await;
    let mut caller = world.caller().await;
    let first = caller.create(named(&caller, "one")).await.asset.unwrap().id;
    let sql = world.sql().await;
    sqlx::query("UPDATE media.request_ids SET created_at = created_at - interval '24 hours'").execute(&sql).await.unwrap();
    assert_ne!(caller.create(named(&caller, "one")).await.asset.unwrap().id, first);
    sqlx::query("UPDATE media.request_ids SET created_at = created_at - interval '24 hours'").execute(&sql).await.unwrap();
    eventually("the janitor forgets the id", Duration::from_secs(20), async || {
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM media.request_ids").fetch_one(&sql).await.unwrap();
        if rows == 0 { Ok(()) } else { Err(rows) }
    })
    .await;
}
