//! The real models on real sound. `make setup` puts the speech model where these tests look for it.

use std::{
    ops::Range,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use media_captions::{Reading, parse_vtt, write_vtt};
use tokio_util::sync::CancellationToken;

use crate::{
    pcm,
    speech::{ModelError, RecognizeError, SpeechRecognizer, TranscribeRequest, Transcript, VoiceActivity},
    voice::{SILERO_SHA256, Silero, VoiceSettings},
    whisper::{Whisper, WhisperSettings},
    windows::{ListenError, Listener},
};

/// Of `ggml-tiny.en.bin` as `make setup` converts it.
const MODEL_SHA256: &str = "27d9ffb32e5dde27363dc744a51ab6f86ee369288d0d65f101504c3e6ae291a1";
const SPOKEN: &str = "The weather is cold this morning. Please open the window and close the door. \
                      My brother bought seven apples and a bottle of water. We will meet again on Monday.";

#[expect(clippy::disallowed_methods, reason = "tests have no settings: the Makefile names the model in the environment")]
fn environment(name: &str) -> Option<PathBuf> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn whisper() -> Whisper {
    let cache = || environment("MEDIA_CACHE").unwrap_or_else(|| environment("HOME").expect("HOME is set").join(".cache/media-service"));
    let model_path = environment("MEDIA_SPEECH_MODEL").unwrap_or_else(|| cache().join("models/ggml-tiny.en.bin"));
    Whisper::load(&WhisperSettings { model_path, model_sha256: MODEL_SHA256.to_owned(), threads: 1, beam: 5 })
        .unwrap_or_else(|error| panic!("{error}: run `make setup` first, it fetches the speech model"))
}

fn silero() -> Silero {
    let model_path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/silero-v6.2.0-ggml.bin");
    Silero::load(&VoiceSettings { model_path, model_sha256: SILERO_SHA256.to_owned() }).unwrap()
}

fn listener() -> Listener {
    Listener::new(Arc::new(whisper()), Arc::new(silero()))
}

fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start ({error}): run `make setup` first"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A `speech` variant as the transcoder streams it, from what ffmpeg is given as input and filter.
fn speech_variant(input: &[&str]) -> Vec<u8> {
    let target = ["-ac", "1", "-ar", "16000", "-f", "s16le", "-"];
    let mut object = pcm::tests::streamed_header();
    object.extend(run("ffmpeg", &[&["-v", "error"][..], input, &target].concat()));
    object
}

fn spoken(text: &str, filter: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let wav = folder.path().join("spoken.wav").to_string_lossy().into_owned();
    run("espeak-ng", &["-v", "en-us", "-s", "140", "-w", &wav, text]);
    speech_variant(&["-i", &wav, "-af", filter])
}

async fn transcribe(object: &[u8], stop: &CancellationToken) -> Result<Transcript, ListenError<std::io::Error>> {
    let read = async |range: Range<u64>| Ok(Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]));
    listener().transcribe(object.len() as u64, read, None, stop, Arc::new(|_| ())).await
}

fn plain_words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase())
        .filter(|word| !word.is_empty())
        .collect()
}

/// How many of the spoken words were found, in order: the longest common subsequence.
fn found(spoken: &[String], heard: &[String]) -> usize {
    let mut row = vec![0; heard.len() + 1];
    for word in spoken {
        let mut diagonal = 0;
        for (index, other) in heard.iter().enumerate() {
            let above = row[index + 1];
            row[index + 1] = if word == other { diagonal + 1 } else { above.max(row[index]) };
            diagonal = above;
        }
    }
    row[heard.len()]
}

#[tokio::test]
async fn a_spoken_text_becomes_captions_with_at_least_four_fifths_of_its_words_at_their_time() {
    let object = spoken(SPOKEN, "adelay=3000:all=1,apad=pad_dur=2");
    let transcript = transcribe(&object, &CancellationToken::new()).await.unwrap();
    let vtt = write_vtt(&transcript.cues(&Reading::default()));
    println!("{transcript:#?}\n{vtt}");
    let cues = parse_vtt(vtt.as_bytes()).unwrap().strictly().unwrap();
    let wanted = plain_words(SPOKEN);
    let heard: Vec<String> = cues.iter().flat_map(|cue| plain_words(cue.text())).collect();
    assert!(found(&wanted, &heard) * 5 >= wanted.len() * 4, "{} of {} in {heard:?}", found(&wanted, &heard), wanted.len());
    let length_ms = pcm::ms_of(pcm::samples_in(object.len() as u64));
    assert!((2_700..3_600).contains(&cues[0].start_ms()), "{cues:?}");
    assert!(cues.iter().all(|cue| cue.end_ms() <= length_ms), "{cues:?}");
    assert!(transcript.segments.iter().all(|segment| segment.confidence > 0.5 && !segment.words.is_empty()));
    assert_eq!(transcript.language, "en");
}

