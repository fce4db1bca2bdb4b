//! What is made of pictures, sound and film.
//!
//! - a_picture_gets_every_size_and_a_look
//! - sound_becomes_aac_that_plays_and_speech_for_the_captioner
//! - papers::a_pdf_gets_its_pages_counted_and_its_first_drawn
//! - papers::an_encrypted_pdf_fails_and_says_so
//! - papers::an_office_file_is_ready_and_says_why_it_has_no_preview
//! - texts::a_subtitle_gets_its_webvtt_and_a_broken_one_the_line
//! - texts::the_text_tracks_of_a_film_become_caption_tracks_that_wait
//! - film::a_video_plays_through_the_door_to_its_end
//! - film::a_silent_an_upright_and_a_tiny_video_each_get_what_fits_them
//! - film::a_film_that_was_cut_off_is_ready_with_its_loss_where_its_profiles_keep_it
//! - own_stream::a_legal_film_is_its_own_top_rung_where_it_was_scanned_whole_and_encoded_where_not
//! - speech::speech_is_written_down_and_players_see_it_only_when_it_is_approved

mod film;
mod own_stream;
mod papers;
mod played;
mod speech;
mod texts;

use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, JobStatus};

use crate::harness::{World, samples};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_gets_every_size_and_a_look() {
    let world = World::with("picture", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(2000, 1000)).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.width, asset.height), (Some(2000), Some(1000)));
    assert!(asset.blurhash.len() == 28 && asset.dominant_color.starts_with('#'), "{asset:?}");

    let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id: id }).await.unwrap().into_inner().playback.unwrap();
    let sizes: Vec<_> =
        playback.images.iter().map(|image| (image.profile.as_str(), image.mime.as_str(), image.width, image.height)).collect();
    assert_eq!(sizes.len(), 9);
    for (profile, width) in [("webp-320", 320), ("webp-640", 640), ("webp-1280", 1280), ("webp-2048", 2000)] {
        assert!(sizes.contains(&(profile, "image/webp", width, width / 2)), "{profile}: {sizes:?}");
    }
    for image in playback.images.iter().filter(|image| image.mime == "image/webp") {
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
    let streams = played::streams(&playback.hls_url);
    let mut codecs: Vec<_> = streams.iter().map(|stream| (stream.codec.as_str(), stream.profile.as_str())).collect();
    codecs.sort_unstable();
    assert_eq!(codecs, [("aac", "LC"), ("aac", "LC"), ("opus", "")]);
    for stream in &streams {
        assert!((stream.seconds - 5.0).abs() < 0.1, "{} s of 5", stream.seconds);
    }
    played::assert_ffmpeg_reads_to_the_end(&playback.hls_url);

    let speech = GetDownloadUrlRequest { asset_id: id, profile: "speech".to_owned() };
    let url = caller.playback.get_download_url(speech).await.unwrap().into_inner().url;
    let wav = reqwest::get(url).await.unwrap().bytes().await.unwrap();
    // 16,000 samples a second of two bytes, behind 44 bytes of header
    let seconds = (wav.len() - 44) as f64 / 32_000.0;
    assert!(wav.starts_with(b"RIFF") && (seconds - 5.0).abs() < 0.1, "{seconds} s of 5");
}
