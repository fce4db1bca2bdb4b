//! The settings of media-scanner; `defaults.toml` says what each is for.

use std::time::Duration;

use media_blobs::S3Config;
use media_import_rules::ImportRules;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, ProfilesConfig, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::{Deserialize, Serialize};

use crate::clamd::ClamdConfig;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScannerConfig {
    pub database: DatabaseConfig,
    pub amqp: AmqpConfig,
    pub s3: S3Config,
    pub worker: WorkerConfig,
    pub profiles: ProfilesConfig,
    pub clamd: ClamdConfig,
    pub import: ImportRules,
    pub fetch: FetchConfig,
}

/// How patient an import is with the other side.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FetchConfig {
    /// For finding an address, connecting, and agreeing on TLS.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long nothing may come.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// For one import.
    #[serde(with = "humantime_serde")]
    pub whole_timeout: Duration,
    /// Over a minute; 0: no limit.
    pub slowest_bytes_per_second: u64,
}

/// clamd never reads more than this of one file (`MaxFileSize` is cut to 2 GiB − 3).
const CLAMD_BYTES_MAX: u64 = 2_147_483_645;

impl Settings for ScannerConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = [self.worker.problems(), self.profiles.problems()].concat();
        problems.extend([self.database.faults(), self.amqp.faults(), self.s3.faults()].concat().into_iter().map(Problem::from));
        if !(1..=CLAMD_BYTES_MAX).contains(&self.clamd.max_stream_bytes) {
            problems.push(Problem::new("clamd.max_stream_bytes", format!("must be between 1 and {CLAMD_BYTES_MAX}")));
        }
        let FetchConfig { connect_timeout, idle_timeout, whole_timeout, .. } = &self.fetch;
        let limits =
            [("fetch.connect_timeout", connect_timeout), ("fetch.idle_timeout", idle_timeout), ("fetch.whole_timeout", whole_timeout)];
        for (place, _) in limits.into_iter().filter(|(_, limit)| limit.is_zero()) {
            problems.push(Problem::new(place, "must be longer than nothing"));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_every_setting_and_lack_only_what_an_operator_must_give() {
        let refused = media_runtime::check_defaults::<ScannerConfig>(include_str!("../defaults.toml")).unwrap_err();
        let missing = refused.0.iter().map(Problem::place).collect::<Vec<_>>();
        assert_eq!(missing, ["s3.access_key_id", "s3.secret_access_key"], "{refused}");
    }
}
