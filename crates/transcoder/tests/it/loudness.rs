//! Whatever an audio file's level is, its renditions have one loudness, and no peak above full scale.

use std::{path::Path, process::Command};

use media_domain::{Kind, work::Group};

use crate::{
    bench::{Bench, ffprobe, value},
    listen::{channels, loudness, peak},
    sound_samples::{SECONDS, SOUNDS},
};

const RENDITIONS: &[&str] = &["aac-128k", "aac-64k", "opus-96k"];

fn assert_target(path: &Path, name: &str) {
    let (lufs, dbtp) = loudness(path);
    println!("{name}: {lufs} LUFS, {dbtp} dBTP");
    assert!((lufs + 16.0).abs() <= 0.5 && dbtp <= -1.0, "{name}: {lufs} LUFS, {dbtp} dBTP");
}

fn renditions(bench: &Bench, file: &Path, mime: &str) -> Vec<std::path::PathBuf> {
    bench.run(file, mime, Kind::Audio, Group::Audio, RENDITIONS).unwrap_or_else(|failure| panic!("{}: {failure}", file.display())).files
}

/// Music as far as a meter can tell: pink noise that swells every two seconds, and a chord.
const MUSIC: &str = "-f lavfi -i anoisesrc=color=pink:seed=7:sample_rate=48000:duration=20,tremolo=f=0.5:d=0.8 -f lavfi -i sine=frequency=220:sample_rate=48000:duration=20 -filter_complex amix=inputs=2:normalize=0";

#[test]
fn quiet_loud_and_clipped_files_all_come_to_minus_sixteen() {
    let bench = Bench::new();
    for (name, filter, about) in [
        ("quiet.wav", ",volume=-21dB", -38.0),
        ("even.wav", ",volume=0dB", -17.0),
        ("clipped.wav", ",volume=18dB", -2.0),
        ("stereo.wav", ",volume=2dB,aformat=channel_layouts=stereo", -15.0),
    ] {
        let file = bench.make(name, &format!("{MUSIC}{filter} -c:a pcm_s16le"));
        let (before, _) = loudness(&file);
        assert!((before - about).abs() < 2.5, "{name} was made with {before} LUFS");
        for (made, rendition) in renditions(&bench, &file, "audio/x-wav").iter().zip(RENDITIONS) {
            assert_target(made, &format!("{name} {rendition}"));
        }
    }
}

#[test]
fn speech_with_pauses_is_measured_without_them_and_its_peaks_are_held() {
    let bench = Bench::new();
    let spoken = bench.path("spoken.wav");
    let words = "Good evening. Peter picked a peck of pickled peppers, and nobody asked him why. ".repeat(3);
    assert!(Command::new("espeak-ng").args(["-w"]).arg(&spoken).arg(words).status().unwrap().success());
    for (name, filter) in [("near.wav", "volume=-6dB"), ("far.wav", "volume=-26dB")] {
        let pauses = format!("-i {} -af {filter},apad=pad_dur=12 -c:a pcm_s16le", spoken.display());
        let file = bench.make(name, &pauses);
        for (made, rendition) in renditions(&bench, &file, "audio/x-wav").iter().zip(RENDITIONS) {
            assert_target(made, &format!("{name} {rendition}"));
        }
    }
}

#[test]
fn silence_stays_silent_and_the_noise_of_a_room_stays_where_it_is() {
    let bench = Bench::new();
    let silence = bench.make("silence.wav", "-f lavfi -i anullsrc=channel_layout=stereo:sample_rate=44100 -t 5 -c:a pcm_s16le");
    for made in renditions(&bench, &silence, "audio/x-wav") {
        assert!(peak(&channels(&made)[0]) < 1e-4, "{}", peak(&channels(&made)[0]));
    }
    let room = bench.make("room.wav", "-f lavfi -i anoisesrc=color=pink:seed=3:sample_rate=48000:duration=6,volume=-51dB -c:a pcm_f32le");
    let before = loudness(&room).0;
    // A meter that adds channels hears 3 dB more of the same in two.
    let after = loudness(&renditions(&bench, &room, "audio/x-wav")[0]).0;
    assert!(before < -63.0 && (after - before - 3.0).abs() < 1.0, "{before} became {after}");
}

#[test]
fn what_is_very_quiet_is_turned_up_by_thirty_decibels_and_no_more() {
    let bench = Bench::new();
    let file = bench.make(
        "far.wav",
        "-f lavfi -i sine=frequency=1000:sample_rate=48000:duration=6,volume=-36dB,aformat=channel_layouts=stereo -c:a pcm_f32le",
    );
    let (before, after) = (loudness(&file).0, loudness(&renditions(&bench, &file, "audio/x-wav")[0]).0);
    assert!((-60.0..-50.0).contains(&before) && (after - before - 30.0).abs() < 0.3, "{before} became {after}");
}

