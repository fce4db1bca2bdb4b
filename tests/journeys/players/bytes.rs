//! The bytes themselves: by proxy, and of keyframes alone.

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use media_devstack::{Binary, Service};
use media_domain::{AssetId, VariantId};
use media_proto::v1::{AssetKind, AssetStatus, RevokePlaybackRequest};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tonic::Code;
use url::Url;

use super::{LIMIT, playback};
use crate::harness::{Bucket, World, samples};

/// More than the buffers of a connection hold.
const LARGE_BYTES: usize = 96 << 20;
/// At once, each as slow as can be.
const SLOW_PLAYERS: usize = 6;
/// What they may cost: chunks and buffers, and far from their files.
const MORE_KIB_MAX: u64 = 24 << 10;
/// The promise.
const CUT_WITHIN: Duration = Duration::from_secs(5);
/// What may still be on its way then: the kernel holds some megabytes.
const ON_ITS_WAY_MAX: usize = 16 << 20;

/// A player that holds little and takes three megabytes a second, as one does that plays.
struct SlowPlayer(TcpStream);

impl SlowPlayer {
    const PIECE_BYTES: usize = 64 << 10;
    const BETWEEN_PIECES: Duration = Duration::from_millis(20);

    /// Asks for an object, and takes the first of it.
    async fn ask(url: &Url) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(u32::try_from(Self::PIECE_BYTES).unwrap()).unwrap();
        let address = SocketAddr::new(url.host_str().unwrap().parse().unwrap(), url.port().unwrap());
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(format!("GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n", url.path()).as_bytes()).await.unwrap();
        let mut piece = vec![0; Self::PIECE_BYTES];
        let taken = stream.read(&mut piece).await.unwrap();
        assert!(piece[..taken].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&piece[..taken.min(200)]));
        Self(stream)
    }

    /// Takes piece after piece until then, and what is left as fast as it comes; answers how many bytes were left.
    async fn watch(mut self, end: Instant) -> usize {
        let (mut piece, mut left) = (vec![0; Self::PIECE_BYTES], 0);
        loop {
            let is_slow = Instant::now() < end;
            match self.0.read(&mut piece).await {
                Ok(0) | Err(_) => return left,
                Ok(_) if is_slow => sleep(Self::BETWEEN_PIECES).await,
                Ok(taken) => left += taken,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_through_the_proxy_is_bounded_takes_ranges_and_is_cut_when_it_is_revoked() {
    let mut world = World::with("proxy", &[Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let api = world.start(Binary::Api, &[("MEDIA__PLAYBACK__DELIVERY", "proxy")]).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(64, 64)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let large: Vec<u8> = (0..LARGE_BYTES / 4).flat_map(|number| u32::try_from(number).unwrap().to_be_bytes()).collect();
    Bucket::of(world.isolated()).put("large", "video/mp4", large.clone()).await;
    sqlx::query(
        "INSERT INTO media.variants (id, tenant_id, asset_id, profile, bucket, key, size_bytes, mime)
         SELECT $1, tenant_id, id, 'mp4-720p', bucket, 'large', $3, 'video/mp4' FROM media.assets WHERE id = $2",
    )
    .bind(VariantId::generate().as_uuid())
    .bind(id.parse::<AssetId>().unwrap().as_uuid())
    .bind(i64::try_from(LARGE_BYTES).unwrap())
    .execute(&world.sql().await)
    .await
    .unwrap();

    let url = playback(&mut caller, &id).await.progressive_url;
    let http = reqwest::Client::new();
    let part = http.get(&url).header("range", "bytes=1000000-1000003").send().await.unwrap();
    assert_eq!((part.status().as_u16(), &part.headers()["content-range"]), (206, &"bytes 1000000-1000003/100663296".parse().unwrap()));
    assert_eq!(part.headers()["cache-control"], "no-store");
    let etag = part.headers()["etag"].clone();
    assert_eq!(part.bytes().await.unwrap(), large[1_000_000..1_000_004]);
    let last = http.get(&url).header("range", "bytes=-4").header("if-range", etag).send().await.unwrap();
    assert_eq!((last.status().as_u16(), last.bytes().await.unwrap().to_vec()), (206, large[LARGE_BYTES - 4..].to_vec()));
    assert_eq!(http.get(&url).header("range", "bytes=100663296-").send().await.unwrap().status(), 416);
    let whole = http.get(&url).send().await.unwrap();
    assert_eq!((whole.status().as_u16(), whole.headers()["content-length"].to_str().unwrap()), (200, "100663296"));
    assert!(whole.bytes().await.unwrap() == large, "the bytes are those of the object");

    let before = resident_kib(&api);
    let mut slow = Vec::new();
    for _ in 0..SLOW_PLAYERS {
        slow.push(SlowPlayer::ask(&url.parse().unwrap()).await);
    }
    let more = resident_kib(&api).saturating_sub(before);
    println!("{SLOW_PLAYERS} slow players cost {more} KiB");
    assert!(more < MORE_KIB_MAX, "{more} KiB for {SLOW_PLAYERS} slow players");

    caller.playback.revoke_playback(RevokePlaybackRequest { asset_id: id.clone() }).await.unwrap();
    let left = timeout(LIMIT, slow.swap_remove(0).watch(Instant::now() + CUT_WITHIN)).await.unwrap();
    println!("{left} bytes were on their way when the stream was cut");
    assert!(left < ON_ITS_WAY_MAX, "the stream went on, for {left} bytes");
    assert_eq!(http.get(&url).send().await.unwrap().status(), 403);
    let again = playback(&mut caller, &id).await.progressive_url;
    assert_eq!(http.get(&again).header("range", "bytes=0-3").send().await.unwrap().status(), 206, "a new link opens");

    let mut stranger = world.caller().await;
    let refused = stranger.playback.revoke_playback(RevokePlaybackRequest { asset_id: id }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn keyframes_can_be_fetched_alone_and_ffmpeg_reads_dash_to_its_end() {
    let world = World::with("keyframes", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "film.mp4", &samples::video(640, 360, 14)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let shown = playback(&mut caller, &id).await;
    let base: Url = shown.hls_url.parse().unwrap();
    let text = async |url: &Url| reqwest::get(url.clone()).await.unwrap().error_for_status().unwrap().text().await.unwrap();
    let master = text(&base).await;
    let line = master.lines().find(|line| line.starts_with("#EXT-X-I-FRAME-STREAM-INF")).unwrap();
    let uri = line.split_once("URI=\"").unwrap().1.trim_end_matches('"');
    let url = base.join(uri).unwrap();
    let playlist = text(&url).await;
    assert!(playlist.contains("#EXT-X-I-FRAMES-ONLY"), "{playlist}");

    let ranges: Vec<(u64, u64)> = playlist
        .lines()
        .filter_map(|line| {
            line.strip_prefix("#EXT-X-BYTERANGE:").or_else(|| Some(line.split_once("BYTERANGE=\"")?.1.trim_end_matches('"')))
        })
        .filter_map(|range| range.split_once('@'))
        .map(|(length, start)| (start.parse().unwrap(), length.parse().unwrap()))
        .collect();
    assert_eq!(ranges.len(), 4, "an init section, and three fragments: {playlist}");
    let object = url.join(playlist.lines().find(|line| !line.starts_with('#')).unwrap()).unwrap();
    let fetch = async |(start, length): (u64, u64)| {
        let range = format!("bytes={start}-{}", start + length - 1);
        reqwest::Client::new().get(object.clone()).header("range", range).send().await.unwrap().bytes().await.unwrap()
    };
    let init = fetch(ranges[0]).await;
    for range in &ranges[1..] {
        let picture = [init.clone(), fetch(*range).await].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = samples::on_disk(folder.path(), "keyframe.mp4", &picture);
        // The boxes promise the frames that follow: ffmpeg says that they are missing, and shows what is there.
        let arguments = ["-v", "quiet", "-i", &path, "-f", "rawvideo", "-pix_fmt", "gray", "-"];
        let output = Command::new("ffmpeg").args(arguments).output().unwrap();
        assert_eq!(output.stdout.len(), 640 * 360, "one frame of {range:?}");
        let contrast = output.stdout.iter().max().unwrap() - output.stdout.iter().min().unwrap();
        assert!(contrast > 128, "a test card has bright and dark: {contrast}");
    }

    let probed = samples::ffprobe(&shown.dash_url, &["-count_frames", "-show_streams"]);
    let streams = probed["streams"].as_array().unwrap();
    let video = streams.iter().find(|stream| stream["codec_name"] == "h264").unwrap();
    assert!(streams.iter().any(|stream| stream["codec_name"] == "aac"), "{probed}");
    // 30 a second, for 14 s; ffmpeg 5.1 reads the last range of a list one byte short, and loses the frame that ends there.
    let frames: u32 = video["nb_read_frames"].as_str().unwrap().parse().unwrap();
    assert!((419..=420).contains(&frames), "{frames} frames of 420");
}

/// What a service has in memory.
fn resident_kib(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
