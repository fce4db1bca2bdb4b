//! What a consumer was told during a roll-out: the events of each asset, from the first to the last.

use media_domain::AssetId;
use sqlx::PgPool;
use uuid::Uuid;

use super::LIMIT;
use crate::harness::{Consumer, eventually};

const READY: &str = "media.asset.ready.v1";

/// Every event that was committed has come, of each asset in order and without a gap; the last that tells of its state says that it is
/// ready. What is optional is told of after that.
pub async fn assert_whole(consumer: &Consumer, sql: &PgPool) {
    let numbered: Vec<(Uuid, i64)> = sqlx::query_as("SELECT id, last_sequence FROM media.assets").fetch_all(sql).await.unwrap();
    let assets: Vec<(String, usize)> =
        numbered.into_iter().map(|(id, last)| (AssetId::from(id).to_string(), usize::try_from(last).unwrap())).collect();
    eventually("the last event of each asset has come", LIMIT, async || {
        let events = consumer.events();
        let came = |subject: &str| events.iter().filter(|event| event.subject == subject).count();
        let missing: Vec<_> = assets.iter().filter(|(subject, last)| came(subject) < *last).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;
    for (subject, last) in &assets {
        consumer.assert_in_order(subject);
        let events = consumer.of(subject);
        assert_eq!(events.len(), *last, "{subject}");
        let state = events.iter().map(|event| event.event_type.as_str()).rfind(|event| event.starts_with("media.asset."));
        assert_eq!(state, Some(READY), "{subject}");
    }
    println!("{} events of {} assets, in {} deliveries", consumer.events().len(), assets.len(), consumer.deliveries());
}
