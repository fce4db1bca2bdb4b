//! What really comes, against the schemas. Every journey's consumer holds each event against them; this one makes most of what there is.

use std::collections::BTreeSet;

use media_devstack::Binary;
use media_proto::v1::{
    AbortUploadRequest, AssetKind, AssetStatus, CaptionKind, DeleteAssetRequest, EraseTenantRequest, ReleaseAssetRequest,
    UndeleteAssetRequest,
};

use super::LIMIT;
use crate::{
    harness::{World, samples},
    operations::infected_document,
};

const VTT: &[u8] = b"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello there.\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_life_is_published_as_its_schemas_say() {
    let binaries = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];
    let world = World::with("described", &binaries).await;
    let (consumer, mut caller) = (world.consumer().await, world.caller().await);

    let picture = caller.upload(AssetKind::Image, "picture.png", &samples::picture(613, 347)).await;
    caller.until(&picture, AssetStatus::Ready, LIMIT).await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: picture.clone(), ..Default::default() }).await.unwrap();
    caller.assets.undelete_asset(UndeleteAssetRequest { asset_id: picture.clone(), ..Default::default() }).await.unwrap();

    let film = caller.create(caller.request(AssetKind::Video, "film.mp4", 1_000)).await.asset.unwrap().id;
    let first = caller.import(&film, "en", CaptionKind::Captions, VTT).await.unwrap();
    caller.approve(&first).await.unwrap();
    let second = caller.import(&film, "de", CaptionKind::Captions, VTT).await.unwrap();
    caller.reject(&second).await.unwrap();
    caller.delete_track(&second).await.unwrap();
    caller.uploads.abort_upload(AbortUploadRequest { asset_id: film.clone() }).await.unwrap();

    let letter = caller.upload(AssetKind::Document, "letter.rtf", &infected_document()).await;
    caller.until(&letter, AssetStatus::Quarantined, LIMIT).await;
    let release = ReleaseAssetRequest { asset_id: letter.clone(), why: "a false alarm".to_owned() };
    caller.quarantine.release_asset(release).await.unwrap();
    consumer.until(&letter, "media.asset.ready.v1", LIMIT).await;

    let tenant = caller.tenant.to_string();
    caller.retention.erase_tenant(EraseTenantRequest { tenant_id: tenant.clone(), request_id: "once".to_owned() }).await.unwrap();
    consumer.until(&tenant, "media.tenant.erased.v1", LIMIT).await;

    // `events` is what the consumer gives only if each fits its schema.
    let came: BTreeSet<String> = consumer.events().into_iter().map(|event| event.event_type).collect();
    let expected = [
        "asset.created",
        "asset.uploaded",
        "asset.scanned",
        "asset.quarantined",
        "asset.released",
        "asset.ready",
        "asset.failed",
        "asset.deleted",
        "asset.undeleted",
        "asset.erased",
        "variant.created",
        "caption.created",
        "caption.approved",
        "caption.rejected",
        "caption.deleted",
        "tenant.erased",
    ];
    let missing: Vec<_> = expected.iter().filter(|name| !came.contains(&format!("media.{name}.v1"))).collect();
    assert!(missing.is_empty(), "{missing:?} did not come, but {came:?}");
}
