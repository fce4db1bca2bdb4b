//! Whisper models, run by whisper.cpp on the CPU.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperError, WhisperSegment};

use crate::speech::{EngineInfo, ModelError, Progress, RecognizeError, Segment, SpeechRecognizer, TranscribeRequest, Transcript, Word};

/// Which model, and how much of the machine it may use.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WhisperSettings {
    /// A ggml file as whisper.cpp has them.
    pub model_path: PathBuf,
    /// What the file must be, in hex.
    pub model_sha256: String,
    /// ggml's threads spin while they wait for each other: more than there are idle cores makes it twenty times slower.
    #[serde(default = "one")]
    pub threads: u16,
    /// How many readings are followed at once; 5 has half the errors of 1.
    #[serde(default = "five")]
    pub beam: u16,
}

fn one() -> u16 {
    1
}

fn five() -> u16 {
    5
}

/// The engine with its model in memory. One for the process; it can be used for several jobs at once.
#[derive(Debug)]
pub struct Whisper {
    context: WhisperContext,
    info: EngineInfo,
    threads: u16,
    beam: u16,
}

impl Whisper {
    /// Reads the whole model twice, once to check it and once to keep it. Blocks.
    ///
    /// # Errors
    /// If the file is missing, not the one that is configured, or no model.
    pub fn load(settings: &WhisperSettings) -> Result<Self, ModelError> {
        whisper_rs::install_logging_hooks();
        let path = &settings.model_path;
        check_sha256(path, &settings.model_sha256)?;
        let context = WhisperContext::new_with_params(path, WhisperContextParameters::default())
            .map_err(|source| ModelError::Unusable { path: path.clone(), source })?;
        let info = EngineInfo {
            engine: "whisper.cpp",
            engine_version: whisper_rs::WHISPER_CPP_VERSION.to_owned(),
            model: path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
            model_sha256: settings.model_sha256.to_ascii_lowercase(),
            multilingual: context.is_multilingual(),
        };
        Ok(Self { context, info, threads: settings.threads.max(1), beam: settings.beam.max(1) })
    }

    /// The language as whisper names it, or `auto`.
    fn language(&self, asked: Option<&str>) -> Result<String, RecognizeError> {
        let Some(asked) = asked else {
            return Ok(if self.info.multilingual { "auto" } else { "en" }.to_owned());
        };
        let primary = asked.split(['-', '_']).next().unwrap_or(asked).to_ascii_lowercase();
        let is_tag = !primary.is_empty() && primary.bytes().all(|byte| byte.is_ascii_lowercase());
        let known = is_tag && if self.info.multilingual { whisper_rs::get_lang_id(&primary).is_some() } else { primary == "en" };
        if known {
            Ok(primary)
        } else {
            Err(RecognizeError::UnsupportedLanguage { asked: asked.to_owned(), model: self.info.model.clone() })
        }
    }
}

impl SpeechRecognizer for Whisper {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn transcribe(
        &self,
        samples: &[f32],
        request: &TranscribeRequest,
        stop: &CancellationToken,
        progress: Progress,
    ) -> Result<Transcript, RecognizeError> {
        let language = self.language(request.language.as_deref())?;
        let mut params = FullParams::new(SamplingStrategy::BeamSearch { beam_size: i32::from(self.beam), patience: -1.0 });
        params.set_n_threads(i32::from(self.threads));
        params.set_language(Some(&language));
        params.set_token_timestamps(true);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_timestamps(false);
        params.set_print_special(false);
        if let Some(text) = &request.text_before {
            params.set_initial_prompt(&text.replace('\0', " "));
        }
        // Only this form is sound: whisper-rs 0.16 hands the callback a pointer to a boxed trait object, whatever F is.
        let flag = stop.clone();
        params.set_abort_callback_safe::<_, Box<dyn FnMut() -> bool>>(Box::new(move || flag.is_cancelled()) as Box<dyn FnMut() -> bool>);
        params.set_progress_callback_safe(move |percent: i32| progress(percent.clamp(0, 100) as f32 / 100.0));

        let mut state = self.context.create_state().map_err(RecognizeError::Engine)?;
        let done = state.full(params, samples);
        if stop.is_cancelled() {
            return Err(RecognizeError::Cancelled);
        }
        done.map_err(RecognizeError::Engine)?;
        let heard = whisper_rs::get_lang_str(state.full_lang_id_from_state()).unwrap_or("en").to_owned();
        let first_special_token = self.context.token_eot();
        let segments = state.as_iter().filter_map(|segment| read_segment(&segment, first_special_token).transpose());
        let segments = segments.collect::<Result<Vec<_>, _>>().map_err(RecognizeError::Engine)?;
        Ok(Transcript { language: heard, segments })
    }
}

/// A segment with its words; `None` if it is not speech.
fn read_segment(segment: &WhisperSegment<'_>, first_special_token: i32) -> Result<Option<Segment>, WhisperError> {
    let text = segment.to_str_lossy()?.trim().to_owned();
    if !holds_speech(&text) {
        return Ok(None);
    }
    let ms = |centiseconds: i64| u64::try_from(centiseconds).unwrap_or(0) * 10;
    let start_ms = ms(segment.start_timestamp());
    let end_ms = ms(segment.end_timestamp()).max(start_ms + 1);
    let mut tokens = Vec::new();
    for index in 0..segment.n_tokens() {
        let Some(token) = segment.get_token(index) else { continue };
        if token.token_id() < first_special_token {
            let data = token.token_data();
            tokens.push(Token {
                bytes: token.to_bytes()?.to_vec(),
                start_ms: ms(data.t0),
                end_ms: ms(data.t1),
                probability: token.token_probability(),
            });
        }
    }
    let confidence = tokens.iter().map(|token| token.probability).sum::<f32>() / tokens.len().max(1) as f32;
    Ok(Some(Segment { start_ms, end_ms, text, speaker_label: None, confidence, words: words(&tokens, start_ms, end_ms) }))
}

