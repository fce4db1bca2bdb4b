//! `kill -9` of the relay, several relays at once, and `kill -9` of the broker.

use std::{collections::BTreeMap, time::Duration};

use media_devstack::{Binary, Server, Stack, StackInfo, StackOptions};
use sqlx::PgPool;
use tokio::{sync::watch, time::Instant};

use super::{
    durable_consumer::{DurableConsumer, Seen},
    events,
};
use crate::harness::{World, eventually};

const LIMIT: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_between_publish_and_mark_repeats_and_a_consumer_with_an_inbox_sees_each_event_once() {
    let mut world = World::with("kill-the-relay", &[Binary::Api]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let consumer = DurableConsumer::follow(world.isolated().amqp_url().as_str()).await;
    let ids = events::assets(&mut caller, 1).await;
    events::write(world.isolated(), &caller, &ids, 40, 2).await;

    // Nobody can change a row while the test reads the table: the relay publishes, and its mark waits.
    let mut reading = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE media.outbox IN SHARE MODE").execute(&mut *reading).await.unwrap();
    let first = world.start(Binary::Relay, &[]).await;
    until_seen(&consumer, 41).await;
    assert_eq!(marked(&sql).await, 0, "published, and not marked");
    first.kill().unwrap();
    reading.rollback().await.unwrap();

    let _second = world.start(Binary::Relay, &[]).await;
    eventually("all is marked", LIMIT, async || if marked(&sql).await == 41 { Ok(()) } else { Err(marked(&sql).await) }).await;
    let seen = eventually("the repeats arrive", LIMIT, async || {
        let seen = consumer.seen();
        if seen.deliveries >= 2 * 41 { Ok(seen) } else { Err(seen.deliveries) }
    })
    .await;
    assert_each_once_and_in_order(&seen, &ids, 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn four_relays_publish_5000_events_of_20_assets_in_order() {
    const ASSETS: usize = 20;
    const EACH: u64 = 250;
    let mut world = World::with("four-relays", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let consumer = DurableConsumer::follow(world.isolated().amqp_url().as_str()).await;
    let mut relays = Vec::new();
    for _ in 0..4 {
        // Small batches, so that they meet often.
        relays.push(world.start(Binary::Relay, &[("MEDIA__DRAIN__BATCH", "10")]).await);
    }
    let ids = events::assets(&mut caller, ASSETS).await;

    let begun = Instant::now();
    events::write(world.isolated(), &caller, &ids, EACH, 5).await;
    let written = begun.elapsed();
    let all = ASSETS * (usize::try_from(EACH).unwrap() + 1);
    until_seen(&consumer, all).await;
    println!("{all} events of {ASSETS} assets by 4 relays: written in {written:.1?}, all seen after {:.1?}", begun.elapsed());

    let seen = consumer.seen();
    assert_each_once_and_in_order(&seen, &ids, EACH + 1);
    assert_eq!(seen.deliveries, all, "nobody died, so nothing was repeated");
    let mut shares = Vec::new();
    for relay in &relays {
        shares.push(published(&relay.metrics().await.unwrap()));
    }
    assert!(shares.iter().filter(|share| **share > 0).count() > 1, "several relays had a share: {shares:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_killed_while_events_flow_loses_none_and_keeps_their_order() {
    const ASSETS: usize = 20;
    const EACH: u64 = 200;
    let stack = Stack::start(StackOptions::beside(&StackInfo::from_env().unwrap(), &[Server::RabbitMq])).await.unwrap();
    let mut world = World::on(stack.describe().isolated("kill-the-broker").await.unwrap());
    world.start_all(&[Binary::Api, Binary::Relay]).await;
    let mut caller = world.caller().await;
    let consumer = DurableConsumer::follow(world.isolated().amqp_url().as_str()).await;
    let ids = events::assets(&mut caller, ASSETS).await;

    // However late it is killed, something is still to be written.
    let (dead, last_turn) = watch::channel(false);
    let writing = events::write_waiting(world.isolated(), &caller, &ids, EACH, 5, &last_turn);
    let killing = async {
        // Not sooner: a quorum queue that was declared less than half a second ago may not come back.
        until_seen(&consumer, 2000).await;
        stack.kill(Server::RabbitMq).await.unwrap();
        dead.send_replace(true);
    };
    tokio::join!(writing, killing);
    let all = ASSETS * (usize::try_from(EACH).unwrap() + 1);
    assert!(consumer.count() < all, "it died while events flowed");
    stack.restart(Server::RabbitMq).await.unwrap();

    until_seen(&consumer, all).await;
    assert_each_once_and_in_order(&consumer.seen(), &ids, EACH + 1);
    let sql = world.sql().await;
    eventually("all is marked", LIMIT, async || {
        let marked = marked(&sql).await;
        if usize::try_from(marked).unwrap() == all { Ok(()) } else { Err(marked) }
    })
    .await;
    drop(world);
    drop(consumer);
    stack.stop().await.unwrap();
}

async fn until_seen(consumer: &DurableConsumer, count: usize) {
    eventually(&format!("{count} events arrive"), LIMIT, async || {
        let seen = consumer.count();
        if seen >= count { Ok(()) } else { Err(seen) }
    })
    .await;
}

async fn marked(sql: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM media.outbox WHERE published_at IS NOT NULL").fetch_one(sql).await.unwrap()
}

/// Says that a consumer with an inbox saw `each` events of every asset, as 1, 2, 3 …
fn assert_each_once_and_in_order(seen: &Seen, ids: &[String], each: u64) {
    let mut by_asset: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in &seen.events {
        by_asset.entry(&event.subject).or_default().push(event.sequence);
    }
    assert_eq!(by_asset.len(), ids.len());
    let expected: Vec<u64> = (1..=each).collect();
    for (asset, sequences) in by_asset {
        assert_eq!(sequences, expected, "the events of {asset} in order of arrival");
    }
}

/// `media_outbox_published_total` in the text of `/metrics`.
fn published(metrics: &str) -> u64 {
    let line = metrics.lines().find(|line| line.starts_with("media_outbox_published_total"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}