#[tokio::test]
async fn a_long_text_is_whole_over_the_ends_of_its_windows() {
    let text = [SPOKEN; 4].join(" ");
    let object = spoken(&text, "anull");
    let read = async |range: Range<u64>| Ok::<_, std::io::Error>(Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]));
    let mut listener = listener();
    listener.window_ms = 20_000;
    let transcript = listener.transcribe(object.len() as u64, read, None, &CancellationToken::new(), Arc::new(|_| ())).await.unwrap();
    let heard: Vec<String> = transcript.segments.iter().flat_map(|segment| plain_words(&segment.text)).collect();
    let wanted = plain_words(&text);
    assert!(found(&wanted, &heard) * 10 >= wanted.len() * 9 && heard.len() <= wanted.len() + 4, "{heard:?}");
    assert!(transcript.segments.windows(2).all(|pair| pair[0].start_ms <= pair[1].start_ms), "{transcript:?}");
    assert_eq!(listener.recognizer().info().model, "ggml-tiny.en");
}

#[tokio::test]
async fn silence_and_a_tone_have_no_captions() {
    for source in ["anullsrc=r=16000:cl=mono:d=8", "sine=f=440:d=8", "anoisesrc=c=pink:a=0.3:d=8"] {
        let transcript = transcribe(&speech_variant(&["-f", "lavfi", "-i", source]), &CancellationToken::new()).await.unwrap();
        assert_eq!(transcript.segments, [], "{source}");
    }
}

#[test]
fn silence_that_reaches_the_model_is_still_no_speech() {
    let heard =
        whisper().transcribe(&vec![0.0; 16_000 * 5], &TranscribeRequest::default(), &CancellationToken::new(), Arc::new(|_| ())).unwrap();
    assert_eq!(heard.segments, []);
}

#[test]
fn the_voice_detector_finds_speech_between_silences() {
    let object = spoken("Please open the window and close the door.", "adelay=2000:all=1,apad=pad_dur=3");
    let samples = pcm::to_samples(&object[pcm::HEADER_BYTES as usize..]);
    let spans = silero().speech(&samples).unwrap();
    let (first, last) = (spans[0], spans[spans.len() - 1]);
    let length_ms = pcm::ms_of(samples.len() as u64);
    assert!(
        (1_600..2_400).contains(&first.start_ms) && (length_ms - 3_900..length_ms - 2_500).contains(&last.end_ms),
        "{spans:?} of {length_ms}"
    );
}

#[test]
fn a_model_of_english_refuses_other_languages_at_once() {
    let whisper = whisper();
    for asked in ["fr", "de-CH", "", "en\0", "english"] {
        let request = TranscribeRequest { language: Some(asked.to_owned()), text_before: None };
        let refused = whisper.transcribe(&[0.0; 16_000], &request, &CancellationToken::new(), Arc::new(|_| ()));
        assert!(matches!(refused, Err(RecognizeError::UnsupportedLanguage { .. })), "{asked:?}: {refused:?}");
    }
}

#[test]
fn a_cancelled_recognition_ends_before_it_is_done() {
    let object = spoken(&[SPOKEN; 8].join(" "), "anull");
    let samples = pcm::to_samples(&object[pcm::HEADER_BYTES as usize..]);
    let whisper = whisper();
    let stop = CancellationToken::new();
    let stops_at_first_progress = stop.clone();
    let furthest_percent = Arc::new(AtomicU32::new(0));
    let furthest = furthest_percent.clone();
    let progress = Arc::new(move |part: f32| {
        furthest.fetch_max((part * 100.0) as u32, Ordering::Relaxed);
        stops_at_first_progress.cancel();
    });
    let request = TranscribeRequest { language: Some("en-US".to_owned()), text_before: None };
    let cancelled = whisper.transcribe(&samples, &request, &stop, progress);
    assert!(matches!(cancelled, Err(RecognizeError::Cancelled)), "{cancelled:?}");
    assert!(furthest_percent.load(Ordering::Relaxed) < 90, "it went on after it was cancelled");
}

#[test]
fn a_missing_model_is_named_with_the_way_to_get_it() {
    let settings =
        WhisperSettings { model_path: PathBuf::from("nowhere/model.bin"), model_sha256: MODEL_SHA256.to_owned(), threads: 1, beam: 5 };
    let missing = Whisper::load(&settings).unwrap_err();
    assert!(matches!(missing, ModelError::Missing { .. }));
    assert_eq!(missing.to_string(), "the model nowhere/model.bin cannot be read; `make setup` fetches the one of the demo");
}