#[test]
fn floats_beyond_full_scale_and_those_that_are_no_numbers_do_no_harm() {
    let bench = Bench::new();
    let file = bench.make("over.wav", "-f lavfi -i aevalsrc=6*sin(2000*t)*(1+0.5*sin(3*t)):s=48000:d=6 -c:a pcm_f32le");
    assert!(loudness(&file).1 > 15.0);
    assert_target(&renditions(&bench, &file, "audio/x-wav")[0], "over full scale");
    let mut bytes = std::fs::read(&file).unwrap();
    for at in (bytes.len() / 2..bytes.len() / 2 + 4000).step_by(4) {
        let aligned = at / 4 * 4;
        bytes[aligned..aligned + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    }
    let broken = bench.path("nan.wav");
    std::fs::write(&broken, bytes).unwrap();
    assert_target(&renditions(&bench, &broken, "audio/x-wav")[0], "no numbers");
}

#[test]
fn each_kind_of_sound_comes_out_as_long_as_it_was_with_two_channels_at_one_loudness() {
    let bench = Bench::new();
    for sample in SOUNDS {
        let name = sample.name;
        let file = bench.make(name, &format!("-f lavfi -i sine=frequency=997:sample_rate=44100:duration={SECONDS} {}", sample.args));
        let info = bench.probe(&file, sample.mime, Kind::Audio).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let audio = info.audio.clone().unwrap();
        assert_eq!(
            (audio.codec.as_str(), audio.channels, audio.sample_rate),
            (sample.codec, sample.channels, sample.sample_rate),
            "{name}"
        );
        let ran =
            bench.run(&file, sample.mime, Kind::Audio, Group::Audio, RENDITIONS).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        for (index, codec) in ["mp4a.40.2", "mp4a.40.2", "opus"].into_iter().enumerate() {
            let made = &ran.done.outputs[index];
            assert_eq!((made.codec.as_deref(), made.channels), (Some(codec), Some(2)), "{name}");
            assert!(made.duration_ms.unwrap().abs_diff(u64::from(SECONDS) * 1000) < 100, "{name}: {:?}", made.duration_ms);
            assert_eq!(made.details.loss, None, "{name}");
            assert_target(&ran.files[index], name);
        }
        let found = ffprobe(&ran.files[0], "stream=codec_name,profile,sample_rate");
        assert_eq!(["codec_name", "profile", "sample_rate"].map(|key| value(&found, key)), ["aac", "LC", "48000"], "{name}");
    }
}

#[test]
fn a_wav_file_whose_sizes_were_never_filled_in_is_read_to_its_end() {
    let bench = Bench::new();
    let file = bench.make("whole.wav", "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=5 -c:a pcm_s16le -bitexact");
    let whole = std::fs::read(&file).unwrap();
    let data = whole.windows(4).position(|name| name == b"data").unwrap();
    for (name, size) in [("largest.wav", u32::MAX), ("nothing.wav", 0), ("half.wav", 0x7fff_ff00)] {
        let mut streamed = whole.clone();
        streamed[4..8].copy_from_slice(&size.to_le_bytes());
        streamed[data + 4..data + 8].copy_from_slice(&size.to_le_bytes());
        let file = bench.path(name);
        std::fs::write(&file, streamed).unwrap();
        let ran =
            bench.run(&file, "audio/x-wav", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap_or_else(|failure| panic!("{name}: {failure}"));
        assert!(ran.done.outputs[0].duration_ms.unwrap().abs_diff(5000) < 60, "{name}: {:?}", ran.done.outputs[0].duration_ms);
    }
}

#[test]
fn a_call_recorded_on_a_phone_is_heard() {
    let bench = Bench::new();
    // ffmpeg here has no encoder of AMR: one second of frames of speech that decode to silence (3GPP TS 26.101, mode 7, all zero bits)
    let frame = [&[0x3cu8][..], &[0; 31]].concat();
    let file = bench.path("call.amr");
    std::fs::write(&file, [b"#!AMR\n".as_slice(), &frame.repeat(150)].concat()).unwrap();
    let info = bench.probe(&file, "audio/amr", Kind::Audio).unwrap();
    let audio = info.audio.unwrap();
    assert_eq!((audio.codec.as_str(), audio.channels, audio.sample_rate), ("amr", 1, 8_000));
    let ran = bench.run(&file, "audio/amr", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap();
    assert!(ran.done.outputs[0].duration_ms.unwrap().abs_diff(3000) < 100, "{:?}", ran.done.outputs[0].duration_ms);
}

#[test]
fn a_call_with_pauses_is_whole() {
    let bench = Bench::new();
    // a second of speech, then a pause: one frame that describes the noise, seven that have nothing (3GPP TS 26.101, types 8 and 15)
    let (speech, noise, nothing) = ([&[0x3cu8][..], &[0; 31]].concat(), [&[0x44u8][..], &[0; 5]].concat(), vec![0x7cu8]);
    let pause = [noise, nothing.repeat(7)].concat();
    let file = bench.path("pauses.amr");
    std::fs::write(&file, [b"#!AMR\n".as_slice(), &speech.repeat(50), &pause.repeat(12), &speech.repeat(50)].concat()).unwrap();
    let ran = bench.run(&file, "audio/amr", Kind::Audio, Group::Audio, &["aac-128k"]).unwrap();
    assert!(ran.done.outputs[0].duration_ms.unwrap() > 1900, "{:?}", ran.done.outputs[0].duration_ms);
}
