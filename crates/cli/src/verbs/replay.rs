//! `media replay`: has events published once more.

use std::time::SystemTime;

use media_domain::AssetId;
use media_proto::v1::ReplayEventsRequest;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    api::{Api, call},
    failure::Failure,
    moment::Moment,
    output,
};

#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Only of this asset
    #[arg(long, value_name = "ULID")]
    asset: Option<AssetId>,
    /// Told since: a time such as 2026-11-24T12:00:00Z, a date (its first moment, in UTC), or how long ago, such as 2h
    #[arg(long, value_name = "TIME", required_unless_present = "asset")]
    since: Option<Moment>,
    /// Told until, likewise
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
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
