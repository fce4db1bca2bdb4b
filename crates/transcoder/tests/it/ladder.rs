//! A video's rungs and sound.

use std::path::Path;

use media_domain::{Kind, work::Group};

use crate::bench::{Bench, decoded, ffprobe, keyframes_ms, moving, samples, value};

const BOTH: &[&str] = &["h264-720p", "h264-360p", "aac-128k"];

#[test]
fn both_rungs_and_the_sound_are_what_a_browser_plays() {
    let bench = Bench::new();
    let file = bench.make("source.mp4", &format!("{} -c:v libx264 -preset ultrafast -c:a aac -movflags +faststart", moving("1280x720", 7)));
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap();
    let video = info.video.clone().unwrap();
    assert_eq!((video.width, video.height, video.codec.as_str(), video.frame_rate, video.frames), (1280, 720, "h264", (30, 1), Some(210)));
    let audio = info.audio.clone().unwrap();
    assert_eq!((audio.codec.as_str(), audio.channels, audio.sample_rate), ("aac", 1, 48_000));
    assert!(info.duration_ms.unwrap().abs_diff(7000) < 50, "{info:?}");

    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, BOTH).unwrap();
    for (index, (width, height)) in [(1280, 720), (640, 360)].into_iter().enumerate() {
        let (made, path) = (&ran.done.outputs[index], &ran.files[index]);
        let found = ffprobe(path, "stream=codec_name,profile,pix_fmt,width,height,sample_aspect_ratio,color_space,field_order");
        for (key, expected) in [
            ("codec_name", "h264".to_owned()),
            ("profile", "High".into()),
            ("pix_fmt", "yuv420p".into()),
            ("width", width.to_string()),
            ("height", height.to_string()),
            ("sample_aspect_ratio", "1:1".into()),
            ("color_space", "bt709".into()),
            ("field_order", "progressive".into()),
        ] {
            assert_eq!(value(&found, key), expected, "{found:?}");
        }
        let (frames, duration_ms) = decoded(path);
        assert_eq!((frames, made.frames), (210, 210));
        assert!((duration_ms - 7000).abs() <= 34, "{duration_ms}");
        assert_eq!((made.width, made.height, made.duration_ms), (Some(width), Some(height), Some(7000)));
        assert!(made.codec.as_deref().unwrap().starts_with("avc1.6400"), "{:?}", made.codec);
        assert_eq!(made.bytes, std::fs::metadata(path).unwrap().len());
    }
    assert_eq!(keyframes_ms(&ran.files[0]), keyframes_ms(&ran.files[1]));
    assert_eq!(keyframes_ms(&ran.files[0]).len(), 4, "{:?}", keyframes_ms(&ran.files[0]));

    let sound = ffprobe(&ran.files[2], "stream=codec_name,profile,channels,sample_rate:format=duration");
    assert_eq!(["codec_name", "profile", "channels", "sample_rate"].map(|key| value(&sound, key)), ["aac", "LC", "2", "48000"]);
    let duration: f64 = value(&sound, "duration").parse().unwrap();
    assert!((duration - 7.0).abs() < 0.1, "{duration}");
    assert_eq!(ran.done.outputs[2].codec.as_deref(), Some("mp4a.40.2"));
    assert!(ran.progress.is_sorted() && ran.progress.len() > 5, "{:?}", ran.progress);
}

#[test]
fn the_fragment_index_names_the_bytes_of_each_fragment() {
    let bench = Bench::new();
    let file = bench.make("source.mp4", &format!("{} -c:v libx264 -preset ultrafast -c:a aac", moving("320x240", 14)));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
    for (made, path) in ran.done.outputs.iter().zip(&ran.files) {
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(&bytes[4..8], b"ftyp");
        let mut at = u64::from(made.init_bytes);
        for fragment in &made.fragments {
            assert_eq!(fragment.offset, at);
            let start = at as usize;
            assert!([b"styp", b"moof"].contains(&bytes[start + 4..start + 8].try_into().unwrap()), "{fragment:?}");
            at += u64::from(fragment.bytes);
        }
        assert_eq!(at, bytes.len() as u64);
        assert_eq!(made.fragments.len(), 3);
        let samples = samples(path);
        for fragment in &made.fragments {
            let first = samples.iter().filter(|(at, _)| *at >= fragment.offset).min().unwrap();
            assert_eq!(first.0 + first.1, fragment.offset + u64::from(fragment.keyframe_bytes), "{fragment:?}");
        }
        assert!(made.fragments[..2].iter().all(|fragment| fragment.duration_us.abs_diff(6_000_000) < 30_000), "{:?}", made.fragments);
    }
    assert!(ran.done.outputs[0].fragments.iter().all(|fragment| fragment.keyframe));
    let starts: Vec<i64> = keyframes_ms(&ran.files[0]);
    assert_eq!(starts.len(), 7, "{starts:?}");
}

