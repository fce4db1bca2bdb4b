//! A consumer that outlives its broker: a durable queue, acknowledgements after the inbox, and a new connection when the
//! old one is lost.
//!
//! The queue has a single active consumer. Without that, a broker that comes back may give a consumer's new connection what
//! follows before it takes back what its old one had not acknowledged, and the order is lost behind the relay.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt;
use lapin::{
    Connection, ConnectionProperties, ExchangeKind,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::harness::{
    consumer::{Event, read},
    eventually,
};

const QUEUE: &str = "journey-durable";
const FIRST_LIMIT: Duration = Duration::from_secs(60);
/// Of one try: a broker that is just coming back may take a question and never answer it.
const TRY_LIMIT: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Each event once, in the order of arrival, and how many deliveries there were.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub deliveries: usize,
    pub events: Vec<Event>,
    inbox: HashSet<String>,
}

pub struct DurableConsumer {
    seen: Arc<Mutex<Seen>>,
    following: AbortHandle,
}

impl DurableConsumer {
    /// Binds the queue, which keeps everything from now on, and follows it.
    pub async fn follow(amqp_url: &str) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let first = eventually("the durable queue is followed", FIRST_LIMIT, async || connect(amqp_url).await).await;
        let following = tokio::spawn(follow(amqp_url.to_owned(), first, seen.clone())).abort_handle();
        Self { seen, following }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// How many different events it has seen.
    pub fn count(&self) -> usize {
        self.seen.lock().unwrap().events.len()
    }
}

impl Drop for DurableConsumer {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn follow(url: String, first: (Connection, lapin::Consumer), seen: Arc<Mutex<Seen>>) {
    let (mut connection, mut deliveries) = first;
    loop {
        while let Some(Ok(delivery)) = deliveries.next().await {
            let event = read(&delivery);
            {
                let mut seen = seen.lock().unwrap();
                seen.deliveries += 1;
                if seen.inbox.insert(event.id.clone()) {
                    seen.events.push(event);
                }
            }
            // One that comes too late is delivered again, and the inbox knows it.
            if delivery.ack(BasicAckOptions::default()).await.is_err() {
                break;
            }
        }
        drop(connection);
        (connection, deliveries) = reconnect(&url).await;
    }
}

/// For as long as the broker is away: how long that may be is the test's to say.
async fn reconnect(url: &str) -> (Connection, lapin::Consumer) {
    loop {
        if let Ok(connected) = connect(url).await {
            return connected;
        }
        sleep(BETWEEN_TRIES).await;
    }
}

async fn connect(url: &str) -> Result<(Connection, lapin::Consumer), String> {
    let tried = timeout(TRY_LIMIT, try_connect(url)).await;
    tried.map_err(|late| late.to_string())?.map_err(|error| error.to_string())
}

async fn try_connect(url: &str) -> lapin::Result<(Connection, lapin::Consumer)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    // As the service declares it: so the queue is there before the service is.
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare("media.events".into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    channel.basic_qos(100, BasicQosOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions { durable: true, ..Default::default() }, arguments).await?;
    channel.queue_bind(QUEUE.into(), "media.events".into(), "media.#".into(), QueueBindOptions::default(), FieldTable::default()).await?;
    let deliveries = channel.basic_consume(QUEUE.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    Ok((connection, deliveries))
}
