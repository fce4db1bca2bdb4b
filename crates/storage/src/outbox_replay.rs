//! Events are told once more: rows that were published are marked as if they had not been, and the relay does the rest.

use media_domain::AssetId;
use time::OffsetDateTime;

use crate::{
    StorageError,
    outbox::{LOCK_CLASS, Outbox, PARTITIONS},
};

/// Which events of the tenant are told again; `None` is any. Only what is still kept can be.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    pub asset: Option<AssetId>,
    pub from: Option<OffsetDateTime>,
    pub before: Option<OffsetDateTime>,
    /// The place that an earlier batch ended at.
    pub after_seq: Option<i64>,
}

impl Outbox<'_> {
    /// Marks at most `limit` events, the oldest first, to be published again with the ids and numbers that they have. Says how many, and
    /// where the batch ended.
    ///
    /// The partitions' locks are awaited: what a relay is just publishing is published and marked before, and then told again in its
    /// place. Without that, a consumer could see 5, then 1 to 4.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] also where a relay holds a partition for long.
    pub async fn replay(&mut self, what: &Replay, limit: i64) -> Result<(u64, Option<i64>), StorageError> {
        let part = what.asset.map(|asset| i32::from(asset.as_uuid().as_bytes()[15] & 15));
        for part in part.map_or(0..i32::from(PARTITIONS), |part| part..part + 1) {
            sqlx::query!("-- outbox.replay\nSELECT pg_advisory_xact_lock($1, $2)", LOCK_CLASS, part).execute(self.0.connection()).await?;
        }
        let seqs = sqlx::query_scalar!(
            "-- outbox.replay
            WITH again AS (
              SELECT seq FROM media.outbox WHERE kind = 'event' AND published_at IS NOT NULL
                AND ($1::uuid IS NULL OR aggregate_id = $1) AND ($2::timestamptz IS NULL OR created_at >= $2)
                AND ($3::timestamptz IS NULL OR created_at < $3) AND ($4::bigint IS NULL OR seq > $4)
              ORDER BY seq LIMIT $5)
            UPDATE media.outbox o SET published_at = NULL, replayed_at = clock_timestamp()
            FROM again WHERE o.seq = again.seq AND o.published_at IS NOT NULL RETURNING o.seq",
            what.asset.map(|asset| asset.as_uuid()),
            what.from,
            what.before,
            what.after_seq,
            limit,
        )
        .fetch_all(self.0.connection())
        .await?;
        if !seqs.is_empty() {
            sqlx::query!("-- outbox.replay\nSELECT pg_notify('media_outbox', '')").execute(self.0.connection()).await?;
        }
        Ok((seqs.len() as u64, seqs.into_iter().max()))
    }
}
