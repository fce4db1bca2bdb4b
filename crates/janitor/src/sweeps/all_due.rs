//! A turn of a sweep that takes all that is due, whatever stands at the head of the line.

use std::{collections::HashSet, fmt::Display, hash::Hash};

use media_storage::StorageError;

use super::{BATCH, swept};

/// So many rows a turn tries in vain before it takes the store for what is at fault, and leaves the rest to the next one.
const FAILURES_MAX: usize = 1000;

/// Sweeps batch after batch; answers how many rows were swept. `due` tells the first rows that are due, as many as it is asked for. It
/// goes on telling those that could not be swept, so each batch is asked for beyond them.
///
/// # Errors
/// If `due` fails.
pub async fn all_due<T, K: Eq + Hash + Display>(
    name: &'static str,
    due: impl AsyncFn(i32) -> Result<Vec<T>, StorageError>,
    key: impl Fn(&T) -> K,
    sweep: impl AsyncFn(T) -> anyhow::Result<bool>,
) -> anyhow::Result<u64> {
    let (mut count, mut failures) = (0, 0);
    let mut left = HashSet::new();
    while failures < FAILURES_MAX {
        let mut batch = due(BATCH.saturating_add(i32::try_from(left.len())?)).await?;
        batch.retain(|row| !left.contains(&key(row)));
        if batch.is_empty() {
            break;
        }
        for row in batch {
            let key = key(&row);
            let outcome = sweep(row).await;
            failures += usize::from(outcome.is_err());
            match swept(name, &key, outcome) {
                0 => {
                    left.insert(key);
                }
                done => count += done,
            }
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Rows by their numbers; those below `stuck` cannot be swept.
    async fn turn(rows: Vec<i32>, stuck: i32, why: fn() -> anyhow::Result<bool>) -> (u64, Vec<i32>) {
        let rows = Mutex::new(rows);
        let due = async |most: i32| Ok(rows.lock().unwrap().iter().copied().take(usize::try_from(most).unwrap()).collect());
        let sweep = async |row: i32| {
            if row < stuck {
                return why();
            }
            rows.lock().unwrap().retain(|other| *other != row);
            Ok(true)
        };
        let count = all_due("rows", due, |row| *row, sweep).await.unwrap();
        (count, rows.into_inner().unwrap())
    }

    #[tokio::test]
    async fn rows_that_cannot_be_swept_keep_none_behind_them_from_its_turn() {
        let (count, left) = turn((0..450).collect(), 120, || Err(anyhow::anyhow!("denied"))).await;
        assert_eq!((count, left), (330, (0..120).collect()));
    }

    #[tokio::test]
    async fn where_nothing_can_be_swept_a_turn_ends() {
        let (count, left) = turn((0..5000).collect(), 5000, || Err(anyhow::anyhow!("the store is away"))).await;
        assert_eq!((count, left.len()), (0, 5000));
    }

    #[tokio::test]
    async fn rows_whose_time_has_not_come_are_no_failures() {
        let (count, left) = turn((0..2100).collect(), 2000, || Ok(false)).await;
        assert_eq!((count, left.len()), (100, 2000));
    }
}
