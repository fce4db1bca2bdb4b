//! Publishing with confirms, in windows.

use std::collections::HashSet;

use lapin::{
    Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use media_domain::EventId;
use tokio::time::{Instant, timeout_at};
use tracing::{error, warn};

use crate::{
    Broker, MessagingError, Outbound, PublishError,
    connection::{answered, chain},
    message::message_id,
};

/// One channel to publish on. Batches on it go out one after the other; for more at once, make more publishers.
pub struct Publisher {
    broker: Broker,
    /// Out of here while a batch is under way, so that an abandoned call leaves no channel with foreign confirms behind.
    channel: Option<Channel>,
}

impl Publisher {
    pub fn new(broker: &Broker) -> Self {
        Self { broker: broker.clone(), channel: None }
    }

    /// Publishes in order and says of each message, in the same order, whether the broker has it. The whole call takes
    /// `publish_timeout` at most, and ends at once while the broker is away.
    ///
    /// Messages that come after a failed one in its window of `confirm_window` may be confirmed all the same: whoever
    /// promises order per aggregate marks only what comes before the aggregate's first failure, and publishes the rest
    /// again. Later windows are not sent. After any error the publisher can be used as before.
    pub async fn publish_all(&mut self, batch: &[Outbound]) -> Vec<Result<(), PublishError>> {
        let deadline = Instant::now() + self.broker.config().publish_timeout;
        let mut results = Vec::with_capacity(batch.len());
        let channel = match timeout_at(deadline, Box::pin(self.open_channel())).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => {
                results.push(Err(PublishError::NotSent(Some(error))));
                return not_sent_from(results, batch.len());
            }
            Err(_) => return not_sent_from(results, batch.len()),
        };
        for window in batch.chunks(usize::from(self.broker.config().confirm_window.get())) {
            results.extend(Box::pin(publish_window(&channel, window, deadline)).await);
            if any(&results, ends_the_batch) {
                break;
            }
        }
        if any(&results, PublishError::misses_topology) {
            self.declare(deadline).await;
        }
        if !any(&results, ends_the_batch) {
            self.channel = Some(channel);
        }
        not_sent_from(results, batch.len())
    }

    async fn declare(&self, deadline: Instant) {
        match timeout_at(deadline, Box::pin(self.broker.declare())).await {
            Ok(Ok(())) => warn!("an exchange or queue was missing and is declared again"),
            Ok(Err(error)) => error!(error = chain(&error), "an exchange or queue is missing and could not be declared"),
            Err(_) => error!("an exchange or queue is missing and could not be declared in time"),
        }
    }

    async fn open_channel(&mut self) -> Result<Channel, MessagingError> {
        if let Some(channel) = self.channel.take().filter(|channel| channel.status().connected()) {
            return Ok(channel);
        }
        let channel = self.broker.channel().await?;
        answered(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(channel)
    }
}

fn any(results: &[Result<(), PublishError>], is: impl Fn(&PublishError) -> bool) -> bool {
    results.iter().any(|result| result.as_ref().is_err_and(&is))
}

fn not_sent_from(mut results: Vec<Result<(), PublishError>>, length: usize) -> Vec<Result<(), PublishError>> {
    results.resize_with(length, || Err(PublishError::NotSent(None)));
    results
}

/// An unroutable command says nothing about those behind it; any other failure may be the first of many.
fn ends_the_batch(error: &PublishError) -> bool {
    !matches!(error, PublishError::Unroutable | PublishError::Malformed(_))
}

async fn publish_window(channel: &Channel, window: &[Outbound], deadline: Instant) -> Vec<Result<(), PublishError>> {
    let mut sent = Vec::with_capacity(window.len());
    for outbound in window {
        let confirm = send(channel, outbound, deadline).await;
        let broken = matches!(&confirm, Err(error) if ends_the_batch(error));
        sent.push(confirm);
        if broken {
            break;
        }
    }
    let mut returned = HashSet::new();
    let mut results = Vec::with_capacity(window.len());
    for confirm in sent {
        results.push(match confirm {
            Ok(confirm) => confirmed(confirm, deadline, &mut returned).await,
            Err(error) => Err(error),
        });
    }
    // lapin hands a returned message out with whichever confirm is completed next, and completes those of one
    // "multiple" acknowledgement in no order: only the message itself says which one it was.
    for (outbound, result) in window.iter().zip(&mut results) {
        if result.is_ok() && returned.contains(&outbound.id()) {
            *result = Err(PublishError::Unroutable);
        }
    }
    not_sent_from(results, window.len())
}

async fn send(channel: &Channel, outbound: &Outbound, deadline: Instant) -> Result<PublisherConfirm, PublishError> {
    let wire = outbound.to_wire()?;
    let options = BasicPublishOptions { mandatory: wire.mandatory, ..Default::default() };
    let publish = channel.basic_publish(wire.exchange.into(), wire.routing_key, options, &wire.body, wire.properties);
    match timeout_at(deadline, publish).await {
        Ok(sent) => sent.map_err(PublishError::Interrupted),
        Err(_) => Err(PublishError::TimedOut),
    }
}

async fn confirmed(confirm: PublisherConfirm, deadline: Instant, returned: &mut HashSet<EventId>) -> Result<(), PublishError> {
    let confirmation = timeout_at(deadline, confirm).await.map_err(|_| PublishError::TimedOut)?.map_err(PublishError::Interrupted)?;
    let nacked = !confirmation.is_ack();
    if let Confirmation::Ack(Some(message)) | Confirmation::Nack(Some(message)) = confirmation {
        returned.extend(message_id(&message.properties));
    }
    if nacked { Err(PublishError::Nacked) } else { Ok(()) }
}
