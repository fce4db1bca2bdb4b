//! What is made of text with times.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, CaptionSource, GetDownloadUrlRequest, JobStatus};

use super::LIMIT;
use crate::harness::{World, samples};

const BINARIES: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder];
const SRT: &str = "1\n00:00:00,500 --> 00:00:01,500\nHello\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_subtitle_gets_its_webvtt_and_a_broken_one_the_line() {
    let world = World::with("subtitle-vtt", &BINARIES).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Subtitle, "a.srt", SRT.as_bytes()).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(got.jobs.iter().map(|job| (job.profile.as_str(), job.status())).collect::<Vec<_>>(), [("vtt", JobStatus::Succeeded)]);
    let request = GetDownloadUrlRequest { asset_id: id, profile: "vtt".to_owned() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    assert_eq!(reqwest::get(url).await.unwrap().text().await.unwrap(), "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello\n");

    let broken = format!("{SRT}\n2\n00:00:99,000 --> 00:01:40,000\nlost\n");
    let id = caller.upload(AssetKind::Subtitle, "b.srt", broken.as_bytes()).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert_eq!((got.jobs[0].reason.as_str(), got.jobs[0].detail.as_str()), ("corrupt", "line 6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_tracks_of_a_film_become_caption_tracks_that_wait() {
    let world = World::with("imported", &BINARIES).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let folder = tempfile::tempdir().unwrap();
    let srt = samples::on_disk(folder.path(), "a.srt", SRT.as_bytes());
    let arguments = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=2 -i {srt} -i {srt} -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast \
         -c:s srt -metadata:s:s:0 language=eng -metadata:s:s:1 language=ger"
    );
    let film = samples::ffmpeg("film.mkv", &arguments.split_whitespace().collect::<Vec<_>>());
    let id = caller.upload(AssetKind::Video, "film.mkv", &film).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let mut tracks: Vec<_> = got.caption_tracks.iter().map(|track| (track.language.as_str(), track.source(), track.approved)).collect();
    tracks.sort_unstable_by_key(|track| track.0);
    assert_eq!(tracks, [("de", CaptionSource::Imported, false), ("en", CaptionSource::Imported, false)]);
    assert!(got.variants.iter().all(|variant| !variant.profile.starts_with("vtt")));
    let event = consumer.until(&id, "media.caption.created.v1", LIMIT).await;
    assert_eq!(event.data["source"], "imported", "{}", event.data);
}
