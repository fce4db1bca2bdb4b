//! Events told once more.

use std::time::{SystemTime, UNIX_EPOCH};

use media_devstack::Binary;
use media_proto::{
    Timestamp,
    v1::{AssetKind, AssetStatus, ReplayEventsRequest},
};
use tonic::Code;

use super::LIMIT;
use crate::{
    harness::{Caller, World, eventually, samples},
    refusals::{reason, refused},
};

/// A time so many seconds from now.
fn from_now(seconds: i64) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    Some(Timestamp { seconds: now + seconds, nanos: 0 })
}

async fn replay(caller: &mut Caller, request: ReplayEventsRequest) -> i64 {
    let answer = caller.operations.replay_events(request).await.unwrap().into_inner();
    assert!(answer.next_page_token.is_empty());
    answer.event_count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_came_late_is_told_again_with_the_same_ids_in_the_same_order() {
    let world = World::with("replay", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let early = world.consumer().await;
    let (mut caller, mut neighbour) = (world.caller().await, world.caller().await);
    let (first, second) = (
        caller.upload(AssetKind::Document, "one.rtf", &samples::document(2000)).await,
        caller.upload(AssetKind::Document, "two.rtf", &samples::document(3000)).await,
    );
    let theirs = neighbour.upload(AssetKind::Document, "three.rtf", &samples::document(4000)).await;
    for (caller, id) in [(&mut caller, &first), (&mut neighbour, &theirs)] {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }
    caller.until(&second, AssetStatus::Ready, LIMIT).await;
    for id in [&first, &second, &theirs] {
        early.until(id, "media.asset.ready.v1", LIMIT).await;
    }
    let told = |id: &str| early.of(id).into_iter().map(|event| (event.id, event.sequence)).collect::<Vec<_>>();
    let count = told(&first).len();
    assert!(count >= 4, "{count}");

    let late = world.consumer().await;
    let of_first = ReplayEventsRequest { asset_id: first.clone(), ..Default::default() };
    assert_eq!(replay(&mut neighbour, of_first.clone()).await, 0, "another tenant's are not replayed");
    // Marked as published only after the confirm: what a consumer has may not be marked yet.
    let sql = world.sql().await;
    eventually("all is marked", LIMIT, async || {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM media.outbox WHERE published_at IS NULL").fetch_one(&sql).await.unwrap();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(replay(&mut caller, of_first.clone()).await, i64::try_from(count).unwrap());
    late.until(&first, "media.asset.ready.v1", LIMIT).await;
    let heard: Vec<_> = late.events().into_iter().map(|event| (event.id, event.sequence)).collect();
    assert_eq!(heard, told(&first), "those events, and no others");
    late.assert_in_order(&first);
    assert_eq!(told(&first).len(), count, "who had them knows them by their ids");

    assert_eq!(replay(&mut caller, ReplayEventsRequest { min_time: from_now(3600), ..Default::default() }).await, 0);
    let before = ReplayEventsRequest { min_time: from_now(-7200), max_time: from_now(-3600), ..Default::default() };
    assert_eq!(replay(&mut caller, before).await, 0);
    assert!(replay(&mut caller, ReplayEventsRequest { min_time: from_now(-3600), ..Default::default() }).await > 0);
    late.until(&second, "media.asset.ready.v1", LIMIT).await;
    late.assert_in_order(&second);
    assert!(late.of(&theirs).is_empty(), "a neighbour's are not told again");

    let nothing = ReplayEventsRequest::default();
    assert_eq!(refused(caller.operations.replay_events(nothing).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    let forged = ReplayEventsRequest { page_token: "forged".to_owned(), ..of_first };
    assert_eq!(refused(caller.operations.replay_events(forged).await), reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID"));
}
