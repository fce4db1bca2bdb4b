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
    assert_eq!(profiles(&got, JobStatus::Skipped), ["aac-384k", "vtt"], "{:?}", got.jobs);
    let is_other = |profile: &str| matches!(profile, "vtt" | "aac-384k" | "captions");
    assert!(got.jobs.iter().all(|job| is_other(&job.profile) || job.status() == JobStatus::Succeeded), "{:?}", got.jobs);
    let asset = got.asset.unwrap();
    assert_eq!((asset.width, asset.height, asset.duration_seconds), (Some(1280), Some(720), Some(8)));
    consumer.until(&id, "media.asset.ready.v1", LIMIT).await;
    consumer.assert_in_order(&id);

    let source = streams_of(&file);
    let playback = playback(&mut caller, &id).await;
    let master = Master::get(&playback.hls_url).await;
    assert_eq!((master.rungs.len(), master.audio.len()), (2, 1), "{}", master.text);
    let mut rungs: Vec<Stream> = master.rungs.iter().map(|rung| played::only_stream(rung)).collect();
    rungs.sort_by_key(|rung| rung.size);
    assert_eq!(rungs.iter().map(|rung| rung.size).collect::<Vec<_>>(), [(640, 360), (1280, 720)]);
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
    assert_eq!(all.len(), 3, "{all:?}");
    played::assert_ffmpeg_reads_to_the_end(&playback.hls_url);

    let poster = reqwest::get(&playback.poster_url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
    let (size, contrast) = played::picture(&poster);
    assert_eq!(size, (1280, 720));
    assert!(contrast > 128, "a test card has bright and dark, and here are {contrast} of 255 between them");
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
    assert_eq!(profiles(&got, JobStatus::Succeeded), ["h264-360p", "poster"]);
    assert_eq!(profiles(&got, JobStatus::Skipped), ["aac-128k", "aac-384k", "h264-720p", "speech", "vtt"]);
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
    assert_eq!(master.rungs.iter().map(|rung| played::only_stream(rung).size).collect::<Vec<_>>(), [(360, 640)]);
    let poster = reqwest::get(&shown.poster_url).await.unwrap().bytes().await.unwrap();
    assert_eq!(played::picture(&poster).0, (540, 960));

    let got = caller.until(&tiny_id, AssetStatus::Ready, LIMIT).await;
    assert_eq!(profiles(&got, JobStatus::Skipped), ["aac-384k", "h264-720p", "vtt"]);
    let master = Master::get(&playback(&mut caller, &tiny_id).await.hls_url).await;
    let rungs: Vec<Stream> = master.rungs.iter().map(|rung| played::only_stream(rung)).collect();
    assert_eq!(rungs.iter().map(|rung| rung.size).collect::<Vec<_>>(), [(320, 240)], "its lowest rung, never enlarged");
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
