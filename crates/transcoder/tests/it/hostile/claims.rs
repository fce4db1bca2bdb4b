//! Files that claim to be larger than anything: the claim is held against the limits, and nothing is made ready for it.

use std::path::{Path, PathBuf};

use media_domain::{Kind, Profiles, Reason, plan, work::Group};
use media_transcoder::parent::FailureKind;

use super::{
    BLAMED, Cost, attack, attack_probe,
    bombs::{a_picture, write},
    ends_typed,
};
use crate::bench::{Bench, job};

/// What a header may cost, and nothing more.
const HEADER: Cost = Cost::LOOK;

/// Is refused, whatever the look was made to say: by its size, or because nothing follows the header.
fn is_not_decoded(bench: &Bench, file: &Path, mime: &str, side: u32) {
    for said in [side, 10] {
        let job = job(file, mime, Kind::Image, Group::Stills, &["webp-320"], a_picture(said, said));
        let failure = attack(bench, file, job, HEADER).err().unwrap_or_else(|| panic!("{mime} was made something of"));
        let kinds = [FailureKind::TooLarge, FailureKind::Corrupt, FailureKind::Unsupported];
        assert!(kinds.contains(&failure.kind), "{mime}: {failure}");
    }
    match attack_probe(bench, file, mime, Kind::Image) {
        Ok(info) => assert_eq!(
            plan::plan(Kind::Image, &info, &Profiles::built_in().unwrap(), None).err().map(|refused| refused.reason),
            Some(Reason::PixelsExceedLimit),
            "{mime}: {info:?}"
        ),
        Err(failure) => assert!(BLAMED.contains(&failure.kind), "{mime}: {failure}"),
    }
}

/// One strip of nothing (TIFF 6.0): tag, type long, one of them, the value.
fn tiff(side: u32) -> Vec<u8> {
    let tags = [(256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, side), (279, side)];
    let entry = |(tag, value): (u16, u32)| [tag.to_le_bytes().as_slice(), &[4, 0], &1u32.to_le_bytes(), &value.to_le_bytes()].concat();
    let table: Vec<u8> = tags.into_iter().flat_map(entry).collect();
    [b"II*\0\x08\0\0\0".as_slice(), &(tags.len() as u16).to_le_bytes(), &table, &[0; 4]].concat()
}

/// VP8L, whose header has 14 bits for each side.
fn webp(side: u32) -> Vec<u8> {
    let sides = (side - 1) | (side - 1) << 14;
    let chunk = [[0x2f].as_slice(), &sides.to_le_bytes(), &[0; 27]].concat();
    let inside = [b"WEBPVP8L".as_slice(), &(chunk.len() as u32).to_le_bytes(), &chunk].concat();
    [b"RIFF".as_slice(), &(inside.len() as u32).to_le_bytes(), &inside].concat()
}

/// A real one, with another word on its size (ISO/IEC 23008-12, 6.5.3).
fn avif(bench: &Bench, side: u32) -> PathBuf {
    let whole = bench
        .make(&format!("real-{side}.avif"), "-f lavfi -i testsrc2=size=64x64 -frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1");
    let mut bytes = std::fs::read(whole).unwrap();
    let at = bytes.windows(4).position(|window| window == b"ispe").unwrap() + 8;
    bytes[at..at + 8].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    write(bench, &format!("{side}.avif"), &bytes)
}

#[test]
fn a_header_that_claims_too_much_is_refused_in_every_format() {
    let bench = Bench::new();
    is_not_decoded(&bench, &write(&bench, "large.tiff", &tiff(100_000)), "image/tiff", 100_000);
    is_not_decoded(&bench, &write(&bench, "large.webp", &webp(16_383)), "image/webp", 16_383);
    is_not_decoded(&bench, &avif(&bench, 30_000), "image/avif", 30_000);
    is_not_decoded(&bench, &avif(&bench, 1_000_000), "image/avif", 1_000_000);
}

/// Two frames, so that one is decoded while the other waits.
fn film(bench: &Bench, size: &str) -> PathBuf {
    let coding = "-frames:v 2 -pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -threads 1";
    bench.make(&format!("{size}.mp4"), &format!("-f lavfi -i color=gray:size={size}:rate=10 {coding}"))
}

#[test]
fn a_film_of_128_megapixels_is_refused_by_its_plan_and_does_no_harm_to_who_decodes_it() {
    let bench = Bench::new();
    let file = film(&bench, "16000x8000");
    let info = attack_probe(&bench, &file, "video/mp4", Kind::Video).unwrap();
    let video = info.video.as_ref().unwrap();
    assert_eq!((video.width, video.height), (16_000, 8_000));
    let refused = plan::plan(Kind::Video, &info, &Profiles::built_in().unwrap(), None).unwrap_err();
    assert_eq!(refused.reason, Reason::PixelsExceedLimit);
    let most = Cost { cpu_s: 3.0, memory_mib: 3800, output_kb: 10 };
    ends_typed(attack(&bench, &file, job(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"], Some(info)), most));
}

#[test]
fn the_largest_film_that_is_taken_is_decoded_within_its_memory() {
    let bench = Bench::new();
    let file = film(&bench, "8192x4320");
    let info = attack_probe(&bench, &file, "video/mp4", Kind::Video).unwrap();
    plan::plan(Kind::Video, &info, &Profiles::built_in().unwrap(), None).unwrap();
    let most = Cost { cpu_s: 1.5, memory_mib: 1300, output_kb: 10 };
    let ran = attack(&bench, &file, job(&file, "video/mp4", Kind::Video, Group::Poster, &["poster"], Some(info)), most).unwrap();
    assert_eq!(ran.done.outputs[0].frames, 1);
}
