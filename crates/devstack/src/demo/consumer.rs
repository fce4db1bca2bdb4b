//! An ordinary consumer of events: a queue of its own bound to the exchange, and CloudEvents read by their headers. It knows the
//! contract and no code of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ConnectionProperties};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

const EXCHANGE: &str = "media.events";
const EVERYTHING: &str = "media.#";
/// More than any demo makes.
const EVENTS_MAX: usize = 100_000;

/// A CloudEvent as it arrived.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub kind: String,
    pub subject: String,
    pub tenant: String,
    pub time: OffsetDateTime,
    pub sequence: u64,
    pub data: Value,
}

/// Reads until it is dropped.
#[derive(Debug)]
pub struct Consumer {
    seen: watch::Receiver<Seen>,
    reading: JoinHandle<()>,
}

/// What has arrived.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// In the order of arrival, each once.
    pub events: Vec<Event>,
    ids: BTreeSet<String>,
    /// Deliveries of an event that had been there before.
    pub repeats: usize,
    /// What could not be read as an event, and why.
    pub unreadable: Vec<String>,
}

impl Consumer {
    /// Binds a queue and reads from now on.
    pub async fn bind(url: &Url) -> anyhow::Result<Self> {
        let connection = Connection::connect(url.as_str(), ConnectionProperties::default()).await.context("cannot reach RabbitMQ")?;
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), own, FieldTable::default()).await?.name().clone();
        channel
            .queue_bind(queue.clone(), EXCHANGE.into(), EVERYTHING.into(), QueueBindOptions::default(), FieldTable::default())
            .await
            .context("cannot bind a queue to the events")?;
        let mut deliveries = channel.basic_consume(queue, "demo".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
        let (teller, seen) = watch::channel(Seen::default());
        let reading = tokio::spawn(async move {
            // Dropped, it would close what the deliveries come through.
            let _connection = Arc::new(connection);
            while let Some(Ok(delivery)) = deliveries.next().await {
                teller.send_modify(|seen| seen.take(&delivery));
                if delivery.ack(BasicAckOptions::default()).await.is_err() || teller.borrow().events.len() > EVENTS_MAX {
                    break;
                }
            }
        });
        Ok(Self { seen, reading })
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Waits until what was seen is enough, and gives all of it.
    pub async fn until(&self, what: &str, limit: Duration, enough: impl Fn(&Seen) -> bool) -> anyhow::Result<Seen> {
        let mut seen = self.seen.clone();
        match timeout(limit, seen.wait_for(|seen| enough(seen))).await {
            Ok(Ok(seen)) => Ok(seen.clone()),
            Ok(Err(_)) => bail!("the consumer lost its connection before {what}"),
            Err(_) => bail!("{what} did not come within {} s", limit.as_secs()),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Seen {
    fn take(&mut self, delivery: &Delivery) {
        match read(delivery) {
            Ok(event) if self.ids.insert(event.id.clone()) => self.events.push(event),
            Ok(_) => self.repeats += 1,
            Err(error) => self.unreadable.push(format!("{error:#}")),
        }
    }

    /// The events of one subject, in the order of arrival.
    pub fn of<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |event| event.subject == subject)
    }

    pub fn has(&self, subject: &str, kind: &str) -> bool {
        self.of(subject).any(|event| event.kind == kind)
    }

    /// Where a subject's numbers are not 1, 2, 3 …
    pub fn disorder(&self) -> Vec<String> {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut found = Vec::new();
        for event in &self.events {
            let before = last.insert(&event.subject, event.sequence).unwrap_or(0);
            if event.sequence != before + 1 {
                found.push(format!("{} of {} came after {before}", event.sequence, event.subject));
            }
        }
        found
    }
}

/// CloudEvents 1.0, AMQP binding, binary mode.
fn read(delivery: &Delivery) -> anyhow::Result<Event> {
    let headers = delivery.properties.headers().as_ref().context("a message has no headers")?;
    let attribute = |name: &str| match headers.inner().get(format!("cloudEvents_{name}").as_str()) {
        Some(AMQPValue::LongString(text)) => Ok(text.to_string()),
        _ => bail!("the attribute {name} is missing"),
    };
    let kind = attribute("type")?;
    anyhow::ensure!(attribute("specversion")? == "1.0" && delivery.routing_key.as_str() == kind, "{kind} is no CloudEvent of ours");
    Ok(Event {
        id: attribute("id")?,
        subject: attribute("subject")?,
        tenant: attribute("tenantid")?,
        time: OffsetDateTime::parse(&attribute("time")?, &Rfc3339)?,
        sequence: attribute("sequence")?.parse()?,
        data: serde_json::from_slice(&delivery.data).with_context(|| format!("the data of {kind}"))?,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(arrived: &[(&str, u64)]) -> Seen {
        let event = |&(subject, sequence): &(&str, u64)| Event {
            id: format!("{subject}{sequence}"),
            kind: "media.asset.created.v1".into(),
            subject: subject.into(),
            tenant: String::new(),
            time: OffsetDateTime::UNIX_EPOCH,
            sequence,
            data: Value::Null,
        };
        Seen { events: arrived.iter().map(event).collect(), ..Seen::default() }
    }

    #[test]
    fn a_gap_and_a_swap_are_disorder_and_two_subjects_beside_each_other_are_not() {
        assert!(seen(&[("a", 1), ("b", 1), ("a", 2), ("b", 2)]).disorder().is_empty());
        assert_eq!(seen(&[("a", 1), ("a", 3)]).disorder().len(), 1);
        assert_eq!(seen(&[("a", 2), ("a", 1)]).disorder().len(), 2);
    }
}
