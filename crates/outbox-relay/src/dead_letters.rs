//! From the broker's dead letters to rows, where a person can see them and send them again.
//!
//! A row is committed before its message is acknowledged, and a message makes one row however often it comes. The row belongs to the
//! tenant that the message names. One that names none in a way that can be read is kept too: for [`TenantId::NOBODY`], whom only those
//! can name who may act for all tenants; and the log calls for a person.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use media_domain::{TenantId, WorkId, work::Queue};
use media_messaging::{Broker, DeadLetter, DeadLetterSource};
use media_storage::{Database, StorageError, dead_letters::BrokersLetter};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How long a letter waits for a database that did not take it.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// Moves dead letters for as long as it is not told to stop.
pub struct DeadLetterMover {
    pub database: Database,
    pub broker: Broker,
}

impl DeadLetterMover {
    pub async fn run(&self, stop: &CancellationToken) {
        let source = DeadLetterSource::new(&self.broker);
        while let Some(letter) = source.next(stop).await {
            self.keep(letter, stop).await;
        }
    }

    /// Makes a row of a letter. While the database is away the letter is held, and not given back: a newer broker counts what is given
    /// back, and drops it after twenty times.
    async fn keep(&self, letter: DeadLetter, stop: &CancellationToken) {
        let tenant = letter.tenant.unwrap_or(TenantId::NOBODY);
        let row = row_of(&letter);
        let is_new = loop {
            match self.insert(tenant, &row).await {
                Ok(is_new) => break is_new,
                Err(error) => warn!(error = %error, "a dead letter could not be written; it is tried again"),
            }
            if stop.run_until_cancelled(sleep(AFTER_ERROR)).await.is_none() {
                return;
            }
        };
        if is_new {
            tell(tenant, &row);
        }
        if let Err(redelivered) = letter.ack().await {
            debug!(error = %redelivered, "the dead letter will be known when it comes again");
        }
    }

    async fn insert(&self, tenant: TenantId, row: &BrokersLetter) -> Result<bool, StorageError> {
        let mut tx = self.database.in_tenant(tenant, "relay.dead_letter").await?;
        let is_new = tx.dead_letters().insert_brokers(row).await?;
        tx.commit().await?;
        Ok(is_new)
    }
}

fn tell(tenant: TenantId, row: &BrokersLetter) {
    let message = row.message.map(|id| id.to_string()).unwrap_or_default();
    if tenant == TenantId::NOBODY {
        error!(message.id = message, queue = row.queue, reason = row.reason, "a dead letter names no tenant; it is kept for nobody's");
    } else {
        info!(message.id = message, tenant.id = %tenant, queue = row.queue, reason = row.reason, "a dead letter became a row");
    }
    metrics::counter!("media_dead_letters_total", "reason" => row.reason.clone()).increment(1);
}

fn row_of(letter: &DeadLetter) -> BrokersLetter {
    let queue = Queue::ALL.iter().find(|queue| queue.name() == letter.queue).map(|queue| queue.as_str().to_owned());
    BrokersLetter {
        message: letter.message_id,
        queue: queue.unwrap_or_else(|| storable(&letter.queue)),
        reason: storable(&letter.reason),
        traceparent: letter.traceparent.as_deref().map(storable),
        body: body_of(&letter.body),
    }
}

/// A command as it is; of anything else the bytes, since not all that is JSON can be stored as such.
fn body_of(body: &[u8]) -> Value {
    let work = serde_json::from_slice::<Value>(body).ok().and_then(|command| {
        let only = command.as_object().filter(|fields| fields.len() == 1)?;
        only.get("workId")?.as_str()?.parse::<WorkId>().ok()
    });
    match work {
        Some(work) => json!({ "workId": work }),
        None => json!({ "bytes": BASE64_STANDARD.encode(body) }),
    }
}

/// What a stranger wrote, without the one character that Postgres does not store.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_its_work_and_anything_else_its_bytes() {
        let work = WorkId::generate();
        assert_eq!(body_of(json!({ "workId": work }).to_string().as_bytes()), json!({ "workId": work }));
        for other in [&b"\xff\x00"[..], b"", b"[]", br#"{"workId":"x"}"#, br#"{"a":"\u0000"}"#] {
            let kept = body_of(other);
            assert_eq!(BASE64_STANDARD.decode(kept["bytes"].as_str().unwrap()).unwrap(), other);
        }
        let more = json!({ "workId": work, "more": 1 }).to_string();
        assert!(body_of(more.as_bytes()).get("bytes").is_some(), "nothing of it is dropped");
    }

    #[test]
    fn what_postgres_does_not_store_is_replaced() {
        assert_eq!(storable("a\0b"), "a\u{fffd}b");
    }
}
