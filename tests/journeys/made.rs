//! What is made of pictures, sound and film.
//!
//! - a_picture_gets_three_widths_of_webp
//! - a_video_plays_through_the_door_to_its_end

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetPlaybackRequest, JobStatus};

use crate::harness::{World, samples};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_gets_three_widths_of_webp() {
    let world = World::with("picture", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(2000, 1000)).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!((got.asset.as_ref().unwrap().width, got.asset.unwrap().height), (Some(2000), Some(1000)));

    let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id: id }).await.unwrap().into_inner().playback.unwrap();
    let sizes: Vec<_> = playback.images.iter().map(|image| (image.profile.as_str(), image.mime.as_str(), image.width, image.height)).collect();
    assert_eq!(sizes, [("webp-320", "image/webp", 320, 160), ("webp-640", "image/webp", 640, 320), ("webp-1280", "image/webp", 1280, 640)]);
    let folder = tempfile::tempdir().unwrap();
    for image in &playback.images {
        let bytes = reqwest::get(&image.url).await.unwrap().bytes().await.unwrap();
        let path = samples::on_disk(folder.path(), "made.webp", &bytes);
        let probed = samples::ffprobe(&path, &["-show_streams"]);
        let stream = &probed["streams"][0];
        assert_eq!((stream["codec_name"].as_str(), stream["width"].as_i64()), (Some("webp"), Some(i64::from(image.width))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_plays_through_the_door_to_its_end() {
    let world = World::with("video", &Binary::ALL).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "film.mp4", &samples::video(1280, 720, 8)).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(got.jobs.iter().all(|job| job.status() == JobStatus::Succeeded), "{:?}", got.jobs);
    consumer.until(&id, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&id);

    let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id: id }).await.unwrap().into_inner().playback.unwrap();
    println!("{}", reqwest::get(&playback.hls_url).await.unwrap().text().await.unwrap());
    let probed = samples::ffprobe(&playback.hls_url, &["-count_frames", "-show_streams", "-show_format"]);
    println!("{probed:#}");
}
