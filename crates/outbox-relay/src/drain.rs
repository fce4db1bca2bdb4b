//! From the outbox to the broker: in order per aggregate, confirmed before it is marked.
//!
//! A partition is drained under an advisory lock that its transaction holds, so that several relays at once are safe: an
//! aggregate is always in the same partition. The relay alone may await the broker in a transaction, for as long as a
//! publish may take. Killed between publish and mark, it publishes again: consumers have an inbox.

use std::{collections::HashSet, time::Duration};

use media_domain::{command::Delay, event::Aggregate, work::Queue};
use media_messaging::{Broker, Outbound, OutboundCommand, OutboundEvent, PublishError, Publisher};
use media_runtime::trace_context;
use media_storage::{
    Database, StorageError,
    notify::OutboxListener,
    outbox::{Batch, OutboxKind, OutboxRow, PARTITIONS},
};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{Span, error, info_span, warn};

/// The settings of the drain.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DrainConfig {
    /// The most messages of one partition published and marked at once.
    pub batch: i32,
    /// How often the outbox is looked at without a notification: those are lost while the listener is disconnected.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
}

/// Drains the outbox for as long as it is not told to stop.
pub struct Relay {
    pub database: Database,
    pub broker: Broker,
    pub config: DrainConfig,
}

impl Relay {
    /// Looks at the outbox at each notification, and at the latest after the poll's interval. What goes wrong is logged,
    /// and tried again with the next look: the rows stay until they are confirmed.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut publisher = Publisher::new(&self.broker);
        let mut listener = None;
        while !stop.is_cancelled() {
            let reached = match self.drain(&mut publisher, stop).await {
                Ok(reached) => reached,
                Err(error) => {
                    warn!(error = %error, "the outbox could not be drained; it is tried again");
                    false
                }
            };
            if reached {
                stop.run_until_cancelled(self.woken(&mut listener)).await;
            } else {
                // Notifications come as fast as others write, and a server that is away is not asked again at each.
                stop.run_until_cancelled(tokio::time::sleep(self.config.poll)).await;
            }
        }
    }

    /// Waits for a notification, and no longer than the poll's interval.
    async fn woken(&self, listener: &mut Option<OutboxListener>) {
        let heard = timeout(self.config.poll, async {
            if listener.is_none() {
                *listener = Some(self.database.listen_outbox().await?);
            }
            match listener {
                Some(listener) => listener.woken().await,
                None => Ok(()),
            }
        });
        if let Ok(Err(error)) = heard.await {
            warn!(error = %error, "notifications are not heard; the outbox is polled");
            *listener = None;
            tokio::time::sleep(self.config.poll).await;
        }
    }

    /// Looks once at every partition in which something waits; says whether the broker could be reached.
    async fn drain(&self, publisher: &mut Publisher, stop: &CancellationToken) -> Result<bool, StorageError> {
        for part in self.database.across_tenants().outbox_waiting_parts().await? {
            debug_assert!((0..PARTITIONS).contains(&part), "the schema's partitions are ours");
            while !stop.is_cancelled() {
                // Another relay may have the partition: then it is drained.
                let Some(batch) = self.database.outbox_batch(part, self.config.batch).await? else { break };
                let full = batch.rows.len() == usize::try_from(self.config.batch).unwrap_or(usize::MAX);
                match self.publish(publisher, batch).await? {
                    Published::All if full => {}
                    Published::All | Published::Some => break,
                    Published::BrokerAway => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Publishes a batch and marks what the broker confirmed.
    async fn publish(&self, publisher: &mut Publisher, batch: Batch) -> Result<Published, StorageError> {
        let (known, unknown): (Vec<&OutboxRow>, Vec<&OutboxRow>) = batch.rows.iter().partition(|row| is_known(row));
        for row in unknown {
            // A newer version wrote it, and a newer relay will know it.
            error!(message.id = %row.id, message.r#type = row.message_type, "a command for no queue that this version knows stays where it is");
        }
        let (spans, messages): (Vec<Span>, Vec<Outbound>) = known.iter().map(|row| outbound(row)).unzip();
        let results = publisher.publish_all(&messages).await;
        drop(spans);
        let confirmed = confirmed(&known, &results);
        let complete = confirmed.len() == batch.rows.len();
        metrics::counter!("media_outbox_published_total").increment(confirmed.len() as u64);
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            match error {
                PublishError::Unroutable | PublishError::Malformed(_) => error!(error = %error, "a message cannot be published as it is"),
                error => {
                    warn!(error = %error, confirmed = confirmed.len(), of = batch.rows.len(), "not all was confirmed; the rest is tried again")
                }
            }
        }
        batch.settle(&confirmed).await?;
        let is_away = |error: &PublishError| !matches!(error, PublishError::Unroutable | PublishError::Malformed(_));
        Ok(match results.iter().any(|result| result.as_ref().is_err_and(is_away)) {
            true => Published::BrokerAway,
            false if complete => Published::All,
            false => Published::Some,
        })
    }
}

/// What became of a batch.
enum Published {
    All,
    /// What the broker takes, and not what it has no place for.
    Some,
    BrokerAway,
}

/// The rows to mark: of each aggregate, all before its first message that is not confirmed.
fn confirmed(rows: &[&OutboxRow], results: &[Result<(), PublishError>]) -> Vec<i64> {
    let mut held: HashSet<Aggregate> = HashSet::new();
    let mut confirmed = Vec::new();
    for (row, result) in rows.iter().zip(results) {
        if result.is_err() {
            held.insert(row.aggregate);
        } else if !held.contains(&row.aggregate) {
            confirmed.push(row.seq);
        }
    }
    confirmed
}

fn is_known(row: &OutboxRow) -> bool {
    row.kind != OutboxKind::Command || command(&row.routing_key).is_some()
}

/// The message of a row, with the span that is open while it is published and that a consumer links to.
fn outbound(row: &OutboxRow) -> (Span, Outbound) {
    let span = info_span!("publish", otel.name = format!("publish {}", row.message_type), otel.kind = "producer", message.id = %row.id, aggregate.id = %row.aggregate);
    if let Some(traceparent) = &row.traceparent {
        trace_context::set_parent(&span, traceparent);
    }
    let traceparent = trace_context::traceparent_of(&span).or_else(|| row.traceparent.clone());
    let message = match (row.kind, command(&row.routing_key)) {
        (OutboxKind::Command, Some((queue, delay))) => {
            Outbound::Command(OutboundCommand { id: row.id, tenant: row.tenant, queue, delay, traceparent, body: row.data.clone() })
        }
        (kind, _) => Outbound::Event(OutboundEvent {
            id: row.id,
            event_type: row.message_type.clone(),
            aggregate: row.aggregate,
            tenant: row.tenant,
            time: row.created_at,
            sequence: match kind {
                OutboxKind::Event { sequence } => sequence,
                OutboxKind::Command => 0,
            },
            traceparent,
            correlation_id: row.correlation_id.clone(),
            causation_id: row.causation_id.clone(),
            data: row.data.clone(),
        }),
    };
    (span, message)
}

/// The queue and delay that a command's routing key stands for.
fn command(routing_key: &str) -> Option<(Queue, Option<Delay>)> {
    Queue::ALL.iter().find_map(|queue| {
        std::iter::once(None)
            .chain(Delay::ALL.map(Some))
            .find(|delay| queue.routing_key(*delay) == routing_key)
            .map(|delay| (*queue, delay))
    })
}

#[cfg(test)]
mod tests {
    use media_domain::{AssetId, EventId, TenantId};
    use time::OffsetDateTime;

    use super::*;

    fn row(seq: i64, asset: AssetId) -> OutboxRow {
        OutboxRow {
            seq,
            id: EventId::generate(),
            tenant: TenantId(uuid::Uuid::nil()),
            aggregate: Aggregate::Asset(asset),
            kind: OutboxKind::Event { sequence: 1 },
            message_type: "media.asset.ready.v1".to_owned(),
            routing_key: "media.asset.ready.v1".to_owned(),
            data: serde_json::json!({}),
            created_at: OffsetDateTime::UNIX_EPOCH,
            traceparent: None,
            correlation_id: None,
            causation_id: None,
        }
    }

    #[test]
    fn what_follows_an_unconfirmed_message_of_the_same_aggregate_is_published_again() {
        let (a, b) = (AssetId::generate(), AssetId::generate());
        let rows = [row(1, a), row(2, b), row(3, a), row(4, a), row(5, b)];
        let results = [Ok(()), Ok(()), Err(PublishError::Nacked), Ok(()), Ok(())];
        assert_eq!(confirmed(&rows.iter().collect::<Vec<_>>(), &results), [1, 2, 5]);
    }

    #[test]
    fn every_routing_key_of_a_command_reads_back() {
        for queue in Queue::ALL {
            for delay in [None, Some(Delay::TenSeconds), Some(Delay::OneMinute), Some(Delay::TenMinutes)] {
                assert_eq!(command(&queue.routing_key(delay)), Some((*queue, delay)));
            }
        }
        assert_eq!(command("media.asset.ready.v1"), None);
    }
}
