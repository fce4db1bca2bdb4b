//! What we read, and what a file must be to be read.

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use super::judge::{CORNERS, EACH_FORMAT, assert_fields, four_fields, vips};
use crate::bench::{Bench, ffprobe, job, value};

const ALL: &[&str] = &["webp-320", "webp-640", "webp-1280", "webp-2048", "avif-320", "avif-640", "avif-1280", "avif-2048", "jpeg-1280"];

#[test]
fn one_picture_becomes_every_size_and_format_and_a_look() {
    let bench = Bench::new();
    let file = bench.path("large.png");
    vips(&["copy", four_fields(&bench, "large", 2400, 1600, CORNERS).to_str().unwrap(), file.to_str().unwrap()]);
    let ran = bench.run(&file, "image/png", Kind::Image, Group::Stills, ALL).unwrap();
    for (path, name) in ran.files.iter().zip(ALL) {
        let (codec, width) = name.split_once('-').unwrap();
        let height = (width.parse::<f64>().unwrap() * 1600.0 / 2400.0).round().to_string();
        let codec = match codec {
            "avif" => "av1",
            "jpeg" => "mjpeg",
            codec => codec,
        };
        let found = ffprobe(path, "stream=codec_name,width,height");
        assert_eq!(["codec_name", "width", "height"].map(|key| value(&found, key)), [codec, width, &height], "{name}");
        assert_fields(path, CORNERS, 5.0, name);
    }
    let made = &ran.done.outputs;
    assert!(made.iter().zip(ALL).all(|(made, name)| name.ends_with(&format!("-{}", made.width.unwrap()))));
    let look = ran.done.info.look.unwrap();
    assert_eq!(look.blurhash.len(), 28);
    assert!(look.is_well_formed());
    let is_like = |color: &str, field: &str| {
        let level = |text: &str, at: usize| i32::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..3).all(|band| (level(color, 1 + 2 * band) - level(field, 2 * band)).abs() <= 2)
    };
    assert!(["c83c28", "28a050", "3246be", "dcc83c"].iter().any(|field| is_like(&look.color, field)), "{look:?}");
}

#[test]
fn what_is_drawn_before_a_picture_has_come_looks_like_it() {
    let bench = Bench::new();
    let file = bench.path("fields.png");
    vips(&["copy", four_fields(&bench, "fields", 400, 400, CORNERS).to_str().unwrap(), file.to_str().unwrap()]);
    let ran = bench.run(&file, "image/png", Kind::Image, Group::Stills, &["webp-320"]).unwrap();
    let drawn = blurhash::decode(&ran.done.info.look.unwrap().blurhash, 16, 16, 1.0).unwrap();
    let pixel = |x: usize, y: usize| [0, 1, 2].map(|band| drawn[(y * 16 + x) * 4 + band]);
    for (field, (x, y)) in CORNERS.into_iter().zip([(3, 3), (12, 3), (3, 12), (12, 12)]) {
        let found = pixel(x, y);
        let nearest = CORNERS.into_iter().min_by_key(|other| (0..3).map(|band| other[band].abs_diff(found[band]) as u32).sum::<u32>());
        assert_eq!(nearest, Some(field), "{found:?} is drawn");
    }

    // Three quarters of it are of one colour.
    let [rare, often, ..] = CORNERS;
    let file = bench.path("often.png");
    vips(&["copy", four_fields(&bench, "often", 400, 400, [often, often, rare, often]).to_str().unwrap(), file.to_str().unwrap()]);
    let ran = bench.run(&file, "image/png", Kind::Image, Group::Stills, &["webp-320"]).unwrap();
    let color = u32::from_str_radix(ran.done.info.look.unwrap().color.trim_start_matches('#'), 16).unwrap().to_be_bytes();
    assert!((0..3).all(|band| color[1 + band].abs_diff(often[band]) <= 3), "{color:02x?}");
}

#[test]
fn every_type_that_we_take_is_read() {
    let bench = Bench::new();
    let source = four_fields(&bench, "source", 400, 300, CORNERS);
    let source = source.to_str().unwrap();
    for (name, mime, options) in [
        ("still.png", "image/png", ""),
        ("interlaced.png", "image/png", "[interlace]"),
        ("palette.png", "image/png", "[palette]"),
        ("still.jpg", "image/jpeg", "[Q=95]"),
        ("progressive.jpg", "image/jpeg", "[Q=95,interlace]"),
        ("still.webp", "image/webp", "[Q=95]"),
        ("still.gif", "image/gif", ""),
        ("still.tiff", "image/tiff", ""),
        ("tiled.tiff", "image/tiff", "[tile,compression=lzw,bigtiff]"),
        ("still.avif", "image/avif", "[compression=av1,Q=90,effort=2]"),
        ("still.heic", "image/heif", "[compression=hevc,Q=90]"),
    ] {
        let file = bench.path(name);
        vips(&["copy", source, &format!("{}{options}", file.display())]);
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, EACH_FORMAT).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let picture = ran.done.info.picture.unwrap();
        assert_eq!((picture.width, picture.height, picture.frames), (400, 300, 1), "{name}");
        for path in &ran.files {
            assert_fields(path, CORNERS, 6.0, name);
        }
    }
}

