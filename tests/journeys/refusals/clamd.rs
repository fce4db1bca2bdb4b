//! The virus scanner's own limits and absences: it fails open, and we do not.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use media_devstack::{Binary, Server, Stack, StackInfo, StackOptions};
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, ScanVerdict};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tonic::Code;

use super::{failure, leftovers, reason, refused};
use crate::harness::{World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(90);
const CLAMD_BYTES_MAX: u64 = 2 << 20;

/// A clamd of this test's own.
async fn own_clamd() -> Stack {
    let stack = StackInfo::from_env().unwrap();
    let options = StackOptions { clamd_stream_bytes_max: CLAMD_BYTES_MAX, ..StackOptions::beside(&stack, &[Server::Clamd]) };
    Stack::start(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_clamd_is_down_a_file_waits_and_is_never_ready() {
    let clamd = own_clamd().await;
    let mut world = World::on(clamd.describe().isolated("clamd-down").await.unwrap());
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    clamd.kill(Server::Clamd).await.unwrap();
    let id = caller.upload(AssetKind::Document, "letter.pdf", &samples::document(2000)).await;

    let sql = world.sql().await;
    let asset = id.parse::<AssetId>().unwrap().as_uuid();
    let failures = eventually("the scan was tried, twice, and waits", LIMIT, async || {
        let (state, attempts, failures): (String, i32, i32) =
            sqlx::query_as("SELECT state, attempts, failures FROM media.work WHERE asset_id = $1")
                .bind(asset)
                .fetch_one(&sql)
                .await
                .unwrap();
        if attempts >= 2 && state == "waiting" { Ok(failures) } else { Err((state, attempts)) }
    })
    .await;
    assert_eq!(failures, 0, "a dependency that is away is no failure of the file");
    let waiting = caller.get(&id).await.asset.unwrap();
    assert_eq!((waiting.status(), waiting.scan_verdict()), (AssetStatus::Scanning, ScanVerdict::Unspecified));
    let seen: Vec<String> = consumer.of(&id).into_iter().map(|event| event.event_type).collect();
    assert_eq!(seen, ["media.asset.created.v1", "media.asset.uploaded.v1"]);
    let download = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    assert_eq!(refused(caller.playback.get_download_url(download).await), reason(Code::FailedPrecondition, "ASSET_NOT_READY"));

    clamd.restart(Server::Clamd).await.unwrap();
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    assert_eq!(got.scan_verdict(), ScanVerdict::Clean);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    drop(world);
    clamd.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clamd_does_not_see_whole_is_never_called_clean() {
    let clamd = own_clamd().await;
    // First we stop at what we know of clamd's limit; then we do not know it, and clamd stops us.
    for our_limit in [CLAMD_BYTES_MAX, 64 << 20] {
        let mut world = World::on(clamd.describe().isolated("clamd-limit").await.unwrap());
        world.fleet.set("MEDIA__CLAMD__MAX_STREAM_BYTES", our_limit.to_string());
        world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
        let consumer = world.consumer().await;
        let mut caller = world.caller().await;
        let film = caller.upload(AssetKind::Video, "film.mp4", &long_video()).await;
        let document = caller.upload(AssetKind::Document, "long.pdf", &samples::document(3 << 20)).await;

        let failed = consumer.until(&document, "media.asset.failed.v1", LIMIT).await;
        assert_eq!(failed.data["reason"], "scan_partial");
        let asset = caller.get(&document).await.asset.unwrap();
        assert_eq!((asset.status(), failure(&asset)), (AssetStatus::Failed, "scan_partial"));

        // Film is decoded and encoded anew by our own child; what is shown is not what was sent.
        let scanned = consumer.until(&film, "media.asset.scanned.v1", LIMIT).await;
        assert_eq!(scanned.data["verdict"], "partial");
        let asset = caller.until(&film, AssetStatus::Ready, LIMIT).await.asset.unwrap();
        assert_eq!(asset.scan_verdict(), ScanVerdict::Partial);
        let original = GetDownloadUrlRequest { asset_id: film.clone(), profile: String::new() };
        assert_eq!(refused(caller.playback.get_download_url(original).await), reason(Code::FailedPrecondition, "SCAN_PARTIAL"));
        let rung = GetDownloadUrlRequest { asset_id: film.clone(), profile: "h264-360p".to_owned() };
        caller.playback.get_download_url(rung).await.unwrap();
        caller.playback.get_playback(GetPlaybackRequest { asset_id: film }).await.unwrap();
    }
    clamd.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_clamd_dies_of_fails_and_those_after_it_are_scanned() {
    let mut world = World::new("clamd-dies").await;
    let address = dies_of(POISON, world.isolated().clamd_address().to_owned()).await;
    world.fleet.set("MEDIA__CLAMD__ADDRESS", address.to_string());
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let (sql, mut caller) = (world.sql().await, world.caller().await);
    let mut bytes = samples::document(3000);
    bytes.extend_from_slice(POISON);
    let poison = caller.upload(AssetKind::Document, "poison.pdf", &bytes).await;
    let letter = caller.upload(AssetKind::Document, "letter.pdf", &samples::document(2000)).await;
    assert_eq!(caller.until(&letter, AssetStatus::Ready, LIMIT).await.asset.unwrap().scan_verdict(), ScanVerdict::Clean);
    let failed = eventually("the file fails", LIMIT, async || {
        // Between its tries lies more than a minute.
        sqlx::query("UPDATE media.work SET not_before = clock_timestamp() WHERE state = 'waiting'").execute(&sql).await.unwrap();
        let asset = caller.clone().get(&poison).await.asset.unwrap();
        if asset.status() == AssetStatus::Failed { Ok(asset) } else { Err(asset.status()) }
    })
    .await;
    assert_eq!((failure(&failed), failed.scan_verdict()), ("internal", ScanVerdict::Unspecified));
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM media.work WHERE asset_id = $1")
        .bind(poison.parse::<AssetId>().unwrap().as_uuid())
        .fetch_one(&sql)
        .await
        .unwrap();
    assert_eq!(attempts, 3);
}

const POISON: &[u8] = b"a bomb for the scanner";

/// A clamd that goes away over every stream with these bytes, once it has it whole: the true one, seen through a wire that is cut.
async fn dies_of(poison: &'static [u8], clamd: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut ours, _) = listener.accept().await.unwrap();
            let mut theirs = TcpStream::connect(&clamd).await.unwrap();
            tokio::spawn(async move {
                let (mut asked, mut asks) = ours.split();
                let (mut answers, mut answered) = theirs.split();
                let pass_on = async {
                    let (mut seen, mut chunk) = (Vec::new(), vec![0; 1 << 16]);
                    loop {
                        let read = asked.read(&mut chunk).await.unwrap_or(0);
                        seen.extend_from_slice(&chunk[..read]);
                        let is_whole = seen.ends_with(&[0; 4]);
                        if read == 0 || is_whole && seen.windows(poison.len()).any(|window| window == poison) {
                            return;
                        }
                        answered.write_all(&chunk[..read]).await.unwrap();
                    }
                };
                tokio::select! {
                    () = pass_on => {}
                    _ = tokio::io::copy(&mut answers, &mut asks) => {}
                }
            });
        }
    });
    address
}

/// Small to look at, and longer than clamd takes: a box that means nothing follows (ISO/IEC 14496-12, 8.1.2).
fn long_video() -> Vec<u8> {
    let mut file = samples::video(320, 240, 2);
    let filler: u32 = 3 << 20;
    file.extend_from_slice(&filler.to_be_bytes());
    file.extend_from_slice(b"free");
    file.resize(file.len() + filler as usize - 8, 0);
    file
}
