//! A video's sound tracks: each language its own rendition, six channels kept where there are six.

use std::{path::Path, process::Command};

use media_domain::{Kind, work::Group};

use crate::{
    bench::{Bench, decoded, ffprobe, value},
    listen::{channels, loudness, peak},
};

const PICTURES: &str = "-f lavfi -i testsrc2=size=160x90:rate=25:duration=4";

/// How strong one frequency is, as the amplitude of a sine.
fn strength(samples: &[f32], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let part = |wave: fn(f64) -> f64| samples.iter().enumerate().map(|(n, sample)| f64::from(*sample) * wave(step * n as f64)).sum::<f64>();
    2.0 * part(f64::sin).hypot(part(f64::cos)) / samples.len() as f64
}

#[test]
fn each_language_becomes_a_rendition_of_its_own() {
    let bench = Bench::new();
    let sounds = [300, 500, 700].map(|hertz| format!("-f lavfi -i sine=frequency={hertz}:sample_rate=44100:duration=4")).join(" ");
    let tags = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=deu -metadata:s:a:2 language=fra";
    for (name, mime, codecs) in [
        ("film.mkv", "video/x-matroska", "-c:a:0 aac -c:a:1 ac3 -c:a:2 libopus"),
        ("film.mp4", "video/mp4", "-c:a aac"),
        ("film.ts", "video/mp2t", "-c:a:0 aac -c:a:1 ac3 -c:a:2 mp2"),
    ] {
        let file =
            bench.make(name, &format!("{PICTURES} {sounds} -map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset ultrafast {codecs} {tags}"));
        let info = bench.probe(&file, mime, Kind::Video).unwrap();
        let languages: Vec<_> = info.audio.iter().chain(&info.further_audio).map(|track| track.language.clone().unwrap()).collect();
        assert_eq!(languages, ["en", "de", "fr"], "{name}");
        let profiles = ["h264-360p", "aac-128k", "aac-128k-t2", "aac-128k-t3"];
        let ran = bench.run(&file, mime, Kind::Video, Group::Ladder, &profiles).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(decoded(&ran.files[0]).0, 100, "{name}");
        for (path, hertz) in ran.files[1..].iter().zip([300.0, 500.0, 700.0]) {
            let sound = channels(path).remove(0);
            assert!(sound.len().abs_diff(4 * 48_000) < 6000, "{name}: {}", sound.len());
            for other in [300.0, 500.0, 700.0] {
                let found = strength(&sound[48_000..144_000], other);
                assert_eq!(found > 0.05, hertz == other, "{name}: {other} Hz is {found} in the track of {hertz} Hz");
            }
        }
    }
}

