//! The settings of media-janitor; `defaults.toml` says what each is for.

use media_blobs::S3Config;
use media_runtime::{Problem, Settings};
use media_storage::DatabaseConfig;
use serde::Deserialize;

use crate::sweeps::SweepsConfig;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JanitorConfig {
    pub database: DatabaseConfig,
    pub s3: S3Config,
    pub sweeps: SweepsConfig,
}

impl Settings for JanitorConfig {
    fn problems(&self) -> Vec<Problem> {
        let SweepsConfig { work_every, storage_every, lost_after, restores_every, .. } = &self.sweeps;
        [("sweeps.work_every", work_every), ("sweeps.storage_every", storage_every), ("sweeps.lost_after", lost_after), ("sweeps.restores_every", restores_every)]
            .into_iter()
            .filter(|(_, every)| every.is_zero())
            .map(|(place, _)| Problem::new(place, "must be longer than nothing"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        media_runtime::check_defaults::<JanitorConfig>(include_str!("../defaults.toml")).unwrap();
    }
}
