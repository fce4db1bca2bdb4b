//! What the broker gave up on, so that the relay can make rows of it.

use media_domain::EventId;
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, Redelivered,
    message::{header, message_id},
    tap::{Taken, Tap},
    topology,
};

/// The queue of dead letters.
pub struct DeadLetterSource {
    tap: Tap,
}

impl DeadLetterSource {
    pub fn new(broker: &Broker) -> Self {
        Self { tap: Tap::new(broker, topology::DEAD_LETTERS) }
    }

    /// The next dead letter; `None` once `stop` is cancelled.
    pub async fn next(&self, stop: &CancellationToken) -> Option<DeadLetter> {
        let mut taken = self.tap.take(stop).await?;
        let properties = &taken.message.properties;
        Some(DeadLetter {
            message_id: message_id(properties),
            queue: header(properties, "x-first-death-queue").unwrap_or_else(|| taken.message.routing_key.to_string()),
            reason: header(properties, "x-first-death-reason").unwrap_or_else(|| "unknown".to_owned()),
            traceparent: header(properties, "traceparent"),
            body: std::mem::take(&mut taken.message.data),
            taken,
        })
    }
}

/// A message that the broker took out of its queue.
#[must_use = "a dead letter that is dropped goes back to its queue"]
pub struct DeadLetter {
    pub message_id: Option<EventId>,
    /// Where it was when it died.
    pub queue: String,
    /// RabbitMQ's word: `delivery_limit`, `rejected`, `expired` or `maxlen`.
    pub reason: String,
    pub traceparent: Option<String>,
    pub body: Vec<u8>,
    taken: Taken,
}

impl DeadLetter {
    /// Forgets the dead letter: it is a row now.
    ///
    /// # Errors
    /// [`Redelivered`] if that came too late: it will come again.
    pub async fn ack(self) -> Result<(), Redelivered> {
        self.taken.ack().await
    }
}
