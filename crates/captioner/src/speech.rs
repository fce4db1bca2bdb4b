//! What the captioner asks of an engine: words with times from samples, and where in them somebody speaks.
//!
//! Samples are 16 kHz, mono, from -1 to 1. Times are milliseconds from the first sample given. Both traits block for as long as the
//! engine computes: call them inside `spawn_blocking`.

use std::{path::PathBuf, sync::Arc};

use media_captions::{Cue, Reading, TimedWord, segment, spread};
use tokio_util::sync::CancellationToken;

/// Samples of a second.
pub const SAMPLE_RATE: u32 = 16_000;

/// Called with the part that is done, from 0 to 1. It is called from the engine's thread and must not block.
pub type Progress = Arc<dyn Fn(f32) + Send + Sync>;

pub trait SpeechRecognizer: Send + Sync {
    /// What recognizes, for provenance.
    fn info(&self) -> &EngineInfo;

    /// Writes down what is said in `samples`.
    ///
    /// # Errors
    /// [`RecognizeError::UnsupportedLanguage`] before anything is computed; [`RecognizeError::Cancelled`] soon after `stop`, at the
    /// latest when the model has looked at 30 s of sound.
    fn transcribe(
        &self,
        samples: &[f32],
        request: &TranscribeRequest,
        stop: &CancellationToken,
        progress: Progress,
    ) -> Result<Transcript, RecognizeError>;
}

pub trait VoiceActivity: Send + Sync {
    /// The spans in which somebody speaks, in order, none touching the next.
    ///
    /// # Errors
    /// If the model cannot be run.
    fn speech(&self, samples: &[f32]) -> Result<Vec<SpeechSpan>, VoiceError>;
}

/// From when to when somebody speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeechSpan {
    pub start_ms: u64,
    pub end_ms: u64,
}

/// Which engine and model, exactly enough to make the same again or to recall what it made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    pub engine: &'static str,
    pub engine_version: String,
    /// The file's name without its ending.
    pub model: String,
    pub model_sha256: String,
    /// Whether it knows languages other than English.
    pub multilingual: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TranscribeRequest {
    /// A BCP 47 tag; its first part counts. `None`: the model finds out, if it knows more than one.
    pub language: Option<String>,
    /// What was said just before, so that names and sentences go on as they began.
    pub text_before: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Transcript {
    /// ISO 639-1, as the model has it.
    pub language: String,
    pub segments: Vec<Segment>,
}

/// A sentence or so.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
    /// Who speaks. No engine here knows.
    pub speaker_label: Option<String>,
    /// The mean probability of its tokens, from 0 to 1. Under 0.5 a person should look.
    pub confidence: f32,
    pub words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub start_ms: u64,
    pub end_ms: u64,
    /// With its punctuation, without blanks.
    pub text: String,
    /// The lowest probability of its tokens.
    pub confidence: f32,
}

/// Why there is no transcript.
#[derive(Debug, thiserror::Error)]
pub enum RecognizeError {
    #[error("the recognition was cancelled")]
    Cancelled,
    #[error("the model {model} does not know the language {asked:?}")]
    UnsupportedLanguage { asked: String, model: String },
    #[error("the speech engine failed")]
    Engine(#[source] whisper_rs::WhisperError),
}

/// Why a model cannot be used: a matter of set-up, not of a file that a tenant sent.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the model {} cannot be read; `make setup` fetches the one of the demo", path.display())]
    Missing {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the model {} has the SHA-256 {found}, and {wanted} is configured", path.display())]
    Differs { path: PathBuf, wanted: String, found: String },
    #[error("the engine cannot load the model {}", path.display())]
    Unusable {
        path: PathBuf,
        #[source]
        source: whisper_rs::WhisperError,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    #[error("the voice detector failed")]
    Engine(#[source] whisper_rs::WhisperError),
    #[error("the voice detector broke down in an earlier call")]
    Broken,
}

impl Transcript {
    /// The transcript as captions that can be read.
    pub fn cues(&self, reading: &Reading) -> Vec<Cue> {
        let mut words = Vec::new();
        for part in &self.segments {
            if part.words.is_empty() {
                words.extend(spread(&part.text, part.start_ms, part.end_ms));
            } else {
                words.extend(part.words.iter().map(|word| TimedWord {
                    start_ms: word.start_ms,
                    end_ms: word.end_ms,
                    text: word.text.clone(),
                }));
            }
        }
        segment(&words, reading)
    }

    /// The same, `offset_ms` later.
    pub fn delayed(mut self, offset_ms: u64) -> Self {
        for part in &mut self.segments {
            part.start_ms += offset_ms;
            part.end_ms += offset_ms;
            for word in &mut part.words {
                word.start_ms += offset_ms;
                word.end_ms += offset_ms;
            }
        }
        self
    }
}

impl Segment {
    /// The same, with all that is said to be later than the sound's end moved to it.
    pub fn not_after(mut self, end_ms: u64) -> Self {
        self.end_ms = self.end_ms.min(end_ms);
        self.start_ms = self.start_ms.min(self.end_ms.saturating_sub(1));
        for word in &mut self.words {
            word.start_ms = word.start_ms.min(end_ms);
            word.end_ms = word.end_ms.min(end_ms);
        }
        self
    }
}
