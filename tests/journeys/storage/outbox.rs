//! The outbox: numbered without a gap, drained in order, and nothing lost.

use std::{sync::Arc, time::Duration};

use media_domain::{
    AssetId, Kind, TenantId, WorkId,
    event::{Aggregate, AssetUploaded, Event},
    work::Queue,
};
use media_storage::{
    Database, StorageError,
    outbox::{Batch, OutboxKind, OutboxRow, PARTITIONS},
};
use sqlx::AssertSqlSafe;

use super::place::{Place, new_asset, tenant};

pub fn fact(asset: AssetId, number: u64) -> Event {
    Event::AssetUploaded(AssetUploaded { asset_id: asset, size_bytes: number })
}

pub async fn tell(database: &Database, tenant: TenantId, asset: AssetId, number: u64) {
    let mut tx = database.in_tenant(tenant, "test.tell").await.unwrap();
    tx.outbox().event(&fact(asset, number)).await.unwrap();
    tx.commit().await.unwrap();
}

/// The partition that an aggregate is in, by the definition of `outbox.part`.
pub fn part_of(asset: AssetId) -> i16 {
    i16::from(asset.as_uuid().as_bytes()[15] & 15)
}

/// Assets of one partition.
async fn assets_together(place: &Place, tenants: &[TenantId], part: u8) -> Vec<AssetId> {
    let mut assets = Vec::new();
    for tenant in tenants {
        let mut bytes = *AssetId::generate().as_uuid().as_bytes();
        bytes[15] = bytes[15] & 0xf0 | part;
        let mut new = new_asset(Kind::Document);
        new.id = uuid::Uuid::from_bytes(bytes).into();
        let mut tx = place.api.in_tenant(*tenant, "test.asset").await.unwrap();
        tx.assets().insert(&new).await.unwrap();
        tx.commit().await.unwrap();
        assets.push(new.id);
    }
    assets
}

async fn batch(place: &Place, part: i16) -> Batch {
    place.relay.outbox_batch(part, 100).await.unwrap().expect("nobody else has the partition")
}

