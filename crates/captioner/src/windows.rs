//! A `speech` variant of any length to one transcript, a window at a time.
//!
//! The object is read by ranges of at most five minutes, so that an hour needs no more memory than a minute. A window ends in a
//! silence; only what lies between silences is given to the recognizer, whose times are then moved to where they belong.

use std::{future::Future, ops::Range, sync::Arc};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::{
    pcm::{self, NotSpeech},
    speech::{Progress, RecognizeError, Segment, SpeechRecognizer, SpeechSpan, TranscribeRequest, Transcript, VoiceActivity, VoiceError},
};

/// Sound that is in memory at once: 29 MB.
const WINDOW_MS: u64 = 300_000;
/// Spans of speech with no longer silence between them are heard together. A longer one invites the model to invent.
const JOINED_SILENCE_MS: u64 = 5_000;
/// A silence in which a window may end.
const CUT_SILENCE_MS: u64 = 300;
/// What is heard with speech on both sides of it.
const MARGIN_MS: u64 = 200;
/// The model hears nothing in less than a second.
const HEARD_MS_MIN: u64 = 1_200;
/// How far the model may be wrong about when something was said.
const TIME_ERROR_MS: u64 = 500;
/// How much of what was said is told to the next window; the model takes about this much.
const TEXT_BEFORE_CHARS: usize = 200;
/// A span without silence is cut where this much sound is quietest, in the last half minute of its window.
const QUIET_MS: u64 = 100;
const QUIET_WITHIN_MS: u64 = 30_000;

/// BCP 47 for a language that nobody knows, here because nothing was said.
const UNDETERMINED: &str = "und";

