//! What cannot be read before it was brought back. The store keeps the class's name; a proxy before it plays what S3 does with it.

use std::{sync::Arc, time::Duration};

use media_devstack::{Binary, Service};
use media_proto::v1::{
    ArchiveState, AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, ReprocessAssetRequest, RequestVariantRequest,
    RescanAssetRequest, RestoreAssetRequest,
};
use serde_json::Value;
use sqlx::PgPool;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{LIMIT, MAKERS, letter, states, until, until_archived, unused_for, unused_letter};
use crate::{
    harness::{Caller, Consumer, Glacier, StoreProxy, World, command_line, eventually, samples},
    refusals::{reason, refusal, refused},
};

struct Scene {
    world: World,
    proxy: StoreProxy,
    glacier: Arc<Glacier>,
    consumer: Consumer,
    caller: Caller,
    sql: PgPool,
    _janitor: Service,
}

/// A world that stands before the proxy whole.
async fn scene(name: &str) -> Scene {
    let mut world = World::new(name).await;
    let (proxy, glacier) = StoreProxy::glacier(world.isolated().s3_endpoint()).await;
    world.fleet.set("MEDIA__S3__ENDPOINT", proxy.endpoint());
    world.start_all(&MAKERS).await;
    let consumer = world.consumer().await;
    let (caller, sql) = (world.caller().await, world.sql().await);
    let janitor = world.start(Binary::Janitor, &[("MEDIA__S3__ARCHIVE_CLASS", "GLACIER")]).await;
    Scene { world, proxy, glacier, consumer, caller, sql, _janitor: janitor }
}

fn download(id: &str) -> GetDownloadUrlRequest {
    GetDownloadUrlRequest { asset_id: id.to_owned(), profile: String::new() }
}

