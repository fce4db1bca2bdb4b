//! The settings of media-outbox-relay; `defaults.toml` says what each is for.

use media_messaging::AmqpConfig;
use media_runtime::{Problem, Settings};
use media_storage::DatabaseConfig;
use serde::{Deserialize, Serialize};

use crate::drain::DrainConfig;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    pub database: DatabaseConfig,
    pub amqp: AmqpConfig,
    pub drain: DrainConfig,
}

impl Settings for RelayConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = [self.database.faults(), self.amqp.faults()].concat().into_iter().map(Problem::from).collect();
        if !(1..=10_000).contains(&self.drain.batch) {
            problems.push(Problem::new("drain.batch", "must be between 1 and 10000"));
        }
        if self.drain.poll.is_zero() {
            problems.push(Problem::new("drain.poll", "must be longer than nothing"));
        }
        if self.amqp.publish_timeout.as_secs() > 20 {
            problems.push(Problem::new(
                "amqp.publish_timeout",
                "must be at most 20s: a transaction waits for it, and the database ends one that is idle for 30s",
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_good() {
        media_runtime::check_defaults::<RelayConfig>(include_str!("../defaults.toml")).unwrap();
    }

    #[test]
    fn a_poll_without_a_pause_is_refused() {
        let defaults = include_str!("../defaults.toml").replace("poll = \"1s\"", "poll = \"0s\"");
        let refused = media_runtime::check_defaults::<RelayConfig>(&defaults).unwrap_err();
        assert_eq!(refused.0, [Problem::new("drain.poll", "must be longer than nothing")]);
    }
}
