//! Connections to the store that are cut: nothing is made twice, and nobody is to blame.

use media_devstack::Binary;

use super::scene::Scene;
use crate::harness::{Moment, store_proxy::Asked};

const AROUND: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_whose_answer_is_lost_is_found_done_by_its_own_attempt() {
    let mut scene = Scene::with("lost-answer", &AROUND).await;
    let _transcoder = scene.worker(Binary::Transcoder).await;
    let of_the_rung = |asked: &Asked| asked.completes_upload() && asked.path.contains("/h264-360p/");
    let mut complete = scene.proxy.hold(Moment::BeforeTheAnswer, of_the_rung);
    let id = scene.upload_small_film().await;
    complete.caught().await;
    complete.cut();

    scene.assert_ready_once(&id).await;
    assert_eq!(scene.attempts(&id, "ladder").await, 1);
    let asked = scene.proxy.exchanges(of_the_rung);
    assert_eq!(asked.len(), 2, "it asked again: {asked:?}");
    assert_eq!(asked[0].asked.query, asked[1].asked.query, "for the same upload");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_connections_to_the_store_are_all_cut_goes_on_without_a_failure() {
    let mut scene = Scene::with("cut-connections", &AROUND).await;
    let _transcoder = scene.worker(Binary::Transcoder).await;
    let mut part = scene.proxy.hold(Moment::BeforeTheStore, |asked| asked.sends_part() && asked.path.contains("/h264-360p/"));
    let id = scene.upload_small_film().await;
    part.caught().await;
    scene.proxy.cut_connections();

    scene.assert_ready_once(&id).await;
    let failures: i64 = sqlx::query_scalar("SELECT sum(failures) FROM media.work").fetch_one(&scene.sql).await.unwrap();
    assert_eq!(failures, 0, "a store that is away is no failure of a job");
    part.let_go();
}
