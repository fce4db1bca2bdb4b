//! Posters and stills.

use std::process::Command;

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use crate::bench::{Bench, corner, ffprobe, is_near, job, moving, pixels, value};

const WIDTHS: &[&str] = &["webp-320", "webp-640", "webp-1280"];
const RED_ABOVE_BLUE: &str =
    "-f lavfi -i color=red:size=1600x600 -f lavfi -i color=blue:size=1600x600 -filter_complex [0][1]vstack -frames:v 1";

#[test]
fn a_poster_is_the_first_frame_that_shows_something() {
    let bench = Bench::new();
    let fade = "-vf fade=in:st=1:d=1";
    let file = bench.make("fade.mp4", &format!("{} {fade} -c:v libx264 -preset ultrafast -c:a aac", moving("1920x1080", 4)));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"]).unwrap();
    let found = ffprobe(&ran.files[0], "stream=codec_name,width,height");
    assert_eq!(["codec_name", "width", "height"].map(|key| value(&found, key)), ["webp", "1280", "720"]);
    let (_, _, rgb) = pixels(&ran.files[0]);
    let mean = rgb.iter().map(|level| u64::from(*level)).sum::<u64>() / rgb.len() as u64;
    assert!(mean > 15, "mean level {mean}");
    assert_eq!((ran.done.outputs[0].width, ran.done.outputs[0].height), (Some(1280), Some(720)));
}

#[test]
fn a_poster_is_no_flat_frame_of_any_colour() {
    let bench = Bench::new();
    let source = "-f lavfi -i color=0x4080c0:size=640x360:rate=30:duration=1.5 -f lavfi -i testsrc2=size=640x360:rate=30:duration=2 \
                  -filter_complex [0][1]concat=2 -c:v libx264 -preset ultrafast";
    let file = bench.make("flat.mp4", source);
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"]).unwrap();
    assert!(!is_near(corner(&ran.files[0], false, true), [0x40, 0x80, 0xc0]), "the flat frame was taken");
}

#[test]
fn a_video_that_is_black_throughout_still_gets_a_poster() {
    let bench = Bench::new();
    let file = bench.make("black.mp4", "-f lavfi -i color=black:size=320x240:rate=30:duration=2 -c:v libx264 -preset ultrafast");
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"]).unwrap();
    assert_eq!(ran.done.outputs[0].width, Some(320));
}

#[test]
fn each_kind_of_picture_becomes_three_widths_of_webp() {
    let bench = Bench::new();
    for (name, mime, args) in [
        ("still.png", "image/png", "-pix_fmt rgb24"),
        ("sixteen.png", "image/png", "-pix_fmt rgb48be"),
        ("still.jpg", "image/jpeg", "-q:v 2"),
        ("gray.jpg", "image/jpeg", "-vf format=gray -q:v 2"),
        ("still.webp", "image/webp", "-quality 90"),
        ("still.gif", "image/gif", ""),
        ("still.tiff", "image/tiff", "-pix_fmt rgb24"),
        ("still.avif", "image/avif", "-c:v libaom-av1 -cpu-used 8 -still-picture 1"),
    ] {
        // the gray one filters itself
        let source = if name.starts_with("gray") { "-f lavfi -i testsrc2=size=1600x1200 -frames:v 1" } else { RED_ABOVE_BLUE };
        let file = bench.make(name, &format!("{source} {args}"));
        let picture = bench.probe(&file, mime, Kind::Image).unwrap_or_else(|failure| panic!("{name}: {failure}")).picture.unwrap();
        assert_eq!((picture.width, picture.height, picture.frames), (1600, 1200, 1), "{name}");
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, WIDTHS).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        for (path, (width, height)) in ran.files.iter().zip([("320", "240"), ("640", "480"), ("1280", "960")]) {
            let found = ffprobe(path, "stream=codec_name,width,height");
            assert_eq!(["codec_name", "width", "height"].map(|key| value(&found, key)), ["webp", width, height], "{name}");
            if !name.starts_with("gray") {
                assert!(is_near(corner(path, false, false), [254, 0, 0]), "{name}: {:?}", corner(path, false, false));
                assert!(is_near(corner(path, true, true), [0, 0, 254]), "{name}: {:?}", corner(path, true, true));
            }
        }
    }
}

