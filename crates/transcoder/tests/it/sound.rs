//! Speech and the renditions of audio files.

use std::path::Path;

use media_domain::{Kind, work::Group};

use crate::bench::{Bench, ffprobe, moving, value};

fn samples(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap();
    bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

fn loudness(samples: &[i16]) -> f64 {
    (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}

#[test]
fn speech_is_mono_16_khz_behind_a_header_of_44_bytes_and_no_picture_is_decoded() {
    let bench = Bench::new();
    let file = bench.make("talk.mp4", &format!("{} -c:v libx264 -preset ultrafast -c:a aac", moving("640x360", 5)));
    let ran = bench.run(&file, "video/mp4", Kind::Video, Group::Speech, &["speech"]).unwrap();
    let bytes = std::fs::read(&ran.files[0]).unwrap();
    assert_eq!((&bytes[..4], &bytes[4..8], &bytes[36..44]), (b"RIFF".as_slice(), [0xff; 4].as_slice(), b"data\xff\xff\xff\xff".as_slice()));
    assert_eq!(u32::from_le_bytes(bytes[24..28].try_into().unwrap()), 16_000);
    let samples = samples(&ran.files[0]);
    assert!(samples.len().abs_diff(80_000) < 800, "{}", samples.len());
    assert!(loudness(&samples) > 1000.0);
    assert_eq!(ran.done.outputs[0].duration_ms.unwrap() / 100, samples.len() as u64 / 1600);
}

#[test]
fn sound_that_begins_late_stays_at_its_time() {
    let bench = Bench::new();
    let file = bench.make(
        "late.mkv",
        "-f lavfi -i testsrc2=size=160x120:rate=30:duration=4 -itsoffset 1.5 -f lavfi -i sine=duration=2.5 -c:v libx264 -preset ultrafast -c:a aac",
    );
    let ran = bench.run(&file, "video/x-matroska", Kind::Video, Group::Speech, &["speech"]).unwrap();
    let samples = samples(&ran.files[0]);
    assert!(loudness(&samples[..16_000 * 14 / 10]) < 20.0, "silence before it");
    assert!(loudness(&samples[16_000 * 16 / 10..16_000 * 3]) > 1000.0, "and then the tone");
}

#[test]
fn each_kind_of_audio_file_becomes_aac() {
    let bench = Bench::new();
    for (name, mime, args) in [
        ("tone.mp3", "audio/mpeg", "-c:a libmp3lame -b:a 96k"),
        ("tone.aac", "audio/aac", "-c:a aac"),
        ("tone.m4a", "audio/mp4", "-c:a aac"),
        ("tone.flac", "audio/x-flac", "-c:a flac"),
        ("tone.wav", "audio/x-wav", "-c:a pcm_s16le"),
        ("tone.aiff", "audio/x-aiff", "-c:a pcm_s16be"),
        ("tone.ogg", "audio/ogg", "-c:a libvorbis"),
        ("tone.opus", "audio/opus", "-c:a libopus"),
    ] {
        let file = bench.make(name, &format!("-f lavfi -i sine=frequency=440:sample_rate=44100:duration=8 {args}"));
        let info = bench.probe(&file, mime, Kind::Audio).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(info.duration_ms.unwrap_or(0).abs_diff(8000) < 400, "{name}: {info:?}");
        let ran = bench.run(&file, mime, Kind::Audio, Group::Audio, &["aac-128k"]).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let found = ffprobe(&ran.files[0], "stream=codec_name,channels,sample_rate:format=duration");
        assert_eq!(["codec_name", "channels", "sample_rate"].map(|key| value(&found, key)), ["aac", "2", "48000"], "{name}");
        let duration: f64 = value(&found, "duration").parse().unwrap();
        assert!((duration - 8.0).abs() < 0.15, "{name}: {duration}");
        assert_eq!(ran.done.outputs[0].fragments.len(), 2, "{name}");
    }
}

#[test]
fn five_channels_become_two_and_silence_stays_silent() {
    let bench = Bench::new();
    let file = bench.make("silence.m4a", "-f lavfi -i anullsrc=channel_layout=5.1:sample_rate=48000 -t 2 -c:a aac");
    let ran = bench.run(&file, "audio/mp4", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap();
    assert_eq!(value(&ffprobe(&ran.files[0], "stream=channels"), "channels"), "2");
    let speech = bench.run(&file, "audio/mp4", Kind::Audio, Group::Speech, &["speech"]).unwrap();
    assert!(loudness(&samples(&speech.files[0])) < 5.0);
}