#[test]
fn a_picture_that_can_only_be_read_whole_needs_no_file_for_it() {
    let bench = Bench::new();
    // 48 megapixels: more bytes than libvips keeps in memory by itself
    let large = bench.path("large.v");
    vips(&["black", large.to_str().unwrap(), "8000", "6000", "--bands", "3"]);
    for (name, mime, options) in [
        ("interlaced.png", "image/png", "[interlace,compression=1]"),
        ("progressive.jpg", "image/jpeg", "[interlace]"),
        ("tiled.tiff", "image/tiff", "[tile,compression=deflate]"),
        ("large.avif", "image/avif", "[compression=av1,effort=0]"),
        ("large.webp", "image/webp", "[effort=0]"),
    ] {
        let file = bench.path(name);
        vips(&["copy", large.to_str().unwrap(), &format!("{}{options}", file.display())]);
        let ran = bench.run(&file, mime, Kind::Image, Group::Stills, &["webp-320"]).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert_eq!(ran.done.outputs[0].height, Some(240), "{name}");
    }
}

#[test]
fn a_drawing_is_drawn_with_its_words_and_fetches_nothing() {
    let bench = Bench::new();
    let file = bench.path("drawing.svg");
    let svg = "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='400' height='300'>\
        <rect width='400' height='300' fill='#ffffff'/><image xlink:href='file:///etc/passwd' width='9' height='9'/>\
        <text x='20' y='200' font-size='120' fill='#c00000'>WWW</text></svg>";
    std::fs::write(&file, svg).unwrap();
    let ran = bench.run(&file, "image/svg+xml", Kind::Image, Group::Stills, &["webp-320"]).unwrap();
    let (_, _, rgb) = crate::bench::pixels(&ran.files[0]);
    let red = rgb.chunks_exact(3).filter(|pixel| pixel[0] > 150 && pixel[1] < 90).count();
    assert!(red > 1000, "{red} red pixels: the words are missing");
}

#[test]
fn bytes_of_another_type_than_was_sniffed_are_refused() {
    let bench = Bench::new();
    let png = bench.path("a.png");
    vips(&["copy", four_fields(&bench, "a", 40, 30, CORNERS).to_str().unwrap(), png.to_str().unwrap()]);
    let bmp = bench.make("b.bmp", "-f lavfi -i testsrc2=size=64x48 -frames:v 1");
    let words = bench.path("words.png");
    std::fs::write(&words, "these are words").unwrap();
    for (file, mime) in [
        (&png, "image/jpeg"),
        (&png, "image/svg+xml"),
        (&png, "image/bmp"),
        (&png, "image/jp2"),
        (&bmp, "image/bmp"),
        (&words, "image/png"),
    ] {
        let failure = bench.probe(file, mime, Kind::Image).err().unwrap();
        assert_eq!(failure.kind, FailureKind::Unsupported, "{file:?} as {mime}: {failure}");
    }
}

#[test]
fn a_picture_that_was_cut_off_is_corrupt_in_every_format() {
    let bench = Bench::new();
    let noise = bench.make("noise.png", "-f lavfi -i testsrc2=size=800x600,noise=alls=40 -frames:v 1");
    for (name, mime) in [
        ("cut.jpg", "image/jpeg"),
        ("cut.png", "image/png"),
        ("cut.webp", "image/webp"),
        ("cut.gif", "image/gif"),
        ("cut.avif", "image/avif"),
    ] {
        let file = bench.path(name);
        vips(&["copy", noise.to_str().unwrap(), file.to_str().unwrap()]);
        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let failure = bench.run(&file, mime, Kind::Image, Group::Stills, &["webp-320"]).err();
        assert_eq!(failure.as_ref().map(|failure| failure.kind), Some(FailureKind::Corrupt), "{name}: {failure:?}");
    }
    // The table of a TIFF may lie at its end: without it, nothing says that it is one.
    let file = bench.path("cut.tiff");
    vips(&["copy", noise.to_str().unwrap(), file.to_str().unwrap()]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let failure = bench.probe(&file, "image/tiff", Kind::Image).err().unwrap();
    assert!(matches!(failure.kind, FailureKind::Corrupt | FailureKind::Unsupported), "{failure}");
}

#[test]
fn a_picture_over_the_pixel_limit_is_refused_by_its_header() {
    let bench = Bench::new();
    let file = bench.make("large.png", "-f lavfi -i color=white:size=2000x2000 -frames:v 1");
    let info = bench.probe(&file, "image/png", Kind::Image).unwrap();
    let mut job = job(&file, "image/png", Kind::Image, Group::Stills, EACH_FORMAT, Some(info));
    job.limits.pixels = 3_999_999;
    assert_eq!(bench.run_job(&file, job).err().unwrap().kind, FailureKind::TooLarge);
    // 100,000 by 100,000, said by a header with nothing behind it that could be that large
    let bomb = bench.path("bomb.png");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    std::fs::write(&bomb, bytes).unwrap();
    let found = bench.probe(&bomb, "image/png", Kind::Image).map(|info| info.picture.unwrap().within_limits());
    assert!(found.as_ref().map_or_else(|failure| failure.kind == FailureKind::Corrupt, Result::is_err), "{found:?}");
}

/// PNG's own (ISO/IEC 15948, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}
