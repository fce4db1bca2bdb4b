use std::time::Duration;

use futures::StreamExt as _;
use media_devstack::Binary;
use media_proto::v1::{Asset, AssetKind, AssetStatus, CreateUploadRequest, UploadRequest, upload_request::Content};
use sha2::{Digest, Sha256};
use tonic::Code;

use crate::{
    harness::{Caller, World, eventually},
    refusals::{reason, refused},
};

const MIB: usize = 1 << 20;

/// An announcement and the bytes behind it, cut as a caller may cut them.
fn messages(announcement: CreateUploadRequest, bytes: &[u8]) -> Vec<UploadRequest> {
    let chunks = bytes.chunks(300_000).map(|chunk| Content::Chunk(chunk.to_vec()));
    std::iter::once(Content::Announcement(announcement)).chain(chunks).map(|content| UploadRequest { content: Some(content) }).collect()
}

/// Not the same anywhere.
fn text(length: usize) -> Vec<u8> {
    let line = |number: usize| format!("{number:09} is the number of this line\n").into_bytes();
    let mut text = b"WEBVTT\n\nNOTE\n".to_vec();
    text.extend((0..).flat_map(line).take(length - text.len()));
    text
}

/// Waits until the scanner has let the asset pass.
async fn passed(caller: &Caller, id: &str) -> Asset {
    let mut caller = caller.clone();
    eventually("the scanner lets it pass", Duration::from_secs(60), async move || {
        let asset = caller.get(id).await.asset.unwrap();
        if asset.status() == AssetStatus::Ready { Ok(asset) } else { Err((asset.status(), asset.failure_detail)) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_through_the_service_is_stored_whole() {
    let mut world = World::with("streams", &[Binary::Scanner]).await;
    // One after the other: each takes one place, and gives it back.
    let _api = world.start(Binary::Api, &[("MEDIA__UPLOADS__STREAMS_MAX", "1")]).await;
    let mut caller = world.caller().await;
    for length in [100, 5 * MIB, 12 * MIB + 7] {
        let bytes = text(length);
        let announcement = CreateUploadRequest {
            sha256: hex::encode(Sha256::digest(&bytes)),
            ..caller.request(AssetKind::Subtitle, "a.vtt", bytes.len())
        };
        let sent = messages(announcement, &bytes);
        let asset = caller.uploads.upload(futures::stream::iter(sent)).await.unwrap().into_inner().asset.unwrap();
        assert_eq!(asset.status(), AssetStatus::Scanning);
        // The scanner holds the stored bytes against the hash.
        let scanned = passed(&caller, &asset.id).await;
        assert_eq!(scanned.size_bytes, i64::try_from(length).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_length_is_refused_and_its_upload_given_up() {
    let world = World::with("lengths", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let bytes = text(1000);
    for announced in [999, 1001] {
        let sent = messages(caller.request(AssetKind::Subtitle, "a.vtt", announced), &bytes);
        let answer = caller.uploads.upload(futures::stream::iter(sent)).await;
        assert_eq!(refused(answer), reason(Code::FailedPrecondition, "UPLOAD_SIZE_MISMATCH"), "{announced} were announced");
    }
    let left: Vec<(String, Option<String>)> =
        sqlx::query_as("SELECT status, failure_reason FROM media.assets").fetch_all(&world.sql().await).await.unwrap();
    assert_eq!(left, vec![("failed".to_owned(), Some("upload_aborted".to_owned())); 2]);

    let chunk = UploadRequest { content: Some(Content::Chunk(bytes)) };
    let answer = caller.uploads.upload(futures::stream::iter([chunk])).await;
    assert_eq!(refused(answer), reason(Code::InvalidArgument, "FIELD_INVALID"), "nothing was announced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_broke_off_goes_on_under_its_request_id() {
    let world = World::with("broken", &[Binary::Api, Binary::Scanner]).await;
    let mut caller = world.caller().await;
    let bytes = text(11 * MIB);
    let announcement = CreateUploadRequest {
        request_id: "once".into(),
        sha256: hex::encode(Sha256::digest(&bytes)),
        ..caller.request(AssetKind::Subtitle, "a.vtt", bytes.len())
    };
    let sent = messages(announcement.clone(), &bytes);
    let half = futures::stream::iter(sent[..sent.len() / 2].to_vec()).chain(futures::stream::pending());
    let mut breaking = caller.clone();
    let call = tokio::time::timeout(Duration::from_secs(2), async move { breaking.uploads.upload(half).await.map(drop) }).await;
    assert!(call.is_err(), "it was waiting for the rest: {call:?}");

    let asset = caller.uploads.upload(futures::stream::iter(sent)).await.unwrap().into_inner().asset.unwrap();
    passed(&caller, &asset.id).await;
    let again = caller.uploads.upload(futures::stream::iter(messages(announcement, &bytes))).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(again.id, asset.id, "what is there is not made again");
}
