//! Small files that unfold into much.

use std::path::PathBuf;

use media_domain::{Kind, MediaInfo, info::PictureInfo, work::Group};
use media_transcoder::parent::FailureKind;

use super::{BLAMED, Cost, attack, attack_probe, ends_typed};
use crate::bench::{Bench, job};

const WIDTHS: &[&str] = &["webp-320", "webp-640", "webp-1280"];

pub fn write(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let path = bench.path(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// CRC-32 as PNG wants it (ISO 3309), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)));
    !bytes.iter().fold(u32::MAX, step)
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [name.as_slice(), data].concat();
    [(data.len() as u32).to_be_bytes().as_slice(), &named, &crc(&named).to_be_bytes()].concat()
}

/// A PNG that is whole up to its first rows.
fn png(width: u32, height: u32) -> Vec<u8> {
    let header = [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &[1, 0, 0, 0, 0]].concat();
    // zlib: one stored block of 8 bytes, and no end
    let rows = [0x78, 0x01, 0x00, 8, 0, 0xf7, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunk(b"IHDR", &header), &chunk(b"IDAT", &rows), &chunk(b"IEND", &[])].concat()
}

pub fn a_picture(width: u32, height: u32) -> Option<MediaInfo> {
    Some(MediaInfo { picture: Some(PictureInfo { width, height, frames: 1 }), ..MediaInfo::default() })
}

#[test]
fn a_png_of_ten_thousand_megapixels_is_too_large_and_not_decoded() {
    let bench = Bench::new();
    let file = write(&bench, "bomb.png", &png(100_000, 100_000));
    // The probe may tell the size: nothing is decoded. The stills must refuse it, whatever the probe was made to say.
    for said in [(100_000, 100_000), (10, 10)] {
        let failure =
            attack(&bench, &file, job(&file, "image/png", Kind::Image, Group::Stills, WIDTHS, a_picture(said.0, said.1)), Cost::LOOK)
                .err()
                .unwrap();
        assert_eq!(failure.kind, FailureKind::TooLarge, "{failure}");
    }
    match attack_probe(&bench, &file, "image/png", Kind::Image) {
        Ok(info) => assert_eq!(info.picture.map(|picture| (picture.width, picture.height)), Some((100_000, 100_000))),
        Err(failure) => assert!(BLAMED.contains(&failure.kind), "{failure}"),
    }
}

#[test]
fn a_picture_just_under_the_pixel_limit_stays_within_its_memory() {
    let bench = Bench::new();
    let file = bench.make("large.png", "-f lavfi -i color=blue:size=9990x9990,format=rgba -frames:v 1");
    let most = Cost { cpu_s: 4.5, memory_mib: 750, output_kb: 15 };
    attack(&bench, &file, job(&file, "image/png", Kind::Image, Group::Stills, WIDTHS, a_picture(9990, 9990)), most).unwrap();
}

#[test]
fn ten_hours_of_black_at_one_frame_a_second_are_made_within_the_limits() {
    let bench = Bench::new();
    let minutes = bench.make("minutes.mp4", "-f lavfi -i color=black:size=160x90:rate=1:duration=600 -c:v libx264 -preset ultrafast");
    let film = bench.path("black.mp4");
    let looped = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-stream_loop", "59", "-i"])
        .arg(&minutes)
        .args(["-c", "copy"])
        .arg(&film)
        .status()
        .unwrap();
    assert!(looped.success());
    let info = attack_probe(&bench, &film, "video/mp4", Kind::Video).unwrap();
    assert_eq!(info.duration_ms.unwrap() / 1000, 36_000);
    let ladder = Cost { cpu_s: 26.0, memory_mib: 400, output_kb: 3600 };
    for (group, profile, most) in [(Group::Poster, "poster", Cost::SMALL), (Group::Ladder, "h264-360p", ladder)] {
        attack(&bench, &film, job(&film, "video/mp4", Kind::Video, group, &[profile], Some(info.clone())), most).unwrap();
    }
}

#[test]
fn a_zip_that_calls_itself_a_film_is_refused() {
    let bench = Bench::new();
    // a local header by PKWARE's APPNOTE 4.3.7: stored, one file, then its bytes
    let header = [b"PK\x03\x04\x14\0\0\0\0\0".as_slice(), &[0; 8], &9u32.to_le_bytes(), &9u32.to_le_bytes(), &[5, 0, 0, 0]].concat();
    let file = write(&bench, "film.mp4", &[header, b"a.txtsome text".to_vec(), vec![0; 4096]].concat());
    for mime in ["video/mp4", "video/x-matroska", "video/mp2t", "video/x-msvideo", "video/x-flv", "video/ogg"] {
        let failure = attack_probe(&bench, &file, mime, Kind::Video).unwrap_err();
        assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{mime}: {failure}");
    }
}

/// Each frame covers one pixel of a canvas of a megapixel.
fn gif(frames: usize) -> Vec<u8> {
    let side = 1000u16.to_le_bytes();
    let header = [b"GIF89a".as_slice(), &side, &side, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let frame = [0x21, 0xf9, 4, 4, 1, 0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0];
    [header, frame.repeat(frames), vec![0x3b]].concat()
}

#[test]
fn a_gif_of_a_hundred_thousand_frames_stays_within_its_limits() {
    let bench = Bench::new();
    let file = write(&bench, "frames.gif", &gif(100_000));
    let info = match attack_probe(&bench, &file, "image/gif", Kind::Image) {
        Ok(info) => info,
        Err(failure) => return assert!(BLAMED.contains(&failure.kind), "{failure}"),
    };
    // libnsgif stops counting at 4,097.
    assert!(info.picture.as_ref().is_some_and(|picture| picture.frames > 4000), "{info:?}");
    ends_typed(attack(&bench, &file, job(&file, "image/gif", Kind::Image, Group::Stills, WIDTHS, Some(info)), Cost::LOOK));
}
