//! A beep and a flash at the same moment stay at the same moment, from the first second of a file to its last.

use std::{path::Path, process::Command};

use media_domain::{Kind, work::Group};

use crate::{
    bench::{Bench, ffprobe},
    ladder::first_time_ms,
    listen::{beeps, channels, played, priming},
};

const FRAMES_A_SECOND: f64 = 25.0;
/// What a viewer does not notice.
const DRIFT_S: f64 = 0.020;

/// White for one frame at 1 s, 3 s, 5 s …
fn flashing(seconds: u32) -> String {
    format!("-f lavfi -i color=black:size=64x64:rate=25:duration={seconds},drawbox=color=white:t=fill:enable='lt(mod(t+1\\,2)\\,0.039)'")
}

/// A beep of 40 ms when it flashes. `late` is how much later than the pictures this input begins.
fn beeping(sample_rate: u32, seconds: f64, late: f64) -> String {
    format!(
        "-f lavfi -i aevalsrc='if(lt(mod(t+1+{late}\\,2)\\,0.04)\\,0.8*sin(6283*(mod(t+1+{late}\\,2)))\\,0)':s={sample_rate}:d={seconds}"
    )
}

/// When it flashes, in seconds, by the frames' places: there are always 25 a second here.
fn flashes(path: &Path, start: f64) -> Vec<f64> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-vf", "scale=1:1,format=gray", "-vsync", "passthrough", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let white = output.stdout.iter().enumerate().filter(|(_, luma)| **luma > 128);
    white.map(|(frame, _)| start + frame as f64 / FRAMES_A_SECOND).collect()
}

/// Makes the ladder of a file and holds each beep against its flash.
fn assert_together(bench: &Bench, name: &str, mime: &str, args: &str, least: usize) {
    let file = bench.make(name, args);
    let ran = bench
        .run(&file, mime, Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"])
        .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    assert_eq!(ran.done.outputs[1].details.loss, None, "{name}");
    assert_eq!(priming(&ran.files[1]), 1024, "{name}");
    let flashes = flashes(&ran.files[0], first_time_ms(&ran.files[0]) as f64 / 1000.0);
    for (reader, sound) in [("its own edit list", channels(&ran.files[1]).remove(0)), ("ffmpeg", played(&ran.files[1]))] {
        assert_near(&format!("{name} by {reader}"), &beeps(&sound, 0.2), &flashes, least);
    }
}

fn assert_near(what: &str, beeps: &[f64], flashes: &[f64], least: usize) {
    let pairs: Vec<(f64, f64)> = beeps
        .iter()
        // Sound may go on after the last picture.
        .filter(|beep| flashes.last().is_some_and(|last| **beep < last + 1.0))
        .filter_map(|beep| flashes.iter().map(|flash| (*beep, *flash)).min_by(|a, b| (a.0 - a.1).abs().total_cmp(&(b.0 - b.1).abs())))
        .collect();
    let worst = pairs.iter().map(|(beep, flash)| beep - flash).max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    println!("{what}: {} beeps, {} flashes, worst {:.1} ms", beeps.len(), flashes.len(), worst * 1000.0);
    assert!(pairs.len() >= least, "{what}: {} beeps of {least}", pairs.len());
    assert!(worst.abs() < DRIFT_S, "{what}: {:.1} ms", worst * 1000.0);
}

const H264: &str = "-c:v libx264 -preset ultrafast -bf 0";

#[test]
fn a_minute_of_beeps_and_flashes_stays_together_in_every_container() {
    let bench = Bench::new();
    for (name, mime, rate, args) in [
        ("aac48.mp4", "video/mp4", 48_000, "-c:a aac"),
        ("aac44.mp4", "video/mp4", 44_100, "-c:a aac"),
        ("pcm44.mov", "video/quicktime", 44_100, "-c:a pcm_s16le"),
        ("mp3.mkv", "video/x-matroska", 44_100, "-c:a libmp3lame"),
        ("opus.mkv", "video/x-matroska", 48_000, "-c:a libopus"),
        ("ac3.ts", "video/mp2t", 48_000, "-c:a ac3"),
    ] {
        assert_together(&bench, name, mime, &format!("{} {} {H264} {args}", flashing(64), beeping(rate, 64.0, 0.0)), 32);
    }
}

#[test]
fn sound_that_begins_later_or_ends_elsewhere_than_the_pictures_stays_together() {
    let bench = Bench::new();
    for (name, seconds, late, least) in [("late.mkv", 63.3, 0.7, 32), ("short.mkv", 40.0, 0.0, 20), ("long.mkv", 70.0, 0.0, 32)] {
        let args = format!("{} -itsoffset {late} {} {H264} -c:a flac", flashing(64), beeping(44_100, seconds, late));
        assert_together(&bench, name, "video/x-matroska", &args, least);
    }
}

#[test]
fn gaps_in_the_timestamps_become_silence_and_move_nothing() {
    let bench = Bench::new();
    // forty gaps of 0.1 s, each too small for a resampler to see, then one of three seconds
    let gaps = "-af aselect='not(lt(mod(t+0.5\\,1)\\,0.1)*lt(t\\,40)+between(t\\,45.5\\,48.5))'";
    let args = format!("{} {} {gaps} {H264} -c:a pcm_s16le", flashing(64), beeping(44_100, 64.0, 0.0));
    assert_together(&bench, "gaps.mkv", "video/x-matroska", &args, 30);
}

#[test]
fn a_progressive_file_shows_each_flash_with_its_beep() {
    let bench = Bench::new();
    for (name, late) in [("together.mkv", 0.0), ("late.mkv", 0.7)] {
        let args = format!("{} -itsoffset {late} {} {H264} -c:a flac", flashing(64), beeping(44_100, 64.0 - late, late));
        let file = bench.make(name, &args);
        let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["mp4-720p"]).unwrap();
        let found = ffprobe(&ran.files[0], "stream=codec_type,start_time");
        let starts: Vec<f64> = found.iter().filter(|(key, _)| key == "start_time").map(|(_, value)| value.parse().unwrap()).collect();
        println!("{name}: {starts:?}");
        let pictures = starts[1];
        assert_near(name, &beeps(&played(&ran.files[0]), 0.2), &flashes(&ran.files[0], pictures), 31);
    }
}

#[test]
fn the_renditions_of_an_audio_file_begin_when_it_begins() {
    let bench = Bench::new();
    let file = bench.make("beeps.wav", &format!("{} -c:a pcm_s16le", beeping(44_100, 10.0, 0.0)));
    let renditions = ["aac-128k", "aac-64k", "opus-96k"];
    let ran = bench.run(&file, "audio/x-wav", Kind::Audio, Group::Audio, &renditions).unwrap();
    for ((path, made), rendition) in ran.files.iter().zip(&ran.done.outputs).zip(renditions) {
        let beeps = beeps(&played(path), 0.1);
        assert_eq!(beeps.len(), 5, "{rendition}: {beeps:?}");
        for (beep, second) in beeps.iter().zip([1.0, 3.0, 5.0, 7.0, 9.0]) {
            assert!((beep - second).abs() < 0.002, "{rendition}: {beeps:?}");
        }
        let fragments_us: u64 = made.fragments.iter().map(|fragment| fragment.duration_us).sum();
        assert!((9_990_000..10_045_000).contains(&fragments_us), "{rendition}: {fragments_us}");
    }
}