#[test]
fn a_small_picture_is_not_upscaled() {
    let bench = Bench::new();
    let file = bench.make("small.png", "-f lavfi -i testsrc2=size=100x80 -frames:v 1");
    let ran = bench.run(&file, "image/png", Kind::Image, Group::Stills, &["webp-320"]).unwrap();
    assert_eq!((ran.done.outputs[0].width, ran.done.outputs[0].height), (Some(100), Some(80)));
}

/// A JPEG with an APP1 segment that says how it is turned, and where it was taken.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0\x2a\0\0\0\x08\0\x02".to_vec();
    tiff.extend([0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    // ImageDescription, as a stand-in for what must not leak
    tiff.extend([0x01, 0x0e, 0, 2, 0, 0, 0, 7, 0, 0, 0, 38]);
    tiff.extend([0, 0, 0, 0]);
    tiff.extend(b"SECRET\0");
    let mut app1 = b"Exif\0\0".to_vec();
    app1.extend(tiff);
    let length = (app1.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &app1, &jpeg[2..]].concat()
}

#[test]
fn orientation_is_applied_and_metadata_is_stripped() {
    let bench = Bench::new();
    let plain = std::fs::read(bench.make("plain.jpg", &format!("{RED_ABOVE_BLUE} -q:v 2"))).unwrap();
    // 6: turn right by a quarter. What was above is then on the right.
    for (orientation, size, red_is_right, red_is_below) in
        [(1, ("320", "240"), false, false), (3, ("320", "240"), true, true), (6, ("320", "427"), true, false)]
    {
        let file = bench.path(&format!("turned-{orientation}.jpg"));
        std::fs::write(&file, with_exif(&plain, orientation)).unwrap();
        let ran = bench.run(&file, "image/jpeg", Kind::Image, Group::Stills, WIDTHS).unwrap();
        let found = ffprobe(&ran.files[0], "stream=width,height");
        assert_eq!((value(&found, "width").as_str(), value(&found, "height").as_str()), size, "{orientation}");
        assert!(is_near(corner(&ran.files[0], red_is_right, red_is_below), [254, 0, 0]), "{orientation}");
        assert!(is_near(corner(&ran.files[0], !red_is_right, !red_is_below), [0, 0, 254]), "{orientation}");
        for path in &ran.files {
            assert!(!std::fs::read(path).unwrap().windows(6).any(|window| window == b"SECRET"));
        }
    }
}

#[test]
fn transparency_is_kept() {
    let bench = Bench::new();
    let file = bench.make("clear.png", "-f lavfi -i color=red@0.0:size=400x300,format=rgba -frames:v 1");
    let ran = bench.run(&file, "image/png", Kind::Image, Group::Stills, &["webp-320"]).unwrap();
    let found = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=pix_fmt", "-of", "csv=p=0"])
        .arg(&ran.files[0])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&found.stdout).contains("argb") || String::from_utf8_lossy(&found.stdout).contains("yuva"),
        "{found:?}"
    );
}

#[test]
fn a_picture_over_the_pixel_limit_is_refused_by_its_header() {
    let bench = Bench::new();
    let file = bench.make("large.png", "-f lavfi -i color=white:size=2000x2000 -frames:v 1");
    let info = bench.probe(&file, "image/png", Kind::Image).unwrap();
    let mut job = job(&file, "image/png", Kind::Image, Group::Stills, WIDTHS, Some(info));
    job.limits.pixels = 3_999_999;
    assert_eq!(bench.run_job(&file, job).err().unwrap().kind, FailureKind::TooLarge);
}

#[test]
fn a_picture_that_was_cut_off_is_corrupt_and_other_formats_are_unsupported() {
    let bench = Bench::new();
    let whole = std::fs::read(bench.make("whole.jpg", "-f lavfi -i testsrc2=size=1600x1200 -frames:v 1")).unwrap();
    let cut = bench.path("cut.jpg");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let failure = bench.run(&cut, "image/jpeg", Kind::Image, Group::Stills, WIDTHS).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");

    for (name, content) in
        [("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), ("words.png", "these are words")]
    {
        let file = bench.path(name);
        std::fs::write(&file, content).unwrap();
        let failure = bench.probe(&file, "image/png", Kind::Image).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Unsupported, "{name}: {failure}");
    }
}
