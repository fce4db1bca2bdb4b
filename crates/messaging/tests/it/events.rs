use lapin::options::BasicPublishOptions;
use media_domain::AssetId;
use media_messaging::{EventStream, MessagingError, Publisher};
use tokio_util::sync::CancellationToken;

use crate::place::{LIMIT, Place, event, within};

#[tokio::test]
async fn a_durable_stream_keeps_events_while_nobody_reads() {
    let place = Place::of("durable").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    drop(EventStream::durable(&broker, "consumer", "media.asset.#").await.unwrap());
    let asset = AssetId::generate();
    assert!(Publisher::new(&broker).publish_all(&[event(asset, 1), event(asset, 2)]).await.iter().all(Result::is_ok));

    let mut stream = EventStream::durable(&broker, "consumer", "media.asset.#").await.unwrap();
    let first = within(LIMIT, "the first event", stream.next(&stop)).await.unwrap();
    assert_eq!((first.event.subject.clone(), first.event.sequence), (asset.to_string(), 1));
    first.ack().await.unwrap();
    let second = within(LIMIT, "the second event", stream.next(&stop)).await.unwrap();
    drop((second, stream));

    let mut stream = EventStream::durable(&broker, "consumer", "media.asset.#").await.unwrap();
    let again = within(LIMIT, "the event that was not acknowledged", stream.next(&stop)).await.unwrap();
    assert_eq!((again.event.sequence, again.redelivered), (2, true));
}

#[tokio::test]
async fn a_message_that_is_no_event_is_skipped() {
    let place = Place::of("skipped").await;
    let broker = place.broker().await;
    let stop = CancellationToken::new();
    let mut stream = EventStream::durable(&broker, "consumer", "#").await.unwrap();
    let (_connection, channel) = place.bystander().await;
    channel
        .basic_publish("media.events".into(), "odd".into(), BasicPublishOptions::default(), b"no event", Default::default())
        .await
        .unwrap()
        .await
        .unwrap();
    let asset = AssetId::generate();
    assert!(Publisher::new(&broker).publish_all(&[event(asset, 1)]).await[0].is_ok());
    assert_eq!(within(LIMIT, "the event", stream.next(&stop)).await.unwrap().event.subject, asset.to_string());
}

#[tokio::test]
async fn a_pattern_that_amqp_cannot_carry_is_refused() {
    let place = Place::of("pattern").await;
    let broker = place.broker().await;
    assert!(matches!(EventStream::live(&broker, &"#".repeat(256)).await, Err(MessagingError::Settings(_))));
}
