//! SIGTERM, as a cluster sends it to a pod that is to go: the job that it holds is finished, and no other is begun.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};
use rustix::process::Signal;

use super::scene::{LIMIT, Scene, noisy_film};
use crate::harness::{Moment, eventually, samples};

const AROUND: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_that_is_asked_to_stop_finishes_the_job_that_it_holds_and_begins_no_other() {
    let mut scene = Scene::with("asked-to-stop", &AROUND).await;
    let endpoint = scene.proxy.endpoint();
    let settings = [("MEDIA__S3__ENDPOINT", endpoint.as_str()), ("MEDIA__SHUTDOWN__GRACE", "10m")];
    let mut first = scene.world.start(Binary::Transcoder, &settings).await;
    let mut part = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.sends_part() && asked.path.contains("/h264-720p/"));
    let film = scene.caller.upload(AssetKind::Video, "noise.mp4", &noisy_film()).await;
    part.caught().await;

    first.signal(Signal::TERM).unwrap();
    eventually("it was heard", LIMIT, async || if first.log().unwrap().contains("takes nothing new") { Ok(()) } else { Err(()) }).await;
    let picture = scene.caller.upload(AssetKind::Image, "later.png", &samples::picture(1310, 730)).await;
    scene.caller.until(&picture, AssetStatus::Transcoding, LIMIT).await;
    part.let_go();
    assert!(first.ended(LIMIT).await.unwrap(), "it ended well");
    assert_eq!(scene.attempts(&picture, "probe").await, 0, "what came after the signal waits for another");

    let _second = scene.worker(Binary::Transcoder).await;
    scene.assert_ready_once(&film).await;
    assert_eq!(scene.attempts(&film, "ladder").await, 1, "the ladder was finished by the pod that had begun it");
    scene.caller.until(&picture, AssetStatus::Ready, LIMIT).await;
}
