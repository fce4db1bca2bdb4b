//! `media replay`: has events published once more.

use std::time::{Duration, SystemTime};

use media_domain::AssetId;
use media_proto::{Timestamp, v1::ReplayEventsRequest};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    api::{Api, call},
    failure::Failure,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Only of this asset
    #[arg(long, value_name = "ULID")]
    asset: Option<AssetId>,
    /// Told since: a time such as 2026-11-24T12:00:00Z, or how long ago, such as 2h
    #[arg(long, value_name = "TIME", required_unless_present = "asset")]
    since: Option<Moment>,
    /// Told until, likewise
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
}

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    At(OffsetDateTime),
    Ago(Duration),
}

impl std::str::FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(Moment::At)
            .or_else(|_| humantime_serde::re::humantime::parse_duration(text).map(Moment::Ago))
            .map_err(|_| "neither a time as in RFC 3339, such as 2026-11-24T12:00:00Z, nor a duration, such as 2h".to_owned())
    }
}

impl Moment {
    fn timestamp(self, now: OffsetDateTime) -> Timestamp {
        let time = match self {
            Moment::At(time) => time,
            Moment::Ago(ago) => now.checked_sub(ago.try_into().unwrap_or(time::Duration::MAX)).unwrap_or(OffsetDateTime::UNIX_EPOCH),
        };
        Timestamp { seconds: time.unix_timestamp(), nanos: time.nanosecond().cast_signed() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
    event_count: i64,
}

impl Replay {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let now = OffsetDateTime::from(SystemTime::now());
        let mut request = ReplayEventsRequest {
            asset_id: self.asset.map(|asset| asset.to_string()).unwrap_or_default(),
            min_time: self.since.map(|since| since.timestamp(now)),
            // What is told from now on is told anyway.
            max_time: Some(self.until.map_or_else(|| Moment::At(now).timestamp(now), |until| until.timestamp(now))),
            page_token: String::new(),
        };
        let mut event_count = 0;
        loop {
            let answer = call(|| {
                let (mut operations, request) = (api.operations.clone(), request.clone());
                async move { operations.replay_events(request).await }
            })
            .await?;
            event_count += answer.event_count;
            if answer.next_page_token.is_empty() {
                break;
            }
            request.page_token = answer.next_page_token;
        }
        if json { output::json(&Replayed { event_count }) } else { output::line(&format!("{event_count} events are published once more")) }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        let now = datetime!(2026-11-24 12:00 UTC);
        let seconds = |text: &str| text.parse::<Moment>().unwrap().timestamp(now).seconds;
        assert_eq!(seconds("2026-11-24T11:00:00Z"), now.unix_timestamp() - 3600);
        assert_eq!(seconds("90m"), now.unix_timestamp() - 5400);
        assert_eq!(seconds("100000y"), 0, "since ever");
        assert!("yesterday".parse::<Moment>().unwrap_err().contains("2h"));
    }
}