/// Why a variant was not transcribed.
#[derive(Debug, thiserror::Error)]
pub enum ListenError<E: std::error::Error + 'static> {
    /// Come back later, or as the error of the one who reads says.
    #[error("the speech variant cannot be read")]
    Read(#[source] E),
    #[error("{wanted} bytes of the speech variant were asked for and {got} came")]
    ShortRead { wanted: u64, got: u64 },
    #[error("the object is no speech variant")]
    NotSpeech(#[source] NotSpeech),
    #[error("where speech is cannot be found")]
    Voice(#[source] VoiceError),
    #[error("speech cannot be recognized")]
    Recognize(#[source] RecognizeError),
    #[error("the thread that listened broke down")]
    Broken(#[source] tokio::task::JoinError),
}

/// Hears where speech is and what it says. Cheap to clone; the models behind it are shared.
#[derive(Clone)]
pub struct Listener {
    recognizer: Arc<dyn SpeechRecognizer>,
    voice: Arc<dyn VoiceActivity>,
    pub(crate) window_ms: u64,
}

impl Listener {
    pub fn new(recognizer: Arc<dyn SpeechRecognizer>, voice: Arc<dyn VoiceActivity>) -> Self {
        Self { recognizer, voice, window_ms: WINDOW_MS }
    }

    /// The engine behind it, for provenance.
    pub fn recognizer(&self) -> &dyn SpeechRecognizer {
        self.recognizer.as_ref()
    }

    /// Transcribes an object of `object_bytes` that `read` gives by ranges. Computes in tokio's blocking threads. `language` is a
    /// BCP 47 tag, or `None` to let the model find out. An object without speech has no segments; its language is then the one that
    /// was asked for, or `und`.
    ///
    /// # Errors
    /// [`RecognizeError::Cancelled`] inside [`ListenError::Recognize`] when `stop` is cancelled. Dropped, it stops computing too.
    pub async fn transcribe<F, Fut, E>(
        &self,
        object_bytes: u64,
        read: F,
        language: Option<String>,
        stop: &CancellationToken,
        progress: Progress,
    ) -> Result<Transcript, ListenError<E>>
    where
        F: Fn(Range<u64>) -> Fut,
        Fut: Future<Output = Result<Bytes, E>>,
        E: std::error::Error + 'static,
    {
        let stop = stop.child_token();
        let _stops_when_dropped = stop.clone().drop_guard();
        if object_bytes < pcm::HEADER_BYTES {
            return Err(ListenError::NotSpeech(NotSpeech::TooShort { bytes: object_bytes }));
        }
        pcm::check_header(&read_exactly(&read, 0..pcm::HEADER_BYTES, &stop).await?).map_err(ListenError::NotSpeech)?;

        let total = pcm::samples_in(object_bytes);
        let window = pcm::sample_at(self.window_ms).max(1);
        let mut heard = Heard { segments: Vec::new(), request: TranscribeRequest { language, text_before: None } };
        let mut at = 0;
        while at < total {
            let end = total.min(at + window);
            let bytes = read_exactly(&read, pcm::bytes_of(at..end), &stop).await?;
            let work = Window { listener: self.clone(), at, total, stop: stop.clone(), progress: progress.clone() };
            let (now_heard, next) = tokio::task::spawn_blocking(move || work.hear(&bytes, heard))
                .await
                .map_err(ListenError::Broken)?
                .map_err(|error| match error {
                    HearError::Voice(error) => ListenError::Voice(error),
                    HearError::Recognize(error) => ListenError::Recognize(error),
                })?;
            heard = now_heard;
            at = next;
            progress(at as f32 / total as f32);
        }
        Ok(Transcript { language: heard.request.language.unwrap_or_else(|| UNDETERMINED.to_owned()), segments: heard.segments })
    }
}

async fn read_exactly<F, Fut, E>(read: &F, range: Range<u64>, stop: &CancellationToken) -> Result<Bytes, ListenError<E>>
where
    F: Fn(Range<u64>) -> Fut,
    Fut: Future<Output = Result<Bytes, E>>,
    E: std::error::Error + 'static,
{
    let wanted = range.end - range.start;
    let bytes = tokio::select! {
        () = stop.cancelled() => return Err(ListenError::Recognize(RecognizeError::Cancelled)),
        bytes = read(range) => bytes.map_err(ListenError::Read)?,
    };
    let got = bytes.len() as u64;
    if got == wanted { Ok(bytes) } else { Err(ListenError::ShortRead { wanted, got }) }
}

/// What was heard up to now, and with which request it goes on.
struct Heard {
    segments: Vec<Segment>,
    request: TranscribeRequest,
}

enum HearError {
    Voice(VoiceError),
    Recognize(RecognizeError),
}

/// One window; `at` and `total` count samples of the object.
struct Window {
    listener: Listener,
    at: u64,
    total: u64,
    stop: CancellationToken,
    progress: Progress,
}

impl Window {
    /// Hears a window and says with which sample the next begins. Blocks.
    fn hear(&self, bytes: &[u8], mut heard: Heard) -> Result<(Heard, u64), HearError> {
        let samples = pcm::to_samples(bytes);
        let spans = self.listener.voice.speech(&samples).map_err(HearError::Voice)?;
        let length = samples.len() as u64;
        let cut = if self.at + length == self.total { length } else { pcm::sample_at(cut_ms(&spans, &samples)).clamp(1, length) };
        let cut_at_ms = pcm::ms_of(cut);
        let before_cut: Vec<SpeechSpan> = spans
            .into_iter()
            .filter(|span| span.start_ms < cut_at_ms)
            .map(|span| SpeechSpan { end_ms: span.end_ms.min(cut_at_ms), ..span })
            .collect();
        let window_start_ms = pcm::ms_of(self.at);
        for group in groups(&before_cut) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let start_ms = first.start_ms.saturating_sub(MARGIN_MS);
            let end_ms = (last.end_ms + MARGIN_MS).max(start_ms + HEARD_MS_MIN).min(cut_at_ms);
            let range = pcm::sample_at(start_ms)..pcm::sample_at(end_ms);
            let part = &samples[range.start as usize..range.end as usize];
            let transcript = self
                .listener
                .recognizer
                .transcribe(part, &heard.request, &self.stop, self.progress_within(&range))
                .map_err(HearError::Recognize)?;
            heard.request.language = Some(transcript.language.clone());
            let transcript = transcript.delayed(start_ms);
            let spoken = transcript.segments.into_iter().filter(|segment| group.iter().any(|span| is_near(segment, span)));
            let placed = Transcript { language: transcript.language, segments: spoken.map(|segment| segment.not_after(end_ms)).collect() }
                .delayed(window_start_ms);
            heard.segments.extend(placed.segments);
            heard.request.text_before = text_before(&heard.segments);
        }
        Ok((heard, self.at + cut))
    }

    /// Progress of the whole, from that of a part of this window.
    fn progress_within(&self, part: &Range<u64>) -> Progress {
        let (progress, total) = (self.progress.clone(), self.total as f32);
        let (done, more) = ((self.at + part.start) as f32, (part.end - part.start) as f32);
        Arc::new(move |fraction| progress((done + more * fraction) / total))
    }
}

/// Spans parted where the silence between them is long.
fn groups(spans: &[SpeechSpan]) -> impl Iterator<Item = &[SpeechSpan]> {
    spans.chunk_by(|left, right| right.start_ms.saturating_sub(left.end_ms) <= JOINED_SILENCE_MS)
}

fn is_near(segment: &Segment, span: &SpeechSpan) -> bool {
    segment.start_ms < span.end_ms + TIME_ERROR_MS && span.start_ms < segment.end_ms + TIME_ERROR_MS
}

/// When the window ends, in milliseconds from its start: in the last silence of its second half.
fn cut_ms(spans: &[SpeechSpan], samples: &[f32]) -> u64 {
    let length_ms = pcm::ms_of(samples.len() as u64);
    let speech_end_ms = spans.last().map_or(0, |span| span.end_ms);
    if length_ms - speech_end_ms >= CUT_SILENCE_MS {
        // A word that begins with the window's last samples is heard in the next.
        return length_ms - ((length_ms - speech_end_ms) / 2).min(MARGIN_MS);
    }
    let silences = spans.windows(2).rev().map(|pair| (pair[0].end_ms, pair[1].start_ms));
    let usable = silences.filter(|(from, to)| to - from >= CUT_SILENCE_MS && *from >= length_ms / 2).map(|(from, to)| from.midpoint(to));
    usable.into_iter().next().unwrap_or_else(|| quietest_ms(samples, length_ms))
}

/// The middle of the quietest moment near the end.
fn quietest_ms(samples: &[f32], length_ms: u64) -> u64 {
    let from_ms = (length_ms / 2).max(length_ms.saturating_sub(QUIET_WITHIN_MS));
    let frame = pcm::sample_at(QUIET_MS) as usize;
    let tail = &samples[pcm::sample_at(from_ms) as usize..];
    let loudness = |frame: &[f32]| frame.iter().map(|sample| sample * sample).sum::<f32>();
    let quietest = tail.chunks_exact(frame).enumerate().min_by(|(_, left), (_, right)| loudness(left).total_cmp(&loudness(right)));
    quietest.map_or(length_ms, |(index, _)| from_ms + QUIET_MS * index as u64 + QUIET_MS / 2)
}

/// The end of what was said, whole words.
fn text_before(segments: &[Segment]) -> Option<String> {
    let mut text = String::new();
    for segment in segments.iter().rev() {
        text = format!("{} {text}", segment.text);
        if text.chars().count() > TEXT_BEFORE_CHARS {
            break;
        }
    }
    let excess = text.chars().count().saturating_sub(TEXT_BEFORE_CHARS);
    let tail: String = text.chars().skip(excess).collect();
    let whole = if excess > 0 { tail.split_once(' ').map_or("", |(_, rest)| rest) } else { &tail };
    let whole = whole.trim();
    (!whole.is_empty()).then(|| whole.to_owned())
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
