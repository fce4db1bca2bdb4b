//! Profiles and depths: what comes out is sRGB in 8 bits, and of the colours that went in.

use std::path::PathBuf;

use media_domain::{Kind, work::Group};

use super::judge::{CORNERS, EACH_FORMAT, Rgb, assert_fields, four_fields, vips};
use crate::bench::Bench;

/// What ink can hold, too.
const MUTED: [Rgb; 4] = [[170, 90, 80], [90, 150, 110], [100, 110, 150], [200, 190, 110]];
const GRAYS: [Rgb; 4] = [[40; 3], [90; 3], [150; 3], [220; 3]];

/// Adobe RGB (1998): its primaries, adapted to D50 (Adobe's specification, annex B), and a gamma of 2.2.
const ADOBE_RGB: [[f64; 3]; 3] = [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];

/// A profile of a display by its primaries, or of gray where there are none (ICC.1:2010, 8.3 and 8.4).
fn profile(primaries: Option<[[f64; 3]; 3]>, gamma: f64) -> Vec<u8> {
    let fixed = |number: f64| ((number * 65536.0).round() as i32).to_be_bytes();
    let xyz = |values: [f64; 3]| [b"XYZ \0\0\0\0".to_vec(), values.map(fixed).concat()].concat();
    let curve = [b"curv\0\0\0\0\0\0\0\x01".as_slice(), &((gamma * 256.0).round() as u16).to_be_bytes(), &[0, 0]].concat();
    let text = [b"desc\0\0\0\0\0\0\0\x05test\0".as_slice(), &[0; 79]].concat();
    let mut tags = vec![(*b"desc", text), (*b"cprt", b"text\0\0\0\0none\0\0\0\0".to_vec()), (*b"wtpt", xyz([0.9642, 1.0, 0.8249]))];
    match primaries {
        None => tags.push((*b"kTRC", curve)),
        Some(primaries) => {
            for (name, values) in [b"rXYZ", b"gXYZ", b"bXYZ"].into_iter().zip(primaries) {
                tags.push((*name, xyz(values)));
            }
            for name in [b"rTRC", b"gTRC", b"bTRC"] {
                tags.push((*name, curve.clone()));
            }
        }
    }
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let mut content = Vec::new();
    let content_at = 128 + 4 + 12 * tags.len();
    for (name, bytes) in tags {
        table.extend(name);
        table.extend(((content_at + content.len()) as u32).to_be_bytes());
        table.extend((bytes.len() as u32).to_be_bytes());
        content.extend(bytes);
        content.resize(content.len().next_multiple_of(4), 0);
    }
    let mut header = vec![0; 128];
    header[0..4].copy_from_slice(&((content_at + content.len()) as u32).to_be_bytes());
    header[8..12].copy_from_slice(&[2, 0x10, 0, 0]);
    header[12..16].copy_from_slice(b"mntr");
    header[16..20].copy_from_slice(if primaries.is_some() { b"RGB " } else { b"GRAY" });
    header[20..24].copy_from_slice(b"XYZ ");
    header[24..36].copy_from_slice(&[7, 234, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    header[36..40].copy_from_slice(b"acsp");
    header[68..80].copy_from_slice(&[0.9642, 1.0, 0.8249].map(fixed).concat());
    [header, table, content].concat()
}

fn assert_made(bench: &Bench, file: &PathBuf, mime: &str, expected: [Rgb; 4], most: f64) {
    let ran = bench.run(file, mime, Kind::Image, Group::Stills, EACH_FORMAT).unwrap_or_else(|failure| panic!("{file:?}: {failure}"));
    for path in &ran.files {
        assert_fields(path, expected, most, mime);
    }
}

#[test]
fn a_wide_gamut_and_ink_become_srgb() {
    let bench = Bench::new();
    let adobe = bench.path("adobe.icc");
    std::fs::write(&adobe, profile(Some(ADOBE_RGB), 2.199_218_75)).unwrap();
    let source = four_fields(&bench, "source", 400, 300, CORNERS);
    let muted = four_fields(&bench, "muted", 400, 300, MUTED);
    for (name, mime, source, fields, profile) in [
        ("p3.jpg", "image/jpeg", &source, CORNERS, "p3"),
        ("p3.png", "image/png", &source, CORNERS, "p3"),
        ("p3.avif", "image/avif", &source, CORNERS, "p3"),
        ("adobe.jpg", "image/jpeg", &source, CORNERS, adobe.to_str().unwrap()),
        ("adobe.tiff", "image/tiff", &source, CORNERS, adobe.to_str().unwrap()),
        ("ink.jpg", "image/jpeg", &muted, MUTED, "cmyk"),
        ("ink.tiff", "image/tiff", &muted, MUTED, "cmyk"),
    ] {
        let file = bench.path(name);
        let to = format!("{}{}", file.display(), if name.ends_with("jpg") || name.ends_with("avif") { "[Q=95]" } else { "" });
        vips(&["icc_transform", source.to_str().unwrap(), &to, profile, "--input-profile", "srgb"]);
        assert_made(&bench, &file, mime, fields, 6.0);
    }
}

#[test]
fn gray_stays_the_same_gray_with_and_without_a_profile() {
    let bench = Bench::new();
    let steep = bench.path("steep.icc");
    std::fs::write(&steep, profile(None, 1.0)).unwrap();
    let source = four_fields(&bench, "grays", 400, 300, GRAYS);
    let gray = bench.path("gray.png");
    vips(&["colourspace", source.to_str().unwrap(), gray.to_str().unwrap(), "b-w"]);
    assert_made(&bench, &gray, "image/png", GRAYS, 3.0);
    let jpeg = bench.path("gray.jpg");
    vips(&["copy", gray.to_str().unwrap(), &format!("{}[Q=95]", jpeg.display())]);
    assert_made(&bench, &jpeg, "image/jpeg", GRAYS, 3.0);
    // light that is counted as it is: the numbers of the same grays are much lower
    let linear = bench.path("linear.jpg");
    let to = format!("{}[Q=98,profile={}]", linear.display(), steep.display());
    let lowered = bench.path("lowered.v");
    vips(&["colourspace", source.to_str().unwrap(), lowered.to_str().unwrap(), "scrgb"]);
    let scaled = bench.path("scaled.v");
    vips(&["linear", lowered.to_str().unwrap(), scaled.to_str().unwrap(), "255", "0"]);
    let band = bench.path("band.v");
    vips(&["extract_band", scaled.to_str().unwrap(), band.to_str().unwrap(), "0"]);
    let bytes = bench.path("bytes.v");
    vips(&["cast", band.to_str().unwrap(), bytes.to_str().unwrap(), "uchar"]);
    let told = bench.path("told.v");
    vips(&["copy", bytes.to_str().unwrap(), told.to_str().unwrap(), "--interpretation", "b-w"]);
    vips(&["copy", told.to_str().unwrap(), &to]);
    assert_made(&bench, &linear, "image/jpeg", GRAYS, 6.0);
}

#[test]
fn a_profile_that_does_not_fit_the_picture_is_passed_over() {
    let bench = Bench::new();
    let adobe = bench.path("adobe.icc");
    std::fs::write(&adobe, profile(Some(ADOBE_RGB), 2.199_218_75)).unwrap();
    let source = four_fields(&bench, "grays", 400, 300, GRAYS);
    let gray = bench.path("gray.png");
    vips(&["colourspace", source.to_str().unwrap(), gray.to_str().unwrap(), "b-w"]);
    let odd = bench.path("odd.jpg");
    vips(&["copy", gray.to_str().unwrap(), &format!("{}[Q=95]", odd.display())]);
    let jpeg = std::fs::read(&odd).unwrap();
    let icc = [b"ICC_PROFILE\0\x01\x01".as_slice(), &std::fs::read(&adobe).unwrap()].concat();
    let app2 = [&[0xff, 0xe2], (icc.len() as u16 + 2).to_be_bytes().as_slice(), &icc].concat();
    std::fs::write(&odd, [&jpeg[..2], &app2, &jpeg[2..]].concat()).unwrap();
    assert_made(&bench, &odd, "image/jpeg", GRAYS, 3.0);
    // and one that is no profile
    let broken = [b"ICC_PROFILE\0\x01\x01".as_slice(), &[7; 200]].concat();
    let app2 = [&[0xff, 0xe2], (broken.len() as u16 + 2).to_be_bytes().as_slice(), &broken].concat();
    std::fs::write(&odd, [&jpeg[..2], &app2, &jpeg[2..]].concat()).unwrap();
    assert_made(&bench, &odd, "image/jpeg", GRAYS, 3.0);
}

#[test]
fn sixteen_bits_become_eight_and_ink_without_a_profile_is_not_inverted() {
    let bench = Bench::new();
    let source = four_fields(&bench, "source", 400, 300, MUTED);
    for (name, mime) in [("deep.png", "image/png"), ("deep.tiff", "image/tiff")] {
        let file = bench.path(name);
        vips(&["colourspace", source.to_str().unwrap(), file.to_str().unwrap(), "rgb16"]);
        assert_made(&bench, &file, mime, MUTED, 5.0);
    }
    for (name, mime) in [("bare.jpg", "image/jpeg"), ("bare.tiff", "image/tiff")] {
        let (ink, file) = (bench.path("ink.v"), bench.path(name));
        vips(&["icc_transform", source.to_str().unwrap(), ink.to_str().unwrap(), "cmyk", "--input-profile", "srgb"]);
        vips(&["copy", ink.to_str().unwrap(), &format!("{}[strip]", file.display())]);
        // without its profile an ink's colour is a guess: ours is a common press
        assert_made(&bench, &file, mime, MUTED, 10.0);
    }
}
