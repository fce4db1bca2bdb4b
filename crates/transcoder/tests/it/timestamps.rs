//! Every picture keeps its time: against the sound, against the file's edit list, and after the one before it.

use std::{path::Path, process::Command};

use media_domain::{Kind, Profiles, plan, work::Group};

use crate::{
    bench::{Bench, decoded, moving},
    samples,
};

/// When the first fragment of a CMAF file is shown, by its boxes, in milliseconds: ffprobe moves it.
fn first_time_ms(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let inside = |name: &[u8; 4]| &bytes[bytes.windows(4).position(|window| window == name).unwrap() + 4..];
    let u32_at = |bytes: &[u8], at: usize| u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()));
    let (header, time) = (inside(b"mdhd"), inside(b"tfdt"));
    let scale = u32_at(header, if header[0] == 1 { 20 } else { 12 });
    let ticks = if time[0] == 1 { u64::from_be_bytes(time[4..12].try_into().unwrap()) } else { u32_at(time, 4) };
    ticks * 1000 / scale
}

/// The times of all pictures in the order they are shown, in milliseconds after the first.
fn times_ms(path: &Path) -> Vec<i64> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<i64> =
        text.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok()).map(|time| (time * 1000.0).round() as i64).collect();
    times.iter().map(|time| time - times[0]).collect()
}

#[test]
fn repeated_and_backward_times_come_out_rising() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=320x240:rate=25:duration=3 -pix_fmt yuv420p -c:v mjpeg -bsf:v";
    for (name, times) in [
        ("repeated.mkv", "setts=pts='if(eq(mod(N,10),5),(N-1)*40,N*40)':dts=N*40:time_base=1/1000"),
        ("backward.mkv", "setts=pts='if(eq(mod(N,10),5),(N-3)*40,N*40)':dts=N*40:time_base=1/1000"),
    ] {
        let file = bench.make(name, &format!("{source} {times}"));
        let ran = bench
            .run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-360p"])
            .unwrap_or_else(|failure| panic!("{name}: {failure} {:?}", failure.source));
        let times = times_ms(&ran.files[0]);
        assert!(times.is_sorted_by(|a, b| a < b), "{name}: {times:?}");
        assert!(times.len() >= 67 && times.last().is_some_and(|last| last.abs_diff(2960) <= 5), "{name}: {} {times:?}", times.len());
    }
}

