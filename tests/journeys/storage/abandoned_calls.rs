//! Callers that are dropped in the middle of a call, as a heartbeat is when its job ends, or a request when its client goes away.

use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::place::{Place, tenant};
use crate::harness::eventually;

const LIMIT: Duration = Duration::from_secs(5);
/// Only a drop between the sending of BEGIN and its answer does harm: with sqlx 0.9's own `begin`, 2 of 200.
const CALLS: usize = 400;

#[tokio::test]
async fn a_caller_that_is_dropped_while_its_transaction_begins_leaves_none_open() {
    let place = Place::new("abandoned-begin").await;
    for micros in (0..2_000).step_by(20).cycle().take(CALLS) {
        tokio::select! {
            biased;
            begun = place.scanner.in_tenant(tenant(), "test.abandoned") => drop(begun.unwrap()),
            () = for_about(Duration::from_micros(micros)) => {}
        }
        // One that stays open would only end with the next that begins on its connection.
        eventually("every transaction is over", LIMIT, async || {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'media_scanner' AND xact_start IS NOT NULL",
            )
            .fetch_one(&place.superuser)
            .await
            .unwrap();
            if open == 0 { Ok(()) } else { Err(open) }
        })
        .await;
    }
}

/// Finer than tokio's clock, which counts milliseconds.
async fn for_about(duration: Duration) {
    let end = Instant::now() + duration;
    while Instant::now() < end {
        yield_now().await;
    }
}
