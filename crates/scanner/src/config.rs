//! The settings of media-scanner; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, ProfilesConfig, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::Deserialize;

use crate::clamd::ClamdConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScannerConfig {
    pub database: DatabaseConfig,
    pub amqp: AmqpConfig,
    pub s3: S3Config,
    pub worker: WorkerConfig,
    pub profiles: ProfilesConfig,
    pub clamd: ClamdConfig,
}

/// clamd never reads more than this of one file (`MaxFileSize` is cut to 2 GiB − 3).
const CLAMD_BYTES_MAX: u64 = 2_147_483_645;

impl Settings for ScannerConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = [self.worker.problems(), self.profiles.problems()].concat();
        if !(1..=CLAMD_BYTES_MAX).contains(&self.clamd.max_stream_bytes) {
            problems.push(Problem::new("clamd.max_stream_bytes", format!("must be between 1 and {CLAMD_BYTES_MAX}")));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        media_runtime::check_defaults::<ScannerConfig>(include_str!("../defaults.toml")).unwrap();
    }
}
