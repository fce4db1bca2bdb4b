//! `kill -9` of the transcoder's child.

use media_devstack::Binary;
use rustix::process::{Signal, kill_process};

use super::scene::Scene;
use crate::harness::{Moment, child_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_killed_is_noticed_and_its_job_tried_again() {
    let mut scene = Scene::with("kill-the-child", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let transcoder = scene.worker(Binary::Transcoder).await;
    let mut opened = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.creates_upload() && asked.path.contains("/h264-360p/"));
    let id = scene.upload_small_film().await;
    // The ladder's child is the next that reads the original; while it waits for its bytes, it is in mid-job.
    opened.caught().await;
    let mut read = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.reads_object() && asked.path.ends_with("/original"));
    opened.let_go();
    read.caught().await;
    let child = child_of(transcoder.pid()).await;
    kill_process(child, Signal::KILL).unwrap();
    read.let_go();

    scene.assert_ready_once(&id).await;
    assert_eq!(scene.attempts(&id, "ladder").await, 2);
    let failures: i32 =
        sqlx::query_scalar("SELECT failures FROM media.work WHERE group_name = 'ladder'").fetch_one(&scene.sql).await.unwrap();
    assert_eq!(failures, 1, "a killed child counts as a failure of its job");
    transcoder.kill().unwrap();
}
