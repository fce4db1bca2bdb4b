//! The settings of media-captioner; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::{Deserialize, Serialize};

use crate::{voice::VoiceSettings, whisper::WhisperSettings};

#[derive(Clone, Debug, Deserialize, Serialize)]
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
        let mut problems = self.worker.problems();
        problems.extend([self.database.faults(), self.amqp.faults(), self.s3.faults()].concat().into_iter().map(Problem::from));
        for (place, sha256) in [("whisper.model_sha256", &self.whisper.model_sha256), ("voice.model_sha256", &self.voice.model_sha256)] {
            if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                problems.push(Problem::new(place, "must be given, in 64 hexadecimal digits"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_every_setting_and_lack_only_what_an_operator_must_give() {
        let refused = media_runtime::check_defaults::<CaptionerConfig>(include_str!("../defaults.toml")).unwrap_err();
        let missing = refused.0.iter().map(Problem::place).collect::<Vec<_>>();
        assert_eq!(missing, ["s3.access_key_id", "s3.secret_access_key", "whisper.model_sha256"], "{refused}");
    }
}
