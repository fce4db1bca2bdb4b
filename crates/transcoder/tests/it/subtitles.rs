//! Text with times: subtitle files, and the text tracks of containers.

use std::path::{Path, PathBuf};

use media_domain::{Kind, MediaInfo, work::Group};
use media_transcoder::{parent::FailureKind, protocol::Output};

use crate::bench::{Bench, Ran, job};

fn write(bench: &Bench, name: &str, text: &[u8]) -> PathBuf {
    let path = bench.path(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn normalised(bench: &Bench, path: &Path, mime: &str) -> Result<String, FailureKind> {
    let job = job(path, mime, Kind::Subtitle, Group::Subtitles, &["vtt"], None);
    let ran = bench.run_job(path, job).map_err(|failure| failure.kind)?;
    Ok(std::fs::read_to_string(&ran.files[0]).unwrap())
}

const ENGLISH: &str =
    "1\n00:00:00,500 --> 00:00:01,500\nHello <i>you</i> & me\n\n2\n00:00:02,000 --> 00:00:03,250\nSecond line\nand third\n";
const GERMAN: &str = "1\n00:00:01,000 --> 00:00:02,000\nGrüße\n";

#[test]
fn a_subtitle_file_becomes_webvtt() {
    let bench = Bench::new();
    let srt = write(&bench, "a.srt", ENGLISH.replace('\n', "\r\n").as_bytes());
    let text = normalised(&bench, &srt, "application/x-subrip").unwrap();
    let lines = "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello you &amp; me\n\n00:00:02.000 --> 00:00:03.250\nSecond line\nand third\n";
    assert_eq!(text, lines);
    let vtt = write(
        &bench,
        "a.vtt",
        "\u{feff}WEBVTT\n\nNOTE no cue\n\n00:02.000 --> 00:03.000 align:left\nlater\n\n00:01.000 --> 00:02.000\nearlier\n".as_bytes(),
    );
    assert_eq!(
        normalised(&bench, &vtt, "text/vtt").unwrap(),
        "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nearlier\n\n00:00:02.000 --> 00:00:03.000\nlater\n"
    );
}

#[test]
fn a_file_that_would_lose_words_fails_with_its_line() {
    let bench = Bench::new();
    for (name, text, mime, line) in [
        (
            "time.srt",
            "1\n00:00:01,000 --> 00:00:02,000\nfine\n\n2\n00:00:99,000 --> 00:01:40,000\nlost\n".as_bytes(),
            "application/x-subrip",
            6,
        ),
        ("latin.srt", b"1\n00:00:01,000 --> 00:00:02,000\nGr\xfc\xdfe\n", "application/x-subrip", 3),
        ("backwards.vtt", b"WEBVTT\n\n00:02.000 --> 00:01.000\nlost\n", "text/vtt", 3),
        ("none.vtt", b"NOT VTT\n", "text/vtt", 1),
    ] {
        let file = write(&bench, name, text);
        assert_eq!(normalised(&bench, &file, mime), Err(FailureKind::BadLine(line)), "{name}");
    }
}

/// All text tracks of a container, as the plan would ask for them.
fn tracks(bench: &Bench, path: &Path, mime: &str) -> (MediaInfo, Ran) {
    let info = bench.probe(path, mime, Kind::Video).unwrap();
    let mut job = job(path, mime, Kind::Video, Group::Subtitles, &["vtt"], Some(info.clone()));
    let first = job.outputs.remove(0);
    for (track, text) in (0..).zip(&info.texts) {
        if !text.is_bitmap {
            job.outputs.push(Output {
                profile: first.profile.of_track(track).unwrap(),
                make: first.make.clone(),
                track,
                damaged: first.damaged,
                limits: first.limits,
            });
        }
    }
    (info, bench.run_job(path, job).unwrap())
}

#[test]
fn the_text_tracks_of_each_container_come_out_with_their_languages_and_times() {
    let bench = Bench::new();
    let (english, german) = (write(&bench, "en.srt", ENGLISH.as_bytes()), write(&bench, "de.srt", GERMAN.as_bytes()));
    let inputs = format!(
        "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -i {} -i {} -map 0 -map 1 -map 2 \
         -c:v libx264 -preset ultrafast -metadata:s:s:0 language=eng -metadata:s:s:1 language=ger",
        english.display(),
        german.display()
    );
    for (name, mime, codec) in [
        ("subrip.mkv", "video/x-matroska", "-c:s srt"),
        ("ass.mkv", "video/x-matroska", "-c:s ass"),
        ("webvtt.mkv", "video/x-matroska", "-c:s webvtt"),
        ("mov_text.mp4", "video/mp4", "-c:s mov_text"),
        ("mov_text.mov", "video/quicktime", "-c:s mov_text"),
        ("webvtt.webm", "video/webm", "-c:s webvtt -c:v libvpx -deadline realtime -cpu-used 8"),
    ] {
        let file = bench.make(name, &format!("{inputs} {codec}"));
        let (info, ran) = tracks(&bench, &file, mime);
        let languages: Vec<_> = info.texts.iter().map(|text| text.language.as_deref()).collect();
        assert_eq!(languages, [Some("en"), Some("de")], "{name}: {:?}", info.texts);
        let texts: Vec<String> = ran.files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let lines =
            "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\nHello you &amp; me\n\n00:00:02.000 --> 00:00:03.250\nSecond line\nand third\n";
        assert_eq!(texts[0], lines, "{name}");
        assert_eq!(texts[1], "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nGrüße\n", "{name}");
        assert_eq!((ran.done.outputs[0].frames, ran.done.outputs[1].frames), (2, 1), "{name}");
    }
}

/// A segment of a Presentation Graphics Stream, one second in: its clock has 90,000 ticks a second.
fn segment(kind: u8, content: &[u8]) -> Vec<u8> {
    let times = [90_000u32.to_be_bytes(), [0; 4]].concat();
    [b"PG".as_slice(), &times, &[kind], &(content.len() as u16).to_be_bytes(), content].concat()
}

#[test]
fn subtitles_that_are_pictures_are_seen_as_such_and_the_others_still_come_out() {
    let bench = Bench::new();
    let german = write(&bench, "de.srt", GERMAN.as_bytes());
    let bitmap = write(&bench, "bitmap.sup", &[segment(0x16, &[1, 64, 0, 180, 16, 0, 1, 0x80, 0, 0, 0]), segment(0x80, &[])].concat());
    let both = bench.make(
        "both.mkv",
        &format!(
            "-f lavfi -i testsrc2=size=320x180:rate=30:duration=4 -i {} -i {} -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:s:0 copy \
             -c:s:1 srt -metadata:s:s:1 language=ger",
            bitmap.display(),
            german.display()
        ),
    );
    let (info, ran) = tracks(&bench, &both, "video/x-matroska");
    assert_eq!(info.texts.iter().map(|text| text.is_bitmap).collect::<Vec<_>>(), [true, false]);
    assert!(std::fs::read_to_string(&ran.files[0]).unwrap().contains("Grüße"));
}
