//! Reading exactly what was asked for.

use bytes::BytesMut;
use futures::TryStreamExt;
use media_blobs::BlobError;

use crate::store::{blobs, new_blob, noise};

#[tokio::test]
async fn every_range_gives_exactly_its_bytes() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let body = noise(30, 300_000);
    blobs.put_small(&blob, body.clone().into(), "video/mp4").await.unwrap();
    for range in [0..1, 0..300_000, 299_999..300_000, 1..2, 65_535..65_537, 100_000..250_000] {
        let read = blobs.read(&blob, range.start, range.end - range.start, None).await.unwrap();
        assert!(read == body[range.start as usize..range.end as usize], "{range:?}");
    }
    assert!(blobs.read(&blob, 5, 0, None).await.unwrap().is_empty());

    let whole = blobs.open(&blob, .., None).await.unwrap();
    assert_eq!((whole.length(), whole.object_size(), whole.content_type()), (300_000, 300_000, Some("video/mp4")));
    let whole: BytesMut = whole.into_stream().try_collect::<Vec<_>>().await.unwrap().into_iter().flatten().collect();
    assert!(whole == body);

    let mut rest = blobs.open(&blob, 299_000.., None).await.unwrap();
    assert_eq!((rest.length(), rest.object_size()), (1000, 300_000));
    let mut received = Vec::new();
    while let Some(bytes) = rest.next().await.unwrap() {
        received.extend_from_slice(&bytes);
    }
    assert!(received == body[299_000..]);
}

#[tokio::test]
async fn a_range_past_the_end_is_refused_and_never_short() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, noise(31, 100).into(), "video/mp4").await.unwrap();
    for (offset, len) in [(0, 101), (99, 2), (100, 1), (5000, 1)] {
        let answer = blobs.read(&blob, offset, len, None).await;
        assert!(matches!(answer, Err(BlobError::Invalid(_))), "{offset} {len}: {answer:?}");
    }
    assert!(matches!(blobs.open(&blob, 7..7, None).await, Err(BlobError::Invalid(_))));
    assert!(matches!(blobs.read(&blob, 0, u64::MAX, None).await, Err(BlobError::Limit(_))));
}

#[tokio::test]
async fn an_empty_object_is_read_as_nothing() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, "".into(), "text/plain").await.unwrap();
    let mut stream = blobs.open(&blob, .., None).await.unwrap();
    assert_eq!(stream.length(), 0);
    assert!(stream.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_changed_object_is_seen_and_a_missing_one_is_not_found() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    assert!(matches!(blobs.read(&blob, 0, 1, None).await, Err(BlobError::NotFound)));
    blobs.put_small(&blob, "first".into(), "text/plain").await.unwrap();
    let etag = blobs.head(&blob).await.unwrap().unwrap().etag;
    assert_eq!(blobs.read(&blob, 0, 5, Some(&etag)).await.unwrap(), "first");
    blobs.put_small(&blob, "other".into(), "text/plain").await.unwrap();
    let answer = blobs.read(&blob, 0, 5, Some(&etag)).await;
    assert!(matches!(answer, Err(BlobError::Changed)), "{answer:?}");
}
