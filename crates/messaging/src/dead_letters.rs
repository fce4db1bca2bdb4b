//! What the broker gave up on, so that the relay can make rows of it.

use lapin::{BasicProperties, types::AMQPValue};
use media_domain::{EventId, TenantId};
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, Redelivered,
    message::{TENANT, header, message_id},
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
        let (queue, reason) = last_death(properties)
            .unwrap_or_else(|| (taken.message.routing_key.to_string(), header(properties, "x-first-death-reason").unwrap_or_default()));
        Some(DeadLetter {
            message_id: message_id(properties),
            tenant: header(properties, TENANT).and_then(|text| text.parse().ok()),
            queue,
            reason,
            traceparent: header(properties, "traceparent"),
            body: std::mem::take(&mut taken.message.data),
            taken,
        })
    }
}

/// Where and why a message died last; RabbitMQ lists the newest first. A command that waited in a delay queue died there before, of
/// its time, which is how it came back to its worker.
fn last_death(properties: &BasicProperties) -> Option<(String, String)> {
    let AMQPValue::FieldArray(deaths) = properties.headers().as_ref()?.inner().get("x-death")? else { return None };
    let AMQPValue::FieldTable(newest) = deaths.as_slice().first()? else { return None };
    let word = |name: &str| match newest.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    };
    Some((word("queue")?, word("reason")?))
}

/// A message that the broker took out of its queue.
#[must_use = "a dead letter that is dropped goes back to its queue"]
pub struct DeadLetter {
    pub message_id: Option<EventId>,
    /// `None` where the message does not say it in a way that can be read.
    pub tenant: Option<TenantId>,
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
