//! What a made file sounds like, by ffmpeg's ears and by its samples.

use std::{path::Path, process::Command};

pub const RATE: usize = 48_000;

/// Integrated loudness in LUFS and true peak in dBTP, by ffmpeg's `ebur128`.
pub fn loudness(path: &Path) -> (f64, f64) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-af", "ebur128=peak=true:framelog=verbose", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = text.rsplit_once("Summary:").unwrap_or_else(|| panic!("{text}")).1;
    let number = |key: &str| {
        let line = summary.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap_or_else(|| panic!("{summary}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("I:"), number("Peak:"))
}

/// All samples of a made file's sound, one list a channel, from the moment on that its edit list names: the edit list is
/// read here, and not left to ffmpeg.
pub fn channels(path: &Path) -> Vec<Vec<f32>> {
    let found = crate::bench::ffprobe(path, "stream=channels");
    let channels: usize = crate::bench::value(&found, "channels").parse().unwrap();
    let interleaved = decode(path, &["-ignore_editlist", "1"], "anull");
    let skip = priming(path);
    (0..channels).map(|channel| interleaved.iter().skip(channel).step_by(channels).skip(skip).copied().collect()).collect()
}

/// The samples as ffmpeg plays them, mixed to one channel.
pub fn played(path: &Path) -> Vec<f32> {
    let channels: usize = crate::bench::value(&crate::bench::ffprobe(path, "stream=channels"), "channels").parse().unwrap();
    decode(path, &["-copyts"], "atrim=start=0").chunks_exact(channels).map(|frame| frame[0]).collect()
}

fn decode(path: &Path, before: &[&str], after: &str) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(before)
        .arg("-i")
        .arg(path)
        // Times as the file has them: what lies before 0 is not played.
        .args(["-map", "0:a:0", "-af", after, "-f", "f32le", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// The media time of the edit list, in samples; 0 where there is none.
pub fn priming(path: &Path) -> usize {
    let bytes = std::fs::read(path).unwrap();
    let Some(at) = bytes.windows(4).position(|name| name == b"edts") else { return 0 };
    assert_eq!(&bytes[at + 8..at + 12], b"elst", "an edit list inside of edts");
    let list = &bytes[at + 12..];
    assert_eq!((list[0], &list[4..8]), (1, [0, 0, 0, 1].as_slice()), "version 1, one entry");
    usize::try_from(i64::from_be_bytes(list[16..24].try_into().unwrap())).unwrap()
}

pub fn peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| peak.max(sample.abs()))
}

/// When each beep begins, in seconds: the first sample over the threshold after half a second of less.
pub fn beeps(samples: &[f32], threshold: f32) -> Vec<f64> {
    let mut beeps = Vec::new();
    let mut quiet = RATE;
    for (at, sample) in samples.iter().enumerate() {
        if sample.abs() > threshold {
            if quiet >= RATE / 2 {
                beeps.push(at as f64 / RATE as f64);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    beeps
}
