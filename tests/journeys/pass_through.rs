//! What is only scanned and passes through, or does not.
//!
//! - a_subtitle_becomes_ready_and_a_consumer_sees_each_step_in_order
//! - eicar_is_quarantined_and_nothing_of_it_can_be_had
//! - another_tenant_is_answered_as_if_the_asset_had_never_been

use std::time::Duration;

use media_devstack::Binary;
use media_domain::{AssetId, TenantId};
use media_proto::v1::{AssetKind, AssetStatus, GetAssetRequest, GetDownloadUrlRequest};
use tonic::Code;

use crate::harness::{Caller, World, samples};

const LIMIT: Duration = Duration::from_secs(60);
const BINARIES: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];

#[tokio::test(flavor = "multi_thread")]
async fn a_subtitle_becomes_ready_and_a_consumer_sees_each_step_in_order() {
    let world = World::with("subtitle", &BINARIES).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let bytes = samples::subtitle();
    let id = caller.upload(AssetKind::Subtitle, "hello.vtt", &bytes).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    assert_eq!((got.mime.as_str(), got.size_bytes), ("text/vtt", bytes.len() as i64));

    consumer.until(&id, "media.variant.created.v1", LIMIT).await;
    let types: Vec<String> = consumer.of(&id).into_iter().map(|event| event.event_type).collect();
    let steps = ["created", "uploaded", "scanned", "ready"].map(|step| format!("media.asset.{step}.v1"));
    assert_eq!(types, [steps.as_slice(), &["media.variant.created.v1".to_owned()]].concat());
    consumer.assert_in_order(&id);
    assert!(consumer.of(&id).iter().all(|event| event.tenant == caller.tenant.to_string()));

    let request = GetDownloadUrlRequest { asset_id: id, profile: String::new() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    assert_eq!(reqwest::get(url).await.unwrap().bytes().await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn eicar_is_quarantined_and_nothing_of_it_can_be_had() {
    let world = World::with("eicar", &BINARIES).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Document, "letter.pdf", &samples::eicar()).await;
    let event = consumer.until(&id, "media.asset.quarantined.v1", LIMIT).await;
    assert!(event.data["signature"].as_str().unwrap().contains("Eicar"), "{}", event.data);
    let asset = caller.get(&id).await.asset.unwrap();
    assert_eq!(asset.status(), AssetStatus::Quarantined);

    let request = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    let refused = caller.playback.get_download_url(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(consumer.of(&id).iter().all(|event| event.event_type != "media.asset.ready.v1"));

    let (bucket, doomed): (String, i64) = sqlx::query_as(
        "SELECT a.bucket, (SELECT count(*) FROM media.blobs b WHERE b.tenant_id = a.tenant_id AND b.bucket <> a.bucket AND b.doomed_at IS NULL)
         FROM media.assets a WHERE a.id = $1",
    )
    .bind(id.parse::<AssetId>().unwrap().as_uuid())
    .fetch_one(&world.sql().await)
    .await
    .unwrap();
    assert_eq!((bucket.as_str(), doomed), (world.isolated().quarantine_bucket(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_is_answered_as_if_the_asset_had_never_been() {
    let world = World::with("foreign", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let created = owner.create(owner.request(AssetKind::Subtitle, "mine.vtt", 10)).await;
    let id = created.asset.unwrap().id;

    let mut stranger = Caller::connect(&world.fleet.grpc_url(), TenantId(uuid::Uuid::new_v4())).await;
    let never = AssetId::generate().to_string();
    let foreign = stranger.assets.get_asset(GetAssetRequest { asset_id: id }).await.unwrap_err();
    let unknown = stranger.assets.get_asset(GetAssetRequest { asset_id: never }).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);
    assert_eq!((foreign.message(), foreign.details()), (unknown.message(), unknown.details()));
}