#[test]
fn a_transport_stream_keeps_its_pictures_with_its_sound() {
    let bench = Bench::new();
    let late = "-f lavfi -i sine=duration=4 -itsoffset 1 -f lavfi -i testsrc2=size=320x240:rate=30:duration=3 -map 1 -map 0";
    for (name, tracks, expected) in [("late.ts", late, 1023), ("usual.ts", &moving("320x240", 3), 23)] {
        // ffmpeg's own encoder puts the sound 1,024 samples earlier
        let file = bench.make(name, &format!("{tracks} -c:v libx264 -preset ultrafast -bf 0 -c:a aac -ar 44100"));
        let ran = bench.run(&file, "video/mp2t", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
        let (pictures, sound) = (first_time_ms(&ran.files[0]), first_time_ms(&ran.files[1]));
        assert!((pictures - sound).abs_diff(expected) < 25, "{name}: {pictures} against {sound}");
        assert_eq!(sound, 0, "{name}");
        assert_eq!(decoded(&ran.files[0]).0, 90, "{name}");
    }
}

/// Writes an edit list over that of the first track: segments of so many milliseconds from so many of the media's units.
fn with_edit(bench: &Bench, plain: &Path, name: &str, length_ms: u32, start: u32) -> std::path::PathBuf {
    let mut bytes = std::fs::read(plain).unwrap();
    let list = bytes.windows(4).position(|window| window == b"elst").unwrap() + 4;
    assert_eq!(&bytes[list..list + 8], [0, 0, 0, 0, 0, 0, 0, 1]);
    bytes[list + 8..list + 12].copy_from_slice(&length_ms.to_be_bytes());
    bytes[list + 12..list + 16].copy_from_slice(&start.to_be_bytes());
    for (header, duration) in [(b"mvhd", 16), (b"tkhd", 20)] {
        let at = bytes.windows(4).position(|window| window == header).unwrap() + 4 + duration;
        bytes[at..at + 4].copy_from_slice(&length_ms.to_be_bytes());
    }
    let path = bench.path(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn an_edit_list_is_honoured_and_no_damage() {
    let bench = Bench::new();
    let plain = bench.make("plain.mp4", "-f lavfi -i testsrc2=size=320x240:rate=30:duration=4 -c:v libx264 -preset ultrafast -bf 2 -g 30");
    // ffmpeg's timescale for 30 frames a second is 15,360: 512 a frame, and two frames are there for reordering
    for (name, length_ms, start, frames) in [
        ("whole.mp4", 4000, 1024, 120),
        ("a-bit-off-the-end.mp4", 3933, 1024, 118),
        ("half.mp4", 2000, 1024, 60),
        ("from-the-middle.mp4", 2000, 1024 + 45 * 512, 60),
    ] {
        let file = with_edit(&bench, &plain, name, length_ms, start);
        let ran = bench
            .run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"])
            .unwrap_or_else(|failure| panic!("{name}: {failure} {:?}", failure.source));
        let times = times_ms(&ran.files[0]);
        assert!(times.len().abs_diff(frames) <= 1, "{name}: {} of {frames}", times.len());
        assert!(times.is_sorted_by(|a, b| a < b), "{name}: {times:?}");
    }
}

/// The brightness of each picture: of its first pixel, as it is stored.
fn brightness(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"])
        .output()
        .unwrap();
    output.stdout.chunks_exact(320 * 240 * 3 / 2).map(|picture| picture[0]).collect()
}

#[test]
fn an_edit_list_shows_the_pictures_that_it_names_and_no_others() {
    let bench = Bench::new();
    // Each picture is one step brighter than the one before.
    let steps = "-f lavfi -i nullsrc=size=320x240:rate=30:duration=4,geq=lum=16+N:cb=128:cr=128";
    let plain = bench.make("steps.mp4", &format!("{steps} -pix_fmt yuv420p -c:v libx264 -preset ultrafast -qp 10 -bf 2 -g 30"));
    for (name, length_ms, from, to) in [("late.mp4", 2000, 45, 105), ("first.mp4", 1000, 0, 30), ("end.mp4", 1000, 90, 120)] {
        let file = with_edit(&bench, &plain, name, length_ms, 1024 + from * 512);
        let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
        let seen = brightness(&ran.files[0]);
        let shown: Vec<u32> = seen.iter().map(|bright| u32::from(*bright).saturating_sub(16)).collect();
        assert!(shown.first().unwrap().abs_diff(from) <= 1 && shown.last().unwrap().abs_diff(to - 1) <= 1, "{name}: {shown:?}");
        assert!(shown.len().abs_diff((to - from) as usize) <= 1 && shown.is_sorted(), "{name}: {shown:?}");
    }
}

#[test]
fn a_film_of_two_frames_is_a_film() {
    let bench = Bench::new();
    let file = bench.make("blink.mp4", "-f lavfi -i testsrc2=size=320x240:rate=10 -frames:v 2 -c:v libx264 -preset ultrafast");
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(decoded(&ran.files[0]), (2, 200));
}

#[test]
fn an_empty_edit_delays_the_pictures() {
    let bench = Bench::new();
    let pictures = bench.make("pictures.mp4", "-f lavfi -i testsrc2=size=320x240:rate=30:duration=3 -c:v libx264 -preset ultrafast");
    let sound = bench.make("sound.m4a", "-f lavfi -i sine=duration=4 -c:a aac");
    let file = bench.make("delayed.mp4", &format!("-itsoffset 1 -i {} -i {} -map 0 -map 1 -c copy", pictures.display(), sound.display()));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
    assert!(first_time_ms(&ran.files[0]).abs_diff(1000) < 40, "{}", first_time_ms(&ran.files[0]));
    assert_eq!((first_time_ms(&ran.files[1]), decoded(&ran.files[0]).0), (0, 90));
}

#[test]
fn a_film_that_begins_in_an_open_group_of_pictures_is_no_damage() {
    let bench = Bench::new();
    let params = "log-level=none:open-gop=1:keyint=24:min-keyint=24:scenecut=0:bframes=8:b-adapt=0:repeat-headers=1";
    let whole = bench
        .make("whole.ts", &format!("-f lavfi -i testsrc2=size=320x240:rate=30:duration=4 -c:v libx265 -preset fast -x265-params {params}"));
    let file = bench.make("open.ts", &format!("-ss 1.2 -i {} -c copy", whole.display()));
    let ran = bench
        .run(&file, "video/mp2t", Kind::Video, Group::Ladder, &["h264-360p"])
        .unwrap_or_else(|failure| panic!("{failure} {:?}", failure.source));
    let times = times_ms(&ran.files[0]);
    assert!(times.len() > 60 && times.is_sorted_by(|a, b| a < b), "{} {times:?}", times.len());
}

#[test]
fn fields_become_pictures_one_for_two_and_none_is_lost() {
    let bench = Bench::new();
    for sample in samples::interlaced() {
        let file = bench.make(sample.name, &sample.args);
        assert!(bench.probe(&file, sample.mime, Kind::Video).unwrap().video.unwrap().width == 320);
        let ran = bench
            .run(&file, sample.mime, Kind::Video, Group::Ladder, &["h264-360p"])
            .unwrap_or_else(|failure| panic!("{}: {failure} {:?}", sample.name, failure.source));
        let times = times_ms(&ran.files[0]);
        assert_eq!(times.len(), 50, "{}: {times:?}", sample.name);
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0] - 40).abs() <= 1), "{}: {times:?}", sample.name);
        assert!(first_time_ms(&ran.files[0]) <= 40, "{}: {}", sample.name, first_time_ms(&ran.files[0]));
    }
}

