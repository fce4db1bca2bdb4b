//! SIGSTOP of a transcoder, past its lease, and SIGCONT: it finds its work done by another, and changes nothing.

use std::{fs, path::Path};

use media_devstack::{Binary, Service};
use media_proto::v1::AssetStatus;
use rustix::process::Signal;

use super::scene::{LIMIT, Scene};
use crate::harness::{Moment, eventually, samples, store_proxy::Asked};

const AROUND: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];
const RUNG: &str = "h264-360p";

fn of_the_rung(asked: &Asked) -> bool {
    asked.path.contains("/h264-360p/")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_that_slept_past_its_lease_before_complete_changes_no_object() {
    let mut scene = Scene::with("sleep-before-complete", &AROUND).await;
    let sleeper = short_of_time(&mut scene).await;
    // It has asked, after its last heartbeat, and the store has not heard it yet.
    let mut late = scene.proxy.hold(Moment::BeforeTheStore, |asked| asked.completes_upload() && of_the_rung(asked));
    let id = scene.upload_small_film().await;
    let asked = late.caught().await;
    put_to_sleep(&sleeper).await;

    let _other = scene.worker(Binary::Transcoder).await;
    scene.caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let (key, size) = scene.variant(&id, RUNG).await;
    let before = scene.bucket.objects().await.remove(&key).unwrap();
    assert_eq!(before.size, size);

    late.let_go();
    let same = |other: &Asked| other.completes_upload() && other.query == asked.query;
    let statuses = scene.proxy.answers(1, same).await;
    sleeper.signal(Signal::CONT).unwrap();
    until_it_knows(&sleeper).await;
    assert_eq!(statuses[0], 404, "the store does not know the upload any more");

    scene.assert_ready_once(&id).await;
    assert_eq!(scene.variant(&id, RUNG).await, (key.clone(), size), "the row is the other's");
    let after = scene.bucket.objects().await.remove(&key).unwrap();
    assert_eq!(after, before, "the object is the one that its row describes");
    assert_is_the_film(&scene.bucket.bytes(&key).await, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcoder_that_slept_past_its_lease_after_its_last_part_does_not_complete() {
    let mut scene = Scene::with("sleep-after-last-part", &AROUND).await;
    let sleeper = short_of_time(&mut scene).await;
    let mut part = scene.proxy.hold(Moment::BeforeTheAnswer, |asked| asked.sends_part() && of_the_rung(asked));
    let id = scene.upload_small_film().await;
    let asked = part.caught().await;
    put_to_sleep(&sleeper).await;
    part.let_go();

    let _other = scene.worker(Binary::Transcoder).await;
    scene.caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let (key, size) = scene.variant(&id, RUNG).await;
    let before = scene.bucket.objects().await.remove(&key).unwrap();
    sleeper.signal(Signal::CONT).unwrap();
    until_it_knows(&sleeper).await;

    let upload = asked.query.iter().find(|(name, _)| name == "uploadId").unwrap();
    let completed = scene.proxy.exchanges(|asked| asked.completes_upload() && asked.query.contains(upload));
    assert!(completed.is_empty(), "it had no lease to complete under: {completed:?}");
    scene.assert_ready_once(&id).await;
    assert_eq!(scene.bucket.objects().await.remove(&key).unwrap(), before, "the object is the one that its row describes");
    assert_is_the_film(&scene.bucket.bytes(&key).await, size);
}

/// A transcoder behind the proxy whose lease is soon over: that it finds out by its own clock is what is shown.
async fn short_of_time(scene: &mut Scene) -> Service {
    let endpoint = scene.proxy.endpoint();
    scene.world.start(Binary::Transcoder, &[("MEDIA__S3__ENDPOINT", endpoint.as_str()), ("MEDIA__WORKER__LEASE", "3s")]).await
}

/// SIGSTOP, and waits until it has taken hold of every thread: on a busy machine one may run on for a while.
pub async fn put_to_sleep(service: &Service) {
    service.signal(Signal::STOP).unwrap();
    eventually("every thread of the service has stopped", LIMIT, async || {
        let threads = fs::read_dir(format!("/proc/{}/task", service.pid())).unwrap();
        let states: Vec<String> = threads.filter_map(|thread| state(&thread.unwrap().path())).collect();
        if states.iter().all(|state| state == "T") { Ok(()) } else { Err(states) }
    })
    .await;
}

/// The third field of a thread's `stat`, behind a name in parentheses that may hold anything.
fn state(thread: &Path) -> Option<String> {
    let stat = fs::read_to_string(thread.join("stat")).ok()?;
    Some(stat.rsplit_once(") ")?.1.split(' ').next()?.to_owned())
}

/// Waits until the transcoder says that it lost its work.
async fn until_it_knows(sleeper: &Service) {
    eventually("the sleeper finds that another has its lease", LIMIT, async || {
        let log = sleeper.log().unwrap();
        let knows = log.lines().any(|line| line.contains("another attempt has the lease"));
        if knows { Ok(()) } else { Err(log.lines().last().unwrap_or_default().to_owned()) }
    })
    .await;
}

/// Says that the bytes are a rung of the small film: as long as the row says, and whole.
fn assert_is_the_film(bytes: &[u8], size: i64) {
    assert_eq!(i64::try_from(bytes.len()).unwrap(), size);
    let folder = tempfile::tempdir().unwrap();
    let path = samples::on_disk(folder.path(), "rung.mp4", bytes);
    let probed = samples::ffprobe(&path, &["-count_frames", "-show_streams"]);
    let stream = &probed["streams"][0];
    assert_eq!((stream["width"].as_i64(), stream["nb_read_frames"].as_str()), (Some(640), Some("100")), "{stream}");
}
