//! `kill -9` of the scanner.

use media_devstack::Binary;
use media_domain::work::Queue;
use media_proto::v1::AssetKind;

use super::scene::Scene;
use crate::harness::{Moment, samples};

#[tokio::test(flavor = "multi_thread")]
async fn a_scanner_killed_in_mid_scan_is_followed_by_one_that_scans_it_once() {
    let mut scene = Scene::with("kill-the-scanner", &[Binary::Relay, Binary::Api, Binary::Transcoder, Binary::Janitor]).await;
    let first = scene.worker(Binary::Scanner).await;
    let mut read = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.reads_object() && asked.path.ends_with("/original"));
    let id = scene.caller.upload(AssetKind::Image, "card.png", &samples::picture(1600, 800)).await;
    read.caught().await;
    scene.kill(first, Queue::Scan).await;
    read.let_go();

    let _second = scene.worker(Binary::Scanner).await;
    scene.assert_ready_once(&id).await;
    assert_eq!((scene.attempts(&id, "scan").await, scene.attempts(&id, "probe").await), (2, 1));
    let logs = scene.world.logs();
    let told = logs.lines().find(|line| line.contains("a lease was lost")).expect("the janitor says so");
    for known in [id.as_str(), scene.caller.tenant.to_string().as_str(), "work.id", "lease.owner"] {
        assert!(told.contains(known), "{known}: {told}");
    }
}
