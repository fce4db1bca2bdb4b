//! The settings of media-janitor; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_runtime::{Problem, Settings};
use media_storage::DatabaseConfig;
use serde::{Deserialize, Serialize};

use crate::sweeps::SweepsConfig;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct JanitorConfig {
    pub database: DatabaseConfig,
    pub s3: S3Config,
    pub sweeps: SweepsConfig,
}

impl Settings for JanitorConfig {
    fn problems(&self) -> Vec<Problem> {
        let SweepsConfig { work_every, storage_every, idle_after, lost_after, abandoned_after, restores_every, .. } = &self.sweeps;
        let faults = [self.database.faults(), self.s3.faults()].concat().into_iter().map(Problem::from);
        let never = [
            ("sweeps.work_every", work_every),
            ("sweeps.storage_every", storage_every),
            ("sweeps.idle_after", idle_after),
            ("sweeps.lost_after", lost_after),
            ("sweeps.abandoned_after", abandoned_after),
            ("sweeps.restores_every", restores_every),
        ]
        .into_iter()
        .filter(|(_, every)| every.is_zero())
        .map(|(place, _)| Problem::new(place, "must be longer than nothing"));
        faults.chain(never).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_name_every_setting_and_lack_only_what_an_operator_must_give() {
        let refused = media_runtime::check_defaults::<JanitorConfig>(include_str!("../defaults.toml")).unwrap_err();
        let missing = refused.0.iter().map(Problem::place).collect::<Vec<_>>();
        assert_eq!(missing, ["s3.access_key_id", "s3.secret_access_key"], "{refused}");
    }

    #[test]
    fn a_sweep_without_a_pause_and_an_upload_without_time_are_refused_by_their_names() {
        let defaults = include_str!("../defaults.toml");
        for name in ["work_every", "storage_every", "idle_after", "lost_after", "abandoned_after", "restores_every"] {
            let lines = defaults
                .lines()
                .map(|line| if line.starts_with(&format!("{name} = ")) { format!("{name} = \"0s\"") } else { line.to_owned() });
            let text = lines.collect::<Vec<_>>().join("\n");
            let refused = media_runtime::check_defaults::<JanitorConfig>(&text).unwrap_err();
            assert!(refused.0.contains(&Problem::new(format!("sweeps.{name}"), "must be longer than nothing")), "{name}: {refused}");
        }
    }
}
