//! What goes to the cold tier, and what does not. The class is one that the store of the tests keeps and reads at once.

use media_devstack::Binary;
use media_proto::v1::{
    ArchiveState, AssetKind, AssetStatus, DeleteAssetRequest, GetDownloadUrlRequest, GetPlaybackRequest, ReprocessAssetRequest,
    TenantPolicy,
};

use super::{LIMIT, MAKERS, class, letter, set, states, until, unused_for, unused_letter};
use crate::{
    harness::{Bucket, Caller, Moment, StoreProxy, World, eventually, samples},
    refusals::{reason, refused},
    retention::change,
};

const AT_ONCE: (&str, &str) = ("MEDIA__S3__ARCHIVE_CLASS", "GLACIER_IR");

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_used_for_its_tenants_days_goes_and_its_variants_stay_hot() {
    let mut world = World::with("cold", &MAKERS).await;
    let consumer = world.consumer().await;
    let (mut caller, mut hurried, sql) = (world.caller().await, world.caller().await, world.sql().await);
    let policy = TenantPolicy { archive_after_days: Some(10), ..Default::default() };
    change(&mut hurried, policy, &["archive_after_days"]).await.unwrap();
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(800, 400)).await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    unused_for(&sql, &picture, 366).await;
    let younger = unused_letter(&mut caller, &sql, 364).await;
    let used = unused_letter(&mut caller, &sql, 500).await;
    set(&sql, &used, "last_accessed_at = now() - interval '30 days'").await;
    let deleted = unused_letter(&mut caller, &sql, 500).await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: deleted.clone(), ..Default::default() }).await.unwrap();
    let theirs = unused_letter(&mut hurried, &sql, 11).await;
    let working = unused_letter(&mut caller, &sql, 500).await;
    let asset = super::AssetId::as_uuid(&working.parse().unwrap());
    sqlx::query(
        "INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, not_before) VALUES ($1, $2, $1, 'caption', 'captions', 'infinity')",
    )
    .bind(asset)
    .bind(caller.tenant.0)
    .execute(&sql)
    .await
    .unwrap();

    let off = world.start(Binary::Janitor, &[]).await;
    // A turn without a class leaves no sign. Those of another sweep by the same clock do: each takes what was put there after the one
    // before.
    for _ in 0..3 {
        let old = "INSERT INTO media.inbox (consumer, message_id, received_at)
             VALUES ('journey', gen_random_uuid(), now() - interval '1 year')";
        sqlx::query(old).execute(&sql).await.unwrap();
        eventually("a janitor without a class sweeps", LIMIT, async || {
            let left = "SELECT count(*) FROM media.inbox WHERE consumer = 'journey'";
            let left: i64 = sqlx::query_scalar(left).fetch_one(&sql).await.unwrap();
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .await;
    }
    assert_eq!(states(&sql).await, Vec::<String>::new(), "and archives nothing");
    off.kill().unwrap();
    let janitor = world.start(Binary::Janitor, &[AT_ONCE]).await;
    for (owner, id) in [(&caller, &picture), (&hurried, &theirs)] {
        let asset = until(owner, id, ArchiveState::Available).await;
        assert_eq!(asset.archive_available_until, None, "it is read at once");
        assert_eq!(class(&world, owner, id).await.as_deref(), Some("GLACIER_IR"));
        consumer.until(id, "media.asset.archived.v1", LIMIT).await;
        consumer.assert_in_order(id);
    }
    let lag = janitor.metrics().await.unwrap();
    let lag = lag.lines().find(|line| line.starts_with("media_sweep_lag_seconds") && line.contains("cold_originals"));
    assert!(lag.is_some(), "how late it is can be seen");
    assert_eq!(states(&sql).await.len(), 2);
    for id in [&younger, &used, &working] {
        assert_eq!(
            (caller.get(id).await.asset.unwrap().archive_state(), class(&world, &caller, id).await),
            (ArchiveState::Unspecified, None)
        );
    }
    assert_eq!(class(&world, &caller, &deleted).await, None);
    for key in Bucket::of(world.isolated()).objects().await.into_keys().filter(|key| key.contains("/variants/")) {
        let store = crate::refusals::leftovers::store(&world);
        let head = store.head_object().bucket(world.isolated().bucket()).key(&key).send().await.unwrap();
        assert!(head.storage_class().is_none_or(|class| class.as_str() == "STANDARD"), "{key}");
    }
    // Its bytes are those that they were, and it goes on being used.
    let download = GetDownloadUrlRequest { asset_id: picture.clone(), profile: String::new() };
    let url = caller.playback.get_download_url(download).await.unwrap().into_inner().url;
    assert_eq!(reqwest::get(url).await.unwrap().bytes().await.unwrap(), samples::picture(800, 400));
    caller.assets.reprocess_asset(ReprocessAssetRequest { asset_id: picture.clone(), etag: String::new() }).await.unwrap();
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    let told = consumer.of(&picture).iter().filter(|event| event.event_type == "media.asset.archived.v1").count();
    assert_eq!(told, 1, "it went once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_original_that_several_assets_name_goes_with_the_last_of_them() {
    let mut world = World::with("cold-shared", &MAKERS).await;
    let consumer = world.consumer().await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let [first, second] = [unused_letter(&mut caller, &sql, 500).await, unused_letter(&mut caller, &sql, 10).await];
    let key = format!("tenants/{}/media/{first}/original", caller.tenant);
    set(&sql, &second, &format!("key = '{key}'")).await;
    let _janitor = world.start(Binary::Janitor, &[AT_ONCE]).await;
    let alone = unused_letter(&mut caller, &sql, 499).await;
    until(&caller, &alone, ArchiveState::Available).await;
    assert_eq!(caller.get(&first).await.asset.unwrap().archive_state(), ArchiveState::Unspecified, "the other asset is in use");
    set(&sql, &second, "created_at = now() - interval '400 days'").await;
    for id in [&first, &second] {
        until(&caller, id, ArchiveState::Available).await;
        consumer.until(id, "media.asset.archived.v1", LIMIT).await;
    }
    assert_eq!(states(&sql).await.len(), 2, "one object of two assets, and that of the third");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_use_is_noted_and_at_most_once_a_day() {
    let world = World::with("cold-used", &MAKERS).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(800, 400)).await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    let asset = picture.parse::<super::AssetId>().unwrap().as_uuid();
    let ago = async || -> Option<f64> {
        let ago = "SELECT extract(epoch FROM now() - last_accessed_at)::double precision FROM media.assets WHERE id = $1";
        sqlx::query_scalar(ago).bind(asset).fetch_one(&sql).await.unwrap()
    };
    caller.get(&picture).await;
    assert_eq!(ago().await, None, "to look is no use");
    let noted = async |what: &str| {
        eventually(what, LIMIT, async || match ago().await {
            Some(ago) if ago < 60.0 => Ok(()),
            other => Err(other),
        })
        .await;
        set(&sql, &picture, "last_accessed_at = now() - interval '25 hours'").await;
    };
    let playback = async |caller: &mut Caller| {
        let request = GetPlaybackRequest { asset_id: picture.clone() };
        caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap()
    };
    let url = playback(&mut caller).await.images[0].url.clone();
    noted("GetPlayback").await;
    let download = GetDownloadUrlRequest { asset_id: picture.clone(), profile: "webp-320".to_owned() };
    caller.playback.get_download_url(download).await.unwrap();
    noted("GetDownloadUrl").await;
    assert!(reqwest::get(url).await.unwrap().status().is_success());
    noted("the door").await;
    caller.assets.reprocess_asset(ReprocessAssetRequest { asset_id: picture.clone(), etag: String::new() }).await.unwrap();
    noted("ReprocessAsset").await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;

    set(&sql, &picture, "last_accessed_at = now() - interval '23 hours'").await;
    playback(&mut caller).await;
    assert!(ago().await.unwrap() > 22.0 * 3600.0, "it is written once a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_janitor_had_in_hand_is_brought_to_its_end() {
    let mut world = World::with("cold-killed", &MAKERS).await;
    let proxy = StoreProxy::before(world.isolated().s3_endpoint()).await;
    let endpoint = proxy.endpoint();
    let consumer = world.consumer().await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = unused_letter(&mut caller, &sql, 500).await;
    let settings = [AT_ONCE, ("MEDIA__S3__ENDPOINT", endpoint.as_str())];
    let mut copy = proxy.hold(Moment::BeforeTheAnswer, |asked| asked.copies_object() && asked.path.ends_with("/original"));
    let first = world.start(Binary::Janitor, &settings).await;
    copy.caught().await;
    assert_eq!(states(&sql).await, ["archiving"]);
    first.kill().unwrap();
    copy.let_go();
    // Nobody begins to read what is on its way.
    let download = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    let archived = reason(tonic::Code::FailedPrecondition, "ASSET_ARCHIVED");
    assert_eq!(refused(caller.playback.get_download_url(download.clone()).await), archived);
    // Also one that was used meanwhile, and one that is to be removed: first it arrives, or it could come back after it was removed.
    set(&sql, &id, "last_accessed_at = now()").await;
    let doomed = caller.upload(AssetKind::Document, "letter.rtf", &letter()).await;
    caller.until(&doomed, AssetStatus::Ready, LIMIT).await;
    let doomed = format!("tenants/{}/media/{doomed}/original", caller.tenant);
    let in_hand =
        "UPDATE media.blobs SET archive_state = 'archiving', archive_class = 'GLACIER_IR', archive_changed_at = now(), doomed_at = now()";
    let done = sqlx::query(sqlx::AssertSqlSafe(format!("{in_hand} WHERE key = '{doomed}'"))).execute(&sql).await.unwrap();
    assert_eq!(done.rows_affected(), 1);

    let _second = world.start(Binary::Janitor, &settings).await;
    let other = unused_letter(&mut caller, &sql, 500).await;
    until(&caller, &other, ArchiveState::Available).await;
    let held = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM media.blobs WHERE archive_state = 'archiving'").fetch_one(&sql).await;
    assert_eq!(held.unwrap(), 2, "it is not taken away from one that may still be at it");
    let bucket = Bucket::of(world.isolated());
    assert!(bucket.objects().await.contains_key(&doomed));
    sqlx::query("UPDATE media.blobs SET archive_changed_at = archive_changed_at - interval '2 hours'").execute(&sql).await.unwrap();
    until(&caller, &id, ArchiveState::Available).await;
    caller.playback.get_download_url(download).await.unwrap();
    consumer.until(&id, "media.asset.archived.v1", LIMIT).await;
    assert_eq!(class(&world, &caller, &id).await.as_deref(), Some("GLACIER_IR"));
    assert_eq!(bucket.uploads().await, Vec::<String>::new());
    eventually("it arrived, and was removed", LIMIT, async || {
        let left =
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM media.blobs WHERE archive_state = 'archiving' OR doomed_at IS NOT NULL");
        let (left, objects) = (left.fetch_one(&sql).await.unwrap(), bucket.objects().await);
        if left == 0 && !objects.contains_key(&doomed) { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_go_and_why() {
    let mut world = World::with("cold-dry", &MAKERS).await;
    let (mut caller, sql) = (world.caller().await, world.sql().await);
    let id = unused_letter(&mut caller, &sql, 400).await;
    let off = world.fleet.once(Binary::Janitor, &["--dry-run"]).await.unwrap();
    assert!(!off.contains("cold_originals"), "{off}");
    world.fleet.set("MEDIA__S3__ARCHIVE_CLASS", "GLACIER");
    // It does not try the store, and changes nothing.
    let said = world.fleet.once(Binary::Janitor, &["--dry-run"]).await.unwrap();
    let line = said.lines().find(|line| line.starts_with("cold_originals")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.contains(&id) && line.contains("GLACIER") && line.contains("not used since"), "{line}");
    assert_eq!((states(&sql).await.len(), class(&world, &caller, &id).await), (0, None));
}
