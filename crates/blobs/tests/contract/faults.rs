//! Connections that break, hang and lie.

use std::time::{Duration, Instant};

use bytes::Bytes;
use media_blobs::BlobError;

use crate::{
    faulty_proxy::{Fault, FaultyProxy},
    store::{blobs, blobs_through, new_blob, noise},
};

#[tokio::test]
async fn a_body_that_is_cut_again_and_again_is_a_transient_error_and_never_a_short_read() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, noise(60, 2_000_000).into(), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::CutAnswers { after: 100_000, times: usize::MAX }).await;
    let through = blobs_through(proxy.endpoint()).await;
    let answer = through.read(&blob, 0, 2_000_000, None).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{:?}", answer.map(|bytes| bytes.len()));

    let mut stream = through.open(&blob, .., None).await.unwrap();
    let mut received = 0;
    let ended = loop {
        match stream.next().await {
            Ok(Some(bytes)) => received += bytes.len(),
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(BlobError::Transient(_))), "{ended:?}");
    assert!(received > 0 && received < 2_000_000, "{received}");
}

#[tokio::test]
async fn a_body_that_is_cut_once_is_taken_up_where_it_broke() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let body = noise(61, 2_000_000);
    blobs.put_small(&blob, body.clone().into(), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::CutAnswers { after: 100_000, times: 1 }).await;
    let through = blobs_through(proxy.endpoint()).await;
    assert!(through.read(&blob, 0, 2_000_000, None).await.unwrap() == body);
    assert_eq!(proxy.faults_left(), 0);
}

#[tokio::test]
async fn a_body_is_not_taken_up_on_an_object_that_was_replaced() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, noise(62, 2_000_000).into(), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::CutAnswers { after: 100_000, times: 1 }).await;
    let mut stream = blobs_through(proxy.endpoint()).await.open(&blob, .., None).await.unwrap();
    blobs.put_small(&blob, noise(63, 2_000_000).into(), "video/mp4").await.unwrap();
    let ended = loop {
        match stream.next().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert!(matches!(ended, Err(BlobError::Changed)), "{ended:?}");
}

#[tokio::test]
async fn a_complete_whose_answer_is_lost_is_complete() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    let upload = blobs.create(&blob, "video/mp4").await.unwrap();
    let part = blobs.upload_part(&upload, 1, noise(64, 1000).into()).await.unwrap();
    let proxy = FaultyProxy::start(Fault::LoseAnswers { to: "POST ", times: 1 }).await;
    let completed = blobs_through(proxy.endpoint()).await.complete(&upload, &[part]).await.unwrap();
    assert_eq!(proxy.faults_left(), 0);
    assert_eq!(blobs.head(&blob).await.unwrap().unwrap().etag, completed.etag);
}

#[tokio::test]
async fn a_part_whose_answer_is_lost_is_sent_again_and_is_there_once() {
    let blobs = blobs().await;
    let upload = blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::LoseAnswers { to: "PUT ", times: 1 }).await;
    let part = blobs_through(proxy.endpoint()).await.upload_part(&upload, 1, noise(65, 1000).into()).await.unwrap();
    assert_eq!(proxy.faults_left(), 0);
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), [part]);
}

#[tokio::test]
async fn bytes_that_are_damaged_on_the_way_are_not_kept() {
    let blobs = blobs().await;
    let (blob, upload) = (new_blob(&blobs), blobs.create(&new_blob(&blobs), "video/mp4").await.unwrap());
    let proxy = FaultyProxy::start(Fault::Damage { from: b"a sound body", to: b"a wrong body" }).await;
    let through = blobs_through(proxy.endpoint()).await;
    let answer = through.put_small(&blob, Bytes::from_static(b"a sound body"), "text/plain").await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
    assert_eq!(blobs.head(&blob).await.unwrap(), None);
    let answer = through.upload_part(&upload, 1, Bytes::from_static(b"a sound body")).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
    assert_eq!(blobs.list_parts(&upload).await.unwrap(), []);
}

#[tokio::test]
async fn a_store_that_is_overloaded_is_asked_three_times_and_then_later() {
    let overloaded = &["HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"];
    let proxy = FaultyProxy::start(Fault::AnswerTo { to: "HEAD ", with: overloaded }).await;
    let through = blobs_through(proxy.endpoint()).await;
    let answer = through.head(&new_blob(&through)).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
    assert_eq!(proxy.answers(), 3);
}

#[tokio::test]
async fn a_store_that_never_answers_is_given_up_in_time() {
    let proxy = FaultyProxy::start(Fault::Mute).await;
    let through = blobs_through(proxy.endpoint()).await;
    let begun = Instant::now();
    let answer = through.head(&new_blob(&through)).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "three tries of two seconds took {:?}", begun.elapsed());
    assert!(matches!(through.check().await, Err(BlobError::Transient(_))));
}

#[tokio::test]
async fn a_body_that_stands_still_is_an_error_in_time() {
    let blobs = blobs().await;
    let blob = new_blob(&blobs);
    blobs.put_small(&blob, noise(66, 2_000_000).into(), "video/mp4").await.unwrap();
    let proxy = FaultyProxy::start(Fault::StallAnswers { after: 100_000 }).await;
    let answer = blobs_through(proxy.endpoint()).await.read(&blob, 0, 2_000_000, None).await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{:?}", answer.map(|bytes| bytes.len()));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_transient() {
    let proxy = FaultyProxy::start(Fault::Mute).await;
    let endpoint = proxy.endpoint();
    drop(proxy);
    let through = blobs_through(endpoint).await;
    let answer = through.check().await;
    assert!(matches!(answer, Err(BlobError::Transient(_))), "{answer:?}");
}
