//! The settings of media-transcoder; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, ProfilesConfig, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::Deserialize;

use crate::sandbox::SandboxConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranscoderConfig {
    pub database: DatabaseConfig,
    pub amqp: AmqpConfig,
    pub s3: S3Config,
    pub worker: WorkerConfig,
    pub profiles: ProfilesConfig,
    pub sandbox: SandboxConfig,
}

impl Settings for TranscoderConfig {
    fn problems(&self) -> Vec<Problem> {
        [self.worker.problems(), self.profiles.problems(), self.sandbox.problems()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        media_runtime::check_defaults::<TranscoderConfig>(include_str!("../defaults.toml")).unwrap();
    }
}
