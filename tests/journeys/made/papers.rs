//! What is made of documents.

use std::process::Command;

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, JobStatus};

use super::LIMIT;
use crate::harness::{World, samples};

const BINARIES: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder];

#[tokio::test(flavor = "multi_thread")]
async fn a_pdf_gets_its_pages_counted_and_its_first_drawn() {
    let world = World::with("pdf", &BINARIES).await;
    let mut caller = world.caller().await;
    let bytes = samples::pdf(3, 2000);
    let id = caller.upload(AssetKind::Document, "letter.pdf", &bytes).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.mime.as_str(), asset.page_count), ("application/pdf", Some(3)));
    let mut made: Vec<_> = got.variants.iter().map(|variant| (variant.profile.as_str(), variant.mime.as_str(), variant.width)).collect();
    made.sort_unstable();
    assert_eq!(made, [("webp-1280", "image/webp", Some(1280)), ("webp-640", "image/webp", Some(640))]);
    let request = GetPlaybackRequest { asset_id: id.clone() };
    let playback = caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap();
    assert_eq!(playback.images.len(), 2);

    let request = GetDownloadUrlRequest { asset_id: id, profile: String::new() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/pdf");
    assert!(answer.headers()["content-disposition"].to_str().unwrap().starts_with("attachment"));
    assert_eq!(answer.bytes().await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_pdf_fails_and_says_so() {
    let world = World::with("encrypted-pdf", &BINARIES).await;
    let mut caller = world.caller().await;
    let folder = tempfile::tempdir().unwrap();
    let plain = samples::on_disk(folder.path(), "plain.pdf", &samples::pdf(1, 500));
    let locked = folder.path().join("locked.pdf");
    samples::run(Command::new("qpdf").args(["--encrypt", "secret", "owner", "256", "--", &plain]).arg(&locked));
    let id = caller.upload(AssetKind::Document, "locked.pdf", &std::fs::read(locked).unwrap()).await;
    let asset = caller.until(&id, AssetStatus::Failed, LIMIT).await.asset.unwrap();
    assert_eq!(asset.failure_reason, "unsupported");
    assert!(asset.failure_detail.contains("encrypted"), "{}", asset.failure_detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_office_file_is_ready_and_says_why_it_has_no_preview() {
    let world = World::with("office", &BINARIES).await;
    let mut caller = world.caller().await;
    let file = b"{\\rtf1\\ansi Dear reader}".to_vec();
    let id = caller.upload(AssetKind::Document, "letter.rtf", &file).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    assert!(got.variants.is_empty() && got.jobs.len() == 2, "{got:?}");
    assert!(got.jobs.iter().all(|job| job.status() == JobStatus::Skipped && job.reason.contains("no preview")), "{:?}", got.jobs);
}
