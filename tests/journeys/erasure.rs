//! What is erased is gone, and what stays says why.
//!
//! - owner::what_a_person_left_goes_and_what_stays_names_nobody
//! - owner::what_a_person_does_while_a_hold_keeps_the_erasure_open_stays
//! - owner::an_erasure_has_its_turn_however_many_wait_for_holds
//! - owner::two_erasures_of_what_a_hold_kept_and_a_bundle_needs_both_come_to_their_end
//! - owner::a_janitor_that_is_killed_in_the_middle_is_followed_by_one_that_goes_on
//! - owner::a_person_erases_from_a_shell
//! - tenant::nothing_of_a_tenant_is_left_but_the_receipt
//! - tenant::what_is_no_erasure_is_refused

mod owner;
mod tenant;

use std::time::Duration;

use media_proto::v1::{Erasure, ErasureItem, ErasureOutcome, ErasureState, GetErasureRequest};
use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::harness::{Caller, eventually};

const LIMIT: Duration = Duration::from_secs(90);

/// An erasure with its whole receipt, read page by page.
async fn receipt(caller: &mut Caller, id: &str) -> (Erasure, Vec<ErasureItem>) {
    let mut request = GetErasureRequest { erasure_id: id.to_owned(), page_size: 3, page_token: String::new() };
    let mut items = Vec::new();
    loop {
        let page = caller.retention.get_erasure(request.clone()).await.unwrap().into_inner();
        assert!(page.items.len() <= 3);
        items.extend(page.items);
        if page.next_page_token.is_empty() {
            return (page.erasure.unwrap(), items);
        }
        request.page_token = page.next_page_token;
    }
}

async fn done(caller: &Caller, id: &str) -> (Erasure, Vec<ErasureItem>) {
    let mut caller = caller.clone();
    eventually("the erasure is done", LIMIT, async move || {
        let (erasure, items) = receipt(&mut caller, id).await;
        if erasure.state() == ErasureState::Done { Ok((erasure, items)) } else { Err(erasure.counts) }
    })
    .await
}

/// What became of an asset itself.
fn outcome(items: &[ErasureItem], asset_id: &str) -> Option<ErasureOutcome> {
    items.iter().find(|item| item.asset_id == asset_id && item.key.is_empty()).map(ErasureItem::outcome)
}

/// Every row of every table in which a text stands, in any column, as `table: row`.
async fn rows_with(sql: &PgPool, texts: &[String]) -> Vec<String> {
    let tables = sqlx::query(
        "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
    )
    .fetch_all(sql)
    .await
    .unwrap();
    assert!(tables.len() > 15, "the catalogue was not read");
    let mut found = Vec::new();
    for table in tables {
        let name: String = table.get("name");
        let text = format!("SELECT '{name}: ' || t::text FROM {name} t WHERE t::text ILIKE ANY ($1)");
        let patterns: Vec<String> = texts.iter().map(|text| format!("%{text}%")).collect();
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(text)).bind(&patterns).fetch_all(sql).await.unwrap();
        found.extend(rows);
    }
    found
}