#[test]
fn a_further_track_that_we_cannot_decode_is_left_out_and_the_film_is_made() {
    let bench = Bench::new();
    let sounds = [300, 500, 700].map(|hertz| format!("-f lavfi -i sine=frequency={hertz}:sample_rate=44100:duration=4")).join(" ");
    let maps = "-map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset ultrafast";
    let unknown = bench.make("unknown.mkv", &format!("{PICTURES} {sounds} {maps} -c:a:0 aac -c:a:1 wmav2 -c:a:2 aac"));
    let info = bench.probe(&unknown, "video/x-matroska", Kind::Video).unwrap();
    assert_eq!(info.further_audio.len(), 1, "{:?}", info.further_audio);
    let ran = bench.run(&unknown, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k", "aac-128k-t2"]).unwrap();
    assert!(strength(&channels(&ran.files[2])[0][48_000..144_000], 700.0) > 0.05, "the second that we can decode is the third");
}

/// Overwrites the samples of one stream.
fn ruin(path: &Path, stream: &str) {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", "packet=pos,size", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        let mut numbers = line.split(',').filter_map(|number| number.parse::<usize>().ok());
        let (size, at) = (numbers.next().unwrap(), numbers.next().unwrap());
        bytes[at..at + size].fill(0xff);
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_further_track_that_is_ruined_is_lost_alone() {
    let bench = Bench::new();
    let sounds = [300, 500].map(|hertz| format!("-f lavfi -i sine=frequency={hertz}:sample_rate=44100:duration=4")).join(" ");
    for codec in ["aac", "alac", "ac3"] {
        let file = bench.make(
            &format!("{codec}.mp4"),
            &format!("{PICTURES} {sounds} -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a:0 aac -c:a:1 {codec}"),
        );
        let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap();
        ruin(&file, "a:1");
        let job = crate::bench::job(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k", "aac-128k-t2"], Some(info));
        let ran = bench.run_job(&file, job).unwrap_or_else(|failure| panic!("{codec}: {failure} {:?}", failure.source));
        assert_eq!(decoded(&ran.files[0]).0, 100, "{codec}");
        assert!(strength(&channels(&ran.files[1])[0][48_000..144_000], 300.0) > 0.05, "{codec}");
        let lost: Vec<bool> = ran.done.outputs.iter().map(|made| made.is_lost).collect();
        assert_eq!(lost, [false, false, true], "{codec}");
    }
}

/// Six channels, each with a frequency of its own.
fn six(amplitude: f64) -> String {
    let channel = |hertz: u32| format!("{amplitude}*sin({hertz}*2*PI*t)");
    format!("-f lavfi -i aevalsrc={}:c=5.1:s=48000:d=4", [300, 500, 700, 60, 900, 1100].map(channel).join("|"))
}

#[test]
fn six_channels_are_kept_beside_the_two_and_stay_where_they_were() {
    let bench = Bench::new();
    for (name, mime, codec) in
        [("six.mp4", "video/mp4", "aac"), ("six.mkv", "video/x-matroska", "ac3"), ("flac.mkv", "video/x-matroska", "flac")]
    {
        let file = bench.make(name, &format!("{PICTURES} {} -c:v libx264 -preset ultrafast -c:a {codec} -b:a 448k", six(0.1)));
        assert_eq!(bench.probe(&file, mime, Kind::Video).unwrap().audio.unwrap().channels, 6, "{name}");
        let ran = bench.run(&file, mime, Kind::Video, Group::Ladder, &["aac-384k", "aac-128k"]).unwrap();
        assert_eq!(["channels", "profile"].map(|key| value(&ffprobe(&ran.files[0], "stream=channels,profile"), key)), ["6", "LC"]);
        assert_eq!((ran.done.outputs[0].channels, ran.done.outputs[1].channels), (Some(6), Some(2)));
        assert_eq!(ran.done.outputs[0].codec.as_deref(), Some("mp4a.40.2"));
        for (channel, hertz) in channels(&ran.files[0]).iter().zip([300.0, 500.0, 700.0, 60.0, 900.0, 1100.0]) {
            let found = strength(&channel[48_000..144_000], hertz);
            assert!((found - 0.1).abs() < 0.005, "{name}: {hertz} Hz is {found}");
        }
        // ITU-R BS.775: fronts whole, centre and surrounds at −3 dB, effects not at all
        let two = channels(&ran.files[1]);
        for (side, hertz, expected) in [
            (0, 300.0, 0.1),
            (1, 300.0, 0.0),
            (1, 500.0, 0.1),
            (0, 700.0, 0.0707),
            (1, 700.0, 0.0707),
            (0, 60.0, 0.0),
            (0, 900.0, 0.0707),
            (1, 1100.0, 0.0707),
        ] {
            let found = strength(&two[side][48_000..144_000], hertz);
            assert!((found - expected).abs() < 0.005, "{name}: {hertz} Hz is {found} on side {side}, and was to be {expected}");
        }
    }
}

#[test]
fn six_loud_channels_are_mixed_without_clipping() {
    let bench = Bench::new();
    let file = bench.make("loud.mkv", &format!("{PICTURES} {} -c:v libx264 -preset ultrafast -c:a flac", six(0.9)));
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["aac-128k"]).unwrap();
    let (_, dbtp) = loudness(&ran.files[0]);
    assert!(dbtp < 0.0, "{dbtp} dBTP");
    assert!(peak(&channels(&ran.files[0])[0]) > 0.6, "and not by turning it all down");
}

#[test]
fn a_film_whose_sound_is_silence_stays_silent() {
    let bench = Bench::new();
    let file = bench.make(
        "silent.mkv",
        &format!("{PICTURES} -f lavfi -i anullsrc=channel_layout=5.1:sample_rate=44100 -t 4 -c:v libx264 -preset ultrafast -c:a ac3"),
    );
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["aac-384k", "aac-128k"]).unwrap();
    for path in &ran.files {
        assert!(channels(path).iter().all(|channel| peak(channel) < 1e-3));
    }
}
