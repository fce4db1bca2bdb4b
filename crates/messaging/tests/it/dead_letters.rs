use media_domain::{command::Delay, work::Queue};
use media_messaging::{CommandSource, DeadLetterSource, Publisher, topology::DELIVERY_LIMIT};
use tokio_util::sync::CancellationToken;

use crate::place::{LIMIT, Place, command, tenant, within};

#[tokio::test]
async fn a_rejected_command_becomes_a_dead_letter_that_knows_its_queue_and_reason() {
    let place = Place::of("rejected").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    let sent = command(Queue::Transcode, None);
    assert!(Publisher::new(&broker).publish_all(std::slice::from_ref(&sent)).await[0].is_ok());
    let delivery = within(LIMIT, "the command", CommandSource::new(&broker, Queue::Transcode).next(&stop)).await.unwrap();
    let body = delivery.message.body.clone();
    delivery.reject(false).await.unwrap();

    let letter = within(LIMIT, "the dead letter", DeadLetterSource::new(&broker).next(&stop)).await.unwrap();

    assert_eq!((letter.queue.as_str(), letter.reason.as_str()), ("media.transcode", "rejected"));
    assert_eq!((letter.message_id, &letter.body), (Some(sent.id()), &body));
    assert!(letter.traceparent.is_some());
    assert_eq!(letter.tenant, Some(tenant()));
    letter.ack().await.unwrap();
}

#[tokio::test]
async fn a_command_on_which_workers_die_becomes_a_dead_letter_at_the_limit() {
    let place = Place::of("limit").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    let source = CommandSource::new(&broker, Queue::Scan);
    assert!(Publisher::new(&broker).publish_all(&[command(Queue::Scan, None)]).await[0].is_ok());
    for _ in 0..=DELIVERY_LIMIT {
        drop(within(LIMIT, "a delivery", source.next(&stop)).await);
    }
    let letter = within(LIMIT, "the dead letter", DeadLetterSource::new(&broker).next(&stop)).await.unwrap();
    assert_eq!((letter.queue.as_str(), letter.reason.as_str()), ("media.scan", "delivery_limit"));
    letter.ack().await.unwrap();
}

/// On its way through a delay queue it died of its time, and came back for it.
#[tokio::test]
async fn a_command_that_was_delayed_and_then_rejected_says_where_it_died_last() {
    let place = Place::of("delayed").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    assert!(Publisher::new(&broker).publish_all(&[command(Queue::Scan, Some(Delay::TenSeconds))]).await[0].is_ok());
    let delivery = within(LIMIT, "the command", CommandSource::new(&broker, Queue::Scan).next(&stop)).await.unwrap();
    delivery.reject(false).await.unwrap();
    let letter = within(LIMIT, "the dead letter", DeadLetterSource::new(&broker).next(&stop)).await.unwrap();
    assert_eq!((letter.queue.as_str(), letter.reason.as_str()), ("media.scan", "rejected"));
    letter.ack().await.unwrap();
}
