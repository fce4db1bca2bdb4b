//! What is wrong with the bytes that were sent, or that were not.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{
    AbortUploadRequest, AssetKind, AssetStatus, CompleteUploadRequest, CompletedPart, CreateUploadRequest, GetDownloadUrlRequest,
    SignUploadPartsRequest,
};
use tonic::Code;

use super::{failure, leftovers, reason, refused};
use crate::harness::{World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(60);
/// The size that parts have at least.
const PART_BYTES: usize = 5 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_announced_are_refused_and_what_came_can_be_given_up() {
    let world = World::with("sent", &[Binary::Api]).await;
    let (mut caller, store) = (world.caller().await, leftovers::store(&world));
    let file = samples::document(PART_BYTES + 1000);
    let created = caller.create(caller.request(AssetKind::Document, "long.pdf", file.len())).await;
    let (id, plan) = (created.asset.clone().unwrap().id, created.plan.clone().unwrap());
    assert_eq!(plan.parts.len(), 2);

    // A signature is for so many bytes and no other number.
    for wrong in [&file[..PART_BYTES - 1], &[], &file[..]] {
        let status = caller.put(&plan.parts[0], wrong.to_vec()).await;
        assert!(status.is_client_error(), "{} bytes for a part of {PART_BYTES} were answered with {status}", wrong.len());
    }
    let missing = reason(Code::FailedPrecondition, "UPLOAD_PART_MISSING");
    assert_eq!(refused(caller.complete(&id).await), missing, "none");
    assert!(caller.put(&plan.parts[1], file[PART_BYTES..].to_vec()).await.is_success());
    assert_eq!(refused(caller.complete(&id).await), missing, "the first of two");

    assert!(caller.put(&plan.parts[0], file[..PART_BYTES].to_vec()).await.is_success());
    let parts = [1, 2].map(|number| CompletedPart { number, etag: "\"of another file\"".to_owned() }).to_vec();
    let claimed = CompleteUploadRequest { asset_id: id.clone(), parts };
    assert_eq!(refused(caller.uploads.complete_upload(claimed).await), reason(Code::FailedPrecondition, "UPLOAD_HASH_MISMATCH"));

    assert_eq!(caller.get(&id).await.asset.unwrap().status(), AssetStatus::Uploading, "it can still be mended");
    assert_eq!(leftovers::open_uploads(&store, &world, caller.tenant).await.len(), 1);
    let given_up = caller.uploads.abort_upload(AbortUploadRequest { asset_id: id.clone() }).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((given_up.status(), failure(&given_up)), (AssetStatus::Failed, "upload_aborted"));
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert!(leftovers::objects(&store, &world, caller.tenant).await.is_empty());
    let ended = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(refused(caller.complete(&id).await), ended);
    let again = SignUploadPartsRequest { asset_id: id.clone(), part_numbers: vec![1] };
    assert_eq!(refused(caller.uploads.sign_upload_parts(again).await), ended);
    assert!(caller.put(&plan.parts[0], file[..PART_BYTES].to_vec()).await.is_client_error(), "old signatures open nothing");
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_another_size_is_refused_also_where_the_store_took_it() {
    let world = World::with("size", &[Binary::Api]).await;
    let (mut caller, store) = (world.caller().await, leftovers::store(&world));
    let file = samples::document(2000);
    for sent in [&file[..file.len() - 1], &[&file[..], b"more"].concat()] {
        let id = caller.create(caller.request(AssetKind::Document, "letter.pdf", file.len())).await.asset.unwrap().id;
        let upload_id: String = sqlx::query_scalar("SELECT s3_upload_id FROM media.uploads WHERE asset_id = $1")
            .bind(id.parse::<AssetId>().unwrap().as_uuid())
            .fetch_one(&world.sql().await)
            .await
            .unwrap();
        // Past the signature, as through a store that does not check lengths.
        let key = format!("tenants/{}/media/{id}/original", caller.tenant);
        let part = store.upload_part().bucket(world.isolated().bucket()).key(&key).upload_id(&upload_id).part_number(1);
        part.body(ByteStream::from(sent.to_vec())).send().await.unwrap();
        assert_eq!(refused(caller.complete(&id).await), reason(Code::FailedPrecondition, "UPLOAD_SIZE_MISMATCH"), "{} bytes", sent.len());
        caller.uploads.abort_upload(AbortUploadRequest { asset_id: id }).await.unwrap();
    }
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert!(leftovers::objects(&store, &world, caller.tenant).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_sent_again_after_the_end_changes_nothing() {
    let world = World::with("again", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let mut caller = world.caller().await;
    let file = samples::document(2000);
    let created = caller.create(caller.request(AssetKind::Document, "letter.pdf", file.len())).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    caller.complete(&id).await.unwrap();

    let evil: Vec<u8> = file.iter().rev().copied().collect();
    let part = &created.plan.unwrap().parts[0];
    let status = caller.put(part, evil.clone()).await;
    assert!(status.is_client_error(), "a part after the end was answered with {status}");
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(caller.put(part, evil).await.is_client_error());
    let again = caller.complete(&id).await.unwrap();
    assert_eq!((again.id.as_str(), again.status()), (id.as_str(), AssetStatus::Ready), "CompleteUpload is idempotent");
    assert_eq!(again.sha256, got.asset.unwrap().sha256);

    let request = GetDownloadUrlRequest { asset_id: id, profile: String::new() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    assert_eq!(reqwest::get(url).await.unwrap().bytes().await.unwrap(), file);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_hash_fails() {
    let world = World::with("hash", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let file = samples::document(2000);
    let request = CreateUploadRequest { sha256: "0".repeat(64), ..caller.request(AssetKind::Document, "letter.pdf", file.len()) };
    let created = caller.create(request).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    caller.complete(&id).await.unwrap();

    let event = consumer.until(&id, "media.asset.failed.v1", LIMIT).await;
    assert_eq!(event.data["reason"], "hash_mismatch");
    let asset = caller.get(&id).await.asset.unwrap();
    assert_eq!((asset.status(), failure(&asset)), (AssetStatus::Failed, "hash_mismatch"));
    let download = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    assert_eq!(refused(caller.playback.get_download_url(download).await), reason(Code::FailedPrecondition, "ASSET_NOT_READY"));
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert!(consumer.of(&id).iter().all(|event| event.event_type != "media.asset.ready.v1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_finishes_is_swept_with_its_parts() {
    let mut world = World::new("abandoned").await;
    world.fleet.set("MEDIA__SWEEPS__ABANDONED_AFTER", "1s");
    world.start_all(&[Binary::Relay, Binary::Api]).await;
    let consumer = world.consumer().await;
    let (mut caller, store) = (world.caller().await, leftovers::store(&world));
    let file = samples::document(2000);
    let created = caller.create(caller.request(AssetKind::Document, "letter.pdf", file.len())).await;
    caller.put_all(&created, &file).await;
    let id = created.asset.unwrap().id;
    assert_eq!(leftovers::open_uploads(&store, &world, caller.tenant).await.len(), 1);

    world.start_all(&[Binary::Janitor]).await;
    let asset = eventually("the upload is given up", LIMIT, async || {
        let asset = caller.clone().get(&id).await.asset.unwrap();
        if asset.status() == AssetStatus::Failed { Ok(asset) } else { Err(asset.status()) }
    })
    .await;
    assert_eq!(failure(&asset), "upload_abandoned");
    assert_eq!(consumer.until(&id, "media.asset.failed.v1", LIMIT).await.data["reason"], "upload_abandoned");
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    assert!(leftovers::objects(&store, &world, caller.tenant).await.is_empty());
    assert_eq!(refused(caller.complete(&id).await), reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
}
