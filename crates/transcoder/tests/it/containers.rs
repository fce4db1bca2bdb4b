//! Every container and codec that we say we read.

use media_domain::{Kind, work::Group};

use crate::bench::{Bench, corner, decoded, ffprobe, is_near, moving, value};

fn rung_of(bench: &Bench, name: &str, mime: &str, args: &str) -> (usize, i64) {
    let file = bench.make(name, &format!("{} {args}", moving("640x360", 3)));
    let ran = bench
        .run(&file, mime, Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"])
        .unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let sound: f64 = value(&ffprobe(&ran.files[1], "format=duration"), "duration").parse().unwrap();
    assert!((sound - 3.0).abs() < 0.15, "{name}: {sound}");
    decoded(&ran.files[0])
}

#[test]
fn each_container_and_codec_gives_all_its_frames() {
    let bench = Bench::new();
    for (name, mime, args) in [
        ("h264.mkv", "video/x-matroska", "-c:v libx264 -preset ultrafast -c:a libmp3lame"),
        ("vp9.webm", "video/webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
        ("vp8.webm", "video/webm", "-c:v libvpx -deadline realtime -auto-alt-ref 1 -lag-in-frames 10 -c:a libvorbis"),
        ("hevc.mp4", "video/mp4", "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -c:a aac"),
        ("prores.mov", "video/quicktime", "-c:v prores_ks -c:a pcm_s16le"),
        ("mjpeg.mov", "video/quicktime", "-c:v mjpeg -pix_fmt yuvj420p -c:a alac"),
        ("h264.ts", "video/mp2t", "-c:v libx264 -preset ultrafast -c:a aac"),
        ("mpeg2.ts", "video/mp2t", "-c:v mpeg2video -c:a ac3"),
        ("mpeg4.avi", "video/x-msvideo", "-c:v mpeg4 -c:a libmp3lame"),
        ("fragmented.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -g 30 -c:a aac -movflags +frag_keyframe+empty_moov"),
    ] {
        let (frames, duration_ms) = rung_of(&bench, name, mime, args);
        assert_eq!(frames, 90, "{name}");
        assert!((duration_ms - 3000).abs() <= 34, "{name}: {duration_ms}");
    }
}

#[test]
fn av1_is_read() {
    let bench = Bench::new();
    let file = bench.make("av1.mp4", "-f lavfi -i testsrc2=size=320x180:rate=30:duration=1 -c:v libsvtav1 -preset 12");
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 30);
}

#[test]
fn an_index_at_the_end_is_read_first_and_the_file_only_once() {
    let bench = Bench::new();
    let file = bench.make("tail.mp4", &format!("{} -c:v libx264 -preset ultrafast -b:v 20M -c:a aac", moving("1280x720", 6)));
    let size = std::fs::metadata(&file).unwrap().len();
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.windows(4).position(|name| name == b"moov") > bytes.windows(4).position(|name| name == b"mdat"));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 180);
    assert!(ran.bytes_read <= size + (8 << 20), "{} of {size}", ran.bytes_read);
}

#[test]
fn a_video_without_sound_is_a_video() {
    let bench = Bench::new();
    let file = bench.make("silent.mp4", "-f lavfi -i testsrc2=size=640x360:rate=30:duration=3 -c:v libx264 -preset ultrafast");
    assert_eq!(bench.probe(&file, "video/mp4", Kind::Video).unwrap().audio, None);
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 90);
}

#[test]
fn a_phone_held_upright_gives_an_upright_rung() {
    let bench = Bench::new();
    // red above, blue below; stored turned to the right, and told to be turned back
    let upright = "-f lavfi -i color=red:size=240x212:rate=30:duration=2 -f lavfi -i color=blue:size=240x212:rate=30:duration=2 -filter_complex [0][1]vstack,transpose=1";
    let stored = bench.make("stored.mp4", &format!("{upright} -c:v libx264 -preset ultrafast"));
    let file = bench.make("rotated.mp4", &format!("-i {} -c copy -metadata:s:v rotate=90", stored.display()));
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap().video.unwrap();
    assert_eq!((info.width, info.height), (240, 424));
    let rung = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    let poster = bench.run(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"]).unwrap();
    for path in [&rung.files[0], &poster.files[0]] {
        let found = ffprobe(path, "stream=width,height");
        assert_eq!((value(&found, "width").as_str(), value(&found, "height").as_str()), ("240", "424"));
        assert!(is_near(corner(path, false, false), [254, 0, 0]), "{:?}", corner(path, false, false));
        assert!(is_near(corner(path, true, true), [0, 0, 254]), "{:?}", corner(path, true, true));
    }
}

#[test]
fn a_cover_is_no_video() {
    let bench = Bench::new();
    let cover = bench.make("cover.jpg", "-f lavfi -i testsrc2=size=200x200 -frames:v 1");
    let sound = bench.make("plain.m4a", "-f lavfi -i sine=duration=2 -c:a aac");
    let file = bench
        .make("cover.m4a", &format!("-i {} -i {} -map 0 -map 1 -c copy -disposition:v:0 attached_pic", sound.display(), cover.display()));
    let info = bench.probe(&file, "audio/mp4", Kind::Audio).unwrap();
    assert!(info.video.is_none() && info.audio.is_some(), "{info:?}");
}

#[test]
fn the_language_of_the_sound_is_told_in_its_short_form() {
    let bench = Bench::new();
    let file =
        bench.make("german.mp4", &format!("{} -c:v libx264 -preset ultrafast -c:a aac -metadata:s:a:0 language=deu", moving("160x120", 1)));
    assert_eq!(bench.probe(&file, "video/mp4", Kind::Video).unwrap().audio.unwrap().language.as_deref(), Some("de"));
}
