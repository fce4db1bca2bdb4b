//! The settings of media-captioner; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::Deserialize;

use crate::{voice::VoiceSettings, whisper::WhisperSettings};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerConfig {
    pub database: DatabaseConfig,
    pub amqp: AmqpConfig,
    pub s3: S3Config,
    pub worker: WorkerConfig,
    pub whisper: WhisperSettings,
    pub voice: VoiceSettings,
}

impl Settings for CaptionerConfig {
    fn problems(&self) -> Vec<Problem> {
        self.worker.problems()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        media_runtime::check_defaults::<CaptionerConfig>(include_str!("../defaults.toml")).unwrap();
    }
}
