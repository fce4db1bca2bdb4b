//! What is made of pictures, sound and film.
//!
//! - a_picture_gets_three_widths_of_webp
//! - sound_becomes_aac_that_plays_and_speech_for_the_captioner
//! - a_document_passes_through_as_it_is
//! - film::a_video_plays_through_the_door_to_its_end
//! - film::a_silent_an_upright_and_a_tiny_video_each_get_what_fits_them
//! - speech::speech_is_written_down_and_players_see_it_only_when_it_is_approved

mod film;
mod played;
mod speech;

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, JobStatus};

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
    let sizes: Vec<_> =
        playback.images.iter().map(|image| (image.profile.as_str(), image.mime.as_str(), image.width, image.height)).collect();
    assert_eq!(sizes, [("webp-320", "image/webp", 320, 160), ("webp-640", "image/webp", 640, 320), ("webp-1280", "image/webp", 1280, 640)]);
    for image in &playback.images {
        let bytes = reqwest::get(&image.url).await.unwrap().bytes().await.unwrap();
        assert!(bytes.starts_with(b"RIFF") && bytes[8..].starts_with(b"WEBP"));
        let (size, contrast) = played::picture(&bytes);
        assert_eq!(size, (i64::from(image.width), i64::from(image.height)));
        assert!(contrast > 128, "a test card has bright and dark");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_becomes_aac_that_plays_and_speech_for_the_captioner() {
    let world = World::with("sound", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let file = samples::ffmpeg("tone.mp3", &["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=5", "-c:a", "libmp3lame"]);
    let id = caller.upload(AssetKind::Audio, "tone.mp3", &file).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.mime.as_str(), asset.width), ("audio/mpeg", None));
    let all_but_captions = got.jobs.iter().filter(|job| job.profile != "captions");
    let of = |status| all_but_captions.clone().filter(move |job| job.status() == status).map(|job| job.profile.as_str());
    assert_eq!(of(JobStatus::Skipped).collect::<Vec<_>>(), ["poster"], "the tone has no picture");
    assert_eq!(of(JobStatus::Succeeded).count(), 5, "{:?}", got.jobs);
    let mut made: Vec<&str> = got.variants.iter().map(|variant| variant.profile.as_str()).collect();
    made.sort_unstable();
    assert_eq!(made, ["aac-128k", "aac-64k", "opus-96k", "speech", "waveform"]);

    let request = GetPlaybackRequest { asset_id: id.clone() };
    let playback = caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap();
    let stream = played::only_stream(&playback.hls_url);
    assert_eq!((stream.codec.as_str(), stream.profile.as_str()), ("aac", "LC"));
    assert!((stream.seconds - 5.0).abs() < 0.1, "{} s of 5", stream.seconds);
    played::assert_ffmpeg_reads_to_the_end(&playback.hls_url);

    let speech = GetDownloadUrlRequest { asset_id: id, profile: "speech".to_owned() };
    let url = caller.playback.get_download_url(speech).await.unwrap().into_inner().url;
    let wav = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    // 16,000 samples a second of two bytes, behind 44 bytes of header
    let seconds = (wav.len() - 44) as f64 / 32_000.0;
    assert!(wav.starts_with(b"RIFF") && (seconds - 5.0).abs() < 0.1, "{seconds} s of 5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_passes_through_as_it_is() {
    let world = World::with("document", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let mut caller = world.caller().await;
    let bytes = samples::document(2000);
    let id = caller.upload(AssetKind::Document, "letter.pdf", &bytes).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(got.jobs.is_empty() && got.variants.is_empty(), "{got:?}");
    assert_eq!(got.asset.unwrap().mime, "application/pdf");

    let request = GetDownloadUrlRequest { asset_id: id, profile: String::new() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(answer.bytes().await.unwrap(), bytes);
}
