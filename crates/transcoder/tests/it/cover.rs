//! The picture that an audio file carries becomes its poster.

use std::path::{Path, PathBuf};

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use crate::bench::{Bench, corner, ffprobe, is_near, value};

/// A picture that is red above and blue below.
fn picture(bench: &Bench, name: &str) -> PathBuf {
    let halves = "-f lavfi -i color=red:size=600x300 -f lavfi -i color=blue:size=600x300 -filter_complex [0][1]vstack -frames:v 1";
    bench.make(name, halves)
}

/// A file with a picture in it, as a player would write it.
fn with_picture(bench: &Bench, name: &str, args: &str, picture: &Path) -> PathBuf {
    let sound = bench.make(&format!("plain-{name}"), &format!("-f lavfi -i sine=duration=3 {args}"));
    bench.make(name, &format!("-i {} -i {} -map 0 -map 1 -c copy -disposition:v:0 attached_pic", sound.display(), picture.display()))
}

/// FLAC's block of a front cover (RFC 9639, 8.8), which Ogg carries in base64.
fn picture_block(mime: &str, bytes: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [&(text.len() as u32).to_be_bytes(), text].concat();
    [3u32.to_be_bytes().to_vec(), text(mime.as_bytes()), text(b""), vec![0; 16], text(bytes)].concat()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let is_padding = place > three.len();
            text.push(if is_padding { '=' } else { LETTERS[(number >> (18 - 6 * place) & 63) as usize] as char });
        }
    }
    text
}

fn assert_cover(bench: &Bench, file: &Path, mime: &str, name: &str) {
    let info = bench.probe(file, mime, Kind::Audio).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    assert!(info.has_cover && info.video.is_none() && info.audio.is_some(), "{name}: {info:?}");
    let ran = bench.run(file, mime, Kind::Audio, Group::Poster, &["poster"]).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let found = ffprobe(&ran.files[0], "stream=codec_name,width,height");
    assert_eq!(["codec_name", "width", "height"].map(|key| value(&found, key)), ["webp", "600", "600"], "{name}");
    assert!(is_near(corner(&ran.files[0], false, false), [254, 0, 0]) && is_near(corner(&ran.files[0], true, true), [0, 0, 254]), "{name}");
    // the picture does not disturb the sound
    bench.run(file, mime, Kind::Audio, Group::Audio, &["aac-128k"]).unwrap_or_else(|failure| panic!("{name}: {failure}"));
}

#[test]
fn each_kind_of_file_gives_its_picture() {
    let bench = Bench::new();
    let jpeg = picture(&bench, "cover.jpg");
    let png = picture(&bench, "cover.png");
    for (name, mime, args, picture) in [
        ("song.mp3", "audio/mpeg", "-c:a libmp3lame", &jpeg),
        ("png.mp3", "audio/mpeg", "-c:a libmp3lame", &png),
        ("song.m4a", "audio/mp4", "-c:a aac", &jpeg),
        ("song.flac", "audio/x-flac", "-c:a flac", &png),
    ] {
        assert_cover(&bench, &with_picture(&bench, name, args, picture), mime, name);
    }
    let block = base64(&picture_block("image/jpeg", &std::fs::read(&jpeg).unwrap()));
    let tags = bench.path("tags.txt");
    std::fs::write(&tags, format!(";FFMETADATA1\nMETADATA_BLOCK_PICTURE={}\n", block.replace('=', "\\="))).unwrap();
    for (name, mime, codec) in [("song.ogg", "audio/ogg", "libvorbis"), ("song.opus", "audio/opus", "libopus")] {
        let file = bench.make(name, &format!("-f lavfi -i sine=duration=3 -i {} -map_metadata:s:a 1:g -c:a {codec}", tags.display()));
        assert_cover(&bench, &file, mime, name);
    }
}

#[test]
fn a_file_without_a_picture_has_none() {
    let bench = Bench::new();
    let file = bench.make("plain.mp3", "-f lavfi -i sine=duration=2 -c:a libmp3lame -metadata title=x");
    assert!(!bench.probe(&file, "audio/mpeg", Kind::Audio).unwrap().has_cover);
}

#[test]
fn a_picture_that_is_none_fails_its_own_job_only() {
    let bench = Bench::new();
    let jpeg = picture(&bench, "cover.jpg");
    let whole = with_picture(&bench, "song.mp3", "-c:a libmp3lame", &jpeg);
    let mut bytes = std::fs::read(&whole).unwrap();
    let start = bytes.windows(3).position(|mark| mark == [0xff, 0xd8, 0xff]).unwrap();
    bytes[start..start + 200].fill(b'<');
    let file = bench.path("hostile.mp3");
    std::fs::write(&file, bytes).unwrap();
    let failure = bench.run(&file, "audio/mpeg", Kind::Audio, Group::Poster, &["poster"]).err().expect("it was taken for a picture");
    assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{failure}");
    bench.run(&file, "audio/mpeg", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap();
}
