//! RabbitMQ: the topology, publishing with confirms, taking commands, following events, and dead letters.
//!
//! The room keeps four promises:
//! - What [`Publisher`] calls confirmed is in every queue that it was routed to; whatever else it says, publish again.
//! - The messages of one batch are published in their order, on one channel.
//! - A message is taken only while somebody awaits it: a worker without a free permit holds none back from the others.
//! - Dropping a [`Delivery`] gives the message back to its queue.
//!
//! A [`Broker`] reconnects by itself for as long as it lives, and declares the [`topology`] each time, so a broker that
//! lost its disk works again without a restart of ours. All calls fail at once while it is away, rather than hang: the
//! relay calls from within a transaction.

mod config;
mod connection;
mod consume;
mod dead_letters;
mod error;
mod events;
mod inspect;
mod message;
mod publish;
mod tap;
pub mod topology;

pub use config::AmqpConfig;
pub use connection::Broker;
pub use consume::{CommandSource, Delivery};
pub use dead_letters::{DeadLetter, DeadLetterSource};
pub use error::{MessagingError, PublishError, Redelivered};
pub use events::{EventStream, ReceivedEvent};
pub use inspect::{Inspection, QueueState, inspect};
pub use message::{CloudEvent, Inbound, Outbound, OutboundCommand, OutboundEvent};
pub use publish::Publisher;
