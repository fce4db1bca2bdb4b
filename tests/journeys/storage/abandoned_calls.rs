//! Callers that are dropped in the middle of a call, as a heartbeat is when its job ends, or a request when its client goes away.

use std::time::Duration;

use media_domain::{
    Kind,
    work::{Group, Queue},
};
use tokio::time::timeout;

use super::place::{LEASE, Place, plan_group, tenant};
use crate::harness::eventually;

const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_caller_that_is_dropped_while_its_transaction_begins_leaves_none_open_on_the_connection() {
    let place = Place::new("abandoned-begin").await;
    for micros in (0..4_000).step_by(50) {
        // Whether it began is a matter of chance, and both are right.
        timeout(Duration::from_micros(micros), place.scanner.in_tenant(tenant(), "test.abandoned")).await.ok();
    }
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

#[tokio::test]
async fn a_claim_after_dropped_callers_is_committed() {
    let place = Place::new("abandoned-claim").await;
    let tenant = tenant();
    for micros in (0..4_000).step_by(50) {
        timeout(Duration::from_micros(micros), place.scanner.in_tenant(tenant, "test.abandoned")).await.ok();
    }
    for _ in 0..20 {
        let asset = place.asset(tenant, Kind::Document).await;
        let mut tx = place.api.in_tenant(tenant, "test.plan").await.unwrap();
        plan_group(&mut tx, asset, Group::Scan, &[]).await;
        tx.commit().await.unwrap();
        let claimed = place.scanner.across_tenants().claim(Queue::Scan, "test", LEASE, None).await.unwrap().expect("it waits");
        let state: String = sqlx::query_scalar("SELECT state FROM media.work WHERE id = $1")
            .bind(claimed.work.as_uuid())
            .fetch_one(&place.superuser)
            .await
            .unwrap();
        assert_eq!(state, "running");
    }
}
