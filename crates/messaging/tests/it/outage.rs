use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use media_devstack::{Server, Stack, StackInfo, StackOptions};
use media_domain::{AssetId, work::Queue};
use media_messaging::{Broker, CommandSource, EventStream, Outbound, PublishError, Publisher};
use tokio_util::sync::CancellationToken;

use crate::place::{LIMIT, Place, command, event, within};

/// More than a broker needs to boot on a busy machine.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
const EVENTS: usize = 6000;
const BATCH: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_nothing_confirmed_and_delivers_again_what_was_held() {
    let stack = Stack::start(StackOptions::beside(&StackInfo::from_env().unwrap(), &[Server::RabbitMq])).await.unwrap();
    let place = Place::within(stack.describe(), "killed").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    let mut stream = EventStream::durable(&broker, "consumer", "media.#").await.unwrap();
    let source = CommandSource::new(&broker, Queue::Transcode);
    let held_command = command(Queue::Transcode, None);
    assert!(Publisher::new(&broker).publish_all(std::slice::from_ref(&held_command)).await[0].is_ok());
    let held = within(LIMIT, "the command", source.next(&stop)).await.unwrap();
    let asset = AssetId::generate();
    let batch: Vec<_> = (1..=EVENTS as u64).map(|sequence| event(asset, sequence)).collect();

    until_registered(&stack, "_consumer").await;
    let confirmed = AtomicUsize::new(0);
    let publishing = publish_as_a_relay_does(&broker, &batch, &confirmed);
    let outage = async { tokio::join!(publishing, kill_and_restart(&stack, &broker, &confirmed)) };
    let (failures, ()) = within(2 * BOOT_LIMIT, "all events confirmed", Box::pin(outage)).await;

    assert!(failures > 0, "the broker was not killed in mid-publish");
    assert!(held.ack().await.is_err(), "its channel is gone");
    let again = within(LIMIT, "the command that was held", source.next(&stop)).await.unwrap();
    assert_eq!((again.message.message_id, again.message.redelivered), (Some(held_command.id()), true));
    again.ack().await.unwrap();
    let (mut seen, mut too_late) = (HashSet::new(), 0);
    while seen.len() < EVENTS {
        let received = within(LIMIT, "every confirmed event", stream.next(&stop)).await.unwrap();
        let sequence = received.event.sequence;
        if seen.insert(sequence) {
            assert_eq!(sequence, seen.len() as u64, "an event overtook another");
        }
        too_late += usize::from(received.ack().await.is_err());
    }
    assert!(too_late <= 100, "more than what was waiting here when the broker died: {too_late}");
    stack.stop().await.unwrap();
}

/// RabbitMQ 3.10 notes a new quorum queue in a file that it writes some seconds later. Killed before that, it comes back with a queue that
/// has no leader, and nothing but deleting it helps.
async fn until_registered(stack: &Stack, queue: &str) {
    let file = stack.folder().join("rabbitmq/mnesia/media@localhost/quorum/media@localhost/names.dets");
    within(LIMIT, "the queue's registration on disk", async {
        while !std::fs::read(&file).unwrap().windows(queue.len()).any(|bytes| bytes == queue.as_bytes()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Marks the confirmed prefix and goes on from there; answers how many batches failed.
async fn publish_as_a_relay_does(broker: &Broker, batch: &[Outbound], confirmed: &AtomicUsize) -> usize {
    let mut publisher = Publisher::new(broker);
    let mut up = broker.watch();
    let mut failures = 0;
    while confirmed.load(Relaxed) < batch.len() {
        let from = confirmed.load(Relaxed);
        let results = publisher.publish_all(&batch[from..batch.len().min(from + BATCH)]).await;
        let prefix = results.iter().take_while(|result| result.is_ok()).count();
        confirmed.fetch_add(prefix, Relaxed);
        if prefix < results.len() {
            failures += 1;
            within(BOOT_LIMIT, "the broker's return", up.wait_for(|up| *up)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    failures
}

async fn kill_and_restart(stack: &Stack, broker: &Broker, confirmed: &AtomicUsize) {
    within(LIMIT, "some confirms", async {
        while confirmed.load(Relaxed) < 2 * BATCH {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    stack.kill(Server::RabbitMq).await.unwrap();
    within(Duration::from_secs(5), "readiness noticing", broker.watch().wait_for(|up| !*up)).await.unwrap();
    let asked = Instant::now();
    let results = Publisher::new(broker).publish_all(&[event(AssetId::generate(), 1), command(Queue::Scan, None)]).await;
    assert!(matches!(results[..], [Err(PublishError::NotSent(Some(_))), Err(PublishError::NotSent(None))]), "{results:?}");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    within(BOOT_LIMIT, "the restart", stack.restart(Server::RabbitMq)).await.unwrap();
}
