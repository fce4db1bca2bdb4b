//! Following events, as any consumer would: what the CLI, the demo and the tests read.

use futures::StreamExt;
use lapin::{
    Acker, Channel, Consumer,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, MAX_SHORT_STRING_LENGTH},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    Broker, CloudEvent, MessagingError, Redelivered,
    connection::{answered, chain, pauses},
    tap::settled,
    topology,
};

/// How many events may wait here to be read.
const PREFETCH: u16 = 100;

/// The events whose type matches a pattern of topic exchanges: `media.#`, `media.asset.*.v1`.
pub struct EventStream {
    broker: Broker,
    pattern: String,
    /// The name of the durable queue. Without one the queue is the broker's to name, and gone when we are.
    queue: Option<String>,
    subscription: Subscription,
}

/// An event, to be acknowledged once it is handled.
#[derive(Debug)]
pub struct ReceivedEvent {
    pub event: CloudEvent,
    /// The broker has delivered it before.
    pub redelivered: bool,
    acker: Option<Acker>,
}

struct Subscription {
    consumer: Consumer,
    _channel: Channel,
}

impl EventStream {
    /// Follows the events from now on. While the connection is lost they are missed.
    ///
    /// # Errors
    /// [`Unreachable`](MessagingError::Unreachable) while the broker is away; [`Settings`](MessagingError::Settings) if the
    /// pattern is longer than 255 bytes.
    pub async fn live(broker: &Broker, pattern: &str) -> Result<Self, MessagingError> {
        Self::open(broker, None, pattern).await
    }

    /// Follows the events through a durable quorum queue of this name, which keeps them also while nobody reads.
    ///
    /// # Errors
    /// [`Unreachable`](MessagingError::Unreachable) while the broker is away, or if it has another kind of queue of this name.
    pub async fn durable(broker: &Broker, queue: &str, pattern: &str) -> Result<Self, MessagingError> {
        Self::open(broker, Some(queue.to_owned()), pattern).await
    }

    async fn open(broker: &Broker, queue: Option<String>, pattern: &str) -> Result<Self, MessagingError> {
        if pattern.len().max(queue.as_ref().map_or(0, String::len)) > MAX_SHORT_STRING_LENGTH {
            return Err(MessagingError::Settings("a queue's name or pattern is longer than 255 bytes"));
        }
        let subscription = Box::pin(subscribe(broker, queue.as_deref(), pattern)).await?;
        Ok(Self { broker: broker.clone(), pattern: pattern.to_owned(), queue, subscription })
    }

    /// The next event; `None` once `stop` is cancelled. A message that is no event of ours is logged and dropped.
    pub async fn next(&mut self, stop: &CancellationToken) -> Option<ReceivedEvent> {
        stop.run_until_cancelled(self.next_event()).await
    }

    async fn next_event(&mut self) -> ReceivedEvent {
        loop {
            let message = match self.subscription.consumer.next().await {
                Some(Ok(message)) => message,
                Some(Err(_)) | None => {
                    self.subscription = self.subscribe_again().await;
                    continue;
                }
            };
            let acker = self.queue.is_some().then(|| message.acker.clone());
            match CloudEvent::read(&message.properties, &message.data) {
                Ok(event) => return ReceivedEvent { event, redelivered: message.redelivered, acker },
                Err(attribute) => {
                    warn!(attribute, key = message.routing_key.as_str(), "a message is no CloudEvent of ours; dropped");
                    if let Some(acker) = acker
                        && let Err(error) = settled(acker.reject(BasicRejectOptions { requeue: false })).await
                    {
                        warn!(error = chain(&error), "it could not be dropped");
                    }
                }
            }
        }
    }

    async fn subscribe_again(&self) -> Subscription {
        let mut pauses = pauses();
        loop {
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            match Box::pin(subscribe(&self.broker, self.queue.as_deref(), &self.pattern)).await {
                Ok(subscription) => return subscription,
                Err(error) if *self.broker.watch().borrow() => warn!(error = chain(&error), "cannot follow the events; trying again"),
                Err(_) => {}
            }
        }
    }
}

async fn subscribe(broker: &Broker, queue: Option<&str>, pattern: &str) -> Result<Subscription, MessagingError> {
    let channel = broker.channel().await?;
    answered(channel.basic_qos(PREFETCH, BasicQosOptions::default())).await?;
    let mut arguments = FieldTable::default();
    if queue.is_some() {
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    }
    let options =
        QueueDeclareOptions { durable: queue.is_some(), exclusive: queue.is_none(), auto_delete: queue.is_none(), ..Default::default() };
    let declared = answered(channel.queue_declare(queue.unwrap_or_default().into(), options, arguments)).await?;
    let name = declared.name().clone();
    answered(channel.queue_bind(name.clone(), topology::EVENTS.into(), pattern.into(), QueueBindOptions::default(), FieldTable::default()))
        .await?;
    let options = BasicConsumeOptions { no_ack: queue.is_none(), ..Default::default() };
    let consumer = answered(channel.basic_consume(name, "".into(), options, FieldTable::default())).await?;
    Ok(Subscription { consumer, _channel: channel })
}

impl ReceivedEvent {
    /// Tells a durable queue that the event is handled; nothing to tell for a live stream.
    ///
    /// # Errors
    /// [`Redelivered`] if that came too late: it will come again.
    pub async fn ack(self) -> Result<(), Redelivered> {
        match self.acker {
            Some(acker) => settled(acker.ack(BasicAckOptions::default())).await,
            None => Ok(()),
        }
    }
}
