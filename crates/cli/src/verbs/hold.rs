//! `media hold`: keeps an asset from every deletion, until the hold is released.

use media_domain::{AssetId, HoldId};
use media_proto::v1::{Hold as Placed, PlaceHoldRequest, ReleaseHoldRequest};
use uuid::Uuid;

use crate::{
    api::{Api, call},
    asset_text::when,
    failure::Failure,
    output::{self, printable},
};

#[derive(Debug, clap::Subcommand)]
pub enum Hold {
    /// Place a hold; prints its id
    Place {
        /// The asset's id
        asset: AssetId,
        /// Why, for those who come to release it
        #[arg(long)]
        reason: String,
    },
    /// Release a hold; others stand
    Release {
        /// The asset's id
        asset: AssetId,
        /// The hold's id; a deletion that is refused names those that stand
        hold: HoldId,
    },
}

impl Hold {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let retention = || api.retention.clone();
        let hold = match self {
            Hold::Place { asset, reason } => {
                let request = PlaceHoldRequest { asset_id: asset.to_string(), reason, request_id: Uuid::new_v4().to_string() };
                let answer = call(|| {
                    let (mut retention, request) = (retention(), request.clone());
                    async move { retention.place_hold(request).await }
                })
                .await?;
                answer.hold
            }
            Hold::Release { asset, hold } => {
                let request = ReleaseHoldRequest { asset_id: asset.to_string(), hold_id: hold.to_string() };
                let answer = call(|| {
                    let (mut retention, request) = (retention(), request.clone());
                    async move { retention.release_hold(request).await }
                })
                .await?;
                answer.hold
            }
        };
        let hold = hold.unwrap_or_default();
        if json { output::json(&hold) } else { output::line(&row(&hold)) }
    }
}

fn row(hold: &Placed) -> String {
    let released = match hold.release_time {
        Some(time) => format!("  released {} by {}", when(Some(time)), printable(&hold.released_by)),
        None => String::new(),
    };
    format!("{}  placed {} by {}{released}  {}", hold.id, when(hold.place_time), printable(&hold.placed_by), printable(&hold.reason))
}

#[cfg(test)]
mod tests {
    use media_proto::Timestamp;

    use super::*;

    #[test]
    fn the_holds_id_stands_first_and_a_release_is_said() {
        let placed = Placed {
            id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
            reason: "case\u{1b} 7".into(),
            placed_by: "lawyer".into(),
            place_time: Some(Timestamp { seconds: 0, nanos: 0 }),
            ..Placed::default()
        };
        assert_eq!(row(&placed), "01ARZ3NDEKTSV4RRFFQ69G5FAV  placed 1970-01-01T00:00:00Z by lawyer  case\u{fffd} 7");
        let released = Placed { released_by: "judge".into(), release_time: Some(Timestamp { seconds: 60, nanos: 0 }), ..placed };
        assert!(row(&released).contains("released 1970-01-01T00:01:00Z by judge"));
    }
}
