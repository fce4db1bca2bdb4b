//! What moves stays moving: as WebP, and as a silent video.

use std::path::{Path, PathBuf};

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use crate::bench::{Bench, decoded, ffprobe, value};

/// Width, height, delays in milliseconds and how often it plays, by libvips' own program.
struct Moving {
    size: (u32, u32),
    delays_ms: Vec<u32>,
    plays: u32,
}

fn moving(path: &Path) -> Moving {
    let output = std::process::Command::new("vipsheader").arg("-a").arg(format!("{}[n=-1]", path.display())).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::trim).unwrap_or_default().to_owned();
    Moving {
        size: (field("width").parse().unwrap(), field("page-height").parse().unwrap_or(0)),
        delays_ms: field("delay").split_whitespace().map(|delay| delay.parse().unwrap()).collect(),
        plays: field("loop").parse().unwrap_or(1),
    }
}

/// Ten frames of 400×300: five at 100 ms, five at 200 ms.
fn uneven(bench: &Bench, name: &str, plays: &str) -> PathBuf {
    let slow = "setpts='if(lt(N,5),N*100,500+(N-5)*200)/1000/TB'";
    bench.make(name, &format!("-f lavfi -i testsrc2=size=400x300:rate=10:duration=1 -vf settb=1/1000,{slow} -vsync vfr {plays}"))
}

#[test]
fn an_animation_stays_one_with_its_times_and_its_loop() {
    let bench = Bench::new();
    for (file, mime) in [
        (uneven(&bench, "three.gif", "-loop 2"), "image/gif"),
        (uneven(&bench, "ever.gif", "-loop 0"), "image/gif"),
        (uneven(&bench, "ever.webp", "-c:v libwebp_anim -loop 0"), "image/webp"),
        (uneven(&bench, "three.webp", "-c:v libwebp_anim -loop 3"), "image/webp"),
    ] {
        let before = moving(&file);
        assert!(before.delays_ms.len() == 10 && before.delays_ms[0] == 100 && before.delays_ms[6] == 200, "{:?}", before.delays_ms);
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, &["webp-320", "avif-320", "jpeg-1280"]).unwrap();
        assert_eq!(ran.done.info.picture.as_ref().unwrap().frames, 10);
        let after = moving(&ran.files[0]);
        assert_eq!((after.size, &after.delays_ms), ((320, 240), &before.delays_ms), "{}", file.display());
        assert_eq!(after.plays, before.plays, "{}", file.display());
        assert_eq!(ran.done.outputs[0].frames, 10);
        for still in &ran.files[1..] {
            assert_eq!(decoded(still).0, 1, "{}", still.display());
        }
    }
}

/// When each frame is shown.
fn times_ms(path: &Path) -> Vec<i64> {
    let args = ["-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0"];
    let output = std::process::Command::new("ffprobe").args(args).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let seconds = text.lines().filter_map(|line| line.trim_end_matches(',').parse::<f64>().ok());
    seconds.map(|seconds| (seconds * 1000.0).round() as i64).collect()
}

#[test]
fn an_animation_becomes_a_silent_video_of_the_same_frames_and_times() {
    let bench = Bench::new();
    for (file, mime) in
        [(uneven(&bench, "a.gif", "-loop 0"), "image/gif"), (uneven(&bench, "a.webp", "-c:v libwebp_anim -loop 0"), "image/webp")]
    {
        let ran = bench.run(&file, mime, Kind::Image, Group::Animation, &["mp4-640"]).unwrap();
        let found = ffprobe(&ran.files[0], "stream=codec_name,profile,pix_fmt,width,height,color_space");
        let keys = ["codec_name", "profile", "pix_fmt", "width", "height", "color_space"];
        assert_eq!(keys.map(|key| value(&found, key)), ["h264", "High", "yuv420p", "400", "300", "bt709"]);
        assert_eq!(times_ms(&ran.files[0]), [0, 100, 200, 300, 400, 500, 700, 900, 1100, 1300]);
        let lasts: f64 = value(&ffprobe(&ran.files[0], "format=duration"), "duration").parse().unwrap();
        let said = moving(&file).delays_ms.iter().sum::<u32>();
        assert!((lasts * 1000.0 - f64::from(said)).abs() < 2.0, "{lasts} s of {said} ms");
        assert_eq!((ran.done.outputs[0].frames, ran.done.outputs[0].width), (10, Some(400)));
        assert!(ran.done.outputs[0].codec.as_deref().unwrap().starts_with("avc1.64"));
        let head = std::fs::read(&ran.files[0]).unwrap();
        let place = |name: &[u8]| head.windows(4).position(|window| window == name).unwrap();
        assert!(place(b"moov") < place(b"mdat"));
    }
}

#[test]
fn transparency_lies_on_white_in_the_video_and_odd_sizes_become_even() {
    let bench = Bench::new();
    let args = "-f lavfi -i color=red@0.0:size=401x301:rate=5:duration=1,format=bgra -c:v libwebp_anim -lossless 1 -pix_fmt bgra -loop 0";
    let clear = bench.make("clear.webp", args);
    let ran = bench.run(&clear, "image/webp", Kind::Image, Group::Animation, &["mp4-640"]).unwrap();
    let (width, height, rgb) = crate::bench::pixels(&ran.files[0]);
    assert_eq!((width, height), (400, 300));
    let mean = rgb.iter().map(|level| u64::from(*level)).sum::<u64>() / rgb.len() as u64;
    assert!(mean > 250, "mean level {mean}");
}

#[test]
fn too_many_frames_and_too_many_pixels_are_refused_by_the_header() {
    let bench = Bench::new();
    // one frame, repeated: a pixel that changes nothing
    let bytes = |frames: usize| {
        let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
        for _ in 0..frames {
            gif.extend(b"\x21\xf9\x04\0\x02\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0");
        }
        gif.push(b';');
        gif
    };
    for (frames, is_taken) in [(100, true), (100_000, false)] {
        let file = bench.path(&format!("{frames}.gif"));
        std::fs::write(&file, bytes(frames)).unwrap();
        let info = bench.probe(&file, "image/gif", Kind::Image).unwrap();
        let picture = info.picture.unwrap();
        assert_eq!((picture.frames as usize == frames, picture.within_limits().is_ok()), (is_taken, is_taken), "{}", picture.frames);
        let failure = bench.run(&file, "image/gif", Kind::Image, Group::Stills, &["webp-320"]).err().map(|failure| failure.kind);
        assert_eq!(failure, (!is_taken).then_some(FailureKind::TooLarge));
    }
}
