//! Files whose headers were changed at random: a thousand in each run of the tests, `MEDIA_FUZZ=1000` of each container in a
//! longer one. The same each time; a failure names the file by its number.

use std::path::Path;

use media_domain::{Kind, work::Group};
use media_transcoder::parent::{ChildFailure, FailureKind};

use super::{Cost, attack};
use crate::{
    bench::{Bench, job},
    papers,
};

/// Of each of the containers, unless the variable `MEDIA_FUZZ` says more.
const MUTATIONS: usize = 70;
/// A header, an index and the first samples lie in as much.
const HEADER_BYTES: usize = 4 << 10;

const PICTURES: &str = "-f lavfi -i testsrc2=size=160x120:rate=10:duration=1 -f lavfi -i sine=duration=1";
const X264: &str = "-c:v libx264 -preset ultrafast -c:a aac";
const STILL: &str = "-f lavfi -i testsrc2=size=160x120 -frames:v 1";

/// name, MIME type, how ffmpeg makes one
const VIDEOS: &[(&str, &str, &str)] = &[
    ("film.mp4", "video/mp4", "-movflags +faststart"),
    ("film.mkv", "video/x-matroska", ""),
    ("film.webm", "video/webm", "-c:v libvpx -deadline realtime -c:a libopus"),
    ("film.ts", "video/mp2t", ""),
    ("film.avi", "video/x-msvideo", "-c:v mpeg4 -c:a libmp3lame"),
    ("film.flv", "video/x-flv", "-ar 44100"),
];
const SOUNDS: &[(&str, &str, &str)] =
    &[("sound.ogg", "audio/ogg", "-c:a libvorbis"), ("sound.wav", "audio/x-wav", ""), ("sound.mp3", "audio/mpeg", "-c:a libmp3lame")];
const STILLS: &[(&str, &str, &str)] = &[
    ("still.png", "image/png", ""),
    ("still.jpg", "image/jpeg", ""),
    ("still.gif", "image/gif", ""),
    ("still.webp", "image/webp", ""),
    ("still.avif", "image/avif", "-c:v libaom-av1 -cpu-used 8 -still-picture 1"),
    ("still.tiff", "image/tiff", "-pix_fmt rgb24"),
];

/// A gradient, a clip, a reference, a transformation and text: what the parts of a renderer read.
const DRAWING: &str = "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='160' height='120'>\
    <defs><linearGradient id='g'><stop offset='0' stop-color='#f00'/><stop offset='1' stop-color='#00f'/></linearGradient>\
    <clipPath id='c'><circle cx='60' cy='60' r='40'/></clipPath></defs>\
    <rect width='160' height='120' fill='url(#g)' clip-path='url(#c)'/>\
    <g id='leaf' transform='rotate(15 80 60) scale(.5)'><path d='M10 10C20 20 40 20 50 10S80 0 90 10Z'/></g>\
    <use xlink:href='#leaf' x='20' y='20'/><text x='10' y='90' font-size='20'>Words</text></svg>";

/// Marsaglia's xorshift64: the same file for the same number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// Changes one to six places of the header.
fn mutated(whole: &[u8], number: usize) -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1).wrapping_mul(0xff51_afd7_ed55_8ccd));
    dice.roll(2);
    let mut bytes = whole.to_vec();
    for _ in 0..=dice.roll(6) {
        let header = bytes.len().min(HEADER_BYTES);
        let at = dice.roll(header);
        match dice.roll(8) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = dice.roll(256) as u8,
            // the numbers at which sizes and counts turn over
            2 | 3 => {
                let extreme = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, u32::MAX][dice.roll(8)];
                let number = if dice.roll(2) == 0 { extreme.to_be_bytes() } else { extreme.to_le_bytes() };
                number.iter().zip(&mut bytes[at..]).for_each(|(from, to)| *to = *from);
            }
            4 => drop(bytes.drain(at..(at + 1 + dice.roll(64)).min(header))),
            5 => {
                let copy = bytes[at..(at + 1 + dice.roll(64)).min(header)].to_vec();
                let to = dice.roll(header);
                drop(bytes.splice(to..to, copy));
            }
            6 => {
                let (from, length) = (dice.roll(header), dice.roll(32));
                (0..length).for_each(|step| {
                    if at.max(from) + step < header {
                        bytes.swap(at + step, from + step)
                    }
                });
            }
            _ => bytes.truncate(at.max(16) + dice.roll(whole.len())),
        }
        if bytes.len() < 16 {
            return bytes;
        }
    }
    bytes
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn mutations() -> usize {
    std::env::var("MEDIA_FUZZ").map_or(MUTATIONS, |count| count.parse().unwrap())
}

