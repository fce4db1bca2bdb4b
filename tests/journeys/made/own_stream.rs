//! A film that is a legal rung already is shown as it is, if all of it was scanned.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, ScanVerdict};

use super::LIMIT;
use crate::harness::{Caller, World, samples};

#[tokio::test(flavor = "multi_thread")]
async fn a_legal_film_is_its_own_top_rung_where_it_was_scanned_whole_and_encoded_where_not() {
    let mut world = World::with("own-stream", &[Binary::Relay, Binary::Api, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let film = legal_film();
    let (pictures, bytes) = (pictures_of(&film), video_bytes(&film));

    let scanner = world.start(Binary::Scanner, &[]).await;
    let rung = top_rung(&mut caller, &film, ScanVerdict::Clean).await;
    assert_eq!(pictures_of(&rung), pictures, "each picture is the film's own, to the bit");
    assert!(video_bytes(&rung).abs_diff(bytes) < 2000, "but for the encoder's words: {} of {bytes} bytes", video_bytes(&rung));
    scanner.kill().unwrap();

    // clamd is shown less than there is.
    let _scanner = world.start(Binary::Scanner, &[("MEDIA__CLAMD__MAX_STREAM_BYTES", "65536")]).await;
    let rung = top_rung(&mut caller, &film, ScanVerdict::Partial).await;
    let encoded = pictures_of(&rung);
    assert_eq!(encoded.len(), pictures.len());
    let same = encoded.iter().zip(&pictures).filter(|(ours, theirs)| ours == theirs).count();
    assert_eq!(same, 0, "no picture is as it was sent");
    assert!(video_bytes(&rung).abs_diff(bytes) > 2000);
}

async fn top_rung(caller: &mut Caller, film: &[u8], verdict: ScanVerdict) -> Vec<u8> {
    let id = caller.upload(AssetKind::Video, "legal.mp4", film).await;
    let asset = caller.until(&id, AssetStatus::Ready, LIMIT).await.asset.unwrap();
    assert_eq!(asset.scan_verdict(), verdict);
    let request = GetDownloadUrlRequest { asset_id: id, profile: "h264-480p".to_owned() };
    let url = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    reqwest::get(url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec()
}

/// A keyframe at every second second, BT.709, and fewer bits than the rung may have. It is not the only rung: some pictures have to
/// be decoded, or nobody would see damage.
fn legal_film() -> Vec<u8> {
    let picture = "testsrc2=size=854x480:rate=30:duration=4";
    let colours = ["-pix_fmt", "yuv420p", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"];
    let coding = ["-c:v", "libx264", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0"];
    let bits = ["-b:v", "300k", "-maxrate", "400k", "-bufsize", "400k", "-movflags", "+faststart"];
    samples::ffmpeg("legal.mp4", &[&["-f", "lavfi", "-i", picture][..], &colours, &coding, &bits].concat())
}

/// A sum of each picture that is decoded.
fn pictures_of(film: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = samples::on_disk(folder.path(), "film.mp4", film);
    let sums = samples::ffmpeg("sums", &["-i", &path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5"]);
    let text = String::from_utf8(sums).unwrap();
    let sums: Vec<String> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect();
    assert_eq!(sums.len(), 120, "{text}");
    sums
}

fn video_bytes(film: &[u8]) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let path = samples::on_disk(folder.path(), "film.mp4", film);
    let packets = samples::ffprobe(&path, &["-select_streams", "v:0", "-show_entries", "packet=size"]);
    packets["packets"].as_array().unwrap().iter().map(|packet| packet["size"].as_str().unwrap().parse::<u64>().unwrap()).sum()
}
