//! Many events of a few assets, written by many at once as our services write them.

use std::sync::Arc;

use media_devstack::{DatabaseRole, Isolated};
use media_domain::event::{AssetUploaded, Event};
use media_proto::v1::AssetKind;
use media_storage::{Database, DatabaseConfig};
use tokio::sync::watch;

use super::scene::asset;
use crate::harness::Caller;

/// How many events one transaction writes.
const EVENTS_PER_TRANSACTION: u64 = 5;

/// Assets whose upload has begun, each with its first event.
pub async fn assets(caller: &mut Caller, count: usize) -> Vec<String> {
    let mut ids = Vec::with_capacity(count);
    for _ in 0..count {
        let request = caller.request(AssetKind::Subtitle, "events.vtt", 100);
        ids.push(caller.create(request).await.asset.unwrap().id);
    }
    ids
}

/// Writes `each` events about each asset, by `writers` at once that all write about all of them.
pub async fn write(isolated: &Isolated, caller: &Caller, ids: &[String], each: u64, writers: u64) {
    let (_go, last_turn) = watch::channel(true);
    write_waiting(isolated, caller, ids, each, writers, &last_turn).await;
}

/// The same, but for each writer's last turn, which waits until `last_turn` says so.
pub async fn write_waiting(
    isolated: &Isolated,
    caller: &Caller,
    ids: &[String],
    each: u64,
    writers: u64,
    last_turn: &watch::Receiver<bool>,
) {
    let url = isolated.database_url(DatabaseRole::Api).to_string().into();
    let database = Database::connect(&DatabaseConfig { url, max_connections: 8 }, "journey").unwrap();
    let ids: Arc<[_]> = ids.iter().map(|id| asset(id)).collect();
    let transactions = each / EVENTS_PER_TRANSACTION;
    assert_eq!((each % EVENTS_PER_TRANSACTION, transactions % writers), (0, 0), "all writers write the same");
    let turns = transactions / writers;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..writers {
        let (database, ids, tenant, mut last_turn) = (database.clone(), ids.clone(), caller.tenant, last_turn.clone());
        tasks.spawn(async move {
            for turn in 0..turns {
                if turn + 1 == turns {
                    last_turn.wait_for(|has_come| *has_come).await.unwrap();
                }
                for at in 0..ids.len() {
                    let asset_id = ids[(at + usize::try_from(writer).unwrap()) % ids.len()];
                    let mut tx = database.in_tenant(tenant, "journey.events").await.unwrap();
                    for _ in 0..EVENTS_PER_TRANSACTION {
                        tx.outbox().event(&Event::AssetUploaded(AssetUploaded { asset_id, size_bytes: turn })).await.unwrap();
                    }
                    tx.commit().await.unwrap();
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    database.close().await;
}
