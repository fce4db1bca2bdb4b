//! How much is stored.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{AssetCount, AssetKind, AssetStatus, DeleteAssetRequest, GetUsageRequest, GetUsageResponse};

use super::LIMIT;
use crate::harness::{Bucket, Caller, World, samples};

async fn usage(caller: &mut Caller) -> GetUsageResponse {
    caller.operations.get_usage(GetUsageRequest {}).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_those_of_the_store_and_what_is_shared_counts_once() {
    let world = World::with("usage", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    assert_eq!(usage(&mut caller).await, GetUsageResponse::default());
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    let one = caller.upload(AssetKind::Document, "one.rtf", &samples::document(2000)).await;
    let two = caller.upload(AssetKind::Document, "two.rtf", &samples::document(5000)).await;
    caller.create(caller.request(AssetKind::Document, "never.rtf", 9000)).await;
    for id in [&picture, &one, &two] {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }

    let stored = Bucket::of(world.isolated()).objects().await;
    let bytes = |are_originals: bool| -> i64 {
        stored.iter().filter(|(key, _)| key.ends_with("/original") == are_originals).map(|(_, object)| object.size).sum()
    };
    let now = usage(&mut caller).await;
    assert_eq!((now.original_bytes, now.variant_bytes), (bytes(true), bytes(false)), "what is only announced is not stored");
    let count = |kind: AssetKind, status: AssetStatus, count| AssetCount { kind: kind.into(), status: status.into(), count };
    let expected = [
        count(AssetKind::Document, AssetStatus::Ready, 2),
        count(AssetKind::Document, AssetStatus::Uploading, 1),
        count(AssetKind::Image, AssetStatus::Ready, 1),
    ];
    assert_eq!(now.asset_counts, expected);

    // As two assets are that share their bytes.
    let ids = [&one, &two].map(|id| id.parse::<AssetId>().unwrap().as_uuid());
    sqlx::query("UPDATE media.assets a SET bucket = b.bucket, key = b.key FROM media.assets b WHERE a.id = $1 AND b.id = $2")
        .bind(ids[0])
        .bind(ids[1])
        .execute(&world.sql().await)
        .await
        .unwrap();
    let shared = usage(&mut caller).await;
    assert_eq!(now.original_bytes - shared.original_bytes, i64::try_from(samples::document(2000).len()).unwrap());
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: one, ..Default::default() }).await.unwrap();
    let after = usage(&mut caller).await;
    assert_eq!((after.original_bytes, after.deleted_asset_count), (shared.original_bytes, 1), "bytes count until they are gone");
    assert_eq!(after.asset_counts[0], count(AssetKind::Document, AssetStatus::Ready, 1));
}
