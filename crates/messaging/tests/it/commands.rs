use std::time::{Duration, Instant};

use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use media_domain::{command::Delay, work::Queue};
use media_messaging::{CommandSource, Outbound, Publisher};
use tokio_util::sync::CancellationToken;

use crate::place::{LIMIT, Place, SHORT_HOLD, command, within};

async fn publish(publisher: &mut Publisher, commands: &[Outbound]) {
    assert!(publisher.publish_all(commands).await.iter().all(Result::is_ok));
}

/// Waits until the queue holds so many messages for whoever comes.
async fn until_ready(channel: &lapin::Channel, queue: Queue, count: u32) {
    until(channel, queue, &format!("{count} messages ready"), |queue| queue.message_count() == count).await;
}

async fn until_consumed(channel: &lapin::Channel, queue: Queue) {
    until(channel, queue, "a consumer", |queue| queue.consumer_count() == 1).await;
}

async fn until(channel: &lapin::Channel, queue: Queue, what: &str, reached: impl Fn(&lapin::Queue) -> bool) {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let mut last = None;
    let poll = async {
        loop {
            let seen = channel.queue_declare(queue.name().into(), options, FieldTable::default()).await.unwrap();
            if reached(&seen) {
                return;
            }
            last = Some(seen);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let outcome = tokio::time::timeout(LIMIT, poll).await;
    assert!(outcome.is_ok(), "the queue should have {what}, but: {last:?}");
}

#[tokio::test]
async fn a_command_wakes_an_idle_worker_within_50_ms() {
    let place = Place::of("wake").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let mut publisher = Publisher::new(&broker);
    let source = CommandSource::new(&broker, Queue::Scan);
    let stop = CancellationToken::new();
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let waiting = async {
            let delivery = source.next(&stop).await.unwrap();
            let woken = Instant::now();
            delivery.ack().await.unwrap();
            woken
        };
        let publishing = Box::pin(async {
            until_consumed(&channel, Queue::Scan).await;
            publish(&mut publisher, &[command(Queue::Scan, None)]).await;
            Instant::now()
        });
        let (woken, published) = within(LIMIT, "the command", async { tokio::join!(waiting, publishing) }).await;
        fastest = fastest.min(woken.saturating_duration_since(published));
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

#[tokio::test]
async fn a_command_carries_its_id_trace_and_body() {
    let place = Place::of("carries").await;
    let broker = place.broker().await;
    let sent = command(Queue::Transcode, None);
    publish(&mut Publisher::new(&broker), std::slice::from_ref(&sent)).await;
    let stop = CancellationToken::new();
    let delivery = within(LIMIT, "the command", CommandSource::new(&broker, Queue::Transcode).next(&stop)).await.unwrap();
    let Outbound::Command(sent) = sent else { unreachable!() };
    assert_eq!(delivery.message.message_id, Some(sent.id));
    assert_eq!(delivery.message.traceparent, sent.traceparent);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&delivery.message.body).unwrap(), sent.body);
    assert!(!delivery.message.redelivered);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn a_busy_worker_holds_no_message_back_from_another() {
    let place = Place::of("permits").await;
    let (busy, other) = (place.broker().await, place.broker().await);
    let (_connection, channel) = place.bystander().await;
    let stop = CancellationToken::new();
    let source = CommandSource::new(&busy, Queue::Transcode);
    publish(
        &mut Publisher::new(&busy),
        &[command(Queue::Transcode, None), command(Queue::Transcode, None), command(Queue::Transcode, None)],
    )
    .await;

    let first = within(LIMIT, "the first", source.next(&stop)).await.unwrap();
    until_ready(&channel, Queue::Transcode, 2).await;
    first.ack().await.unwrap();
    until_ready(&channel, Queue::Transcode, 2).await;
    let other = CommandSource::new(&other, Queue::Transcode);
    for _ in 0..2 {
        let left = within(LIMIT, "what the busy worker left", other.next(&stop)).await.unwrap();
        assert!(!left.message.redelivered, "the busy worker had it for a moment");
        left.ack().await.unwrap();
    }
    until_ready(&channel, Queue::Transcode, 0).await;
}

#[tokio::test]
async fn calls_at_the_same_time_take_different_messages() {
    let place = Place::of("together").await;
    let broker = place.broker().await;
    let source = CommandSource::new(&broker, Queue::Scan);
    let stop = CancellationToken::new();
    let both = async { tokio::join!(source.next(&stop), source.next(&stop)) };
    let publishing = async { publish(&mut Publisher::new(&broker), &[command(Queue::Scan, None), command(Queue::Scan, None)]).await };
    let ((one, two), ()) = within(LIMIT, "both commands", async { tokio::join!(both, publishing) }).await;
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.message.message_id, two.message.message_id);
    one.ack().await.unwrap();
    two.ack().await.unwrap();
}

#[tokio::test]
async fn a_delivery_that_is_dropped_or_rejected_comes_again() {
    let place = Place::of("dropped").await;
    let broker = place.broker().await;
    let source = CommandSource::new(&broker, Queue::Caption);
    let stop = CancellationToken::new();
    let sent = command(Queue::Caption, None);
    publish(&mut Publisher::new(&broker), std::slice::from_ref(&sent)).await;
    drop(within(LIMIT, "the command", source.next(&stop)).await.unwrap());
    within(LIMIT, "the dropped command", source.next(&stop)).await.unwrap().reject(true).await.unwrap();
    let third = within(LIMIT, "the rejected command", source.next(&stop)).await.unwrap();
    assert_eq!(third.message.message_id, Some(sent.id()));
    assert!(third.message.redelivered);
    third.ack().await.unwrap();
}

#[tokio::test]
async fn abandoned_waits_lose_no_message_and_leave_no_consumer() {
    let place = Place::of("waits").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let source = CommandSource::new(&broker, Queue::Scan);
    let stop = CancellationToken::new();
    let commands: Vec<_> = (0..30).map(|_| command(Queue::Scan, None)).collect();
    publish(&mut Publisher::new(&broker), &commands).await;
    let mut seen = std::collections::HashSet::new();
    // Fewer than the broker's delivery limit, and long enough to reach every step of taking a message.
    for step in 0..15 {
        let abandoned = tokio::time::timeout(Duration::from_micros(400 * step), source.next(&stop)).await;
        drop(abandoned);
    }
    while seen.len() < commands.len() {
        let delivery = within(LIMIT, "every command", source.next(&stop)).await.unwrap();
        seen.insert(delivery.message.message_id);
        delivery.ack().await.unwrap();
    }
    until(&channel, Queue::Scan, "no consumer", |queue| queue.consumer_count() == 0).await;
    assert!(*broker.watch().borrow(), "the connection did not survive");
}

#[tokio::test]
async fn a_stopped_worker_takes_nothing() {
    let place = Place::of("stopped").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let source = CommandSource::new(&broker, Queue::Scan);
    let stop = CancellationToken::new();
    let stopping = async {
        until_consumed(&channel, Queue::Scan).await;
        stop.cancel();
    };
    let (none, ()) = within(LIMIT, "the stop", async { tokio::join!(source.next(&stop), stopping) }).await;
    assert!(none.is_none());
    publish(&mut Publisher::new(&broker), &[command(Queue::Scan, None)]).await;
    assert!(source.next(&stop).await.is_none());
    until_ready(&channel, Queue::Scan, 1).await;
}

#[tokio::test]
async fn a_delayed_command_comes_after_its_delay_and_not_before() {
    let place = Place::of("delayed").await;
    let broker = place.broker().await;
    let source = CommandSource::new(&broker, Queue::Transcode);
    let stop = CancellationToken::new();
    let sent = Instant::now();
    publish(
        &mut Publisher::new(&broker),
        &[command(Queue::Transcode, Some(Delay::TenMinutes)), command(Queue::Transcode, Some(Delay::TenSeconds))],
    )
    .await;
    let delivery = within(LIMIT, "the delayed command", source.next(&stop)).await.unwrap();
    assert!(sent.elapsed() >= SHORT_HOLD, "{:?}", sent.elapsed());
    assert!(delivery.message.traceparent.is_some());
    delivery.ack().await.unwrap();
}

/// RabbitMQ 3.10 can strand the first message of a quorum queue that is declared again right after its deletion. A worker looks anew
/// every 30 s; here it does so every second.
#[tokio::test]
async fn a_worker_whose_queue_is_deleted_gets_it_back() {
    let place = Place::of("mended").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let source = CommandSource::new(&broker, Queue::Scan);
    let stop = CancellationToken::new();
    let taking = async {
        loop {
            if let Ok(delivery) = tokio::time::timeout(Duration::from_secs(1), source.next(&stop)).await {
                return delivery.unwrap();
            }
        }
    };
    let trouble = async {
        until_consumed(&channel, Queue::Scan).await;
        channel.queue_delete(Queue::Scan.name().into(), QueueDeleteOptions::default()).await.unwrap();
        let mut publisher = Publisher::new(&broker);
        while publisher.publish_all(&[command(Queue::Scan, None)]).await[0].is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (delivery, ()) = within(LIMIT, "a command in the new queue", async { tokio::join!(taking, trouble) }).await;
    delivery.ack().await.unwrap();
}
