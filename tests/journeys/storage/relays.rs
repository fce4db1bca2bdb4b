//! Many relays and many writers at once: no aggregate's order is broken, and nothing is lost or told twice.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use media_devstack::DatabaseRole;
use media_domain::{AssetId, EventId, Kind, TenantId, event::Aggregate};
use media_storage::outbox::{OutboxKind, PARTITIONS};

use super::{
    outbox::tell,
    place::{Place, connect, tenant},
};

const RELAYS: usize = 4;
const WRITERS: usize = 8;
const ASSETS: usize = 8;
const EVENTS_PER_WRITER: usize = 150;
/// Small, so that the relays meet often.
const BATCH: i32 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_relays_at_once_keep_the_order_of_every_asset() {
    let place = Arc::new(Place::new("relays").await);
    let mut assets: Vec<(TenantId, AssetId)> = Vec::new();
    for _ in 0..ASSETS {
        let tenant = tenant();
        assets.push((tenant, place.asset(tenant, Kind::Video).await));
    }
    let assets = Arc::new(assets);
    let published: Arc<Mutex<Vec<(AssetId, u64, EventId)>>> = Arc::default();
    let writing = Arc::new(AtomicBool::new(true));
    let relays: Vec<_> = (0..RELAYS).map(|_| tokio::spawn(relay(place.clone(), published.clone(), writing.clone()))).collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (place, assets) = (place.clone(), assets.clone());
            tokio::spawn(async move {
                for n in 0..EVENTS_PER_WRITER {
                    let (tenant, asset) = assets[(writer + n) % ASSETS];
                    tell(&place.api, tenant, asset, n as u64).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    writing.store(false, Ordering::Release);
    for relay in relays {
        relay.await.unwrap();
    }
    let mut by_asset: BTreeMap<AssetId, Vec<u64>> = BTreeMap::new();
    for (asset, sequence, _) in published.lock().unwrap().iter() {
        by_asset.entry(*asset).or_default().push(*sequence);
    }
    assert_eq!(by_asset.len(), ASSETS);
    let expected: Vec<u64> = (1..=(WRITERS * EVENTS_PER_WRITER / ASSETS) as u64).collect();
    for (asset, sequences) in by_asset {
        assert_eq!(sequences, expected, "{asset}");
    }
}

/// Drains as the relay does, until nothing is written any more and nothing waits.
async fn relay(place: Arc<Place>, published: Arc<Mutex<Vec<(AssetId, u64, EventId)>>>, writing: Arc<AtomicBool>) {
    let database = connect(&place.isolated, DatabaseRole::Relay, 2);
    loop {
        let was_writing = writing.load(Ordering::Acquire);
        let mut waits = false;
        for part in 0..PARTITIONS {
            let Some(batch) = database.outbox_batch(part, BATCH).await.unwrap() else {
                waits = true;
                continue;
            };
            waits |= !batch.rows.is_empty();
            let mut confirmed = Vec::new();
            for row in &batch.rows {
                if let (OutboxKind::Event { sequence }, Aggregate::Asset(asset)) = (row.kind, row.aggregate) {
                    published.lock().unwrap().push((asset, sequence, row.id));
                }
                confirmed.push(row.seq);
                // Lets another relay come between two messages of a batch.
                tokio::task::yield_now().await;
            }
            batch.settle(&confirmed).await.unwrap();
        }
        if !was_writing && !waits {
            return;
        }
    }
}