async fn restore(caller: &mut Caller, id: &str, days: i32) -> Result<ArchiveState, Status> {
    let answer = caller.assets.restore_asset(RestoreAssetRequest { asset_id: id.to_owned(), days }).await?;
    Ok(answer.into_inner().asset.unwrap().archive_state())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_is_refused_until_it_was_brought_back_and_then_again() {
    let Scene { world: _world, proxy, glacier, consumer, mut caller, sql, _janitor } = scene("cold-glacier").await;
    let picture = samples::picture(800, 400);
    let id = caller.upload(AssetKind::Image, "card.png", &picture).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    unused_for(&sql, &id, 400).await;
    until_archived(&caller, &sql, &id).await;
    consumer.until(&id, "media.asset.archived.v1", LIMIT).await;

    let archived = reason(Code::FailedPrecondition, "ASSET_ARCHIVED");
    let is_refused = async |caller: &mut Caller, state: &str| {
        let asset_id = id.clone();
        let why = caller.playback.get_download_url(download(&id)).await.unwrap_err();
        assert_eq!(refusal(&why), archived);
        assert!(why.message().contains("RestoreAsset"), "it says what to do: {why:?}");
        assert_eq!(why.get_error_details().error_info().unwrap().metadata["archive_state"], state);
        let reprocess = ReprocessAssetRequest { asset_id: asset_id.clone(), etag: String::new() };
        assert_eq!(refused(caller.assets.reprocess_asset(reprocess).await), archived);
        let rescan = RescanAssetRequest { asset_id: asset_id.clone(), why: "new signatures".to_owned() };
        assert_eq!(refused(caller.quarantine.rescan_asset(rescan).await), archived);
        // What was made of it is where it was.
        let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id }).await.unwrap().into_inner().playback.unwrap();
        assert!(reqwest::get(&playback.images[0].url).await.unwrap().status().is_success());
    };
    is_refused(&mut caller, "archived").await;
    sqlx::query("DELETE FROM media.variants WHERE profile = 'webp-320'").execute(&sql).await.unwrap();
    sqlx::query("DELETE FROM media.transcode_jobs WHERE profile = 'webp-320'").execute(&sql).await.unwrap();
    let missing = RequestVariantRequest { asset_id: id.clone(), profile: "webp-320".to_owned() };
    assert_eq!(refused(caller.assets.request_variant(missing.clone()).await), archived);

    assert_eq!(restore(&mut caller, &id, 3).await.unwrap(), ArchiveState::Restoring);
    assert_eq!(restore(&mut caller, &id, 3).await.unwrap(), ArchiveState::Restoring, "asked twice, it is asked once");
    proxy.answers(1, |asked| asked.restores() && asked.path.ends_with("/original")).await;
    is_refused(&mut caller, "restoring").await;
    eventually("the store has it ready", LIMIT, async || match glacier.thaw(Duration::from_secs(3600)) {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    let back = until(&caller, &id, ArchiveState::Available).await;
    let until_seconds = back.archive_available_until.unwrap().seconds;
    assert!((until_seconds - time::OffsetDateTime::now_utc().unix_timestamp() - 3600).abs() < 120);
    let told = consumer.until(&id, "media.asset.restored.v1", LIMIT).await;
    let said = time::OffsetDateTime::from_unix_timestamp(until_seconds).unwrap();
    let said = said.format(&time::format_description::well_known::Rfc3339).unwrap();
    assert_eq!(told.data["availableUntil"], said);
    let url = caller.playback.get_download_url(download(&id)).await.unwrap().into_inner().url;
    assert_eq!(reqwest::get(url).await.unwrap().bytes().await.unwrap(), picture, "the store gives it out");
    caller.assets.request_variant(missing).await.unwrap();
    eventually("it is made of what is back", LIMIT, async || {
        let got = caller.clone().get(&id).await;
        if got.variants.iter().any(|variant| variant.profile == "webp-320") { Ok(()) } else { Err(got.jobs) }
    })
    .await;

    // Wanted for longer, its end is moved.
    assert_eq!(restore(&mut caller, &id, 30).await.unwrap(), ArchiveState::Available);
    eventually("the store was told, and asked", LIMIT, async || {
        let until = caller.clone().get(&id).await.asset.unwrap().archive_available_until.unwrap().seconds;
        if until - until_seconds == 24 * 3600 { Ok(()) } else { Err(until - until_seconds) }
    })
    .await;
    sqlx::query("UPDATE media.blobs SET available_until = now() - interval '1 second' WHERE archive_state = 'available'")
        .execute(&sql)
        .await
        .unwrap();
    until_archived(&caller, &sql, &id).await;
    is_refused(&mut caller, "archived").await;
    eventually("it is told that it went again", LIMIT, async || {
        let told = consumer.of(&id).iter().filter(|event| event.event_type == "media.asset.archived.v1").count();
        if told == 2 { Ok(()) } else { Err(told) }
    })
    .await;
    consumer.assert_in_order(&id);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_states_of_a_restore_are_checked() {
    let Scene { world: _world, proxy: _proxy, mut caller, sql, _janitor, .. } = scene("cold-days").await;
    let hot = caller.upload(AssetKind::Document, "letter.rtf", &letter()).await;
    caller.until(&hot, AssetStatus::Ready, LIMIT).await;
    assert_eq!(restore(&mut caller, &hot, 0).await.unwrap(), ArchiveState::Unspecified, "there is nothing to bring back");
    for days in [-1, 91] {
        let refusal = restore(&mut caller, &hot, days).await.unwrap_err();
        assert_eq!(refusal.get_error_details().bad_request().unwrap().field_violations[0].field, "days");
        assert_eq!(refused::<()>(Err(refusal)), reason(Code::InvalidArgument, "FIELD_INVALID"));
    }
    let cold = unused_letter(&mut caller, &sql, 400).await;
    until_archived(&caller, &sql, &cold).await;
    sqlx::query("UPDATE media.blobs SET archive_state = 'archiving' WHERE archive_state = 'archived'").execute(&sql).await.unwrap();
    assert_eq!(refused(restore(&mut caller, &cold, 1).await), reason(Code::Aborted, "CONTENTION"), "first it arrives");
    sqlx::query("UPDATE media.blobs SET archive_state = 'archived' WHERE archive_state = 'archiving'").execute(&sql).await.unwrap();
    restore(&mut caller, &cold, 1).await.unwrap();
    assert_eq!(states(&sql).await, ["restoring"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_restores_from_a_shell() {
    let Scene { world, proxy: _proxy, mut caller, sql, glacier, _janitor, .. } = scene("cold-shell").await;
    let id = unused_letter(&mut caller, &sql, 400).await;
    until_archived(&caller, &sql, &id).await;
    let media = async |arguments: &[&str]| {
        let output = command_line::run(command_line::media(&world, &caller, arguments)).await;
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = media(&["download", &id]).await;
    assert!(code == 4 && said.contains("ASSET_ARCHIVED") && said.contains("RestoreAsset"), "{said}");
    let (code, said) = media(&["--json", "restore", &id, "--days", "2"]).await;
    let asset: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, asset["archiveState"].as_str()), (0, Some("ARCHIVE_STATE_RESTORING")));
    eventually("the store has it ready", LIMIT, async || match glacier.thaw(Duration::from_secs(3600)) {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    until(&caller, &id, ArchiveState::Available).await;
    let (code, said) = media(&["show", &id]).await;
    assert!(code == 0 && said.contains("cold tier: available until 20"), "{said}");
    assert_eq!(media(&["restore", &id, "--days", "1000"]).await.0, 4);
}
