//! Files that are not what they say.

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetPlaybackRequest, JobStatus};
use tonic::Code;

use super::{failure, leftovers, reason, refused};
use crate::harness::{World, samples};

const LIMIT: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_text_file_named_mp4_and_bytes_of_no_known_type_fail() {
    let world = World::with("mime", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let text = b"This is only text, whatever its name says.\n".repeat(100);
    let noise: Vec<u8> = (0..4000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80).collect();
    for (kind, name, bytes) in [
        (AssetKind::Video, "film.mp4", &text),
        (AssetKind::Image, "picture.png", &noise),
        (AssetKind::Document, "film.pdf", &samples::video(64, 64, 1)),
    ] {
        let id = caller.upload(kind, name, bytes).await;
        let event = consumer.until(&id, "media.asset.failed.v1", LIMIT).await;
        assert_eq!(event.data["reason"], "mime_unsupported", "{name}");
        let asset = caller.get(&id).await.asset.unwrap();
        assert_eq!((asset.status(), failure(&asset)), (AssetStatus::Failed, "mime_unsupported"), "{name}");
        assert!(consumer.of(&id).iter().all(|event| event.event_type != "media.asset.ready.v1"), "{name}");
    }
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_that_was_cut_off_fails_and_is_never_ready() {
    let world = World::with("cut", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let whole = samples::video(640, 360, 6);
    let cut = &whole[..whole.len() / 2];
    let id = caller.upload(AssetKind::Video, "cut.mp4", cut).await;
    let event = consumer.until(&id, "media.asset.failed.v1", LIMIT).await;
    assert_eq!(event.data["reason"], "corrupt");
    let got = caller.get(&id).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.status(), failure(&asset)), (AssetStatus::Failed, "corrupt"));
    let playback = GetPlaybackRequest { asset_id: id.clone() };
    assert_eq!(refused(caller.playback.get_playback(playback).await), reason(Code::FailedPrecondition, "ASSET_NOT_READY"));

    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    let got = caller.get(&id).await;
    assert_eq!(got.asset.unwrap().status(), AssetStatus::Failed);
    assert!(got.jobs.iter().all(|job| !matches!(job.status(), JobStatus::Waiting | JobStatus::Running)), "{:?}", got.jobs);
    assert!(!got.variants.iter().any(|variant| variant.profile.starts_with("h264")), "{:?}", got.variants);
    assert!(consumer.of(&id).iter().all(|event| event.event_type != "media.asset.ready.v1"));
    consumer.assert_in_order(&id);
}
