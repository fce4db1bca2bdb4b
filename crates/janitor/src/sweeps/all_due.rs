//! A turn of a sweep that takes what is due, also behind rows at the head of the line that cannot be swept.

use std::{collections::HashSet, fmt::Display, hash::Hash};

use media_blobs::BlobError;
use media_storage::StorageError;

use super::{BATCH, Whose, is_done_elsewhere, swept};

/// After so many failures a turn ends; rows after them have to wait.
const FAILURES_MAX: usize = 1000;
/// After so many in a row it is the store that is away, and the turn ends.
const AWAY_AFTER: usize = 5;

/// Sweeps batch after batch; answers how many rows were swept. `due` tells the first rows that are due, as many as it is asked for. It
/// goes on telling those that could not be swept, so each batch is asked for beyond them. `key` and `whose` say which row it was.
///
/// # Errors
/// If `due` fails.
pub(super) async fn all_due<T, K: Eq + Hash + Display>(
    name: &'static str,
    due: impl AsyncFn(i32) -> Result<Vec<T>, StorageError>,
    key: impl Fn(&T) -> K,
    whose: impl Fn(&T) -> Whose,
    sweep: impl AsyncFn(T) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let (mut count, mut failures, mut away) = (0, 0, 0);
    let mut left = HashSet::new();
    while failures < FAILURES_MAX {
        let mut batch = due(BATCH.saturating_add(i32::try_from(left.len())?)).await?;
        batch.retain(|row| !left.contains(&key(row)));
        if batch.is_empty() {
            break;
        }
        for row in batch {
            let (key, whose) = (key(&row), whose(&row));
            let outcome = sweep(row).await;
            if let Err(error) = &outcome {
                failures += usize::from(!is_done_elsewhere(error));
            }
            away = if is_away(&outcome) { away + 1 } else { 0 };
            match swept(name, whose, &key, outcome) {
                0 => {
                    left.insert(key);
                }
                done => count += done,
            }
            if away == AWAY_AFTER {
                return Ok(count);
            }
        }
    }
    Ok(count)
}

fn is_away(outcome: &anyhow::Result<bool>) -> bool {
    let error = outcome.as_ref().err().and_then(|error| error.downcast_ref::<BlobError>());
    error.is_some_and(BlobError::is_transient)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use media_domain::TenantId;

    use super::*;

    /// Sweeps rows by their numbers, of which those below `stuck` cannot be swept: how many were, what is left, and how many tries it took.
    async fn turn(rows: Vec<i32>, stuck: i32, why: fn() -> anyhow::Result<bool>) -> (u64, Vec<i32>, usize) {
        let (rows, tries) = (Mutex::new(rows), AtomicUsize::new(0));
        let due = async |most: i32| Ok(rows.lock().unwrap().iter().copied().take(usize::try_from(most).unwrap()).collect());
        let sweep = async |row: i32| {
            tries.fetch_add(1, Ordering::Relaxed);
            if row < stuck {
                return why();
            }
            rows.lock().unwrap().retain(|other| *other != row);
            Ok(true)
        };
        let count = all_due("rows", due, |row| *row, |_| Whose::tenant(TenantId::NOBODY), sweep).await.unwrap();
        (count, rows.into_inner().unwrap(), tries.into_inner())
    }

    #[tokio::test]
    async fn rows_that_cannot_be_swept_keep_none_behind_them_from_its_turn() {
        let (count, left, tries) = turn((0..450).collect(), 120, || Err(anyhow::anyhow!("denied"))).await;
        assert_eq!((count, left, tries), (330, (0..120).collect(), 450));
    }

    #[tokio::test]
    async fn a_turn_with_a_thousand_failures_ends() {
        let (count, left, tries) = turn((0..5000).collect(), 5000, || Err(anyhow::anyhow!("denied"))).await;
        assert_eq!((count, left.len()), (0, 5000));
        assert!(tries < FAILURES_MAX + 2 * BATCH.unsigned_abs() as usize, "{tries}");
    }

    #[tokio::test]
    async fn rows_whose_time_has_not_come_are_no_failures() {
        let (count, left, _) = turn((0..2100).collect(), 2000, || Ok(false)).await;
        assert_eq!((count, left.len()), (100, 2000));
    }

    #[tokio::test]
    async fn where_the_store_is_away_a_turn_ends_soon() {
        let away = || Err(BlobError::Transient("the store is away".into()).into());
        assert_eq!(turn((0..500).collect(), 500, away).await.2, AWAY_AFTER);
    }
}
