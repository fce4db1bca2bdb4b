//! `kill -9` of the transcoder, at each of the moments that its promise is about.

use media_devstack::Binary;
use media_domain::work::Queue;
use media_proto::v1::{AssetKind, AssetStatus};

use super::scene::{LIMIT, Scene, noisy_film};
use crate::harness::{Moment, eventually, samples};

const AROUND: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_killed_with_a_part_of_a_rung_uploaded_is_followed_by_one_that_makes_it_once() {
    let mut scene = Scene::with("kill-after-a-part", &AROUND).await;
    let first = scene.worker(Binary::Transcoder).await;
    let mut part = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.sends_part() && asked.path.contains("/h264-720p/"));
    let id = scene.caller.upload(AssetKind::Video, "noise.mp4", &noisy_film()).await;

    let asked = part.caught().await;
    let completed = scene.proxy.exchanges(|asked| asked.completes_upload() && asked.path.contains("/h264-720p/"));
    assert!(completed.is_empty(), "the rung is not done: {completed:?}");
    assert!(asked.query.contains(&("partNumber".to_owned(), "1".to_owned())), "{asked:?}");
    scene.kill(first, Queue::Transcode).await;
    part.let_go();
    assert!(!scene.bucket.uploads().await.is_empty(), "the killed attempt left its uploads");

    let _second = scene.worker(Binary::Transcoder).await;
    scene.assert_ready_once(&id).await;
    assert_eq!(scene.attempts(&id, "ladder").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_killed_between_complete_and_commit_is_followed_by_one_that_makes_it_once() {
    let mut scene = Scene::with("kill-after-complete", &AROUND).await;
    let first = scene.worker(Binary::Transcoder).await;
    let mut complete = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.completes_upload() && asked.path.contains("/h264-360p/"));
    let id = scene.upload_small_film().await;

    complete.caught().await;
    let left = scene.bucket.objects().await.into_iter().find(|(key, _)| key.contains("/h264-360p/"));
    let (key, left) = left.expect("the killed attempt's object is there");
    scene.kill(first, Queue::Transcode).await;
    complete.let_go();

    let _second = scene.worker(Binary::Transcoder).await;
    scene.assert_ready_once(&id).await;
    assert_eq!(scene.attempts(&id, "ladder").await, 2);
    let now = scene.bucket.objects().await.remove(&key).unwrap();
    assert_ne!(now, left, "the object is the second attempt's, of which the row tells");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_killed_between_commit_and_relay_has_done_its_work() {
    let mut scene = Scene::with("kill-after-commit", &[Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let first = scene.worker(Binary::Transcoder).await;
    let id = scene.caller.upload(AssetKind::Image, "card.png", &samples::picture(1600, 800)).await;
    scene.caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(scene.consumer.deliveries(), 0, "nothing is published without a relay");
    first.kill().unwrap();

    let _second = scene.worker(Binary::Transcoder).await;
    scene.world.start_all(&[Binary::Relay]).await;
    scene.assert_ready_once(&id).await;
    // The commands arrive after the work they ask for is done: each is taken, and none does it again.
    eventually("the transcoder has taken its commands", LIMIT, async || {
        let (sent, taken): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM media.outbox WHERE routing_key LIKE 'media.transcode%' AND published_at IS NOT NULL),
                    (SELECT count(*) FROM media.inbox WHERE consumer = 'media-transcode')",
        )
        .fetch_one(&scene.sql)
        .await
        .unwrap();
        if sent > 0 && sent == taken { Ok(()) } else { Err((sent, taken)) }
    })
    .await;
    assert_eq!((scene.attempts(&id, "probe").await, scene.attempts(&id, "stills").await), (1, 1));
    scene.assert_ready_once(&id).await;
}
