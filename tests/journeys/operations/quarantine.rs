//! What a scan found, and what is decided about it.

use media_devstack::{Binary, Server, Stack, StackInfo, StackOptions};
use media_domain::AssetId;
use media_proto::v1::{
    AssetKind, AssetStatus, GetAssetRequest, GetDownloadUrlRequest, ListQuarantinedRequest, PurgeAssetRequest, QuarantineDecisionKind,
    ReleaseAssetRequest, RescanAssetRequest, ScanVerdict,
};
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{Caller, World, eventually, samples},
    refusals::{leftovers, reason, refused},
};

/// A letter that every scanner finds something in.
pub fn infected_document() -> Vec<u8> {
    let mut file = samples::document(2000);
    file.pop();
    file.extend(samples::eicar());
    file.push(b'}');
    file
}

fn release(asset_id: &str) -> ReleaseAssetRequest {
    ReleaseAssetRequest { asset_id: asset_id.to_owned(), why: "a false alarm".to_owned() }
}

fn purge(asset_id: &str) -> PurgeAssetRequest {
    PurgeAssetRequest { asset_id: asset_id.to_owned(), why: "it is one".to_owned() }
}

fn rescan(asset_id: &str) -> RescanAssetRequest {
    RescanAssetRequest { asset_id: asset_id.to_owned(), why: "new signatures".to_owned() }
}

