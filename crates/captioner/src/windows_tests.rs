use std::sync::Mutex;

use super::*;
use crate::{pcm::tests::streamed_header, speech::EngineInfo};

/// Hears speech in every sample that is not zero.
struct LoudIsSpeech;

fn loud_spans(samples: &[f32]) -> Vec<SpeechSpan> {
    let mut spans: Vec<SpeechSpan> = Vec::new();
    for (index, frame) in samples.chunks(160).enumerate() {
        if frame.iter().any(|sample| *sample != 0.0) {
            let (start_ms, end_ms) = (index as u64 * 10, index as u64 * 10 + frame.len() as u64 / 16);
            match spans.last_mut() {
                Some(last) if last.end_ms == start_ms => last.end_ms = end_ms,
                _ => spans.push(SpeechSpan { start_ms, end_ms }),
            }
        }
    }
    spans
}

impl VoiceActivity for LoudIsSpeech {
    fn speech(&self, samples: &[f32]) -> Result<Vec<SpeechSpan>, VoiceError> {
        Ok(loud_spans(samples))
    }
}

/// Writes a segment for each loud span, named for how loud it is, and remembers what it was asked.
#[derive(Default)]
struct Scripted {
    asked: Mutex<Vec<(usize, TranscribeRequest)>>,
}

impl SpeechRecognizer for Scripted {
    fn info(&self) -> &EngineInfo {
        static INFO: EngineInfo = EngineInfo {
            engine: "scripted",
            engine_version: String::new(),
            model: String::new(),
            model_sha256: String::new(),
            multilingual: true,
        };
        &INFO
    }

    fn transcribe(
        &self,
        samples: &[f32],
        request: &TranscribeRequest,
        stop: &CancellationToken,
        progress: Progress,
    ) -> Result<Transcript, RecognizeError> {
        self.asked.lock().unwrap().push((samples.len(), request.clone()));
        if stop.is_cancelled() {
            return Err(RecognizeError::Cancelled);
        }
        progress(0.5);
        let segments = loud_spans(samples).into_iter().map(|span| {
            let text = format!("level{}", (samples[pcm::sample_at(span.start_ms) as usize + 100] * 32_768.0) as u32);
            Segment { start_ms: span.start_ms, end_ms: span.end_ms, text, speaker_label: None, confidence: 1.0, words: Vec::new() }
        });
        Ok(Transcript { language: "fr".to_owned(), segments: segments.collect() })
    }
}

/// An object in which each part, given in milliseconds, has its own loudness.
fn object(parts: &[(u64, i16)]) -> Vec<u8> {
    let mut object = streamed_header();
    for (ms, level) in parts {
        object.extend(level.to_le_bytes().repeat(pcm::sample_at(*ms) as usize));
    }
    object
}

async fn transcribe(
    object: &[u8],
    scripted: &Arc<Scripted>,
    window_ms: u64,
    stop: &CancellationToken,
) -> Result<Transcript, ListenError<std::io::Error>> {
    let listener = Listener { window_ms, ..Listener::new(scripted.clone(), Arc::new(LoudIsSpeech)) };
    let steps = Arc::new(Mutex::new(vec![0.0]));
    let seen = steps.clone();
    let read = async |range: Range<u64>| {
        assert!(pcm::ms_of(pcm::samples_in(range.end - range.start)) <= window_ms);
        Ok(Bytes::copy_from_slice(&object[range.start as usize..range.end as usize]))
    };
    let done = listener.transcribe(object.len() as u64, read, None, stop, Arc::new(move |step| seen.lock().unwrap().push(step))).await;
    let steps = steps.lock().unwrap();
    assert!(steps.is_sorted() && steps.iter().all(|step| (0.0..=1.0).contains(step)), "{steps:?}");
    done
}

fn said(transcript: &Transcript) -> Vec<(u64, u64, &str)> {
    transcript.segments.iter().map(|segment| (segment.start_ms, segment.end_ms, segment.text.as_str())).collect()
}

#[tokio::test]
async fn every_span_is_heard_once_and_at_its_time_whatever_the_windows() {
    let mut parts = vec![(1_000, 0)];
    let mut expected = Vec::new();
    let mut now = 1_000;
    for (index, length) in [700, 2_300, 1_500, 400, 3_000, 900, 2_000, 1_100].into_iter().enumerate() {
        let silence = if index == 4 { 8_000 } else { 400 + 130 * index as u64 };
        let level = 100 + index as i16;
        parts.extend([(length, level), (silence, 0)]);
        expected.push((now, now + length, format!("level{level}")));
        now += length + silence;
    }
    let object = object(&parts);
    for window_ms in [7_000, 9_500, 13_000, 300_000] {
        let transcript = transcribe(&object, &Arc::default(), window_ms, &CancellationToken::new()).await.unwrap();
        let said = said(&transcript);
        assert_eq!(said.iter().map(|(_, _, text)| *text).collect::<Vec<_>>(), expected.iter().map(|(_, _, text)| text).collect::<Vec<_>>());
        // The detector of this test looks at 10 ms at a time.
        let is_near = |at: u64, wanted: u64| at.abs_diff(wanted) < 10;
        assert!(
            said.iter().zip(&expected).all(|(is, wanted)| is_near(is.0, wanted.0) && is_near(is.1, wanted.1)),
            "{window_ms}: {said:?} {expected:?}"
        );
        assert_eq!(transcript.language, "fr");
    }
}

