//! An ordinary consumer of events, as CONTRACT describes it: a queue bound to `media.events`, an inbox keyed on the id.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::Value;

use super::{eventually, schemas};

/// One event, as it arrived.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub event_type: String,
    pub subject: String,
    pub tenant: String,
    pub sequence: u64,
    pub traceparent: Option<String>,
    pub data: Value,
    /// All that its headers say.
    pub attributes: BTreeMap<String, String>,
}

/// What it has seen: every delivery, and each event once.
#[derive(Default)]
struct Seen {
    deliveries: usize,
    inbox: HashSet<String>,
    events: Vec<Event>,
    /// What is not as `docs/events` describes it.
    misfits: Vec<String>,
}

pub struct Consumer {
    seen: Arc<Mutex<Seen>>,
    _connection: Connection,
}

impl Consumer {
    pub async fn follow(amqp_url: &str) -> Self {
        let connection = Connection::connect(amqp_url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        // The exchange belongs to the service; a consumer that comes first waits for it.
        let channel = eventually("the exchange media.events is there", Duration::from_secs(30), async || {
            let channel = if channel.status().connected() { channel.clone() } else { connection.create_channel().await.unwrap() };
            let queue = channel
                .queue_declare(
                    "".into(),
                    QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() },
                    FieldTable::default(),
                )
                .await
                .map_err(|error| error.to_string())?;
            channel
                .queue_bind(
                    queue.name().clone(),
                    "media.events".into(),
                    "media.#".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((channel, queue.name().clone()))
        })
        .await;
        let (channel, queue) = channel;
        let mut deliveries =
            channel.basic_consume(queue, "journey".into(), BasicConsumeOptions::default(), FieldTable::default()).await.unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = seen.clone();
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = deliveries.next().await {
                let event = read(&delivery);
                {
                    let mut seen = into.lock().unwrap();
                    seen.deliveries += 1;
                    seen.misfits.extend(schemas::misfits(&event));
                    if seen.inbox.insert(event.id.clone()) {
                        seen.events.push(event);
                    }
                }
                delivery.ack(BasicAckOptions::default()).await.unwrap();
            }
        });
        Self { seen, _connection: connection }
    }

    /// All deliveries, repeats included.
    pub fn deliveries(&self) -> usize {
        self.seen.lock().unwrap().deliveries
    }

    /// Each event once, in the order of arrival. All that came is as `docs/events` describes it.
    pub fn events(&self) -> Vec<Event> {
        let seen = self.seen.lock().unwrap();
        assert!(seen.misfits.is_empty(), "{:#?}", seen.misfits);
        seen.events.clone()
    }

    pub fn of(&self, subject: &str) -> Vec<Event> {
        self.events().into_iter().filter(|event| event.subject == subject).collect()
    }

    /// Waits for an event of this type about this subject.
    pub async fn until(&self, subject: &str, event_type: &str, limit: Duration) -> Event {
        eventually(&format!("{event_type} of {subject}"), limit, async || {
            let events = self.of(subject);
            let found = events.iter().find(|event| event.event_type == event_type).cloned();
            found.ok_or_else(|| events.iter().map(|event| event.event_type.clone()).collect::<Vec<_>>())
        })
        .await
    }

    /// Says that the events of a subject came as 1, 2, 3 …
    pub fn assert_in_order(&self, subject: &str) {
        let sequences: Vec<u64> = self.of(subject).iter().map(|event| event.sequence).collect();
        let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
        assert_eq!(sequences, expected, "the events of {subject} in order of arrival");
    }
}

/// Reads a delivery as CONTRACT describes it.
pub fn read(delivery: &lapin::message::Delivery) -> Event {
    let headers = delivery.properties.headers().as_ref().unwrap();
    let attributes: BTreeMap<String, String> = headers
        .inner()
        .iter()
        .filter_map(|(name, value)| match value {
            AMQPValue::LongString(text) => Some((name.as_str().strip_prefix("cloudEvents_")?.to_owned(), text.to_string())),
            _ => None,
        })
        .collect();
    let attribute = |name: &str| attributes.get(name).cloned();
    let required = |name: &str| attribute(name).unwrap_or_else(|| panic!("an event without {name}"));
    Event {
        id: required("id"),
        event_type: required("type"),
        subject: required("subject"),
        tenant: required("tenantid"),
        sequence: required("sequence").parse().unwrap(),
        traceparent: attribute("traceparent"),
        data: serde_json::from_slice(&delivery.data).unwrap(),
        attributes,
    }
}
