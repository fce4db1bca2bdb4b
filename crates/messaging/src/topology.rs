//! Exchanges and queues, as data: what is declared at every connect, and what tests and manifests read.
//!
//! Every queue is a quorum queue, so that it survives the loss of one broker of three, and dead-letters at least once,
//! so that a broker that dies between two queues loses nothing. For that it must refuse messages when it is full
//! (`x-overflow: reject-publish`): without it RabbitMQ accepts the declaration and dead-letters at most once.

use std::sync::LazyLock;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use media_domain::{command::Delay, work::Queue};

/// CloudEvents for everyone, by their type.
pub const EVENTS: &str = "media.events";
/// Commands to one worker, by the name of the queue.
pub const COMMANDS: &str = "media.commands";
/// What the broker gave up on: an exchange, and the queue behind it.
pub const DEAD_LETTERS: &str = "media.dead-letters";

/// A command that was given back this often is dead-lettered by the broker: a message on which workers die.
pub const DELIVERY_LIMIT: u16 = 20;

/// An exchange that we declare; all are durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeSpec {
    pub name: &'static str,
    pub kind: ExchangeKind,
}

/// A queue that we declare and bind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSpec {
    /// Also the key by which it is bound.
    pub name: String,
    /// The exchange that it is bound to.
    pub exchange: &'static str,
    pub role: Role,
}

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Wakes a worker.
    Work(Queue),
    /// Holds a command back, then passes it on to its work queue. One queue per delay: a message with an expiry of its own waits
    /// behind the head of its queue.
    Delay { queue: Queue, hold_millis: u32 },
    /// Keeps what the broker gave up until the relay makes rows of it.
    DeadLetters,
}

/// All exchanges and queues of one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    pub exchanges: Vec<ExchangeSpec>,
    pub queues: Vec<QueueSpec>,
}

/// What every binary declares.
pub static TOPOLOGY: LazyLock<Topology> = LazyLock::new(|| Topology::holding(Delay::millis));

impl Topology {
    /// The topology with other delays, so that a test need not wait for ten seconds. A broker that has the queues with
    /// one delay refuses another.
    pub fn holding(hold_millis: impl Fn(Delay) -> u32) -> Self {
        let exchanges = vec![
            ExchangeSpec { name: EVENTS, kind: ExchangeKind::Topic },
            ExchangeSpec { name: COMMANDS, kind: ExchangeKind::Direct },
            ExchangeSpec { name: DEAD_LETTERS, kind: ExchangeKind::Fanout },
        ];
        let mut queues = vec![QueueSpec { name: DEAD_LETTERS.to_owned(), exchange: DEAD_LETTERS, role: Role::DeadLetters }];
        for &queue in Queue::ALL {
            queues.push(QueueSpec { name: queue.routing_key(None), exchange: COMMANDS, role: Role::Work(queue) });
            queues.extend(Delay::ALL.map(|delay| QueueSpec {
                name: queue.routing_key(Some(delay)),
                exchange: COMMANDS,
                role: Role::Delay { queue, hold_millis: hold_millis(delay) },
            }));
        }
        Self { exchanges, queues }
    }

    /// Declares whatever is missing; what is there stays as it is.
    pub(crate) async fn declare(&self, channel: &Channel) -> Result<(), lapin::Error> {
        for exchange in &self.exchanges {
            let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
            channel.exchange_declare(exchange.name.into(), exchange.kind.clone(), options, FieldTable::default()).await?;
        }
        for queue in &self.queues {
            let options = QueueDeclareOptions { durable: true, ..Default::default() };
            channel.queue_declare(queue.name.as_str().into(), options, queue.arguments()).await?;
            let key = queue.name.as_str().into();
            channel
                .queue_bind(queue.name.as_str().into(), queue.exchange.into(), key, QueueBindOptions::default(), FieldTable::default())
                .await?;
        }
        Ok(())
    }
}

impl QueueSpec {
    /// The arguments of the declaration, named as in RabbitMQ's documentation of quorum queues.
    pub fn arguments(&self) -> FieldTable {
        let mut table = FieldTable::default();
        let mut text = |name: &str, value: &str| {
            table.insert(name.into(), AMQPValue::LongString(value.into()));
        };
        text("x-queue-type", "quorum");
        if self.role != Role::DeadLetters {
            text("x-dead-letter-strategy", "at-least-once");
            text("x-overflow", "reject-publish");
        }
        match self.role {
            Role::Work(_) => {
                text("x-dead-letter-exchange", DEAD_LETTERS);
                table.insert("x-delivery-limit".into(), AMQPValue::LongInt(i32::from(DELIVERY_LIMIT)));
            }
            Role::Delay { queue, hold_millis } => {
                text("x-dead-letter-exchange", COMMANDS);
                text("x-dead-letter-routing-key", queue.name());
                table.insert("x-message-ttl".into(), AMQPValue::LongLongInt(i64::from(hold_millis)));
            }
            Role::DeadLetters => {}
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_its_queue_and_three_delays() {
        let names: Vec<_> = TOPOLOGY.queues.iter().map(|queue| queue.name.as_str()).collect();
        assert_eq!(names.len(), 13, "{names:?}");
        for name in [
            "media.scan",
            "media.transcode",
            "media.caption",
            "media.scan.delay.10s",
            "media.transcode.delay.1m",
            "media.caption.delay.10m",
            "media.dead-letters",
        ] {
            assert!(names.contains(&name), "{name} is missing");
        }
    }

    #[test]
    fn whatever_dead_letters_does_so_at_least_once() {
        for queue in &TOPOLOGY.queues {
            let arguments = queue.arguments();
            let text = |name: &str| arguments.inner().get(name).and_then(AMQPValue::as_long_string).map(|text| text.to_string());
            if text("x-dead-letter-exchange").is_some() {
                assert_eq!(text("x-dead-letter-strategy").as_deref(), Some("at-least-once"), "{}", queue.name);
                assert_eq!(text("x-overflow").as_deref(), Some("reject-publish"), "{}", queue.name);
            }
        }
    }
}
