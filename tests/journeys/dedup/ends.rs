//! Whoever shares outlives the one it shares with.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, DeleteAssetRequest, ReprocessAssetRequest, UndeleteAssetRequest};
use sqlx::{AssertSqlSafe, PgPool};

use super::{ALL, LIMIT, WITHOUT_TRANSCODER, announce, download, encoded, follows, is, leader_and_follower, named, picture, uuid};
use crate::{
    harness::{Bucket, Caller, World, eventually},
    refusals::leftovers,
};

async fn delete(caller: &mut Caller, id: &str) {
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: id.to_owned(), etag: String::new() }).await.unwrap();
}

async fn undelete(caller: &mut Caller, id: &str) {
    caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: id.to_owned(), etag: String::new() }).await.unwrap();
}

/// The grace of a deleted asset is over.
async fn end_grace(sql: &PgPool, id: &str) {
    let text = format!("UPDATE media.assets SET deleted_at = deleted_at - interval '31 days' WHERE id = '{}'", uuid(id));
    assert_eq!(sqlx::query(AssertSqlSafe(text)).execute(sql).await.unwrap().rows_affected(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_is_deleted_while_the_second_is_scanned() {
    let mut world = World::with("dedup-first-deleted", &[Binary::Relay, Binary::Api, Binary::Transcoder, Binary::Janitor]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let bytes = picture();
    let scanner = world.start(Binary::Scanner, &[]).await;
    let first = owner.upload(AssetKind::Image, "card.png", &bytes).await;
    owner.until(&first, AssetStatus::Ready, LIMIT).await;
    scanner.kill().unwrap();
    let second = owner.upload(AssetKind::Image, "again.png", &bytes).await;
    delete(&mut owner, &first).await;
    world.start_all(&[Binary::Scanner]).await;
    let got = owner.until(&second, AssetStatus::Ready, LIMIT).await;
    assert!(!got.asset.unwrap().deduplicated, "what is deleted is shared with nobody");
    assert!(named(&sql, &second).await.is_disjoint(&named(&sql, &first).await));
    undelete(&mut owner, &first).await;
    is(&owner, &first, AssetStatus::Ready).await;
    assert!(download(&mut owner, &first, "webp-320").await.is_ok() && download(&mut owner, &second, "webp-320").await.is_ok());
}

/// In a roll-out: the worker that ends the leader knows of no followers.
#[tokio::test(flavor = "multi_thread")]
async fn who_follows_an_asset_that_an_older_worker_ended_is_encoded_by_itself() {
    let mut world = World::with("dedup-left", &WITHOUT_TRANSCODER).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let (leader, follower) = leader_and_follower(&world, &mut owner, &picture()).await;
    let leader = uuid(&leader);
    let ended = format!(
        "BEGIN; SET LOCAL session_replication_role = replica;
         UPDATE media.assets SET status = 'ready' WHERE id = '{leader}';
         UPDATE media.work SET state = 'succeeded', finished_at = now() WHERE asset_id = '{leader}'; COMMIT"
    );
    sqlx::raw_sql(AssertSqlSafe(ended)).execute(&sql).await.unwrap();
    world.start_all(&[Binary::Transcoder]).await;
    owner.until(&follower, AssetStatus::Ready, LIMIT).await;
    assert!(follows(&sql, &follower).await.is_none() && encoded(&sql, &follower).await > 0);
    assert!(download(&mut owner, &follower, "webp-320").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_leader_is_deleted_the_oldest_follower_is_encoded_and_the_others_follow_it() {
    let mut world = World::with("dedup-leader-deleted", &WITHOUT_TRANSCODER).await;
    let (consumer, mut owner, sql) = (world.consumer().await, world.caller().await, world.sql().await);
    let bytes = picture();
    let (leader, oldest) = leader_and_follower(&world, &mut owner, &bytes).await;
    let (mut others, mut back) = (Vec::new(), Vec::new());
    for name in ["third.png", "fourth.png"] {
        let id = owner.upload(AssetKind::Image, name, &bytes).await;
        is(&owner, &id, AssetStatus::Transcoding).await;
        others.push(id);
    }
    // One that does not wait any more when it comes to that.
    back.push(others.pop().unwrap());
    delete(&mut owner, &back[0]).await;
    assert_eq!(follows(&sql, &back[0]).await, None);
    delete(&mut owner, &leader).await;
    assert_eq!((follows(&sql, &oldest).await, follows(&sql, &others[0]).await.as_ref()), (None, Some(&oldest)));
    // Both come back while another is at work: they follow it.
    back.push(leader);
    for id in &back {
        undelete(&mut owner, id).await;
        assert_eq!(follows(&sql, id).await.as_ref(), Some(&oldest), "what comes back follows who is at work now");
    }
    world.start_all(&[Binary::Transcoder]).await;
    let set = {
        owner.until(&oldest, AssetStatus::Ready, LIMIT).await;
        named(&sql, &oldest).await
    };
    for id in others.iter().chain(&back) {
        let got = owner.until(id, AssetStatus::Ready, LIMIT).await;
        assert!(got.asset.unwrap().deduplicated);
        assert_eq!((encoded(&sql, id).await, named(&sql, id).await), (0, set.clone()), "one set of variants");
        consumer.until(id, "media.asset.ready.v1", LIMIT).await;
        consumer.assert_in_order(id);
    }
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_fails_takes_nobody_with_it() {
    let mut world = World::with("dedup-leader-fails", &WITHOUT_TRANSCODER).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let (leader, follower) = leader_and_follower(&world, &mut owner, &picture()).await;
    // The store has lost its bytes, which shows at its last try.
    let key: String = sqlx::query_scalar("SELECT key FROM media.assets WHERE id = $1").bind(uuid(&leader)).fetch_one(&sql).await.unwrap();
    leftovers::store(&world).delete_object().bucket(world.isolated().bucket()).key(key).send().await.unwrap();
    sqlx::query("UPDATE media.work SET failures = 2 WHERE group_name = 'probe'").execute(&sql).await.unwrap();
    world.start_all(&[Binary::Transcoder]).await;
    is(&owner, &leader, AssetStatus::Failed).await;
    let got = owner.until(&follower, AssetStatus::Ready, LIMIT).await;
    assert!(!got.asset.unwrap().deduplicated && encoded(&sql, &follower).await > 0);
    assert!(download(&mut owner, &follower, "webp-320").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bytes_go_with_the_last_who_names_them() {
    let world = World::with("dedup-last", &ALL).await;
    let (consumer, mut owner, sql) = (world.consumer().await, world.caller().await, world.sql().await);
    let store = leftovers::store(&world);
    let bytes = picture();
    let first = owner.upload(AssetKind::Image, "card.png", &bytes).await;
    owner.until(&first, AssetStatus::Ready, LIMIT).await;
    let second = announce(&mut owner, AssetKind::Image, &bytes).await.asset.unwrap().id;
    let third = announce(&mut owner, AssetKind::Image, &bytes).await.asset.unwrap().id;
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
    let all = leftovers::objects(&store, &world, owner.tenant).await;
    let used = async || -> i64 { sqlx::query_scalar("SELECT used_bytes FROM media.tenant_usage").fetch_one(&sql).await.unwrap() };
    for gone in [&first, &second] {
        delete(&mut owner, gone).await;
        end_grace(&sql, gone).await;
        consumer.until(gone, "media.asset.erased.v1", LIMIT).await;
        assert_eq!(used().await, i64::try_from(bytes.len()).unwrap(), "somebody still names them");
        assert!(download(&mut owner, &third, "").await.unwrap() == bytes);
        for variant in owner.get(&third).await.variants {
            assert!(download(&mut owner, &third, &variant.profile).await.is_ok(), "{}", variant.profile);
        }
    }
    assert_eq!(leftovers::objects(&store, &world, owner.tenant).await, all);
    delete(&mut owner, &third).await;
    end_grace(&sql, &third).await;
    eventually("all bytes are gone, and the rows of them", LIMIT, async || {
        let left = leftovers::objects(&store, &world, owner.tenant).await;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM media.blobs").fetch_one(&sql).await.unwrap();
        if left.is_empty() && rows == 0 { Ok(()) } else { Err((left, rows)) }
    })
    .await;
    assert_eq!(used().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_again_for_one_leaves_the_others_as_they_are() {
    let world = World::with("dedup-again", &ALL).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let bytes = picture();
    let first = owner.upload(AssetKind::Image, "card.png", &bytes).await;
    owner.until(&first, AssetStatus::Ready, LIMIT).await;
    let second = announce(&mut owner, AssetKind::Image, &bytes).await.asset.unwrap().id;
    let before = named(&sql, &first).await;
    let doomed = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM media.blobs WHERE doomed_at IS NOT NULL").fetch_one(&sql).await.unwrap()
    };
    for (again, other) in [(&second, &first), (&first, &second)] {
        let others = named(&sql, other).await;
        owner.assets.reprocess_asset(ReprocessAssetRequest { asset_id: again.clone(), etag: String::new() }).await.unwrap();
        owner.until(again, AssetStatus::Ready, LIMIT).await;
        assert_eq!(named(&sql, other).await, others, "the other is as it was");
        for variant in owner.get(other).await.variants {
            assert!(download(&mut owner, other, &variant.profile).await.is_ok(), "{}", variant.profile);
        }
        if again == &second {
            assert_eq!(doomed().await, 0, "what the first names stays");
        }
    }
    // Now nobody names the first set: it goes an hour later.
    let variants = before.iter().filter(|key| key.contains("/variants/")).count();
    assert_eq!(usize::try_from(doomed().await).unwrap(), variants);
    let original = before.iter().find(|key| key.ends_with("/original")).unwrap();
    assert!(named(&sql, &second).await.contains(original) && Bucket::of(world.isolated()).objects().await.contains_key(original));
    assert!(second.parse::<AssetId>().is_ok());
}
