//! Where somebody speaks: Silero's voice detector, run by whisper.cpp. Without it silence and noise become text.

use std::{path::PathBuf, sync::Mutex};

use serde::{Deserialize, Serialize};
use whisper_rs::{WhisperVadContext, WhisperVadContextParams, WhisperVadParams};

use crate::{
    pcm,
    speech::{ModelError, SpeechSpan, VoiceActivity, VoiceError},
    whisper::check_sha256,
};

/// The SHA-256 of `models/silero-v6.2.0-ggml.bin`: `for-tests-silero-v6.2.0-ggml.bin` of whisper.cpp.
pub const SILERO_SHA256: &str = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987";

/// A silence shorter than this is part of the speech around it: Silero's own advice is 100 ms, which cuts between words.
const SILENCE_MS_MIN: i32 = 250;
/// What is kept of the sound around speech, so that no consonant is cut off.
const PAD_MS: i32 = 100;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct VoiceSettings {
    pub model_path: PathBuf,
    #[serde(default = "silero_sha256")]
    pub model_sha256: String,
}

fn silero_sha256() -> String {
    SILERO_SHA256.to_owned()
}

/// The detector with its model in memory. Calls wait for each other; each takes about a five-hundredth of the sound's length.
#[derive(Debug)]
pub struct Silero {
    context: Mutex<WhisperVadContext>,
}

impl Silero {
    /// # Errors
    /// If the file is missing, not the one that is configured, or no model.
    pub fn load(settings: &VoiceSettings) -> Result<Self, ModelError> {
        whisper_rs::install_logging_hooks();
        let path = &settings.model_path;
        check_sha256(path, &settings.model_sha256)?;
        let unusable = |source| ModelError::Unusable { path: path.clone(), source };
        let name = path.to_str().filter(|name| !name.contains('\0')).ok_or_else(|| unusable(whisper_rs::WhisperError::InvalidText))?;
        let mut params = WhisperVadContextParams::new();
        // Its steps are so small that a second thread spends its time waiting: 99 s instead of 0.02 s for 11 s of sound.
        params.set_n_threads(1);
        let context = WhisperVadContext::new(name, params).map_err(unusable)?;
        Ok(Self { context: Mutex::new(context) })
    }
}

impl VoiceActivity for Silero {
    fn speech(&self, samples: &[f32]) -> Result<Vec<SpeechSpan>, VoiceError> {
        if samples.is_empty() {
            return Ok(Vec::new());
        }
        let mut params = WhisperVadParams::new();
        params.set_min_silence_duration(SILENCE_MS_MIN);
        params.set_speech_pad(PAD_MS);
        let length_ms = pcm::ms_of(samples.len() as u64);
        let found =
            self.context.lock().map_err(|_| VoiceError::Broken)?.segments_from_samples(params, samples).map_err(VoiceError::Engine)?;
        let ms = |centiseconds: f32| ((f64::from(centiseconds) * 10.0).max(0.0) as u64).min(length_ms);
        let mut spans: Vec<SpeechSpan> = Vec::new();
        for segment in found {
            let span = SpeechSpan { start_ms: ms(segment.start), end_ms: ms(segment.end) };
            match spans.last_mut() {
                Some(last) if span.start_ms <= last.end_ms => last.end_ms = last.end_ms.max(span.end_ms),
                _ if span.end_ms > span.start_ms => spans.push(span),
                _ => {}
            }
        }
        Ok(spans)
    }
}
