//! The settings of media-transcoder; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_messaging::AmqpConfig;
use media_runtime::{Problem, ProfilesConfig, Settings};
use media_storage::DatabaseConfig;
use media_worker::WorkerConfig;
use serde::{Deserialize, Serialize};

use crate::sandbox::SandboxConfig;

#[derive(Clone, Debug, Deserialize, Serialize)]
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
        let faults = [self.database.faults(), self.amqp.faults(), self.s3.faults()].concat().into_iter().map(Problem::from);
        faults.chain([self.worker.problems(), self.profiles.problems(), self.sandbox.problems()].concat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_every_setting_and_lack_only_what_an_operator_must_give() {
        let refused = media_runtime::check_defaults::<TranscoderConfig>(include_str!("../defaults.toml")).unwrap_err();
        let missing = refused.0.iter().map(Problem::place).collect::<Vec<_>>();
        assert_eq!(missing, ["s3.access_key_id", "s3.secret_access_key"], "{refused}");
    }

    #[test]
    fn a_default_heartbeat_leaves_the_job_of_a_deleted_asset_a_second_of_the_five_in_which_it_stops() {
        let (_, worker) = include_str!("../defaults.toml").split_once("\n[worker]\n").unwrap();
        assert!(worker.contains("\nheartbeat = \"4s\"\n"), "{worker}");
    }
}
