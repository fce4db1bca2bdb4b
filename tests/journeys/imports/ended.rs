//! An import that ends before its file is there.

use media_devstack::Binary;
use media_proto::v1::{AbortUploadRequest, Asset, AssetKind, AssetStatus, CompleteUploadRequest, DeleteAssetRequest, UndeleteAssetRequest};
use tonic::{Code, Status};

use super::{LIMIT, asset_id, counted, letter, under_way};
use crate::{
    harness::{Caller, Web, World, eventually, samples, web::Says},
    refusals::{leftovers, reason, refused},
};

pub async fn abort(caller: &mut Caller, id: &str) -> Result<Asset, Status> {
    Ok(caller.uploads.abort_upload(AbortUploadRequest { asset_id: id.to_owned() }).await?.into_inner().asset.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_aborted_or_deleted_stops_and_leaves_nothing() {
    let web = Web::start().await;
    let mut world = World::new("import-ended").await;
    super::open_to(&mut world, &web);
    // Two at once, and one that is left to scans.
    world.fleet.set("MEDIA__WORKER__PERMITS", "3");
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    // A part of 5 MiB has been sent on before the server falls silent.
    let file = samples::document(12 << 20);
    let held = web.at("/held", [Says::Held(file.clone(), 11 << 20)]);
    let [aborted, deleted] = [letter(&mut caller, &held).await, letter(&mut caller, &held).await];
    let store = leftovers::store(&world);
    eventually("both are being written", LIMIT, async || {
        let open = leftovers::open_uploads(&store, &world, caller.tenant).await;
        if open.len() == 2 { Ok(()) } else { Err(open) }
    })
    .await;
    let complete = CompleteUploadRequest { asset_id: aborted.clone(), parts: Vec::new() };
    let not_yet = refused(caller.uploads.complete_upload(complete).await);
    assert_eq!(not_yet, reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION"), "nobody but the scanner ends it well");

    for _ in 0..2 {
        let asset = abort(&mut caller, &aborted).await.unwrap();
        assert_eq!((asset.status(), asset.failure_reason.as_str()), (AssetStatus::Failed, "upload_aborted"));
    }
    let delete = DeleteAssetRequest { asset_id: deleted.clone(), ..Default::default() };
    caller.assets.delete_asset(delete).await.unwrap();
    assert_eq!((counted(&sql, &caller).await, under_way(&sql).await), ((0, 0), (0, 0)), "given back and forgotten at once");
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let back = caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: deleted, ..Default::default() }).await.unwrap();
    assert_eq!(back.into_inner().asset.unwrap().failure_reason, "upload_aborted");

    let done = letter(&mut caller, &web.at("/whole", [Says::File(samples::document(100))])).await;
    caller.until(&done, AssetStatus::Ready, LIMIT).await;
    assert_eq!(refused(abort(&mut caller, &done).await), reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
    assert_eq!(caller.get(&aborted).await.asset.unwrap().status(), AssetStatus::Failed, "nothing of the past comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_slow_keep_no_scan_waiting() {
    let web = Web::start().await;
    let mut world = World::new("import-slow").await;
    super::open_to(&mut world, &web);
    // Longer than the test: nobody loses patience with the slow one.
    world.fleet.set("MEDIA__FETCH__IDLE_TIMEOUT", "10m");
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (mut slow, sql) = (world.caller().await, world.sql().await);
    let held = web.at("/held", [Says::Held(samples::document(12 << 20), 11 << 20)]);
    let first = letter(&mut slow, &held).await;
    eventually("one is being fetched", LIMIT, async || if web.heads().is_empty() { Err("nobody asked") } else { Ok(()) }).await;
    for _ in 0..2 {
        letter(&mut slow, &held).await;
    }
    eventually("the others have asked for a place, and wait", LIMIT, async || {
        let waiting = "SELECT count(*) FROM media.work WHERE state = 'waiting' AND attempts > 0";
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&sql).await.unwrap();
        if waiting == 2 { Ok(()) } else { Err(waiting) }
    })
    .await;
    let mut other = world.caller().await;
    let text = other.upload(AssetKind::Document, "letter.rtf", &samples::document(2_029)).await;
    other.until(&text, AssetStatus::Ready, LIMIT).await;
    let state: String = sqlx::query_scalar("SELECT state FROM media.work WHERE asset_id = $1")
        .bind(asset_id(&first).as_uuid())
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!((state.as_str(), web.heads().len()), ("running", 1), "the slow one still is being fetched, and no other");
    let failures: i64 = sqlx::query_scalar("SELECT sum(failures)::bigint FROM media.work").fetch_one(&sql).await.unwrap();
    assert_eq!(failures, 0, "to wait for a place is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_import_is_not_an_abandoned_upload() {
    let web = Web::start().await;
    let mut world = World::new("import-long").await;
    super::open_to(&mut world, &web);
    world.fleet.set("MEDIA__SWEEPS__ABANDONED_AFTER", "1s");
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = letter(&mut caller, &web.at("/held", [Says::Held(samples::document(10_000), 100)])).await;
    let upload = caller.create(caller.request(media_proto::v1::AssetKind::Document, "a.rtf", 100)).await.asset.unwrap().id;
    sqlx::query("UPDATE media.assets SET created_at = created_at - interval '2 days'").execute(&sql).await.unwrap();
    for table in ["uploads", "imports", "output_uploads"] {
        let sql_text = format!("UPDATE media.{table} SET created_at = created_at - interval '2 days'");
        sqlx::query(sqlx::AssertSqlSafe(sql_text)).execute(&sql).await.unwrap();
    }
    let swept = caller.until(&upload, AssetStatus::Failed, LIMIT).await.asset.unwrap();
    assert_eq!(swept.failure_reason, "upload_abandoned");
    assert_eq!(caller.get(&id).await.asset.unwrap().status(), AssetStatus::Uploading);
}
