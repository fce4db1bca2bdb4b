use std::time::Duration;

use futures::StreamExt;
use lapin::{
    options::{BasicConsumeOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions},
    types::{AMQPValue, FieldTable},
};
use media_domain::{AssetId, work::Queue};
use media_messaging::{EventStream, Outbound, PublishError, Publisher};
use tokio_util::sync::CancellationToken;

use crate::place::{LIMIT, Place, command, event, within};

#[tokio::test]
async fn an_event_arrives_as_the_contract_says() {
    let place = Place::of("contract").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    channel.queue_declare("look".into(), options, FieldTable::default()).await.unwrap();
    channel
        .queue_bind("look".into(), "media.events".into(), "media.asset.#".into(), QueueBindOptions::default(), FieldTable::default())
        .await
        .unwrap();
    let mut consumer =
        channel.basic_consume("look".into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await.unwrap();

    let asset = AssetId::generate();
    let event = event(asset, 7);
    assert!(Publisher::new(&broker).publish_all(std::slice::from_ref(&event)).await[0].is_ok());

    let message = within(LIMIT, "the event", consumer.next()).await.unwrap().unwrap();
    let headers = message.properties.headers().clone().unwrap();
    let text = |name: &str| headers.inner().get(name).and_then(AMQPValue::as_long_string).map(ToString::to_string);
    let asset = asset.to_string();
    for (name, value) in [
        ("cloudEvents_specversion", "1.0"),
        ("cloudEvents_id", event.id().to_string().as_str()),
        ("cloudEvents_source", "/media"),
        ("cloudEvents_type", "media.asset.ready.v1"),
        ("cloudEvents_subject", &asset),
        ("cloudEvents_partitionkey", &asset),
        ("cloudEvents_tenantid", "7d444840-9dc0-11d1-b245-5ffdce74fad2"),
        ("cloudEvents_sequence", "0000000007"),
        ("cloudEvents_sequencetype", "Integer"),
        ("cloudEvents_traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ] {
        assert_eq!(text(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(text("cloudEvents_correlationid"), None);
    assert_eq!(message.routing_key.as_str(), "media.asset.ready.v1");
    assert_eq!(*message.properties.delivery_mode(), Some(2));
    assert_eq!(message.properties.content_type().as_ref().unwrap().as_str(), "application/json");
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&message.data).unwrap()["assetId"], asset);
}

#[tokio::test]
async fn two_thousand_events_are_confirmed_and_arrive_in_their_order() {
    let mut place = Place::of("order").await;
    place.config.confirm_window = 300.try_into().unwrap();
    let broker = place.broker().await;
    let mut stream = EventStream::live(&broker, "media.#").await.unwrap();
    let asset = AssetId::generate();
    let batch: Vec<_> = (1..=2000).map(|sequence| event(asset, sequence)).collect();

    let results = Publisher::new(&broker).publish_all(&batch).await;

    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2000);
    let stop = CancellationToken::new();
    for sequence in 1..=2000 {
        let received = within(LIMIT, "the next event", stream.next(&stop)).await.unwrap();
        assert_eq!(received.event.sequence, sequence);
    }
}

#[tokio::test]
async fn an_event_that_nobody_awaits_counts_as_published() {
    let place = Place::of("nobody").await;
    let broker = place.broker().await;
    assert!(Publisher::new(&broker).publish_all(&[event(AssetId::generate(), 1)]).await[0].is_ok());
}

#[tokio::test]
async fn a_command_without_a_queue_is_not_confirmed_but_its_neighbours_are() {
    let place = Place::of("unroutable").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    channel.queue_delete("media.caption".into(), QueueDeleteOptions::default()).await.unwrap();
    let batch: Vec<_> = (1..=450)
        .map(|number| match number % 10 {
            3 => command(Queue::Caption, None),
            7 => command(Queue::Scan, None),
            _ => event(AssetId::generate(), number),
        })
        .collect();
    let unroutable: Vec<_> = (0..450).filter(|index| index % 10 == 2).collect();
    let mut publisher = Publisher::new(&broker);

    let results = publisher.publish_all(&batch).await;

    let failed: Vec<_> = (0..450).filter(|index| matches!(results[*index], Err(PublishError::Unroutable))).collect();
    assert_eq!(failed, unroutable);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 450 - unroutable.len());
    let again = publisher.publish_all(&batch[2..=2]).await;
    assert!(again[0].is_ok(), "the queue was declared again: {again:?}");
}

#[tokio::test]
async fn what_a_full_queue_refuses_is_not_confirmed_and_later_windows_are_not_sent() {
    let mut place = Place::of("full").await;
    place.config.confirm_window = 50.try_into().unwrap();
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare("full".into(), QueueDeclareOptions::default(), arguments).await.unwrap();
    channel.queue_bind("full".into(), "media.events".into(), "#".into(), QueueBindOptions::default(), FieldTable::default()).await.unwrap();
    let batch: Vec<_> = (1..=150).map(|sequence| event(AssetId::generate(), sequence)).collect();
    let mut publisher = Publisher::new(&broker);

    let results = publisher.publish_all(&batch).await;

    assert!(results[0].is_ok());
    assert!(results[..50].iter().any(|result| matches!(result, Err(PublishError::Nacked))), "{results:?}");
    assert!(results[50..].iter().all(|result| matches!(result, Err(PublishError::NotSent(None)))), "{results:?}");
    channel.queue_delete("full".into(), QueueDeleteOptions::default()).await.unwrap();
    assert!(publisher.publish_all(&batch).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_publisher_whose_call_was_abandoned_works_again() {
    let place = Place::of("abandoned").await;
    let broker = place.broker().await;
    let batch: Vec<_> = (1..=2000).map(|sequence| event(AssetId::generate(), sequence)).collect();
    let mut publisher = Publisher::new(&broker);
    assert!(
        tokio::time::timeout(Duration::from_millis(5), publisher.publish_all(&batch)).await.is_err(),
        "the batch is too small to abandon"
    );
    assert!(publisher.publish_all(&batch[..10]).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_malformed_event_does_not_hold_up_the_others() {
    let place = Place::of("malformed").await;
    let broker = place.broker().await;
    let mut batch: Vec<_> = (1..=3).map(|sequence| event(AssetId::generate(), sequence)).collect();
    if let Outbound::Event(event) = &mut batch[1] {
        event.event_type = "t".repeat(300);
    }
    let results = Publisher::new(&broker).publish_all(&batch).await;
    assert!(matches!(results[..], [Ok(()), Err(PublishError::Malformed(_)), Ok(())]), "{results:?}");
}

#[tokio::test]
async fn an_exchange_that_was_deleted_comes_back() {
    let place = Place::of("exchange").await;
    let broker = place.broker().await;
    let (_connection, channel) = place.bystander().await;
    channel.exchange_delete("media.events".into(), ExchangeDeleteOptions::default()).await.unwrap();
    let batch: Vec<_> = (1..=10).map(|sequence| event(AssetId::generate(), sequence)).collect();
    let mut publisher = Publisher::new(&broker);
    let results = publisher.publish_all(&batch).await;
    assert!(results.iter().all(|result| matches!(result, Err(PublishError::Interrupted(_) | PublishError::NotSent(None)))), "{results:?}");
    within(LIMIT, "the exchange", async {
        while publisher.publish_all(&batch).await.iter().any(Result::is_err) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
