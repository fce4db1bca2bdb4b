//! An upload whose object was made, and whose call never came to its row.

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};

use crate::harness::{Bucket, World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_completion_was_lost_goes_on_by_itself() {
    let mut world = World::with("lost-completion", &[Binary::Api, Binary::Relay, Binary::Scanner]).await;
    let mut caller = world.caller().await;
    let (bucket, text) = (Bucket::of(world.isolated()), samples::document(2_011));
    let lost = caller.create(caller.request(AssetKind::Document, "lost.rtf", text.len())).await;
    caller.put_all(&lost, &text).await;
    bucket.complete_upload(&lost.asset.as_ref().unwrap().id).await;
    // Its parts are there, and nobody has made an object of them: its caller may still be at it.
    let open = caller.create(caller.request(AssetKind::Document, "open.rtf", text.len())).await;
    caller.put_all(&open, &text).await;

    let _janitor = world.start(Binary::Janitor, &[("MEDIA__SWEEPS__LOST_AFTER", "1s")]).await;
    let lost = lost.asset.unwrap().id;
    caller.until(&lost, AssetStatus::Ready, LIMIT).await;
    assert_eq!(
        caller.complete(&lost).await.unwrap().status(),
        AssetStatus::Ready,
        "a call that comes late is answered as if it had done it"
    );
    let open = open.asset.unwrap().id;
    assert_eq!(caller.get(&open).await.asset.unwrap().status(), AssetStatus::Uploading);
    caller.complete(&open).await.unwrap();
    caller.until(&open, AssetStatus::Ready, LIMIT).await;
    let told = "SELECT count(*) FROM media.outbox WHERE aggregate_id = $1 AND type = 'media.asset.uploaded.v1'";
    let id = lost.parse::<media_domain::AssetId>().unwrap().as_uuid();
    let count: i64 = sqlx::query_scalar(told).bind(id).fetch_one(&world.sql().await).await.unwrap();
    assert_eq!(count, 1, "it is told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_size_than_was_announced_is_not_taken_for_the_upload() {
    let mut world = World::with("lost-other-size", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let (bucket, text) = (Bucket::of(world.isolated()), samples::document(2_013));
    let created = caller.create(caller.request(AssetKind::Document, "other.rtf", text.len())).await.asset.unwrap().id;
    let key = format!("tenants/{}/media/{created}/original", caller.tenant);
    bucket.put(&key, "application/rtf", text[1..].to_vec()).await;
    let _janitor = world.start(Binary::Janitor, &[("MEDIA__SWEEPS__LOST_AFTER", "1s"), ("MEDIA__SWEEPS__ABANDONED_AFTER", "3s")]).await;
    caller.until(&created, AssetStatus::Failed, LIMIT).await;
    eventually("what came by another way goes too", LIMIT, async || {
        let left = bucket.objects().await;
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}
