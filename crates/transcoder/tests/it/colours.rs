//! Colours come out as they were drawn, in BT.709, limited range, 4:2:0 and 8 bit, and say so.

use std::{path::Path, process::Command};

use media_domain::{Kind, MediaInfo, info::HighRange, profile::Recipe, work::Group};

use crate::{
    bench::{Bench, ffprobe, job, pixels, value},
    samples::{self, PATCHES},
};

/// How far a flat colour may be from what was drawn (CIE 1976 ΔE): what a codec's quantiser leaves of it.
const DELTA_E: f64 = 3.0;

#[test]
fn a_colour_comes_out_as_it_was_drawn_however_it_was_told() {
    let bench = Bench::new();
    let mut far = Vec::new();
    for sample in samples::colours() {
        let file = bench.make(sample.name, &sample.args);
        let ran = bench
            .run(&file, sample.mime, Kind::Video, Group::Ladder, &["h264-360p"])
            .unwrap_or_else(|failure| panic!("{}: {failure} {:?}", sample.name, failure.source));
        assert_is_told_as_bt709(&ran.files[0], sample.name);
        for (drawn, got) in PATCHES.iter().zip(patches_of(&ran.files[0])) {
            let distance = delta_e(*drawn, got);
            if distance > DELTA_E {
                far.push(format!("{}: {got:?} for {drawn:?}, ΔE {distance:.1}", sample.name));
            }
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

#[test]
fn a_poster_has_the_same_colours() {
    let bench = Bench::new();
    for sample in samples::colours().into_iter().filter(|sample| sample.name.starts_with("bt601")) {
        let file = bench.make(sample.name, &sample.args);
        let ran = bench.run(&file, sample.mime, Kind::Video, Group::Poster, &["poster"]).unwrap();
        for (drawn, got) in PATCHES.iter().zip(patches_of(&ran.files[0])) {
            assert!(delta_e(*drawn, got) < 5.0, "{}: {got:?} for {drawn:?}", sample.name);
        }
    }
}

/// What ffmpeg makes of high dynamic range.
const REFERENCE: &str =
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv,format=yuv420p";

#[test]
fn high_dynamic_range_is_mapped_as_ffmpeg_does_it() {
    let bench = Bench::new();
    for sample in samples::high_ranges() {
        let file = bench.make(sample.name, &sample.args);
        let info = bench.probe(&file, sample.mime, Kind::Video).unwrap().video.unwrap();
        assert_eq!(info.hdr, Some(if sample.name.starts_with("pq") { HighRange::Pq } else { HighRange::Hlg }), "{}", sample.name);
        let whole = MediaInfo { video: Some(info), ..MediaInfo::default() };
        let mut job = job(&file, sample.mime, Kind::Video, Group::Ladder, &["h264-360p"], Some(whole));
        // What the encoder loses is no matter of colour.
        job.outputs[0].make = Recipe::H264 { height: 360, bitrate_kbps: 8000 };
        let ran = bench.run_job(&file, job).unwrap();
        assert_is_told_as_bt709(&ran.files[0], sample.name);
        let ssim = ssim(&ran.files[0], &file, REFERENCE);
        assert!(ssim >= 0.97, "{}: {ssim}", sample.name);
    }
}

#[test]
fn a_dolby_vision_film_of_profile_8_is_shown_by_its_base_layer() {
    let bench = Bench::new();
    let sample = samples::high_ranges().into_iter().find(|sample| sample.name == "hlg.mov").unwrap();
    let plain = std::fs::read(bench.make("plain.mov", &sample.args)).unwrap();
    // profile 8, level 3, with a base layer that is compatible with HLG (4)
    let record = [&[1u8, 0, 8 << 1, 3 << 3 | 0b101, 4 << 4], [0u8; 19].as_slice()].concat();
    let file = bench.path("dolby.mov");
    std::fs::write(&file, with_box_in_hvc1(plain, b"dvvC", &record)).unwrap();
    assert!(
        format!("{:?}", ffprobe(&file, "stream_side_data")).contains("(\"dv_profile\", \"8\")"),
        "{:?}",
        ffprobe(&file, "stream_side_data")
    );
    let ran = bench.run(&file, "video/quicktime", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    let ssim = ssim(&ran.files[0], &file, REFERENCE);
    assert!(ssim >= 0.97, "{ssim}");
}

/// Puts a box at the end of a sample entry of HEVC. The index stands behind the samples, so that no offset changes.
fn with_box_in_hvc1(mut file: Vec<u8>, name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let find = |file: &[u8], name: &[u8; 4], from: usize| from + file[from..].windows(4).position(|window| window == name).unwrap();
    let boxed = [&(content.len() as u32 + 8).to_be_bytes(), name.as_slice(), content].concat();
    let mut at = find(&file, b"moov", find(&file, b"mdat", 0));
    let mut parents = vec![at];
    for parent in [b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hvc1"] {
        at = find(&file, parent, at);
        parents.push(at);
    }
    let size = |file: &[u8], at: usize| u32::from_be_bytes(file[at - 4..at].try_into().unwrap());
    let end = at - 4 + size(&file, at) as usize;
    for parent in parents {
        let grown = size(&file, parent) + boxed.len() as u32;
        file[parent - 4..parent].copy_from_slice(&grown.to_be_bytes());
    }
    file.splice(end..end, boxed);
    file
}

fn assert_is_told_as_bt709(path: &Path, name: &str) {
    let found = ffprobe(path, "stream=pix_fmt,color_range,color_space,color_transfer,color_primaries");
    let keys = ["pix_fmt", "color_range", "color_space", "color_transfer", "color_primaries"];
    assert_eq!(keys.map(|key| value(&found, key)), ["yuv420p", "tv", "bt709", "bt709", "bt709"], "{name}");
    // ITU-T H.273 in the container: 1, 1, 1, limited
    let colr = b"colrnclx\0\x01\0\x01\0\x01\0";
    assert!(std::fs::read(path).unwrap().windows(colr.len()).any(|window| window == colr), "{name}: no colr box");
}

/// The colour in the middle of each patch of the first picture.
fn patches_of(path: &Path) -> Vec<[u8; 3]> {
    let (width, height, rgb) = pixels(path);
    (0..6)
        .map(|patch| {
            let (mut sum, mut count) = ([0u64; 3], 0);
            for y in height / 3..height * 2 / 3 {
                for x in (width * (6 * patch + 2) / 36)..(width * (6 * patch + 4) / 36) {
                    let at = ((y * width + x) * 3) as usize;
                    (0..3).for_each(|channel| sum[channel] += u64::from(rgb[at + channel]));
                    count += 1;
                }
            }
            sum.map(|total| (total / count) as u8)
        })
        .collect()
}

/// CIE 1976.
fn delta_e(one: [u8; 3], other: [u8; 3]) -> f64 {
    lab(one).iter().zip(lab(other)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

/// Of sRGB (IEC 61966-2-1), for D65.
fn lab(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|level| {
        let level = f64::from(level) / 255.0;
        if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
    });
    let xyz = [
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    ];
    let [x, y, z] = xyz.map(|light| if light > 0.008_856 { light.cbrt() } else { 7.787 * light + 16.0 / 116.0 });
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Of all pictures of a file against those of another behind a filter.
fn ssim(path: &Path, source: &Path, filter: &str) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "info", "-i"])
        .arg(path)
        .arg("-i")
        .arg(source)
        .args(["-filter_complex", &format!("[1]{filter}[r];[0][r]ssim"), "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.split("All:").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}