#[tokio::test]
async fn speech_without_any_silence_is_cut_and_nothing_is_lost() {
    let scripted = Arc::<Scripted>::default();
    let transcript = transcribe(&object(&[(25_000, 500)]), &scripted, 10_000, &CancellationToken::new()).await.unwrap();
    let said = said(&transcript);
    assert!(said.len() > 2 && said.windows(2).all(|pair| pair[0].1 == pair[1].0), "{said:?}");
    assert_eq!((said[0].0, said[said.len() - 1].1), (0, 25_000));
}

#[tokio::test]
async fn the_next_window_knows_what_was_said_and_in_which_language() {
    let scripted = Arc::<Scripted>::default();
    transcribe(&object(&[(2_000, 1), (6_000, 0), (2_000, 2), (1_000, 0)]), &scripted, 300_000, &CancellationToken::new()).await.unwrap();
    let asked = scripted.asked.lock().unwrap();
    let requests: Vec<_> = asked.iter().map(|(_, request)| (request.language.as_deref(), request.text_before.as_deref())).collect();
    assert_eq!(requests, [(None, None), (Some("fr"), Some("level1"))]);
}

#[tokio::test]
async fn silence_is_never_given_to_the_recognizer() {
    let scripted = Arc::<Scripted>::default();
    let transcript = transcribe(&object(&[(30_000, 0)]), &scripted, 10_000, &CancellationToken::new()).await.unwrap();
    assert_eq!((transcript.segments.len(), transcript.language.as_str()), (0, "und"));
    assert!(scripted.asked.lock().unwrap().is_empty());
    let transcript = transcribe(&streamed_header(), &scripted, 10_000, &CancellationToken::new()).await.unwrap();
    assert!(transcript.segments.is_empty());
}

#[tokio::test]
async fn a_cancelled_transcription_says_so_and_a_file_that_is_none_too() {
    let stop = CancellationToken::new();
    stop.cancel();
    let cancelled = transcribe(&object(&[(2_000, 1)]), &Arc::default(), 10_000, &stop).await;
    assert!(matches!(cancelled, Err(ListenError::Recognize(RecognizeError::Cancelled))));
    let none = transcribe(b"RIFF", &Arc::default(), 10_000, &CancellationToken::new()).await;
    assert!(matches!(none, Err(ListenError::NotSpeech(NotSpeech::TooShort { bytes: 4 }))));
    let none = transcribe(&[0; 100], &Arc::default(), 10_000, &CancellationToken::new()).await;
    assert!(matches!(none, Err(ListenError::NotSpeech(NotSpeech::Header))));
}

#[tokio::test]
async fn fewer_bytes_than_asked_for_are_no_silence() {
    let listener = Listener::new(Arc::<Scripted>::default(), Arc::new(LoudIsSpeech));
    let read = async |_: Range<u64>| Ok::<_, std::io::Error>(Bytes::from(streamed_header()));
    let done = listener.transcribe(1_000, read, None, &CancellationToken::new(), Arc::new(|_| ())).await;
    assert!(matches!(done, Err(ListenError::ShortRead { wanted: 956, got: 44 })));
}

#[test]
fn a_transcription_can_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let listener = Listener::new(Arc::<Scripted>::default(), Arc::new(LoudIsSpeech));
    let stop = CancellationToken::new();
    is_send(listener.transcribe(44, |_| std::future::ready(Ok::<_, std::io::Error>(Bytes::new())), None, &stop, Arc::new(|_| ())));
}

#[test]
fn the_text_before_is_short_and_begins_with_a_whole_word() {
    let segment = |text: String| Segment { start_ms: 0, end_ms: 1, text, speaker_label: None, confidence: 1.0, words: Vec::new() };
    assert_eq!(text_before(&[]), None);
    assert_eq!(text_before(&[segment("one".into()), segment("two".into())]).as_deref(), Some("one two"));
    let long = text_before(&[segment("wörds ".repeat(100))]).unwrap();
    assert!(long.chars().count() <= 200 && long.starts_with("wörds") && long.ends_with("wörds"));
}