/// Ends typed, and by no act that the lock had to stop. A crash of the child's is what the child is for.
fn is_contained(failure: &ChildFailure) -> bool {
    !matches!(failure.kind, FailureKind::PolicyViolation | FailureKind::Killed | FailureKind::SourceFailed | FailureKind::OutputFailed)
}

fn fuzz(files: &[(&str, &str, &str)], source: &str, kind: Kind, group: Group, profiles: &[&str]) {
    for (name, mime, args) in files {
        let bench = Bench::new();
        let whole = bench.make(name, &format!("{source} {args}"));
        fuzz_file(&bench, &whole, mime, kind, group, profiles);
    }
}

fn fuzz_file(bench: &Bench, whole: &Path, mime: &str, kind: Kind, group: Group, profiles: &[&str]) {
    let name = whole.file_name().unwrap().to_str().unwrap();
    let info = bench.probe(whole, mime, kind).unwrap();
    let bytes = std::fs::read(whole).unwrap();
    let (mut made, mut blamed, mut crashed) = (0, 0, 0);
    for number in 0..mutations() {
        let file = bench.path(&format!("{number}-{name}"));
        std::fs::write(&file, mutated(&bytes, number)).unwrap();
        // The probe, and for every tenth the real thing, as if the probe had passed.
        let ended = match number % 10 {
            0 => attack(bench, &file, job(&file, mime, kind, group, profiles, Some(info.clone())), Cost::CHANCE),
            _ => attack(bench, &file, job(&file, mime, kind, Group::Probe, &[], None), Cost::CHANCE),
        };
        match ended {
            Ok(_) => made += 1,
            Err(failure) if failure.kind == FailureKind::Internal => {
                println!("{name} number {number}: {failure:?}");
                crashed += 1;
            }
            Err(failure) => {
                assert!(is_contained(&failure), "{name} number {number}: {failure:?}");
                blamed += 1;
            }
        }
        std::fs::remove_file(file).unwrap();
    }
    println!("SUM {name}: {made} made, {blamed} refused, {crashed} ended a child");
}

#[test]
fn films_with_broken_headers_end_typed() {
    fuzz(VIDEOS, &format!("{PICTURES} {X264}"), Kind::Video, Group::Ladder, &["h264-360p"]);
}

#[test]
fn sounds_with_broken_headers_end_typed() {
    fuzz(SOUNDS, "-f lavfi -i sine=duration=1", Kind::Audio, Group::Audio, &["aac-128k"]);
}

#[test]
fn pictures_with_broken_headers_end_typed() {
    fuzz(STILLS, STILL, Kind::Image, Group::Stills, &["webp-320"]);
}

#[test]
fn drawings_with_broken_text_end_typed() {
    let bench = Bench::new();
    let file = bench.path("drawing.svg");
    std::fs::write(&file, DRAWING).unwrap();
    fuzz_file(&bench, &file, "image/svg+xml", Kind::Image, Group::Stills, &["webp-320"]);
}

#[test]
fn documents_with_broken_objects_end_typed() {
    let bench = Bench::new();
    let file = bench.path("letter.pdf");
    std::fs::write(&file, papers::document(2, 612, 792)).unwrap();
    fuzz_file(&bench, &file, "application/pdf", Kind::Document, Group::Pages, &["webp-640"]);
}
