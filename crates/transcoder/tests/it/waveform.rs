//! The shape of the sound that a player draws.

use media_domain::{Kind, work::Group};

use crate::bench::Bench;

fn waveform(bench: &Bench, name: &str, args: &str, profiles: &[&str]) -> (u64, Vec<u64>, usize) {
    let file = bench.make(name, args);
    let ran = bench.run(&file, "audio/x-wav", Kind::Audio, Group::Audio, profiles).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let index = profiles.iter().position(|profile| *profile == "waveform").unwrap();
    let bytes = std::fs::read(&ran.files[index]).unwrap();
    assert_eq!(ran.done.outputs[index].mime, "application/json");
    let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!((&json["version"], &json["channels"]), (&1.into(), &1.into()));
    let peaks = json["peaks"].as_array().unwrap().iter().map(|peak| peak.as_u64().unwrap()).collect();
    (json["duration_ms"].as_u64().unwrap(), peaks, bytes.len())
}

#[test]
fn a_waveform_has_its_loud_and_its_silent_parts_where_they_are_heard() {
    let bench = Bench::new();
    // loud from 3 s to 4 s of 10, in the right ear only
    let args = "-f lavfi -i aevalsrc=0|if(between(t\\,3\\,4)\\,0.5*sin(3000*t)\\,0):s=44100:d=10 -c:a pcm_s16le";
    let (duration_ms, peaks, bytes) = waveform(&bench, "part.wav", args, &["aac-128k", "waveform"]);
    assert_eq!((duration_ms, peaks.len()), (10_000, 1800));
    assert!(bytes < 8_000, "{bytes}");
    assert!(peaks[..538].iter().chain(&peaks[722..]).all(|peak| *peak <= 1), "silence is drawn");
    assert!(peaks[542..718].iter().all(|peak| *peak > 20), "sound is not drawn: {:?}", &peaks[540..550]);
    assert!(peaks[542..718].iter().max().unwrap() - peaks[542..718].iter().min().unwrap() < 8, "a steady tone is a block");
}

#[test]
fn there_are_1800_points_whatever_the_length() {
    let bench = Bench::new();
    for (name, args, duration_ms) in [
        ("blink.wav", "-f lavfi -i sine=sample_rate=48000:duration=0.02 -c:a pcm_s16le", 20),
        ("long.wav", "-f lavfi -i sine=sample_rate=8000:duration=600 -c:a pcm_u8", 600_000),
    ] {
        let (found_ms, peaks, _) = waveform(&bench, name, args, &["waveform"]);
        assert_eq!(peaks.len(), 1800, "{name}");
        assert!(found_ms.abs_diff(duration_ms) < 20, "{name}: {found_ms}");
        assert!(peaks.iter().max() > Some(&30), "{name}");
    }
}
