//! How much memory the service needs for files of any size. 256 MiB each; `MEDIA_LARGE_MIB=2048` for the whole of what is promised.

use std::{net::SocketAddr, time::Duration};

use media_devstack::{Binary, Service};
use media_proto::v1::{AssetKind, AssetStatus, CreateUploadRequest, UploadRequest, upload_request::Content};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

use crate::harness::{
    Caller, World,
    command_line::{self, media},
};

const MIB: usize = 1 << 20;
/// What is promised of media-api.
const PEAK_KIB_MAX: u64 = 150 << 10;
const SLOW_BYTES_PER_SECOND: u64 = 20_000_000;

#[expect(clippy::disallowed_methods, reason = "a measure of the whole, for who asks for it")]
fn size() -> usize {
    std::env::var("MEDIA_LARGE_MIB").map_or(256, |mib| mib.parse().unwrap()) * MIB
}

/// The most memory that a service has had resident (proc(5), `VmHWM`), in KiB.
fn peak_kib(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Listens before a server, and lets no more than so many bytes a second pass to it, over all connections of a client.
async fn throttled(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let pace = std::sync::Arc::new(tokio::sync::Mutex::new(Instant::now()));
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let pace = pace.clone();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = TcpStream::connect(server).await.unwrap().into_split();
                let back = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                let mut buffer = vec![0; 64 << 10];
                // Either end may close first.
                while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                    let free = {
                        let mut pace = pace.lock().await;
                        *pace = (*pace).max(Instant::now()) + Duration::from_nanos(read as u64 * 1_000_000_000 / SLOW_BYTES_PER_SECOND);
                        *pace
                    };
                    sleep_until(free).await;
                    if to_server.write_all(&buffer[..read]).await.is_err() {
                        break;
                    }
                }
                to_server.shutdown().await.ok();
                back.await.ok();
            });
        }
    });
    address
}

/// An MPEG-1 video's head, and nothing behind it: none of this is scanned.
async fn from_the_command_line(world: &World, caller: &Caller, service: &Service) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mpg");
    std::fs::File::create(&path).unwrap().set_len(size() as u64).unwrap();
    let mut command = media(world, caller, &["--json", "upload", path.to_str().unwrap(), "--kind", "video", "--no-hash"]);
    command.env("XDG_STATE_HOME", folder.path());
    let run = command_line::run(command).await;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    peak_kib(service)
}

async fn through_the_service(caller: &mut Caller, service: &Service, bytes_per_second: Option<u64>) -> u64 {
    let announcement: CreateUploadRequest = caller.request(AssetKind::Video, "large.mpg", size());
    let began = Instant::now();
    let (first, chunk) = (UploadRequest { content: Some(Content::Announcement(announcement)) }, vec![0; MIB]);
    let chunks = futures::stream::unfold(0, move |sent| {
        let chunk = chunk.clone();
        async move {
            if sent == size() {
                return None;
            }
            if let Some(pace) = bytes_per_second {
                sleep_until(began + Duration::from_nanos(sent as u64 * 1_000_000_000 / pace)).await;
            }
            Some((UploadRequest { content: Some(Content::Chunk(chunk)) }, sent + MIB))
        }
    });
    let sent = futures::StreamExt::chain(futures::stream::iter([first]), chunks);
    let asset = caller.uploads.upload(sent).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((asset.status(), asset.size_bytes), (AssetStatus::Scanning, size() as i64));
    peak_kib(service)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_needs_less_than_150_mib_for_files_of_any_size() {
    let mut world = World::new("memory").await;
    let store = world.isolated().s3_endpoint().socket_addrs(|| None).unwrap()[0];
    let slow = format!("http://{}", throttled(store).await);
    let fast = world.start(Binary::Api, &[]).await;
    let mut caller = world.caller().await;
    let mut peaks = vec![("media upload", from_the_command_line(&world, &caller, &fast).await)];
    peaks.push(("Upload", through_the_service(&mut caller, &fast, None).await));
    peaks.push(("Upload at 20 MB/s", through_the_service(&mut caller, &fast, Some(SLOW_BYTES_PER_SECOND)).await));
    fast.kill().unwrap();

    let throttled = world.start(Binary::Api, &[("MEDIA__S3__PUBLIC_ENDPOINT", &slow)]).await;
    let caller = world.caller().await;
    peaks.push(("media upload at 20 MB/s", from_the_command_line(&world, &caller, &throttled).await));
    println!("peak of media-api in KiB, files of {} MiB: {peaks:?}", size() / MIB);
    assert!(peaks.iter().all(|(_, kib)| *kib < PEAK_KIB_MAX), "{peaks:?}");
}