fn sequence(row: &OutboxRow) -> u64 {
    match row.kind {
        OutboxKind::Event { sequence } => sequence,
        OutboxKind::Command => panic!("a command has no number"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_an_asset_are_numbered_without_a_gap_under_many_writers() {
    const WRITERS: u64 = 16;
    const EACH: u64 = 12;
    let place = Arc::new(Place::new("outbox-numbers").await);
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let place = place.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    let mut tx = place.scanner.in_tenant(tenant, "test.tell").await.unwrap();
                    tx.outbox().event(&fact(asset, writer * EACH + n)).await.unwrap();
                    // A third is taken back: its number must be given again.
                    if n % 3 == 0 { drop(tx) } else { tx.commit().await.unwrap() }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let numbers: Vec<i64> = sqlx::query_scalar("SELECT sequence FROM media.outbox WHERE aggregate_id = $1 ORDER BY seq")
        .bind(asset.as_uuid())
        .fetch_all(&place.superuser)
        .await
        .unwrap();
    let kept = i64::try_from(WRITERS * EACH * 2 / 3).unwrap();
    assert_eq!(numbers, (1..=kept).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_is_in_order_across_the_tenants_of_its_partition() {
    let place = Place::new("outbox-batch").await;
    let tenants = [tenant(), tenant(), tenant()];
    let assets = assets_together(&place, &tenants, 7).await;
    let elsewhere = assets_together(&place, &tenants[..1], 8).await[0];
    for n in 0..12_usize {
        tell(&place.api, tenants[n % 3], assets[n % 3], n as u64).await;
        tell(&place.api, tenants[0], elsewhere, n as u64).await;
    }
    let batch = batch(&place, 7).await;
    assert!(batch.rows.is_sorted_by_key(|row| row.seq));
    let told: Vec<_> = batch.rows.iter().map(|row| (row.aggregate, row.tenant, sequence(row))).collect();
    let expected: Vec<_> = (0..12_usize).map(|n| (Aggregate::Asset(assets[n % 3]), tenants[n % 3], (n / 3) as u64 + 1)).collect();
    assert_eq!(told, expected);
    drop(batch);
    let mut parts = place.relay.across_tenants().outbox_waiting_parts().await.unwrap();
    parts.sort_unstable();
    assert_eq!(parts, [7, 8]);
}

#[tokio::test]
async fn a_batch_takes_the_oldest_and_no_more_than_was_asked_for() {
    let place = Place::new("outbox-limit").await;
    let tenant = tenant();
    let asset = assets_together(&place, &[tenant], 0).await[0];
    for n in 0..5 {
        tell(&place.api, tenant, asset, n).await;
    }
    let mut numbers = Vec::new();
    loop {
        let batch = place.relay.outbox_batch(0, 2).await.unwrap().unwrap();
        if batch.rows.is_empty() {
            break;
        }
        assert!(batch.rows.len() <= 2);
        numbers.extend(batch.rows.iter().map(sequence));
        let seqs: Vec<_> = batch.rows.iter().map(|row| row.seq).collect();
        batch.settle(&seqs).await.unwrap();
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(place.relay.across_tenants().outbox_waiting_parts().await.unwrap(), [] as [i16; 0]);
}

#[tokio::test]
async fn a_partition_that_one_relay_holds_is_closed_to_a_second() {
    let place = Place::new("outbox-locked").await;
    let tenant = tenant();
    let asset = assets_together(&place, &[tenant], 3).await[0];
    tell(&place.api, tenant, asset, 1).await;
    let second = super::place::connect(&place.isolated, media_devstack::DatabaseRole::Relay, 2);
    let held = batch(&place, 3).await;
    assert!(second.outbox_batch(3, 100).await.unwrap().is_none());
    assert!(second.outbox_batch(4, 100).await.unwrap().is_some());
    // Writers are in nobody's way.
    tell(&place.api, tenant, asset, 2).await;
    held.settle(&[]).await.unwrap();
    assert_eq!(second.outbox_batch(3, 100).await.unwrap().unwrap().rows.len(), 2);
}

#[tokio::test]
async fn what_a_relay_took_and_did_not_settle_is_taken_again() {
    let place = Place::new("outbox-died").await;
    let tenant = tenant();
    let asset = assets_together(&place, &[tenant], 3).await[0];
    tell(&place.api, tenant, asset, 1).await;
    let first = batch(&place, 3).await.rows[0].id;
    // Dropped; the server hears of it when the connection goes back to its pool.
    let limit = tokio::time::Instant::now() + Duration::from_secs(10);
    let again = loop {
        if let Some(batch) = place.relay.outbox_batch(3, 100).await.unwrap() {
            break batch;
        }
        assert!(tokio::time::Instant::now() < limit, "the partition was never let go");
    };
    assert_eq!(again.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [first]);
}

/// A cursor that remembers the highest number would lose it for ever.
#[tokio::test]
async fn a_transaction_that_took_its_number_earlier_and_commits_later_is_not_lost() {
    let place = Place::new("outbox-late-commit").await;
    let tenant = tenant();
    let assets = assets_together(&place, &[tenant, tenant], 5).await;
    let mut late = place.api.in_tenant(tenant, "test.late").await.unwrap();
    late.outbox().event(&fact(assets[0], 1)).await.unwrap();
    tell(&place.api, tenant, assets[1], 2).await;
    let first = batch(&place, 5).await;
    let seen = first.rows[0].seq;
    assert_eq!(first.rows.iter().map(|row| row.aggregate).collect::<Vec<_>>(), [Aggregate::Asset(assets[1])]);
    first.settle(&[seen]).await.unwrap();
    late.commit().await.unwrap();
    let second = batch(&place, 5).await;
    assert_eq!(second.rows.iter().map(|row| row.aggregate).collect::<Vec<_>>(), [Aggregate::Asset(assets[0])]);
    assert!(second.rows[0].seq < seen, "the trap was not set");
}

#[tokio::test]
async fn settling_marks_what_was_named_and_nothing_else() {
    let place = Place::new("outbox-settle").await;
    let tenants = [tenant(), tenant()];
    let assets = assets_together(&place, &tenants, 9).await;
    let elsewhere = assets_together(&place, &tenants[..1], 10).await[0];
    for n in 0..6_usize {
        tell(&place.api, tenants[n % 2], assets[n % 2], n as u64).await;
    }
    tell(&place.api, tenants[0], elsewhere, 1).await;
    let foreign: i64 = sqlx::query_scalar("SELECT seq FROM media.outbox WHERE part = 10").fetch_one(&place.superuser).await.unwrap();
    let all = batch(&place, 9).await;
    let seqs: Vec<_> = all.rows.iter().map(|row| row.seq).collect();
    all.settle(&[seqs[0], seqs[1], seqs[3], foreign]).await.unwrap();
    let left: Vec<i64> = sqlx::query_scalar("SELECT seq FROM media.outbox WHERE published_at IS NULL ORDER BY seq")
        .fetch_all(&place.superuser)
        .await
        .unwrap();
    assert_eq!(left, [seqs[2], seqs[4], seqs[5], foreign]);
    assert_eq!(batch(&place, 9).await.rows.iter().map(|row| row.seq).collect::<Vec<_>>(), [seqs[2], seqs[4], seqs[5]]);
}

#[tokio::test]
async fn an_event_commits_with_its_change_or_not_at_all() {
    let place = Place::new("outbox-rolled-back").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut tx = place.api.in_tenant(tenant, "test.tell").await.unwrap();
    tx.outbox().event(&fact(asset, 1)).await.unwrap();
    tx.outbox().command(Queue::Scan, asset, WorkId::generate(), None).await.unwrap();
    drop(tx);
    assert_eq!(place.count("media.outbox").await, 0);
    tell(&place.api, tenant, asset, 1).await;
    assert_eq!(place.text("SELECT sequence FROM media.outbox").await, "(1)");
}

#[tokio::test]
async fn an_event_of_another_tenants_asset_is_refused() {
    let place = Place::new("outbox-foreign").await;
    let asset = place.asset(tenant(), Kind::Video).await;
    let mut tx = place.api.in_tenant(tenant(), "test.tell").await.unwrap();
    let refused = tx.outbox().event(&fact(asset, 1)).await;
    assert!(matches!(refused, Err(StorageError::Missing { what: "asset" })), "{refused:?}");
}

#[tokio::test]
async fn a_row_carries_the_cause_that_its_transaction_was_told() {
    let place = Place::new("outbox-cause").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut tx = place.api.in_tenant(tenant, "test.tell").await.unwrap();
    tx.caused_by(Some(trace.to_owned()), Some("a message".to_owned()));
    tx.outbox().event(&fact(asset, 1)).await.unwrap();
    tx.commit().await.unwrap();
    let batch = batch(&place, part_of(asset)).await;
    let row = &batch.rows[0];
    assert_eq!(row.traceparent.as_deref(), Some(trace));
    assert_eq!(row.correlation_id.as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
    assert_eq!(row.causation_id.as_deref(), Some("a message"));
    assert_eq!((row.message_type.as_str(), row.routing_key.as_str()), ("media.asset.uploaded.v1", "media.asset.uploaded.v1"));
}

#[tokio::test]
async fn the_schema_has_as_many_partitions_as_the_code() {
    let place = Place::new("outbox-parts").await;
    let tenant = tenant();
    for part in 0..u8::try_from(PARTITIONS).unwrap() {
        let asset = assets_together(&place, &[tenant], part).await[0];
        tell(&place.api, tenant, asset, 1).await;
        let sql = format!("SELECT part FROM media.outbox WHERE aggregate_id = '{}'", asset.as_uuid());
        let stored: i16 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&place.superuser).await.unwrap();
        assert_eq!(stored, i16::from(part));
    }
    assert_eq!(place.relay.across_tenants().outbox_waiting_parts().await.unwrap().len(), 16);
}

#[tokio::test]
async fn a_commit_wakes_the_relay() {
    let place = Place::new("outbox-notify").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let mut listener = place.relay.listen_outbox().await.unwrap();
    tell(&place.api, tenant, asset, 1).await;
    tokio::time::timeout(Duration::from_secs(10), listener.woken()).await.unwrap().unwrap();
}