/// When each frame is shown, in its order.
fn times_ms(path: &Path) -> Vec<i64> {
    let mut times: Vec<i64> = ffprobe(path, "frame=pts_time")
        .iter()
        .filter(|(key, _)| key == "pts_time")
        .map(|(_, value)| (value.parse::<f64>().unwrap() * 1000.0).round() as i64)
        .collect();
    times.sort_unstable();
    times
}

#[test]
fn a_variable_frame_rate_keeps_its_times_and_its_rungs_stay_aligned() {
    let bench = Bench::new();
    // 30 frames a second, then 5: setpts stretches what comes after two seconds
    let filter = "-vf setpts='if(lt(T,2),PTS,2/TB+(PTS-2/TB)*6)' -fps_mode vfr -enc_time_base -1";
    let file =
        bench.make("vfr.mkv", &format!("-f lavfi -i testsrc2=size=1280x720:rate=30:duration=4 {filter} -c:v libx264 -preset ultrafast"));
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-720p", "h264-360p"]).unwrap();
    let source = times_ms(&file);
    for path in &ran.files {
        let times = times_ms(path);
        let is_kept = |(was, is): (&i64, &i64)| ((was - source[0]) - (is - times[0])).abs() <= 2;
        assert!(times.len() == source.len() && source.iter().zip(&times).all(is_kept), "{source:?} became {times:?}");
        assert_eq!(keyframes_ms(path), [0, 2000, 4000, 6000, 8000, 10_000, 12_000]);
        let (frames, duration_ms) = decoded(path);
        assert_eq!(frames, 120);
        assert!((duration_ms - 14_000).abs() < 300, "{duration_ms}");
    }
}

#[test]
fn a_small_or_odd_source_is_never_upscaled_and_comes_out_even() {
    let bench = Bench::new();
    for (size, expected) in [("160x120", ("160", "120")), ("427x241", ("426", "240"))] {
        let source = format!("-f lavfi -i testsrc2=size={size}:rate=30:duration=3 -c:v libx264 -preset ultrafast -pix_fmt yuv444p");
        let file = bench.make(&format!("{size}.mp4"), &source);
        let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
        let found = ffprobe(&ran.files[0], "stream=width,height,pix_fmt");
        assert_eq!((value(&found, "width").as_str(), value(&found, "height").as_str()), expected);
        assert_eq!(value(&found, "pix_fmt"), "yuv420p");
        assert_eq!(decoded(&ran.files[0]).0, 90);
    }
}

#[test]
fn anamorphic_pixels_become_square() {
    let bench = Bench::new();
    let file =
        bench.make("sar.mp4", "-f lavfi -i testsrc2=size=720x576:rate=25:duration=3 -vf setsar=64/45 -c:v libx264 -preset ultrafast");
    let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap().video.unwrap();
    assert_eq!((info.width, info.height), (1024, 576));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    let found = ffprobe(&ran.files[0], "stream=width,height,sample_aspect_ratio");
    assert_eq!(["width", "height", "sample_aspect_ratio"].map(|key| value(&found, key)), ["640", "360", "1:1"]);
}

#[test]
fn interlaced_pictures_become_progressive_frame_by_frame() {
    let bench = Bench::new();
    let source = "-f lavfi -i testsrc2=size=720x576:rate=50:duration=3 -vf interlace -c:v mpeg2video -b:v 4M -flags +ildct+ilme -top 1";
    let file = bench.make("interlaced.mkv", source);
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    assert_eq!(value(&ffprobe(&ran.files[0], "stream=field_order"), "field_order"), "progressive");
    assert_eq!(decoded(&ran.files[0]).0, 75);
}

/// When the first fragment of a CMAF file is shown, by its boxes: ffprobe moves it.
pub fn first_time_ms(path: &std::path::Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let inside = |name: &[u8; 4]| &bytes[bytes.windows(4).position(|window| window == name).unwrap() + 4..];
    let u32_at = |bytes: &[u8], at: usize| u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()));
    let (header, time) = (inside(b"mdhd"), inside(b"tfdt"));
    let scale = u32_at(header, if header[0] == 1 { 20 } else { 12 });
    let ticks = if time[0] == 1 { u64::from_be_bytes(time[4..12].try_into().unwrap()) } else { u32_at(time, 4) };
    ticks * 1000 / scale
}

#[test]
fn pictures_that_begin_later_than_the_sound_stay_at_their_time() {
    let bench = Bench::new();
    let tracks = "-f lavfi -i sine=duration=5 -itsoffset 1 -f lavfi -i testsrc2=size=320x240:rate=30:duration=4 -map 1 -map 0";
    let file = bench.make("late.mkv", &format!("{tracks} -c:v libx264 -preset ultrafast -c:a aac"));
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).unwrap();
    assert!(first_time_ms(&ran.files[0]).abs_diff(1000) < 50, "{}", first_time_ms(&ran.files[0]));
    assert_eq!(first_time_ms(&ran.files[1]), 0);
}
