//! A consumer of the media service's events, to copy from: it knows the contract and nothing of the service's code.
//!
//! `event_consumer AMQP_URL QUEUE JOURNAL`. Events come at least once and, of one subject, in order. So:
//! - an event's id is looked up in an inbox, and one that is there is acknowledged and nothing more;
//! - what an event does to us and its id in the inbox are one write, and only then is it acknowledged. Here that is a line of
//!   JOURNAL; in a service with a database it is one transaction;
//! - the sequence of a subject shows what has not come: then its events are asked for again (`ReplayEvents`).
//!
//! `docs/events/consumer.py` is the same in Python, and the journey `events::consumers` runs both.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    error::Error,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
};

use futures::StreamExt as _;
use lapin::{
    Connection, ConnectionProperties,
    message::Delivery,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use serde_json::{Value, json};

const EXCHANGE: &str = "media.events";
/// Every event; a consumer of one kind binds to its type, such as `media.asset.ready.v1`.
const EVERYTHING: &str = "media.#";
/// How many the broker hands out before the first is acknowledged.
const UNACKNOWLEDGED_MAX: u16 = 50;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [url, queue, journal] = arguments.as_slice() else { return Err("usage: event_consumer AMQP_URL QUEUE JOURNAL".into()) };
    let mut journal = Journal::open(journal)?;

    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    // The exchange is the service's; the queue is ours, and keeps what comes while we are away.
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, arguments).await?;
    let (binding, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.as_str().into(), EXCHANGE.into(), EVERYTHING.into(), binding, none.clone()).await?;
    channel.basic_qos(UNACKNOWLEDGED_MAX, BasicQosOptions::default()).await?;
    let mut deliveries = channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), none).await?;

    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        match Event::read(&delivery) {
            Ok(event) => {
                journal.take(&event)?;
                delivery.ack(BasicAckOptions::default()).await?;
            }
            Err(error) => {
                eprintln!("no event of the media service: {error}");
                delivery.reject(BasicRejectOptions { requeue: false }).await?;
            }
        }
    }
    // Whoever supervises us starts us again; what was not acknowledged comes again.
    Err("the broker ended the connection".into())
}

/// What we need of a CloudEvent.
struct Event {
    id: String,
    kind: String,
    subject: String,
    sequence: u64,
    data: Value,
}

impl Event {
    /// CloudEvents 1.0, AMQP binding, binary mode: attributes are headers, the data is the body.
    fn read(delivery: &Delivery) -> Result<Self, Box<dyn Error>> {
        let headers = delivery.properties.headers().as_ref().ok_or("a message without headers")?;
        let attribute = |name: &str| match headers.inner().get(format!("cloudEvents_{name}").as_str()) {
            Some(AMQPValue::LongString(text)) => Ok(text.to_string()),
            _ => Err(format!("a message without {name}")),
        };
        Ok(Self {
            id: attribute("id")?,
            kind: attribute("type")?,
            subject: attribute("subject")?,
            sequence: attribute("sequence")?.parse()?,
            data: serde_json::from_slice(&delivery.data)?,
        })
    }
}

/// The inbox, and what the events did to us: a line each.
struct Journal {
    file: File,
    /// In a database this is a table with the id as its key; older ids than any replay reaches (a week) can go.
    inbox: HashSet<String>,
    subjects: BTreeMap<String, Subject>,
}

/// Which numbers of a subject have come.
#[derive(Default)]
struct Subject {
    highest: u64,
    missing: BTreeSet<u64>,
}

impl Journal {
    fn open(path: &str) -> Result<Self, Box<dyn Error>> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // A line that a kill cut off was not acknowledged: its event comes again.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let mut journal = Self { file, inbox: HashSet::new(), subjects: BTreeMap::new() };
        for line in text[..whole].lines() {
            let line: Value = serde_json::from_str(line)?;
            let (id, subject, sequence) = (line["id"].as_str(), line["subject"].as_str(), line["sequence"].as_u64());
            let (Some(id), Some(subject), Some(sequence)) = (id, subject, sequence) else { return Err("a strange line".into()) };
            journal.inbox.insert(id.to_owned());
            journal.subjects.entry(subject.to_owned()).or_default().note(sequence);
        }
        Ok(journal)
    }

    fn take(&mut self, event: &Event) -> Result<(), Box<dyn Error>> {
        if !self.inbox.insert(event.id.clone()) {
            return Ok(());
        }
        let subject = self.subjects.entry(event.subject.clone()).or_default();
        subject.note(event.sequence);
        let Event { id, kind, subject: about, sequence, data } = event;
        if !subject.missing.is_empty() {
            eprintln!("of {about} have not come: {:?}; ReplayEvents sends them again", subject.missing);
        }
        let line = json!({ "id": id, "type": kind, "subject": about, "sequence": sequence, "missing": subject.missing, "data": data });
        self.file.write_all(format!("{line}\n").as_bytes())?;
        Ok(self.file.sync_data()?)
    }
}

impl Subject {
    fn note(&mut self, sequence: u64) {
        self.missing.extend(self.highest + 1..sequence);
        self.missing.remove(&sequence);
        self.highest = self.highest.max(sequence);
    }
}
