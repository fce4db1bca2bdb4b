//! Uploads in parts, and the fence that an upload id is.

use bytes::Bytes;
use media_blobs::{BlobError, Blobs, Part, UploadHandle, keys};
use media_domain::{AssetId, BlobName};

use crate::store::{blobs, new_blob, new_tenant, noise};

const PART: usize = 5 << 20;

/// An upload of one full part and a short one, not completed.
async fn two_parts(blobs: &Blobs, blob: &BlobName, seed: u64) -> (UploadHandle, Vec<Part>, Bytes) {
    let upload = blobs.create(blob, "video/mp4").await.unwrap();
    let body = Bytes::from(noise(seed, PART + 1000));
    let parts = vec![
        blobs.upload_part(&upload, 1, body.slice(..PART)).await.unwrap(),
        blobs.upload_part(&upload, 2, body.slice(PART..)).await.unwrap(),
    ];
    (upload, parts, body)
}

#[tokio::test]
async fn parts_become_an_object_of_their_sum() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, parts, body) = two_parts(&blobs, &blob, 10).await;
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), parts);
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    assert_eq!(completed.size, body.len() as u64);
    assert!(blobs.read(&blob, 0, completed.size, Some(&completed.etag)).await.unwrap() == body);
    assert_eq!(blobs.head(&blob).await.unwrap().unwrap().content_type.as_deref(), Some("video/mp4"));
}

#[tokio::test]
async fn one_small_part_is_an_upload() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "text/vtt").await.unwrap();
    let part = blobs.upload_part(&upload, 1, Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(blobs.complete(&upload, &[part]).await.unwrap().size, 1);
}

#[tokio::test]
async fn completing_again_after_a_lost_answer_is_completing() {
    let blobs = blobs().await;
    let (upload, parts, _) = two_parts(&blobs, &new_blob(&blobs), 11).await;
    let first = blobs.complete(&upload, &parts).await.unwrap();
    assert_eq!(blobs.complete(&upload, &parts).await.unwrap(), first);
}

#[tokio::test]
async fn a_late_complete_after_an_abort_is_fenced() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, parts, _) = two_parts(&blobs, &blob, 12).await;
    blobs.abort(&upload).await.unwrap();
    let answer = blobs.complete(&upload, &parts).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
}

#[tokio::test]
async fn a_late_complete_leaves_what_the_next_attempt_made() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (stale, stale_parts, _) = two_parts(&blobs, &blob, 13).await;
    blobs.abort(&stale).await.unwrap();
    let (next, next_parts, body) = two_parts(&blobs, &blob, 14).await;
    let completed = blobs.complete(&next, &next_parts).await.unwrap();
    let answer = blobs.complete(&stale, &stale_parts).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
    assert!(blobs.read(&blob, 0, completed.size, Some(&completed.etag)).await.unwrap() == body);
}

#[tokio::test]
async fn a_part_that_comes_after_complete_or_abort_is_refused() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, parts, body) = two_parts(&blobs, &blob, 15).await;
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    let answer = blobs.upload_part(&upload, 1, noise(16, PART).into()).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
    assert!(blobs.read(&blob, 0, completed.size, Some(&completed.etag)).await.unwrap() == body);

    let aborted = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    blobs.abort(&aborted).await.unwrap();
    let answer = blobs.upload_part(&aborted, 1, Bytes::from_static(b"x")).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
    let answer = blobs.list_parts(&aborted).await;
    assert!(matches!(answer, Err(BlobError::UploadGone)), "{answer:?}");
}

#[tokio::test]
async fn aborting_twice_is_aborting_and_what_was_completed_stays() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, parts, _) = two_parts(&blobs, &blob, 17).await;
    let completed = blobs.complete(&upload, &parts).await.unwrap();
    blobs.abort(&upload).await.unwrap();
    assert_eq!(blobs.head(&blob).await.unwrap().unwrap().etag, completed.etag);
    let (upload, _, _) = two_parts(&blobs, &new_blob(&blobs), 18).await;
    blobs.abort(&upload).await.unwrap();
    blobs.abort(&upload).await.unwrap();
}

#[tokio::test]
async fn a_part_that_was_sent_again_is_listed_once_and_the_object_is_made_of_what_is_listed() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, parts, body) = two_parts(&blobs, &blob, 19).await;
    let again = blobs.upload_part(&upload, 2, noise(20, 2000).into()).await.unwrap();
    let listed = blobs.list_parts(&upload).await.unwrap();
    // SeaweedFS tells time in whole seconds, so that either may count as the later.
    assert!(listed == parts || listed == [parts[0].clone(), again], "{listed:?}");
    let completed = blobs.complete(&upload, &listed).await.unwrap();
    let whole = blobs.read(&blob, 0, completed.size, None).await.unwrap();
    let last = if listed == parts { body.slice(PART..) } else { noise(20, 2000).into() };
    assert!(whole[..PART] == body[..PART] && whole[PART..] == last);
}

#[tokio::test]
async fn a_part_that_the_store_does_not_have_is_not_completed() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let (upload, mut parts, _) = two_parts(&blobs, &blob, 21).await;
    parts[1].number = 3;
    let answer = blobs.complete(&upload, &parts).await;
    assert!(matches!(answer, Err(BlobError::Changed)), "{answer:?}");
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
}

#[tokio::test]
async fn uploads_that_nobody_ended_are_found_under_their_prefix() {
    let blobs = blobs().await;
    let tenant = new_tenant();
    let mut begun = Vec::new();
    for _ in 0..3 {
        begun.push(blobs.create(&blobs.in_bucket(&keys::original(tenant, AssetId::generate())), "video/mp4").await.unwrap());
    }
    blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    blobs.abort(&begun.remove(0)).await.unwrap();
    let page = blobs.list_uploads(&begun[0].blob.bucket, &keys::tenant_prefix(tenant), None).await.unwrap();
    let mut found: Vec<_> = page.uploads.iter().map(|listed| listed.upload.clone()).collect();
    found.sort_by(|a, b| a.blob.key.cmp(&b.blob.key));
    begun.sort_by(|a, b| a.blob.key.cmp(&b.blob.key));
    assert_eq!(found, begun);
    assert!(page.next.is_none() && page.uploads.iter().all(|listed| listed.initiated.is_some()));
}