#[test]
fn tracks_that_are_neither_picture_nor_sound_are_left_alone() {
    let bench = Bench::new();
    let file =
        bench.make("timecode.mov", &format!("{} -c:v libx264 -preset ultrafast -c:a aac -timecode 01:00:00:00", moving("320x240", 2)));
    let ran = bench.run(&file, "video/quicktime", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 60);
}

#[test]
fn a_video_container_with_sound_alone_is_refused_as_a_video() {
    let bench = Bench::new();
    let file = bench.make("sound.mp4", "-f lavfi -i sine=duration=1 -c:a aac");
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap();
    let refused = plan::plan(Kind::Video, &info, &Profiles::built_in().unwrap(), None).unwrap_err();
    assert_eq!(refused.detail, "the file has no video track");
    let heard = bench.run(&file, "video/mp4", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap();
    assert!(heard.done.outputs[0].duration_ms.unwrap().abs_diff(1000) < 100, "sent as sound it is one");
}

#[test]
fn a_cover_is_never_taken_for_the_video() {
    let bench = Bench::new();
    let cover = bench.make("cover.jpg", "-f lavfi -i color=white:size=400x400 -frames:v 1");
    let film = bench.make("film.mkv", &format!("{} -c:v libx264 -preset ultrafast -c:a libmp3lame", moving("320x240", 2)));
    for (name, mime, args) in [
        ("cover.mp4", "video/mp4", "-map 1 -map 0 -c copy -disposition:v:0 attached_pic"),
        ("cover.mkv", "video/x-matroska", "-map 0 -map 1 -c copy -disposition:v:1 attached_pic"),
    ] {
        let file = bench.make(name, &format!("-i {} -i {} {args}", film.display(), cover.display()));
        let ran = bench
            .run(&file, mime, Kind::Video, Group::Ladder, &["h264-360p"])
            .unwrap_or_else(|failure| panic!("{name}: {failure} {:?}", failure.source));
        assert_eq!(decoded(&ran.files[0]).0, 60, "{name}");
    }
    let song = bench.make(
        "song.mp3",
        &format!(
            "-f lavfi -i sine=duration=2 -i {} -map 0 -map 1 -c:a libmp3lame -c:v copy -disposition:v:0 attached_pic",
            cover.display()
        ),
    );
    let info = bench.probe(&song, "audio/mpeg", Kind::Audio).unwrap();
    assert!(info.video.is_none() && info.audio.is_some(), "{info:?}");
}
