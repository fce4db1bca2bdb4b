//! Originals that nobody uses go to the cold tier, and come back.
//!
//! - moved::what_nobody_has_used_for_its_tenants_days_goes_and_its_variants_stay_hot
//! - moved::an_original_that_several_assets_name_goes_with_the_last_of_them
//! - moved::every_use_is_noted_and_at_most_once_a_day
//! - moved::what_a_killed_janitor_had_in_hand_is_brought_to_its_end
//! - moved::a_dry_run_says_what_would_go_and_why
//! - restored::what_is_archived_is_refused_until_it_was_brought_back_and_then_again
//! - restored::days_and_states_of_a_restore_are_checked
//! - restored::a_person_restores_from_a_shell
//! - stores::a_store_that_does_not_know_the_class_or_its_restores_is_told_at_the_start

mod moved;
mod restored;
mod stores;

use std::time::Duration;

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{ArchiveState, Asset, AssetKind, AssetStatus};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use crate::harness::{Caller, World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(60);
/// Enough that the asset of a picture or letter becomes ready.
const MAKERS: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder];

/// A letter like no other, or it would share what is stored of the other.
fn letter() -> Vec<u8> {
    [samples::document(500), Uuid::new_v4().to_string().into_bytes()].concat()
}

/// A letter that is ready and that nobody has used for so many days.
async fn unused_letter(caller: &mut Caller, sql: &PgPool, days: u32) -> String {
    let id = caller.upload(AssetKind::Document, "letter.rtf", &letter()).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    unused_for(sql, &id, days).await;
    id
}

/// Lets days go by in which nobody uses an asset.
async fn unused_for(sql: &PgPool, id: &str, days: u32) {
    set(sql, id, &format!("created_at = now() - interval '{days} days', last_accessed_at = NULL, retention_class = 'authored'")).await;
}

async fn set(sql: &PgPool, id: &str, set: &str) {
    let id = id.parse::<AssetId>().unwrap().as_uuid();
    let done = sqlx::query(AssertSqlSafe(format!("UPDATE media.assets SET {set} WHERE id = '{id}'"))).execute(sql).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// Waits until an asset's original stands there.
async fn until(caller: &Caller, id: &str, state: ArchiveState) -> Asset {
    let mut caller = caller.clone();
    eventually(&format!("{id} is {}", state.as_str_name()), LIMIT, async move || {
        let asset = caller.get(id).await.asset.unwrap();
        if asset.archive_state() == state { Ok(asset) } else { Err(asset.archive_state()) }
    })
    .await
}

/// Waits until an asset's original has arrived in the cold tier: on its way there it looks the same to callers.
async fn until_archived(caller: &Caller, sql: &PgPool, id: &str) {
    until(caller, id, ArchiveState::Archived).await;
    eventually("none is on its way", LIMIT, async || {
        let states = states(sql).await;
        if states.iter().any(|state| state == "archiving") { Err(states) } else { Ok(()) }
    })
    .await;
}

/// What the database says of the archived objects.
async fn states(sql: &PgPool) -> Vec<String> {
    sqlx::query_scalar("SELECT archive_state FROM media.blobs WHERE archive_state IS NOT NULL ORDER BY key").fetch_all(sql).await.unwrap()
}

/// Which storage class the store says an original has.
async fn class(world: &World, caller: &Caller, id: &str) -> Option<String> {
    let store = crate::refusals::leftovers::store(world);
    let key = format!("tenants/{}/media/{id}/original", caller.tenant);
    let head = store.head_object().bucket(world.isolated().bucket()).key(key).send().await.unwrap();
    head.storage_class().map(|class| class.as_str().to_owned()).filter(|class| class != "STANDARD")
}