/// The original, where it may be had.
async fn original(caller: &mut Caller, asset_id: &str) -> Result<Vec<u8>, tonic::Status> {
    let request = GetDownloadUrlRequest { asset_id: asset_id.to_owned(), profile: String::new() };
    let url = caller.playback.get_download_url(request).await?.into_inner().url;
    Ok(reqwest::get(url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_file_passes_a_new_scan_and_comes_back() {
    let world = World::with("released", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (consumer, store) = (world.consumer().await, leftovers::store(&world));
    let mut caller = world.caller().await;
    let file = infected_document();
    let id = caller.upload(AssetKind::Document, "letter.rtf", &file).await;
    caller.until(&id, AssetStatus::Quarantined, LIMIT).await;
    let listed = caller.quarantine.list_quarantined(ListQuarantinedRequest::default()).await.unwrap().into_inner().assets;
    let [found] = listed.as_slice() else { panic!("{listed:?}") };
    assert!(found.signature.contains("Eicar") && found.decisions.is_empty(), "{found:?}");
    let logs = world.logs();
    let told = logs.lines().find(|line| line.contains("the file is infected")).expect("the scanner says so");
    for known in [&id, &caller.tenant.to_string(), &found.signature] {
        assert!(told.contains(known.as_str()), "{known}: {told}");
    }
    assert_eq!(refused(original(&mut caller, &id).await), reason(Code::FailedPrecondition, "ASSET_QUARANTINED"));

    let asset = caller.quarantine.release_asset(release(&id)).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(asset.status(), AssetStatus::Scanning);
    let event = consumer.until(&id, "media.asset.released.v1", LIMIT).await;
    assert_eq!(
        (event.data["signature"].as_str(), event.data["sha256"].as_str()),
        (Some(found.signature.as_str()), Some(asset.sha256.as_str()))
    );
    let sql = world.sql().await;
    eventually("the asset is ready", LIMIT, async || {
        let asset = caller.clone().get(&id).await.asset.unwrap();
        if asset.status() == AssetStatus::Ready { Ok(()) } else { Err(asset.status()) }
    })
    .await;
    let asset = caller.get(&id).await.asset.unwrap();
    assert_eq!(asset.scan_verdict(), ScanVerdict::Released, "it is never called clean");
    assert!(original(&mut caller, &id).await.unwrap() == file, "byte for byte");
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let objects = leftovers::objects(&store, &world, caller.tenant).await;
    assert!(objects.len() == 1 && objects.iter().all(|name| name.starts_with(&format!("{}/", world.isolated().bucket()))), "{objects:?}");
    let decided: Vec<(String, String, String)> =
        sqlx::query_as("SELECT decision, decided_by, why FROM media.quarantine_decisions").fetch_all(&sql).await.unwrap();
    assert_eq!(decided, [("release".to_owned(), "journey".to_owned(), "a false alarm".to_owned())]);
    consumer.assert_in_order(&id);

    // The same bytes are not judged twice, and only for the tenant that judged them.
    let again = caller.upload(AssetKind::Document, "letter.rtf", &file).await;
    caller.until(&again, AssetStatus::Ready, LIMIT).await;
    let mut neighbour = world.caller().await;
    let theirs = neighbour.upload(AssetKind::Document, "letter.rtf", &file).await;
    neighbour.until(&theirs, AssetStatus::Quarantined, LIMIT).await;

    let illegal = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(refused(caller.quarantine.release_asset(release(&id)).await), illegal, "it is ready");
    assert_eq!(refused(caller.quarantine.purge_asset(purge(&id)).await), illegal);
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(refused(neighbour.quarantine.release_asset(ReleaseAssetRequest { why: " ".to_owned(), ..release(&theirs) }).await), invalid);
    assert_eq!(refused(neighbour.quarantine.purge_asset(PurgeAssetRequest { why: String::new(), ..purge(&theirs) }).await), invalid);
    let token = ListQuarantinedRequest { page_token: "forged".to_owned(), ..Default::default() };
    assert_eq!(refused(caller.quarantine.list_quarantined(token).await), reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_lets_nothing_else_pass() {
    let mut world = World::with("released-other", &[Binary::Relay, Binary::Api]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let scanner = world.start(Binary::Scanner, &[]).await;
    let id = caller.upload(AssetKind::Document, "letter.rtf", &infected_document()).await;
    caller.until(&id, AssetStatus::Quarantined, LIMIT).await;
    scanner.kill().unwrap();
    caller.quarantine.release_asset(release(&id)).await.unwrap();
    // As if it had been released for what an earlier scan found.
    sqlx::query("UPDATE media.quarantine_decisions SET signature = 'Another.Signature'").execute(&sql).await.unwrap();
    world.start_all(&[Binary::Scanner, Binary::Janitor]).await;
    caller.until(&id, AssetStatus::Quarantined, LIMIT).await;

    let listed = caller.quarantine.list_quarantined(ListQuarantinedRequest::default()).await.unwrap().into_inner().assets;
    let decision = &listed[0].decisions[0];
    assert_eq!(
        (decision.kind(), decision.decided_by.as_str(), decision.why.as_str()),
        (QuarantineDecisionKind::Release, "journey", "a false alarm")
    );
    assert_eq!(refused(original(&mut caller, &id).await), reason(Code::FailedPrecondition, "ASSET_QUARANTINED"));
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let objects = leftovers::objects(&leftovers::store(&world), &world, caller.tenant).await;
    assert!(objects.iter().all(|name| name.starts_with(world.isolated().quarantine_bucket())), "{objects:?}");
    assert_eq!(objects.len(), 1, "its bytes are still there: {objects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_file_is_gone_from_rows_and_store() {
    let world = World::with("purged", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (consumer, store) = (world.consumer().await, leftovers::store(&world));
    let mut caller = world.caller().await;
    let file = infected_document();
    let (id, kept) = (
        caller.upload(AssetKind::Document, "letter.rtf", &file).await,
        caller.upload(AssetKind::Document, "other.rtf", &samples::document(100)).await,
    );
    caller.until(&id, AssetStatus::Quarantined, LIMIT).await;
    caller.until(&kept, AssetStatus::Ready, LIMIT).await;
    let asset = caller.quarantine.purge_asset(purge(&id)).await.unwrap().into_inner().asset.unwrap();
    assert!(asset.delete_time.is_some());
    consumer.until(&id, "media.asset.deleted.v1", LIMIT).await;
    eventually("its bytes are gone from both buckets", LIMIT, async || {
        let objects = leftovers::objects(&store, &world, caller.tenant).await;
        if objects.iter().any(|name| name.contains(&id)) { Err(objects) } else { Ok(()) }
    })
    .await;
    assert_eq!(leftovers::objects(&store, &world, caller.tenant).await.len(), 1, "and nobody else's are");
    let gone = reason(Code::NotFound, "ASSET_NOT_FOUND");
    assert_eq!(refused(caller.assets.get_asset(GetAssetRequest { asset_id: id.clone() }).await), gone);
    assert_eq!(refused(caller.quarantine.release_asset(release(&id)).await), gone);
    let again = caller.quarantine.purge_asset(purge(&id)).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(again.etag, asset.etag, "a second time changes nothing");
    assert_eq!(consumer.of(&id).iter().filter(|event| event.event_type == "media.asset.deleted.v1").count(), 1);
    let sql = world.sql().await;
    eventually("their rows go after them", LIMIT, async || {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM media.blobs WHERE key LIKE '%' || $1 || '%'").bind(&id).fetch_one(&sql).await.unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ready_file_is_scanned_by_new_signatures_and_nothing_is_made_again() {
    let stack = StackInfo::from_env().unwrap();
    let clamd = Stack::start(StackOptions::beside(&stack, &[Server::Clamd])).await.unwrap();
    let mut world = World::on(clamd.describe().isolated("rescanned").await.unwrap());
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor]).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let mut picture = samples::picture(400, 200);
    // Behind a picture's end nothing is looked at, but by a scanner.
    picture.extend(b"the bytes of tomorrow's signature");
    let id = caller.upload(AssetKind::Image, "card.png", &picture).await;
    let before = caller.until(&id, AssetStatus::Ready, LIMIT).await;

    let asset = caller.quarantine.rescan_asset(rescan(&id)).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(asset.status(), AssetStatus::Scanning);
    let illegal = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    let after = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!((after.variants, after.jobs), (before.variants.clone(), before.jobs.clone()), "nothing is made again");
    let planned: Vec<String> = sqlx::query_scalar("SELECT group_name FROM media.work WHERE asset_id = $1 ORDER BY id")
        .bind(id.parse::<AssetId>().unwrap().as_uuid())
        .fetch_all(&sql)
        .await
        .unwrap();
    assert_eq!((planned.first().map(String::as_str), planned.last().map(String::as_str)), (Some("scan"), Some("rescan")), "{planned:?}");
    assert_eq!(planned.iter().filter(|group| *group == "probe").count(), 1, "{planned:?}");

    let signatures = clamd.folder().join("clamd/database/tomorrow.ndb");
    let hex: String = b"the bytes of tomorrow's signature".iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&signatures, format!("Tomorrow:0:*:{hex}\n")).unwrap();
    clamd.restart(Server::Clamd).await.unwrap();
    caller.quarantine.rescan_asset(rescan(&id)).await.unwrap();
    caller.until(&id, AssetStatus::Quarantined, LIMIT).await;
    assert_eq!(refused(original(&mut caller, &id).await), reason(Code::FailedPrecondition, "ASSET_QUARANTINED"));
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let in_quarantine = async || -> bool {
        let bucket: String = sqlx::query_scalar("SELECT bucket FROM media.assets WHERE id = $1")
            .bind(id.parse::<AssetId>().unwrap().as_uuid())
            .fetch_one(&sql)
            .await
            .unwrap();
        bucket == world.isolated().quarantine_bucket()
    };
    assert!(in_quarantine().await);

    // The signature was wrong, and is taken back: the file comes back with all that was made of it.
    std::fs::remove_file(&signatures).unwrap();
    clamd.restart(Server::Clamd).await.unwrap();
    caller.quarantine.rescan_asset(rescan(&id)).await.unwrap();
    let back = eventually("the asset is ready", LIMIT, async || {
        let got = caller.clone().get(&id).await;
        let asset = got.asset.clone().unwrap();
        if asset.status() == AssetStatus::Ready { Ok(got) } else { Err(asset.status()) }
    })
    .await;
    assert_eq!((back.variants, back.asset.unwrap().scan_verdict()), (before.variants, ScanVerdict::Clean));
    assert!(!in_quarantine().await && original(&mut caller, &id).await.unwrap() == picture);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let never = caller.create(caller.request(AssetKind::Document, "never.rtf", 1000)).await.asset.unwrap().id;
    assert_eq!(refused(caller.quarantine.rescan_asset(rescan(&never)).await), illegal, "its bytes have not come");
    let why = RescanAssetRequest { why: "x".repeat(1001), ..rescan(&id) };
    assert_eq!(refused(caller.quarantine.rescan_asset(why).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    drop(world);
    clamd.stop().await.unwrap();
}
