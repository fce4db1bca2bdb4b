//! Files that hold less than they promise are never called whole.

use std::{path::Path, process::Command};

use media_domain::{Kind, variant::Loss, work::Group};
use media_transcoder::parent::{ChildFailure, FailureKind};

use crate::bench::{Bench, moving};

const TWENTY_SECONDS: &str = "-f lavfi -i anoisesrc=duration=20:color=pink:amplitude=.3:sample_rate=44100";

fn ladder(bench: &Bench, path: &Path, mime: &str) -> Option<ChildFailure> {
    bench.run(path, mime, Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).err()
}

#[test]
fn a_film_that_was_cut_off_is_corrupt() {
    let bench = Bench::new();
    for (name, mime, args, part) in [
        ("faststart.mp4", "video/mp4", "-movflags +faststart", 0.5),
        ("faststart.mp4", "video/mp4", "-movflags +faststart", 0.9),
        ("film.mkv", "video/x-matroska", "", 0.5),
    ] {
        let whole =
            std::fs::read(bench.make(name, &format!("{} -c:v libx264 -preset ultrafast -c:a aac {args}", moving("320x240", 6)))).unwrap();
        let file = bench.path("cut");
        std::fs::write(&file, &whole[..(whole.len() as f64 * part) as usize]).unwrap();
        let failure = ladder(&bench, &file, mime).unwrap_or_else(|| panic!("{name} cut at {part} was called whole"));
        assert_eq!(failure.kind, FailureKind::Corrupt, "{name} cut at {part}: {failure} {:?}", failure.source);
    }
}

#[test]
fn a_film_whose_index_is_gone_is_corrupt() {
    let bench = Bench::new();
    let whole =
        std::fs::read(bench.make("film.mp4", &format!("{} -c:v libx264 -preset ultrafast -c:a aac", moving("320x240", 6)))).unwrap();
    let file = bench.path("headless.mp4");
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let failure = ladder(&bench, &file, "video/mp4").unwrap();
    assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");
}

#[test]
fn damage_in_the_middle_is_seen_by_counting_frames() {
    let bench = Bench::new();
    let path = bench
        .make("film.mp4", &format!("{} -c:v libx264 -preset ultrafast -b:v 2M -g 60 -c:a aac -movflags +faststart", moving("640x360", 10)));
    let mut bytes = std::fs::read(&path).unwrap();
    let (middle, length) = (bytes.len() / 2, bytes.len() / 8);
    bytes[middle..middle + length].fill(0);
    let file = bench.path("damaged.mp4");
    std::fs::write(&file, bytes).unwrap();
    let failure = ladder(&bench, &file, "video/mp4").expect("it was called whole");
    assert_eq!(failure.kind, FailureKind::Corrupt, "{failure} {:?}", failure.source);
}

