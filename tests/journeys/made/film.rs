//! Film, through the door.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetAssetResponse, GetPlaybackRequest, JobStatus, Playback};

use super::{
    LIMIT,
    played::{self, Master, Stream},
};
use crate::harness::{Caller, World, samples};

const MAKERS: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];

#[tokio::test(flavor = "multi_thread")]
async fn a_video_plays_through_the_door_to_its_end() {
    let world = World::with("film", &MAKERS).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let file = samples::video(1280, 720, 8);
    let id = caller.upload(AssetKind::Video, "film.mp4", &file).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let made = ["aac-128k", "h264-360p", "h264-480p", "h264-720p", "mp4-720p", "poster", "preview", "speech", "storyboard"];
    assert_eq!(profiles(&got, JobStatus::Succeeded), made, "{:?}", got.jobs);
    assert_eq!(profiles(&got, JobStatus::Skipped), ["aac-384k", "h264-1080p", "h264-1440p", "h264-2160p", "vtt"], "{:?}", got.jobs);
    let asset = got.asset.unwrap();
    assert_eq!((asset.width, asset.height, asset.duration_seconds), (Some(1280), Some(720), Some(8)));
    consumer.until(&id, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&id);

    let source = streams_of(&file);
    let playback = playback(&mut caller, &id).await;
    let master = Master::get(&playback.hls_url).await;
    assert_eq!((master.rungs.len(), master.audio.len()), (3, 1), "{}", master.text);
    let mut rungs: Vec<Stream> = master.rungs.iter().map(|rung| played::only_stream(rung)).collect();
    rungs.sort_by_key(|rung| rung.size);
    assert_eq!(rungs.iter().map(|rung| rung.size).collect::<Vec<_>>(), [(640, 360), (854, 480), (1280, 720)]);
    for rung in &rungs {
        rung.assert_is_h264_that_browsers_decode();
        rung.assert_lasts_as_long_as(&source[0]);
        assert_eq!(rung.frames, 240, "30 a second, for 8 s");
        assert_eq!(rung.key_frames_ms, [0, 2000, 4000, 6000], "at the same moments in each rung");
    }
    let audio = played::only_stream(&master.audio[0]);
    assert_eq!((audio.codec.as_str(), audio.profile.as_str()), ("aac", "LC"));
    audio.assert_lasts_as_long_as(&source[1]);

    let all = played::streams(&playback.hls_url);
    assert_eq!(all.len(), 4, "{all:?}");
    played::assert_ffmpeg_reads_to_the_end(&playback.hls_url);

    let poster = reqwest::get(&playback.poster_url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    let (size, contrast) = played::picture(&poster);
    assert_eq!(size, (1280, 720));
    assert!(contrast > 128, "a test card has bright and dark, and here are {contrast} of 255 between them");

    let progressive = played::streams(&playback.progressive_url);
    assert_eq!(progressive.iter().map(|stream| stream.codec.as_str()).collect::<Vec<_>>(), ["aac", "h264"]);
    progressive[1].assert_is_h264_that_browsers_decode();
    progressive[1].assert_lasts_as_long_as(&source[0]);
    let preview = played::only_stream(&playback.preview_url);
    assert_eq!((preview.size, preview.frames), ((640, 360), 90));
    let times = reqwest::get(&playback.storyboard_url).await.unwrap().error_for_status().unwrap().text().await.unwrap();
    assert_eq!(times.matches(" --> ").count(), 8, "a tile for each second: {times}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_an_upright_and_a_tiny_video_each_get_what_fits_them() {
    let world = World::with("fitting", &MAKERS).await;
    let mut caller = world.caller().await;
    let silent = silent();
    let silent_id = caller.upload(AssetKind::Video, "silent.mp4", &silent).await;
    let upright_id = caller.upload(AssetKind::Video, "upright.mp4", &upright()).await;
    let tiny_id = caller.upload(AssetKind::Video, "tiny.mp4", &samples::video(320, 240, 4)).await;

    let got = caller.until(&silent_id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(profiles(&got, JobStatus::Succeeded), ["h264-360p", "mp4-720p", "poster", "preview", "storyboard"]);
    let larger = ["h264-1080p", "h264-1440p", "h264-2160p", "h264-480p", "h264-720p"];
    assert_eq!(profiles(&got, JobStatus::Skipped), [["aac-128k", "aac-384k"].as_slice(), &larger, &["speech", "vtt"]].concat());
    let master = Master::get(&playback(&mut caller, &silent_id).await.hls_url).await;
    assert_eq!((master.rungs.len(), master.audio.len()), (1, 0), "{}", master.text);
    let rung = played::only_stream(&master.rungs[0]);
    assert_eq!((rung.size, rung.frames), ((640, 360), 120));
    rung.assert_lasts_as_long_as(&streams_of(&silent)[0]);

    let got = caller.until(&upright_id, AssetStatus::Ready, LIMIT).await;
    let asset = got.asset.unwrap();
    assert_eq!((asset.width, asset.height), (Some(540), Some(960)), "as it is shown, and not as it is stored");
    let shown = playback(&mut caller, &upright_id).await;
    let master = Master::get(&shown.hls_url).await;
    let mut sizes: Vec<_> = master.rungs.iter().map(|rung| played::only_stream(rung).size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [(360, 640), (480, 854), (540, 960)]);
    let poster = reqwest::get(&shown.poster_url).await.unwrap().bytes().await.unwrap();
    assert_eq!(played::picture(&poster).0, (540, 960));

    let got = caller.until(&tiny_id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(profiles(&got, JobStatus::Skipped), [["aac-384k"].as_slice(), &larger, &["vtt"]].concat());
    let master = Master::get(&playback(&mut caller, &tiny_id).await.hls_url).await;
    let rungs: Vec<Stream> = master.rungs.iter().map(|rung| played::only_stream(rung)).collect();
    assert_eq!(rungs.iter().map(|rung| rung.size).collect::<Vec<_>>(), [(320, 240)], "its lowest rung, never enlarged");
}

/// The profiles that a film of 640×360 gets from its one decode, each of which keeps what there is.
const KEEPING: &str = r#"
[[profile]]
name = "h264-360p"
kinds = ["video"]
group = "ladder"
required = "lowest"
damaged = "keep"
make.h264 = { height = 360, bitrate_kbps = 800 }

[[profile]]
name = "mp4-720p"
kinds = ["video"]
group = "ladder"
required = "never"
damaged = "keep"
make.mp4 = { height = 720, bitrate_kbps = 2800, audio_kbps = 128 }

[[profile]]
name = "aac-128k"
kinds = ["video"]
group = "ladder"
required = "always"
per_track = true
damaged = "keep"
make.aac = { bitrate_kbps = 128 }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_was_cut_off_is_ready_with_its_loss_where_its_profiles_keep_it() {
    let mut world = World::with("loss", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let refusing = world.start(Binary::Transcoder, &[]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let whole = samples::video(640, 360, 8);
    let half = &whole[..whole.len() / 2];

    let id = caller.upload(AssetKind::Video, "cut.mp4", half).await;
    let got = caller.until(&id, AssetStatus::Failed, LIMIT).await;
    assert_eq!(got.asset.unwrap().failure_reason, "corrupt");
    refusing.kill().unwrap();

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), KEEPING).unwrap();
    let _keeping = world.start(Binary::Transcoder, &[("MEDIA__PROFILES__FILE", file.path().to_str().unwrap())]).await;
    let id = caller.upload(AssetKind::Video, "cut.mp4", half).await;
    let got = caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let rung = got.variants.iter().find(|variant| variant.profile == "h264-360p").unwrap();
    let (missing_ms, missing_frames) = (rung.missing_ms.unwrap(), rung.missing_frames.unwrap());
    assert!((2000..6000).contains(&missing_ms) && (60..180).contains(&missing_frames), "{missing_ms} ms, {missing_frames} frames");
    consumer.until(&id, "media.asset.ready.v1", LIMIT).await;
    let events = consumer.of(&id);
    let created = events.iter().find(|event| event.data["profile"] == "h264-360p").unwrap();
    assert_eq!(
        (&created.data["missingMs"], &created.data["missingFrames"]),
        (&missing_ms.to_string().into(), &missing_frames.to_string().into())
    );
}

async fn playback(caller: &mut Caller, id: &str) -> Playback {
    let request = GetPlaybackRequest { asset_id: id.to_owned() };
    caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap()
}

fn streams_of(file: &[u8]) -> Vec<Stream> {
    let folder = tempfile::tempdir().unwrap();
    played::streams(&samples::on_disk(folder.path(), "source.mp4", file))
}

fn profiles(got: &GetAssetResponse, status: JobStatus) -> Vec<&str> {
    let mut names: Vec<&str> = got.jobs.iter().filter(|job| job.status() == status).map(|job| job.profile.as_str()).collect();
    names.sort_unstable();
    names
}

fn silent() -> Vec<u8> {
    let picture = "testsrc2=size=640x360:rate=30:duration=4";
    samples::ffmpeg("silent.mp4", &["-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast"])
}

/// As telephones film: stored lying on its side, with the word that it is to be turned.
fn upright() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let lying = samples::on_disk(folder.path(), "lying.mp4", &samples::video(960, 540, 4));
    samples::ffmpeg("upright.mp4", &["-i", &lying, "-c", "copy", "-metadata:s:v:0", "rotate=90", "-movflags", "+faststart"])
}
