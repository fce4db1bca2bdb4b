//! Taking one message from a queue, on a channel of its own, while somebody awaits it.
//!
//! A consumer exists from the call until the message is there; with a prefetch of 1 the broker sends no second one.
//! The message keeps the channel, and the broker takes back what is unsettled when a channel closes: so whatever is
//! dropped, and wherever, goes back to its queue.

use futures::StreamExt;
use lapin::{
    Channel, Consumer,
    message::Delivery,
    options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions},
    types::FieldTable,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::{
    Broker, MessagingError, Redelivered,
    connection::{answered, chain, pauses},
};

pub(crate) struct Tap {
    broker: Broker,
    queue: &'static str,
}

/// A message and the right to settle it.
pub(crate) struct Taken {
    pub message: Delivery,
    _hold: Hold,
}

impl Tap {
    pub(crate) fn new(broker: &Broker, queue: &'static str) -> Self {
        Self { broker: broker.clone(), queue }
    }

    /// The next message; `None` once `stop` is cancelled.
    pub(crate) async fn take(&self, stop: &CancellationToken) -> Option<Taken> {
        let mut pauses = pauses();
        while !stop.is_cancelled() {
            // Boxed: a caller would carry the state of every request in its own future.
            match Box::pin(self.listen(stop)).await {
                Ok(taken) => return taken,
                Err(error) => {
                    stop.run_until_cancelled(tokio::time::sleep(pauses.next()?)).await?;
                    stop.run_until_cancelled(Box::pin(self.mend(error))).await?;
                }
            }
        }
        None
    }

    async fn listen(&self, stop: &CancellationToken) -> Result<Option<Taken>, MessagingError> {
        let mut hold = Hold { channel: self.broker.channel().await?, consumer: None };
        answered(hold.channel.basic_qos(1, BasicQosOptions::default())).await?;
        let consuming = hold.channel.basic_consume(self.queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
        let mut consumer = answered(consuming).await?;
        hold.consumer = Some(consumer.clone());
        let message = tokio::select! {
            biased;
            message = consumer.next() => message,
            () = stop.cancelled() => return Ok(None),
        };
        let message = message.transpose().map_err(|error| MessagingError::Unreachable(Some(error)))?;
        // None: the broker ended the consumer, because its queue was deleted.
        let message = message.ok_or(MessagingError::Unreachable(None))?;
        answered(hold.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await?;
        Ok(Some(Taken { message, _hold: hold }))
    }

    /// While the broker is away, waits for it; otherwise what was awaited is perhaps not there any more.
    async fn mend(&self, error: MessagingError) {
        let mut up = self.broker.watch();
        if *up.borrow_and_update() {
            warn!(queue = self.queue, error = chain(&error), "cannot take from the queue; trying again");
            if let Err(error) = self.broker.declare().await {
                warn!(queue = self.queue, error = chain(&error), "the queue could not be declared");
            }
        } else if up.wait_for(|up| *up).await.is_err() {
            debug!(queue = self.queue, "nobody dials the broker any more");
        }
    }
}

impl Taken {
    pub(crate) async fn ack(self) -> Result<(), Redelivered> {
        settled(self.message.ack(BasicAckOptions::default())).await
    }

    pub(crate) async fn reject(self, requeue: bool) -> Result<(), Redelivered> {
        settled(self.message.reject(BasicRejectOptions { requeue })).await
    }
}

/// lapin says `false` when it knows that the channel is gone.
pub(crate) async fn settled(settling: impl Future<Output = Result<bool, lapin::Error>>) -> Result<(), Redelivered> {
    match answered(settling).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Redelivered(None)),
        Err(error) => Err(Redelivered(Some(error))),
    }
}

/// A channel that is closed when this is dropped, and with it goes back what was taken on it and not settled.
///
/// The close is explicit: in lapin a consumer keeps its channel open, also one whose creation was abandoned, and a
/// consumer's cancellation that meets its channel's close ends the connection; so the consumer is dropped last.
struct Hold {
    channel: Channel,
    consumer: Option<Consumer>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (channel, consumer) = (self.channel.clone(), self.consumer.take());
        runtime.spawn(async move {
            if let Err(error) = answered(channel.close(200, "OK".into())).await {
                debug!(error = chain(&error), "the channel was closed already");
            }
            drop(consumer);
        });
    }
}
