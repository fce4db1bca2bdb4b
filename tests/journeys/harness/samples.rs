//! Files, made here: small, and of known content.

use std::{path::Path, process::Command};

use tempfile::TempDir;

/// What every scanner knows and no one is harmed by (<https://www.eicar.org>); in two parts, so that this file is not it.
pub fn eicar() -> Vec<u8> {
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$", "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat().into_bytes()
}

pub fn subtitle() -> Vec<u8> {
    b"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello there.\n".to_vec()
}

/// A letter of at least so many bytes, of which nothing is made: only the scanner is needed for it.
pub fn document(bytes: usize) -> Vec<u8> {
    let mut file = b"{\\rtf1\\ansi ".to_vec();
    file.resize(bytes.max(64), b'x');
    file.push(b'}');
    file
}

/// A PDF of so many pages and at least so many bytes.
pub fn pdf(pages: usize, bytes: usize) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n%".to_vec();
    file.resize(bytes.max(64), b'x');
    file.push(b'\n');
    let kids: String = (0..pages).map(|page| format!("{} 0 R ", 3 + page)).collect();
    let page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>".to_owned();
    let tree = format!("<</Type/Pages/Count {pages}/Kids[{kids}]>>");
    let objects = ["<</Type/Catalog/Pages 2 0 R>>".to_owned(), tree].into_iter().chain(std::iter::repeat_n(page, pages));
    let mut table = String::from("0000000000 65535 f \n");
    for (number, object) in (1..).zip(objects) {
        table.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.extend(format!("{number} 0 obj{object}\nendobj\n").bytes());
    }
    let (place, count) = (file.len(), pages + 3);
    file.extend(format!("xref\n0 {count}\n{table}trailer<</Size {count}/Root 1 0 R>>\nstartxref\n{place}\n%%EOF\n").bytes());
    file
}

/// Moving picture with a tone: H.264 and AAC in an MP4 whose moov comes first.
pub fn video(width: u32, height: u32, seconds: u32) -> Vec<u8> {
    let picture = format!("testsrc2=size={width}x{height}:rate=30:duration={seconds}");
    let tone = format!("sine=frequency=440:duration={seconds}");
    ffmpeg(
        "sample.mp4",
        &[
            "-f",
            "lavfi",
            "-i",
            &picture,
            "-f",
            "lavfi",
            "-i",
            &tone,
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-c:a",
            "aac",
            "-movflags",
            "+faststart",
            "-shortest",
        ],
    )
}

/// A film in which a machine says these words.
pub fn talk(words: &str) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let voice = folder.path().join("voice.wav").display().to_string();
    run(Command::new("espeak-ng").args(["-v", "en-us", "-s", "145", "-w", &voice, words]));
    let picture = "testsrc2=size=320x180:rate=25";
    let picture =
        ["-f", "lavfi", "-i", picture, "-i", &voice, "-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    let sound = ["-af", "adelay=500:all=1,aresample=48000", "-c:a", "aac", "-movflags", "+faststart"];
    ffmpeg("talk.mp4", &[&picture[..], &sound].concat())
}

/// A still picture.
pub fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture = format!("testsrc2=size={width}x{height}:rate=1:duration=1");
    ffmpeg("sample.png", &["-f", "lavfi", "-i", &picture, "-frames:v", "1"])
}

/// Runs ffmpeg with these inputs and options; answers the bytes of what it made.
pub fn ffmpeg(name: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    run(Command::new("ffmpeg").args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]).args(arguments).arg(&path));
    std::fs::read(path).unwrap()
}

/// What ffprobe says of a file or URL, as JSON.
pub fn ffprobe(input: &str, arguments: &[&str]) -> serde_json::Value {
    let output = run(Command::new("ffprobe").args(["-v", "error", "-of", "json"]).args(arguments).arg(input));
    serde_json::from_slice(&output).unwrap()
}

/// Writes bytes where a program can be pointed to.
pub fn on_disk(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

/// Runs a program that makes a sample.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; `make setup` installs it"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
