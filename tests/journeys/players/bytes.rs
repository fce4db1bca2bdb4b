//! The bytes themselves: by proxy, and of keyframes alone.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use media_devstack::{Binary, Service};
use media_domain::{AssetId, VariantId};
use media_proto::v1::{AssetKind, AssetStatus, RevokePlaybackRequest};
use tokio::time::{sleep, timeout};
use tonic::Code;
use url::Url;

use super::{LIMIT, playback};
use crate::harness::{Bucket, World, samples};

/// More than the buffers of a connection hold.
const LARGE_BYTES: usize = 96 << 20;
/// How slow: a chunk is some 300 KB.
const BETWEEN_CHUNKS: Duration = Duration::from_millis(100);
/// Five seconds that are promised, and time to take what was on its way.
const CUT_WITHIN: Duration = Duration::from_secs(7);
/// At once, each as slow as can be.
const SLOW_PLAYERS: usize = 6;
/// What [`SLOW_PLAYERS`] may cost: chunks and buffers, and far from their files.
const MORE_KIB_MAX: u64 = 24 << 10;

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
        let mut player = http.get(&url).send().await.unwrap();
        assert!(player.chunk().await.unwrap().is_some());
        slow.push(player);
    }
    let more = resident_kib(&api).saturating_sub(before);
    println!("{SLOW_PLAYERS} slow players cost {more} KiB");
    assert!(more < MORE_KIB_MAX, "{more} KiB for {SLOW_PLAYERS} slow players");

    caller.playback.revoke_playback(RevokePlaybackRequest { asset_id: id.clone() }).await.unwrap();
    let revoked = Instant::now();
    let (mut running, mut bytes) = (slow.swap_remove(0), 0);
    // A player that takes a little all the time, until it is cut; it may not get to the end.
    let cut = timeout(LIMIT, async {
        loop {
            match running.chunk().await {
                Ok(Some(chunk)) => bytes += chunk.len(),
                Ok(None) => return false,
                Err(_) => return true,
            }
            sleep(BETWEEN_CHUNKS).await;
        }
    })
    .await
    .unwrap();
    println!("cut {:?} and {bytes} bytes after the revocation", revoked.elapsed());
    assert!(cut && bytes < LARGE_BYTES / 2, "the stream went on, for {bytes} bytes");
    assert!(revoked.elapsed() < CUT_WITHIN, "{:?}", revoked.elapsed());
    assert_eq!(http.get(&url).send().await.unwrap().status(), 403);
    let again = playback(&mut caller, &id).await.progressive_url;
    assert_eq!(http.get(&again).header("range", "bytes=0-3").send().await.unwrap().status(), 206, "a new link opens");

    let mut stranger = world.caller().await;
    let refused = stranger.playback.revoke_playback(RevokePlaybackRequest { asset_id: id }).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_picture_of_keyframes_can_be_fetched_alone() {
    let world = World::with("keyframes", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "film.mp4", &samples::video(640, 360, 14)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let base: Url = playback(&mut caller, &id).await.hls_url.parse().unwrap();
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
}

/// What a service has in memory.
fn resident_kib(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
