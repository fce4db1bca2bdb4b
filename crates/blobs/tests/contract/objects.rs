//! Whole objects.

use bytes::Bytes;
use media_blobs::{BlobError, Blobs, S3Config, keys};
use media_devstack::S3Identity;
use media_domain::AssetId;

use crate::store::{blobs, config, new_blob, new_tenant, noise, versioned_bucket, versions};

#[tokio::test]
async fn a_small_object_is_there_with_its_size_and_type() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    blobs.put_small(&blob, Bytes::from_static(b"WEBVTT\n"), "text/vtt").await.unwrap();
    let head = blobs.head(&blob).await.unwrap().unwrap();
    assert_eq!((head.size, head.content_type.as_deref()), (7, Some("text/vtt")));
    blobs.put_small(&blob, Bytes::from_static(b"WEBVTT\n\n"), "text/vtt").await.unwrap();
    assert_ne!(blobs.head(&blob).await.unwrap().unwrap().etag, head.etag);
}

#[tokio::test]
async fn an_object_that_is_not_small_is_not_put_whole() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let answer = blobs.put_small(&blob, noise(1, (5 << 20) + 1).into(), "text/vtt").await;
    assert!(matches!(answer, Err(BlobError::Limit(_))), "{answer:?}");
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
}

#[tokio::test]
async fn deleting_twice_is_deleting() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, Bytes::from_static(b"x"), "text/plain").await.unwrap();
    blobs.delete(&blob).await.unwrap();
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    blobs.delete(&blob).await.unwrap();
}

#[tokio::test]
async fn erasing_leaves_no_version_and_no_neighbour_goes_with_it() {
    let blobs = blobs().await;
    let bucket = versioned_bucket().await;
    let blob = media_domain::BlobName { bucket: bucket.clone(), ..new_blob(&blobs) };
    let neighbour = media_domain::BlobName { bucket, key: format!("{}.more", blob.key) };
    for body in ["one", "two", "three"] {
        blobs.put_small(&blob, Bytes::from_static(body.as_bytes()), "text/plain").await.unwrap();
        blobs.put_small(&neighbour, Bytes::from_static(body.as_bytes()), "text/plain").await.unwrap();
    }
    blobs.delete(&blob).await.unwrap();
    assert_eq!((blobs.head(&blob).await.unwrap(), versions(&blob).await), (None, 4), "a marker lies on three versions");
    blobs.erase(&blob).await.unwrap();
    assert_eq!((versions(&blob).await, versions(&neighbour).await), (0, 3));
    blobs.erase(&blob).await.unwrap();

    // And where the bucket keeps none.
    let plain = new_blob(&blobs);
    blobs.put_small(&plain, Bytes::from_static(b"x"), "text/plain").await.unwrap();
    blobs.erase(&plain).await.unwrap();
    assert_eq!(blobs.head(&plain).await.unwrap(), None);
}

#[tokio::test]
async fn a_copy_has_the_bytes_and_the_type_and_the_source_stays() {
    let blobs = blobs().await;
    let key = keys::original(new_tenant(), AssetId::generate());
    let (from, to) = (blobs.in_bucket(&key), blobs.in_quarantine(&key));
    let body = noise(2, 100_000);
    blobs.put_small(&from, body.clone().into(), "video/mp4").await.unwrap();
    let copy = blobs.copy(&from, &to).await.unwrap();
    assert_eq!((copy.size, copy.content_type.as_deref()), (100_000, Some("video/mp4")));
    for blob in [&from, &to] {
        assert!(blobs.read(blob, 0, 100_000, None).await.unwrap() == body);
    }
}

#[tokio::test]
async fn a_copy_in_parts_has_the_bytes_and_the_type_too() {
    let blobs = blobs().await;
    let (from, to) = (new_blob(&blobs), new_blob(&blobs));
    let upload = blobs.create(&from, "video/mp4").await.unwrap();
    let body = Bytes::from(noise(3, 12 << 20));
    let parts = [
        blobs.upload_part(&upload, 1, body.slice(..6 << 20)).await.unwrap(),
        blobs.upload_part(&upload, 2, body.slice(6 << 20..)).await.unwrap(),
    ];
    blobs.complete(&upload, &parts).await.unwrap();
    let copy = blobs.copy_in_parts(&from, &to, 5 << 20).await.unwrap();
    assert_eq!((copy.size, copy.content_type.as_deref()), (12 << 20, Some("video/mp4")));
    assert!(copy.etag.contains("-3"), "{}", copy.etag);
    assert!(blobs.read(&to, 0, 12 << 20, None).await.unwrap() == body);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_copied() {
    let blobs = blobs().await;
    let (from, to) = (new_blob(&blobs), new_blob(&blobs));
    let answer = blobs.copy(&from, &to).await;
    assert!(matches!(answer, Err(BlobError::NotFound)), "{answer:?}");
    assert_eq!(blobs.head(&to).await.unwrap(), None);
}

#[tokio::test]
async fn the_check_sees_a_bucket_that_is_missing_and_keys_that_are_wrong() {
    let config = config(S3Identity::MediaScanner).await;
    Blobs::connect(&config).unwrap().check().await.unwrap();
    for wrong in [
        S3Config { bucket: "media-that-nobody-made".into(), ..config.clone() },
        S3Config { secret_access_key: "wrong".to_owned().into(), ..config.clone() },
    ] {
        let answer = Blobs::connect(&wrong).unwrap().check().await;
        assert!(matches!(answer, Err(BlobError::Denied(_))), "{answer:?}");
    }
}
