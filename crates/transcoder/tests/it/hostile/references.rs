//! Source text that points elsewhere opens nothing.

use std::{
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
};

use media_domain::{Kind, work::Group};
use media_transcoder::parent::FailureKind;

use super::{Cost, attack, attack_probe};
use crate::bench::{Bench, corner, decoded, job, moving};

/// What a file may point to: a port that hears who comes, and a picture that would be seen.
struct Elsewhere {
    port: TcpListener,
    picture: PathBuf,
}

impl Elsewhere {
    fn new(bench: &Bench) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        port.set_nonblocking(true).unwrap();
        Self { port, picture: bench.make("secret.png", "-f lavfi -i color=red:size=100x100 -frames:v 1") }
    }

    /// All that a text could name.
    fn names(&self) -> [String; 4] {
        let picture = self.picture.display();
        let port = self.port.local_addr().unwrap();
        [format!("file://{picture}"), picture.to_string(), format!("http://{port}/secret.png"), "file:///etc/passwd".to_owned()]
    }

    /// Whether anybody has come since it was asked last.
    fn was_visited(&self) -> bool {
        match self.port.accept() {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn was_left_alone(&self) {
        assert!(!self.was_visited(), "somebody came");
    }
}

fn write(bench: &Bench, name: &str, bytes: &[u8]) -> PathBuf {
    let path = bench.path(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn is_refused(bench: &Bench, file: &Path, mime: &str, kind: Kind) {
    let failure = attack_probe(bench, file, mime, kind).unwrap_err();
    assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{mime}: {failure}");
}

#[test]
fn playlists_and_scripts_are_refused_whatever_they_call_themselves() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    for name in elsewhere.names() {
        for text in [
            format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{name}\n#EXT-X-ENDLIST\n"),
            format!("ffconcat version 1.0\nfile '{name}'\nduration 10\n"),
            format!("[playlist]\nFile1={name}\nNumberOfEntries=1\n"),
            format!("<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{name}</BaseURL></MPD>"),
        ] {
            let file = write(&bench, "list", text.as_bytes());
            for mime in ["application/vnd.apple.mpegurl", "text/plain", "video/mp4", "video/mp2t"] {
                is_refused(&bench, &file, mime, Kind::Video);
            }
        }
    }
    elsewhere.was_left_alone();
}

#[test]
fn who_follows_a_script_without_a_lock_is_heard() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    let [_, path, address, _] = elsewhere.names();
    // Nobody answers at the port: to have come is all that is asked.
    let follow = |name: &str| {
        let file = write(&bench, "list", format!("ffconcat version 1.0\nfile '{name}'\nduration 10\n").as_bytes());
        let arguments = ["10", "ffprobe", "-v", "quiet", "-safe", "0", "-protocol_whitelist", "file,http,tcp", "-f", "concat"];
        let mut follower = std::process::Command::new("timeout").args(arguments).arg(file).spawn().unwrap();
        loop {
            let was_visited = elsewhere.was_visited();
            if was_visited || follower.try_wait().unwrap().is_some() {
                follower.kill().unwrap();
                follower.wait().unwrap();
                return was_visited;
            }
            std::thread::yield_now();
        }
    };
    assert!(!follow(&path), "who reads the file beside it goes nowhere");
    assert!(follow(&address), "nobody came, and somebody was sent");
}

fn mp4_box(name: &[u8; 4], inside: &[u8]) -> Vec<u8> {
    [((inside.len() + 8) as u32).to_be_bytes().as_slice(), name, inside].concat()
}

#[test]
fn a_film_that_is_only_a_reference_to_another_is_refused() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    for name in elsewhere.names() {
        // QuickTime File Format, reference movies: rdrf is flags, the kind, the size, the URL.
        let url = [name.as_bytes(), b"\0"].concat();
        let reference = [[0; 4].as_slice(), b"url ", &(url.len() as u32).to_be_bytes(), &url].concat();
        let movie = mp4_box(b"moov", &mp4_box(b"rmra", &mp4_box(b"rmda", &mp4_box(b"rdrf", &reference))));
        let file = write(&bench, "reference.mov", &[mp4_box(b"ftyp", b"qt  \0\0\0\0qt  "), movie].concat());
        is_refused(&bench, &file, "video/quicktime", Kind::Video);
    }
    elsewhere.was_left_alone();
}

#[test]
fn a_film_whose_samples_are_said_to_lie_elsewhere_is_read_from_itself_or_refused() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    let path = bench.make("film.mp4", "-f lavfi -i testsrc2=size=160x120:rate=10:duration=1 -c:v libx264 -preset ultrafast");
    let mut bytes = std::fs::read(&path).unwrap();
    // ISO/IEC 14496-12, 8.7.2: the flag 1 of an entry says "in this file".
    let at = bytes.windows(8).position(|window| window == b"url \0\0\0\x01").unwrap();
    bytes[at + 7] = 0;
    let file = write(&bench, "elsewhere.mp4", &bytes);
    if let Err(failure) = attack_probe(&bench, &file, "video/mp4", Kind::Video) {
        assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{failure}");
    }
    elsewhere.was_left_alone();
}

#[test]
fn a_drawing_that_shows_other_files_is_refused_or_drawn_without_them() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    let images = elsewhere.names().map(|name| {
        format!(
            "<image width='100' height='100' href='{name}' xlink:href='{name}'/><style>@import url('{name}');</style><use href='{name}#a'/>"
        )
    });
    let entities =
        elsewhere.names().map(|name| (format!("<!DOCTYPE svg [<!ENTITY other SYSTEM '{name}'>]>"), "<text>&other;</text>".to_owned()));
    for (before, inside) in images.map(|image| (String::new(), image)).into_iter().chain(entities) {
        let text = format!(
            "{before}<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='100' height='100'>\
             <rect width='100' height='100' fill='#00f'/>{inside}</svg>"
        );
        let file = write(&bench, "drawing.svg", text.as_bytes());
        match attack_probe(&bench, &file, "image/svg+xml", Kind::Image) {
            Err(failure) => assert!([FailureKind::Unsupported, FailureKind::Corrupt].contains(&failure.kind), "{failure}"),
            Ok(info) => {
                let made =
                    attack(&bench, &file, job(&file, "image/svg+xml", Kind::Image, Group::Stills, &["webp-320"], Some(info)), Cost::SMALL);
                if let Ok(ran) = made {
                    let [red, _, blue] = corner(&ran.files[0], false, false);
                    assert!(red < 100 && blue > 150, "{inside} was drawn");
                }
            }
        }
    }
    elsewhere.was_left_alone();
}

#[test]
fn attachments_of_a_film_have_no_effect() {
    let bench = Bench::new();
    let elsewhere = Elsewhere::new(&bench);
    let list = write(&bench, "list.m3u8", elsewhere.names().join("\n").as_bytes());
    let attached = format!(
        "-attach {} -metadata:s:t:0 mimetype=application/x-mpegurl -attach {} -metadata:s:t:1 mimetype=image/png",
        list.display(),
        elsewhere.picture.display()
    );
    let film = bench.make("film.mkv", &format!("{} -c:v libx264 -preset ultrafast -c:a aac {attached}", moving("160x120", 1)));
    let info = attack_probe(&bench, &film, "video/x-matroska", Kind::Video).unwrap();
    let ran =
        attack(&bench, &film, job(&film, "video/x-matroska", Kind::Video, Group::Ladder, &["h264-360p"], Some(info)), Cost::SMALL).unwrap();
    assert_eq!(decoded(&ran.files[0]).0, 30);
    elsewhere.was_left_alone();
}
