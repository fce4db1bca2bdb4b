//! `kill -9` of the captioner.

use std::process::Command;

use media_devstack::Binary;
use media_domain::work::Queue;
use media_proto::v1::AssetKind;

use super::scene::{LIMIT, Scene, asset};
use crate::harness::{Moment, eventually, samples};

const AROUND: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];
/// What the captioner tells, each once.
const TOLD: [&str; 3] = ["media.transcript.created.v1", "media.caption.created.v1", "media.ai_artifact.recorded.v1"];

#[tokio::test(flavor = "multi_thread")]
async fn a_captioner_killed_while_it_listens_is_followed_by_one_that_writes_it_down_once() {
    let mut scene = Scene::with("kill-the-listener", &AROUND).await;
    let first = scene.worker(Binary::Captioner).await;
    let mut read = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.reads_object() && asked.path.contains("/speech/"));
    let id = scene.caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    read.caught().await;
    scene.kill(first, Queue::Caption).await;
    read.let_go();

    let _second = scene.worker(Binary::Captioner).await;
    assert_written_down_once(&mut scene, &id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captioner_killed_between_its_captions_and_their_commit_leaves_nothing_of_them() {
    let mut scene = Scene::with("kill-before-captions", &AROUND).await;
    let first = scene.worker(Binary::Captioner).await;
    // The request that makes the captions an object, however they are sent.
    let mut stored = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| {
        let whole = asked.method == "PUT" && !asked.sends_part();
        asked.path.contains("/captions/") && (whole || asked.completes_upload())
    });
    let id = scene.caller.upload(AssetKind::Audio, "voice.m4a", &voice()).await;
    stored.caught().await;
    let left = scene.bucket.objects().await.into_keys().filter(|key| key.contains("/captions/")).count();
    assert_eq!(left, 1, "the killed attempt's captions are there");
    scene.kill(first, Queue::Caption).await;
    stored.let_go();

    let _second = scene.worker(Binary::Captioner).await;
    assert_written_down_once(&mut scene, &id).await;
}

async fn assert_written_down_once(scene: &mut Scene, id: &str) {
    eventually("the captioner's work is done", LIMIT, async || {
        let state: Option<String> = sqlx::query_scalar("SELECT state FROM media.work WHERE group_name = 'captions' AND asset_id = $1")
            .bind(asset(id).as_uuid())
            .fetch_optional(&scene.sql)
            .await
            .unwrap();
        if state.as_deref() == Some("succeeded") { Ok(()) } else { Err(state) }
    })
    .await;
    scene.assert_ready_once(id).await;
    let rows: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM media.transcripts), (SELECT count(*) FROM media.caption_tracks),
                (SELECT count(*) FROM media.ai_media_artifacts)",
    )
    .fetch_one(&scene.sql)
    .await
    .unwrap();
    assert_eq!(rows, (1, 1, 1), "transcript, track and artifact");
    let events = scene.consumer.of(id);
    for told in TOLD {
        assert_eq!(events.iter().filter(|event| event.event_type == told).count(), 1, "{told}");
    }
    assert_eq!(scene.attempts(id, "captions").await, 2);
}

/// A few words by a synthesiser, as AAC.
fn voice() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let spoken = folder.path().join("voice.wav").display().to_string();
    let said = Command::new("espeak-ng").args(["-v", "en-us", "-w", &spoken, "Good morning and welcome to this short film."]).status();
    assert!(said.unwrap().success(), "espeak-ng; `make setup` installs it");
    samples::ffmpeg("voice.m4a", &["-i", &spoken, "-c:a", "aac"])
}