#[test]
fn twenty_thousand_bytes_of_noise_are_seen_in_each_codec() {
    let bench = Bench::new();
    let mut unseen = Vec::new();
    for (name, mime, codec) in [
        ("h264.mp4", "video/mp4", "-c:v libx264 -preset veryfast -b:v 2M -g 60 -movflags +faststart"),
        ("cavlc.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -b:v 2M -g 250 -movflags +faststart"),
        ("hevc.mp4", "video/mp4", "-c:v libx265 -preset ultrafast -b:v 2M -x265-params log-level=error"),
        ("mpeg4.avi", "video/x-msvideo", "-c:v mpeg4 -b:v 2M -c:a libmp3lame"),
        ("mjpeg.mov", "video/quicktime", "-c:v mjpeg -q:v 3 -c:a pcm_s16le"),
        ("prores.mov", "video/quicktime", "-c:v prores_ks -profile:v 0 -c:a pcm_s16le"),
    ] {
        let source = format!(
            "-f lavfi -i testsrc2=size=640x360:rate=30:duration=5 -f lavfi -i sine=duration=5 -vf noise=alls=20:allf=t -pix_fmt {}",
            if name.starts_with("prores") { "yuv422p10le" } else { "yuv420p" }
        );
        let whole = std::fs::read(bench.make(name, &format!("{source} {codec}"))).unwrap();
        assert!(ladder(&bench, &bench.path(name), mime).is_none(), "{name} is whole");
        for part in [0.3, 0.7] {
            let mut bytes = whole.clone();
            let from = (bytes.len() as f64 * part) as usize;
            bytes[from..from + 20_000].copy_from_slice(&noise(20_000));
            let file = bench.path("noisy");
            std::fs::write(&file, bytes).unwrap();
            match ladder(&bench, &file, mime) {
                Some(failure) if failure.kind == FailureKind::Corrupt => {}
                other => unseen.push(format!("{name} at {part}: {other:?}")),
            }
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

/// Twenty seconds of sound, in each of the ways that files of sound come.
const SOUNDS: &[(&str, &str, &str)] = &[
    ("sound.m4a", "audio/mp4", "-c:a aac -b:a 128k -movflags +faststart"),
    ("sound.flac", "audio/x-flac", "-c:a flac"),
    ("sound.mp3", "audio/mpeg", "-c:a libmp3lame -b:a 128k"),
    ("sound.ogg", "audio/ogg", "-c:a libvorbis -b:a 128k"),
    ("sound.opus", "audio/opus", "-c:a libopus -b:a 128k"),
    ("sound.wav", "audio/x-wav", "-c:a pcm_s16le"),
    ("sound.aiff", "audio/x-aiff", "-c:a pcm_s16be"),
    ("sound.mka", "audio/x-matroska", "-c:a ac3 -b:a 192k"),
];

/// How a file of sound ends: refused, whole, or with a loss.
fn heard(bench: &Bench, file: &Path, mime: &str) -> Result<Option<Loss>, FailureKind> {
    let ran = bench.run(file, mime, Kind::Audio, Group::Audio, &["aac-128k"]);
    ran.map(|ran| ran.done.outputs[0].details.loss).map_err(|failure| failure.kind)
}

#[test]
fn sound_that_was_cut_off_at_a_half_is_never_called_whole() {
    let bench = Bench::new();
    let mut unseen = Vec::new();
    for (name, mime, args) in SOUNDS {
        let path = bench.make(name, &format!("{TWENTY_SECONDS} {args}"));
        assert_eq!(heard(&bench, &path, mime), Ok(None), "{name} is whole");
        let whole = std::fs::read(path).unwrap();
        let file = bench.path("cut");
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        match (heard(&bench, &file, mime), *mime) {
            // Some that record write no last page, and what cuts songs may leave the number of frames as it was.
            (Ok(Some(_)), "audio/ogg" | "audio/opus" | "audio/mpeg") | (Err(FailureKind::Corrupt), _) => {}
            (other, _) => unseen.push(format!("{name}: {other:?}")),
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn twenty_thousand_bytes_of_noise_are_seen_in_sound() {
    let bench = Bench::new();
    let mut unseen = Vec::new();
    // Samples have nothing to be checked by: noise among them is sound.
    for (name, mime, args) in SOUNDS.iter().filter(|(_, _, args)| !args.contains("pcm_")) {
        let mut bytes = std::fs::read(bench.make(name, &format!("{TWENTY_SECONDS} {args}"))).unwrap();
        let from = bytes.len() / 2;
        bytes[from..from + 20_000].copy_from_slice(&noise(20_000));
        let file = bench.path("noisy");
        std::fs::write(&file, bytes).unwrap();
        match heard(&bench, &file, mime) {
            Ok(Some(loss)) if loss.missing_ms > 0 || loss.missing_frames > 0 => {}
            Err(FailureKind::Corrupt) => {}
            other => unseen.push(format!("{name}: {other:?}")),
        }
    }
    assert!(unseen.is_empty(), "{unseen:#?}");
}

#[test]
fn a_film_whose_sound_is_ruined_is_not_whole() {
    let bench = Bench::new();
    let path = bench.make(
        "film.mp4",
        &format!("{} -c:v libx264 -preset ultrafast -g 20 -c:a aac -b:a 128k -movflags +faststart", moving("160x120", 6)),
    );
    let samples = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a", "-show_entries", "packet=pos,size", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    for line in String::from_utf8(samples.stdout).unwrap().lines().skip(50).take(100) {
        let (size, place) = line.split_once(',').unwrap();
        let (size, place): (usize, usize) = (size.parse().unwrap(), place.trim_end_matches(',').parse().unwrap());
        bytes[place..place + size].copy_from_slice(&noise(size));
    }
    let file = bench.path("deaf.mp4");
    std::fs::write(&file, bytes).unwrap();
    let failure = ladder(&bench, &file, "video/mp4").expect("it was called whole");
    assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");
}

#[test]
fn a_film_in_avi_that_was_cut_off_is_corrupt_and_a_plain_stream_with_noise_is_kept_with_its_loss() {
    let bench = Bench::new();
    let make = |name: &str, args: &str| {
        let noisy = "-vf noise=alls=20:allf=t";
        let source = format!("-f lavfi -i testsrc2=size=320x240:rate=30:duration=6 -f lavfi -i sine=duration=6 {noisy}");
        std::fs::read(bench.make(name, &format!("{source} {args}"))).unwrap()
    };
    let avi = make("film.avi", "-c:v mpeg4 -b:v 1M -c:a libmp3lame");
    let file = bench.path("cut.avi");
    std::fs::write(&file, &avi[..avi.len() / 2]).unwrap();
    assert_eq!(ladder(&bench, &file, "video/x-msvideo").expect("it was called whole").kind, FailureKind::Corrupt);

    for (name, mime, args) in [
        ("film.ts", "video/mp2t", "-c:v libx264 -preset veryfast -b:v 1M -c:a aac"),
        ("film.mpg", "video/mpeg", "-c:v mpeg2video -b:v 1M -c:a mp2"),
    ] {
        let mut bytes = make(name, args);
        let ran = |file: &Path| {
            bench.run(file, mime, Kind::Video, Group::Ladder, &["h264-360p", "aac-128k"]).map(|ran| ran.done.outputs[0].details.loss)
        };
        assert_eq!(ran(&bench.path(name)).unwrap(), None, "{name} is whole");
        let from = bytes.len() / 2;
        bytes[from..from + 20_000].copy_from_slice(&noise(20_000));
        let file = bench.path("noisy");
        std::fs::write(&file, bytes).unwrap();
        let ended = ran(&file);
        let is_seen = match &ended {
            Ok(loss) => loss.is_some(),
            Err(failure) => failure.kind == FailureKind::Corrupt,
        };
        assert!(is_seen, "{name}: {ended:?}");
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn words_that_call_themselves_a_film_are_refused() {
    let bench = Bench::new();
    let file = bench.path("words.mp4");
    std::fs::write(&file, "these are words\n".repeat(1000)).unwrap();
    for (mime, kinds) in [
        ("video/mp4", [FailureKind::Unsupported, FailureKind::Corrupt]),
        ("video/webm", [FailureKind::Unsupported, FailureKind::Corrupt]),
        ("video/mp2t", [FailureKind::Unsupported, FailureKind::Corrupt]),
        ("video/x-msvideo", [FailureKind::Unsupported, FailureKind::Corrupt]),
        ("text/plain", [FailureKind::Unsupported; 2]),
    ] {
        let failure = bench.probe(&file, mime, Kind::Video).expect_err(mime);
        assert!(kinds.contains(&failure.kind), "{mime}: {failure}");
    }
    for mime in ["audio/mpeg", "audio/aac", "audio/ogg", "audio/x-flac", "audio/x-wav"] {
        let failure = bench.probe(&file, mime, Kind::Audio).expect_err(mime);
        assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{mime}: {failure}");
    }
}

#[test]
fn a_codec_that_we_do_not_read_is_unsupported() {
    let bench = Bench::new();
    let file = bench.make("huffyuv.mkv", "-f lavfi -i testsrc2=size=160x120:rate=10:duration=1 -c:v huffyuv");
    assert_eq!(bench.probe(&file, "video/x-matroska", Kind::Video).expect_err("it was read").kind, FailureKind::Unsupported);
}