/// A piece of a word as the model writes it: the first of a word begins with a blank, and one character can be cut in two.
struct Token {
    bytes: Vec<u8>,
    start_ms: u64,
    end_ms: u64,
    probability: f32,
}

/// Tokens joined to words, their times in order and inside those of the segment.
fn words(tokens: &[Token], start_ms: u64, end_ms: u64) -> Vec<Word> {
    let mut words: Vec<(Vec<u8>, Word)> = Vec::new();
    for token in tokens {
        let (token_start_ms, token_end_ms) = (token.start_ms.clamp(start_ms, end_ms), token.end_ms.clamp(start_ms, end_ms));
        match words.last_mut() {
            Some((bytes, word)) if !token.bytes.starts_with(b" ") => {
                bytes.extend(&token.bytes);
                word.end_ms = word.end_ms.max(token_end_ms);
                word.confidence = word.confidence.min(token.probability);
            }
            last => {
                let earliest = last.map_or(start_ms, |(_, word)| word.start_ms);
                let start_ms = token_start_ms.max(earliest);
                words.push((
                    token.bytes.clone(),
                    Word { start_ms, end_ms: token_end_ms.max(start_ms), text: String::new(), confidence: token.probability },
                ));
            }
        }
    }
    let with_text = words.into_iter().map(|(bytes, word)| Word { text: String::from_utf8_lossy(&bytes).trim().to_owned(), ..word });
    with_text.filter(|word| !word.text.is_empty()).collect()
}

/// Whether anything is said outside brackets. Of sounds, the model writes `[BLANK_AUDIO]`, `(wind howling)`, `*sighs*` or notes.
fn holds_speech(text: &str) -> bool {
    let mut closing = None;
    let mut said = false;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) if c == end => closing = None,
            (Some(_), _) => {}
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '*') => closing = Some('*'),
            (None, c) => said = said || c.is_alphanumeric(),
        }
    }
    said
}

/// Compares a file with the SHA-256 that is configured for it.
///
/// # Errors
/// If it cannot be read, or is another.
pub(crate) fn check_sha256(path: &Path, wanted: &str) -> Result<(), ModelError> {
    let missing = |source| ModelError::Missing { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(missing)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let length = file.read(&mut buffer).map_err(missing)?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
    }
    let found = hex::encode(hash.finalize());
    if found.eq_ignore_ascii_case(wanted.trim()) {
        Ok(())
    } else {
        Err(ModelError::Differs { path: path.to_owned(), wanted: wanted.to_owned(), found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str, start_ms: u64, end_ms: u64) -> Token {
        Token { bytes: text.as_bytes().to_vec(), start_ms, end_ms, probability: 0.5 }
    }

    #[test]
    fn sounds_in_brackets_are_no_speech() {
        for sound in ["[BLANK_AUDIO]", "(wind howling)", " [Music] (applause)", "♪ ♪", "*sighs*", "...", ""] {
            assert!(!holds_speech(sound), "{sound}");
        }
        for speech in ["Hello.", "[Music] Hello", "(laughs) no", "5", "你好"] {
            assert!(holds_speech(speech), "{speech}");
        }
    }

    #[test]
    fn tokens_join_to_words_within_their_segment() {
        let tokens =
            [token(" The", 0, 100), token(" light", 90, 300), token("house", 300, 500), token(",", 500, 9_000), token(" blinks", 50, 60)];
        let words: Vec<_> = words(&tokens, 10, 1_000).into_iter().map(|word| (word.text, word.start_ms, word.end_ms)).collect();
        assert_eq!(words, [("The".to_owned(), 10, 100), ("lighthouse,".to_owned(), 90, 1_000), ("blinks".to_owned(), 90, 90)]);
    }

    #[test]
    fn a_character_cut_in_two_tokens_is_whole_in_its_word() {
        let mut tokens = [token(" caf", 0, 1), token("", 1, 2), token("", 2, 3)];
        tokens[1].bytes = vec![0xc3];
        tokens[2].bytes = vec![0xa9];
        assert_eq!(words(&tokens, 0, 10)[0].text, "café");
    }

    #[test]
    fn a_model_that_is_missing_or_another_is_refused_before_it_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.bin");
        let wanted = hex::encode(Sha256::digest(b"the model"));
        assert!(matches!(check_sha256(&path, &wanted), Err(ModelError::Missing { .. })));
        std::fs::write(&path, b"another model").unwrap();
        assert!(matches!(check_sha256(&path, &wanted), Err(ModelError::Differs { .. })));
        std::fs::write(&path, b"the model").unwrap();
        assert!(check_sha256(&path, &wanted).is_ok());
        let settings = WhisperSettings { model_path: path, model_sha256: wanted, threads: 1, beam: 5 };
        assert!(matches!(Whisper::load(&settings), Err(ModelError::Unusable { .. })));
    }
}
