//! The commands that wake a worker.

use media_domain::work::Queue;
use tokio_util::sync::CancellationToken;

use crate::{
    Broker, Inbound, Redelivered,
    tap::{Taken, Tap},
};

/// The commands of one work queue. Share it among permits: calls at the same time take different messages.
pub struct CommandSource {
    tap: Tap,
}

impl CommandSource {
    pub fn new(broker: &Broker, queue: Queue) -> Self {
        Self { tap: Tap::new(broker, queue.name()) }
    }

    /// The next command; `None` once `stop` is cancelled. Call it with a permit free: a message leaves the queue only
    /// while this is awaited. It outlasts any trouble with the broker, and may be dropped at any time.
    pub async fn next(&self, stop: &CancellationToken) -> Option<Delivery> {
        let mut taken = self.tap.take(stop).await?;
        Some(Delivery { message: Inbound::read(&mut taken.message), taken })
    }
}

/// A command that is ours until it is settled.
#[must_use = "a delivery that is dropped goes back to its queue"]
pub struct Delivery {
    pub message: Inbound,
    taken: Taken,
}

impl Delivery {
    /// Tells the broker that the message is done with.
    ///
    /// # Errors
    /// [`Redelivered`] if that came too late. The broker may also die after an `Ok` and before it reads the
    /// acknowledgement: an inbox is needed in any case.
    pub async fn ack(self) -> Result<(), Redelivered> {
        self.taken.ack().await
    }

    /// Gives the message back to its queue (`requeue`), or up: then it becomes a dead letter. The broker counts how
    /// often it came back, see [`DELIVERY_LIMIT`](crate::topology::DELIVERY_LIMIT).
    ///
    /// # Errors
    /// [`Redelivered`] if that came too late.
    pub async fn reject(self, requeue: bool) -> Result<(), Redelivered> {
        self.taken.reject(requeue).await
    }
}
