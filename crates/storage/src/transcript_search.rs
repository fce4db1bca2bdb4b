//! Full text over what was said. The tenant's transcripts are found through a function that is bound to the transaction's tenant, for
//! under row level security `@@` is no index condition; what was said is then read under the tenant's own policy.

use media_domain::{AssetId, TranscriptId};
use uuid::Uuid;

use crate::{StorageError, transcripts::Transcripts};

/// Moments that are told of one transcript.
const MOMENTS_MAX: i64 = 5;

/// A transcript that holds what is looked for, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub transcript: TranscriptId,
    pub asset: AssetId,
    pub language: String,
    /// The first few, in their order: those that hold all that is looked for, or where none does, a part of it.
    pub moments: Vec<Moment>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: String,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct FoundPage {
    pub found: Vec<Found>,
    /// Where the next page begins, if there may be one.
    pub next: Option<TranscriptId>,
}

impl Transcripts<'_> {
    /// Whether a query, as a person types it (`"exact words"`, `or`, `-without`), names a word that can be looked for.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn is_searchable(&mut self, query: &str) -> Result<bool, StorageError> {
        let tree = sqlx::query_scalar!(
            r#"-- transcripts.is_searchable
            SELECT querytree(websearch_to_tsquery('simple', $1)) AS "tree!""#,
            query,
        )
        .fetch_one(self.0.connection())
        .await?;
        Ok(!matches!(tree.as_str(), "" | "T"))
    }

    /// The transcripts that hold what is looked for, newest first, after the one that `after` names. Those of assets that are deleted or
    /// quarantined are left out: a page may hold fewer than `limit`, and another may follow it all the same.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] and the like.
    pub async fn search(&mut self, query: &str, after: Option<TranscriptId>, limit: u32) -> Result<FoundPage, StorageError> {
        let rows = sqlx::query_scalar!(
            r#"-- transcripts.search
            SELECT transcript_id AS "id!" FROM media.search_transcripts($1, $2, $3)"#,
            query,
            after.map(|id| id.as_uuid()),
            limit.cast_signed(),
        )
        .fetch_all(self.0.connection())
        .await?;
        let next = rows.last().filter(|_| rows.len() == limit as usize).map(|id| TranscriptId::from(*id));
        Ok(FoundPage { found: self.moments(query, &rows).await?, next })
    }

    /// The same of one asset's transcripts alone, which are few.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub async fn search_in(
        &mut self,
        asset: AssetId,
        query: &str,
        after: Option<TranscriptId>,
        limit: u32,
    ) -> Result<FoundPage, StorageError> {
        let rows = sqlx::query_scalar!(
            "-- transcripts.search_in
            SELECT id FROM media.transcripts
            WHERE asset_id = $1 AND search @@ websearch_to_tsquery('simple', $2) AND ($3::uuid IS NULL OR id < $3)
            ORDER BY id DESC LIMIT $4",
            asset.as_uuid(),
            query,
            after.map(|id| id.as_uuid()),
            i64::from(limit),
        )
        .fetch_all(self.0.connection())
        .await?;
        let next = rows.last().filter(|_| rows.len() == limit as usize).map(|id| TranscriptId::from(*id));
        Ok(FoundPage { found: self.moments(query, &rows).await?, next })
    }

    /// Where in transcripts it is said. A query's words may be spread over segments: then those that hold any of them are told.
    async fn moments(&mut self, query: &str, transcripts: &[Uuid]) -> Result<Vec<Found>, StorageError> {
        let rows = sqlx::query!(
            r#"-- transcripts.moments
            WITH asked AS (
              SELECT websearch_to_tsquery('simple', $2) AS every,
                regexp_replace(querytree(websearch_to_tsquery('simple', $2)), '&|<->|<\d+>', '|', 'g')::tsquery AS some
            ), said AS (
              SELECT t.id, t.asset_id, t.language, s.place, (s.segment ->> 'startMs')::bigint AS start_ms,
                (s.segment ->> 'endMs')::bigint AS end_ms, s.segment ->> 'text' AS text,
                to_tsvector('simple', s.segment ->> 'text') @@ asked.every AS whole
              FROM media.transcripts t JOIN media.assets a ON a.id = t.asset_id CROSS JOIN asked
                CROSS JOIN LATERAL jsonb_array_elements(t.segments) WITH ORDINALITY AS s (segment, place)
              WHERE t.id = ANY ($1) AND a.deleted_at IS NULL AND a.status <> 'quarantined'
                AND to_tsvector('simple', s.segment ->> 'text') @@ asked.some
            ), best AS (
              SELECT said.*, rank() OVER (PARTITION BY id ORDER BY whole DESC) AS class,
                row_number() OVER (PARTITION BY id ORDER BY whole DESC, place) AS number
              FROM said
            )
            SELECT id AS "id!", asset_id AS "asset_id!", language AS "language!", start_ms AS "start_ms!", end_ms AS "end_ms!", text AS "text!"
            FROM best WHERE class = 1 AND number <= $3 ORDER BY id DESC, place"#,
            transcripts,
            query,
            MOMENTS_MAX,
        )
        .fetch_all(self.0.connection())
        .await?;
        let mut found: Vec<Found> = Vec::new();
        for row in rows {
            let transcript = TranscriptId::from(row.id);
            let moment = Moment { start_ms: row.start_ms.unsigned_abs(), end_ms: row.end_ms.unsigned_abs(), text: row.text };
            match found.last_mut().filter(|last| last.transcript == transcript) {
                Some(last) => last.moments.push(moment),
                None => found.push(Found { transcript, asset: row.asset_id.into(), language: row.language, moments: vec![moment] }),
            }
        }
        Ok(found)
    }
}
