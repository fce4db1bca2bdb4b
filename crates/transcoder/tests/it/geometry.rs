//! Pictures come out upright, in square pixels, of even size.

use std::path::{Path, PathBuf};

use media_domain::{Kind, work::Group};

use crate::bench::{Bench, corner, ffprobe, is_near, value};

/// Clockwise from the upper left.
const CORNERS: [[u8; 3]; 4] = [[220, 30, 30], [30, 200, 30], [30, 30, 220], [210, 210, 40]];
/// Four quarters, each of its colour.
const QUARTERS: &str = "-f lavfi -i color=0xdc1e1e:size=160x90:rate=10:duration=1 -f lavfi -i color=0x1ec81e:size=160x90:rate=10:duration=1 -f lavfi -i color=0xd2d228:size=160x90:rate=10:duration=1 -f lavfi -i color=0x1e1edc:size=160x90:rate=10:duration=1 -filter_complex [0][1]hstack[a];[2][3]hstack[b];[a][b]vstack";

fn with_matrix(bench: &Bench, plain: &Path, name: &str, [a, b, c, d]: [i32; 4]) -> PathBuf {
    let mut bytes = std::fs::read(plain).unwrap();
    let header = bytes.windows(4).position(|window| window == b"tkhd").unwrap() + 4;
    for (at, number) in [(0, a), (4, b), (12, c), (16, d)] {
        let place = header + 40 + at;
        bytes[place..place + 4].copy_from_slice(&(number * 0x1_0000).to_be_bytes());
    }
    let path = bench.path(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn corners(path: &Path) -> [[u8; 3]; 4] {
    [(false, false), (true, false), (true, true), (false, true)].map(|(right, bottom)| corner(path, right, bottom))
}

#[test]
fn every_matrix_of_quarter_turns_and_mirrors_is_applied_once() {
    let bench = Bench::new();
    let plain = bench.make("plain.mp4", &format!("{QUARTERS} -c:v libx264 -preset ultrafast -crf 12"));
    // which of the stored corners is seen, clockwise from the upper left
    for (name, matrix, seen) in [
        ("0", [1, 0, 0, 1], [0, 1, 2, 3]),
        ("90", [0, 1, -1, 0], [3, 0, 1, 2]),
        ("180", [-1, 0, 0, -1], [2, 3, 0, 1]),
        ("270", [0, -1, 1, 0], [1, 2, 3, 0]),
        ("mirrored", [-1, 0, 0, 1], [1, 0, 3, 2]),
        ("upside-down", [1, 0, 0, -1], [3, 2, 1, 0]),
        ("transposed", [0, 1, 1, 0], [0, 3, 2, 1]),
        ("transversed", [0, -1, -1, 0], [2, 1, 0, 3]),
    ] {
        let file = with_matrix(&bench, &plain, &format!("{name}.mp4"), matrix);
        let size = if matrix[0] == 0 { (180, 320) } else { (320, 180) };
        let info = bench.probe(&file, "video/mp4", Kind::Video).unwrap().video.unwrap();
        assert_eq!((info.width, info.height), size, "{name}");
        let rung = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
        let poster = bench.run(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"]).unwrap();
        for path in [&rung.files[0], &poster.files[0]] {
            let found = ffprobe(path, "stream=width,height:stream_side_data=rotation");
            assert_eq!(["width", "height"].map(|key| value(&found, key)), [size.0.to_string(), size.1.to_string()], "{name}");
            assert!(!found.iter().any(|(key, _)| key == "rotation"), "{name}: {found:?}");
            let got = corners(path);
            assert!(got.iter().zip(seen).all(|(got, stored)| is_near(*got, CORNERS[stored])), "{name}: {got:?}");
        }
    }
}

#[test]
fn anamorphic_pixels_that_lie_on_their_side_become_square() {
    let bench = Bench::new();
    let plain = bench.make("plain.mp4", &format!("{QUARTERS},scale=180:180,setsar=16/9 -c:v libx264 -preset ultrafast -crf 12"));
    let file = with_matrix(&bench, &plain, "anamorphic.mp4", [0, 1, -1, 0]);
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
    let found = ffprobe(&ran.files[0], "stream=width,height,sample_aspect_ratio");
    assert_eq!(["width", "height", "sample_aspect_ratio"].map(|key| value(&found, key)), ["180", "320", "1:1"]);
    assert!(is_near(corners(&ran.files[0])[0], CORNERS[3]));
}

#[test]
fn odd_sizes_become_even_and_lose_no_corner() {
    let bench = Bench::new();
    for (size, expected) in [("323:181", ("322", "180")), ("321:183", ("320", "182")), ("17:33", ("16", "32"))] {
        let file = bench.make(
            &format!("{}.webm", size.replace(':', "x")),
            &format!("{QUARTERS},scale={size},setsar=1 -c:v libvpx-vp9 -pix_fmt yuv420p -deadline realtime -cpu-used 8 -crf 12 -b:v 0"),
        );
        let ran = bench.run(&file, "video/webm", Kind::Video, Group::Ladder, &["h264-360p"]).unwrap();
        let found = ffprobe(&ran.files[0], "stream=width,height");
        assert_eq!((value(&found, "width").as_str(), value(&found, "height").as_str()), expected);
        assert!(corners(&ran.files[0]).iter().zip(CORNERS).all(|(got, drawn)| is_near(*got, drawn)), "{size}");
    }
}
