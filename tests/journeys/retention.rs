//! How long assets are kept, by whose wish, and how much a tenant may store.
//!
//! - policy::a_tenant_reads_its_policy_and_changes_what_the_mask_names
//! - policy::what_is_no_policy_is_refused_by_its_fields
//! - policy::a_tenant_lowers_the_services_limit_for_itself_alone
//! - policy::what_is_made_where_nobody_asked_for_anything_is_the_policys
//! - policy::without_captions_no_speech_is_made_and_the_asset_is_ready
//! - quota::of_many_who_ask_at_once_just_as_many_get_in_as_there_is_room_for
//! - quota::every_way_an_upload_ends_is_counted
//! - quota::a_tenant_is_warned_at_each_step_once_until_it_has_been_below
//! - references::what_bundles_need_is_kept_and_cannot_be_deleted
//! - references::the_whole_list_of_a_bundle_replaces_the_one_before
//! - references::of_two_lists_at_once_one_stands_whole
//! - references::lists_are_cut_into_pages_that_belong_to_them
//! - references::what_is_no_reference_is_refused
//! - holds::what_is_held_is_not_deleted_before_the_last_hold_is_released
//! - holds::what_is_no_hold_is_refused
//! - sweeps::an_asset_is_deleted_when_its_days_are_over_and_erased_after_the_grace
//! - sweeps::the_days_count_from_the_end_of_the_last_reference
//! - sweeps::other_days_are_applied_to_every_asset
//! - sweeps::a_janitor_that_runs_once_does_what_is_due_and_names_the_sweep_that_failed
//! - sweeps::a_dry_run_says_what_would_go_and_why_and_changes_nothing
//! - undelete::what_comes_back_goes_on_where_the_deletion_cut_it_off
//! - undelete::what_was_deleted_while_it_was_uploaded_comes_back_as_failed
//! - undelete::only_within_the_grace_and_by_the_right_etag

mod holds;
mod policy;
mod quota;
mod references;
mod sweeps;
mod undelete;

use media_domain::AssetId;
use media_proto::{
    FieldMask, Timestamp,
    v1::{AddReferenceRequest, Asset, AssetKind, DeleteAssetRequest, KindLimit, TenantPolicy, UpdateTenantPolicyRequest},
};
use sqlx::{AssertSqlSafe, PgPool};
use tonic::Status;

use crate::harness::{Caller, samples};

const DAY: i64 = 24 * 3600;

/// An upload of so many bytes that is announced and not sent.
async fn announce(caller: &mut Caller, bytes: usize) -> Result<String, Status> {
    let request = caller.request(AssetKind::Document, "letter.rtf", bytes);
    Ok(caller.uploads.create_upload(request).await?.into_inner().asset.unwrap().id)
}

/// A letter that is uploaded whole, and is like no other. Its bytes are one more than asked for.
pub async fn letter(caller: &mut Caller, bytes: usize) -> String {
    let mut letter = samples::document(bytes);
    let words = AssetId::generate().to_string();
    letter[20..20 + words.len()].copy_from_slice(words.as_bytes());
    caller.upload(AssetKind::Document, "letter.rtf", &letter).await
}

pub async fn change(caller: &mut Caller, policy: TenantPolicy, fields: &[&str]) -> Result<TenantPolicy, Status> {
    let update_mask = Some(FieldMask { paths: fields.iter().map(ToString::to_string).collect() });
    let request = UpdateTenantPolicyRequest { policy: Some(policy), update_mask };
    Ok(caller.retention.update_tenant_policy(request).await?.into_inner().policy.unwrap())
}

pub async fn quota(caller: &mut Caller, bytes: i64) {
    change(caller, TenantPolicy { quota_bytes: Some(bytes), ..Default::default() }, &["quota_bytes"]).await.unwrap();
}

/// Lowers the limit of a kind.
pub async fn lower_limit(caller: &mut Caller, kind: AssetKind, bytes: i64) {
    let limits = vec![KindLimit { kind: kind.into(), max_bytes: bytes }];
    change(caller, TenantPolicy { limits, ..Default::default() }, &["limits"]).await.unwrap();
}

async fn refer(caller: &mut Caller, bundle: &str, asset_id: &str, expire_time: Option<Timestamp>) -> Result<Asset, Status> {
    let request = AddReferenceRequest { bundle_id: bundle.to_owned(), asset_id: asset_id.to_owned(), expire_time };
    Ok(caller.retention.add_reference(request).await?.into_inner().asset.unwrap())
}

async fn delete(caller: &mut Caller, asset_id: &str) -> Result<Asset, Status> {
    let request = DeleteAssetRequest { asset_id: asset_id.to_owned(), etag: String::new() };
    Ok(caller.assets.delete_asset(request).await?.into_inner().asset.unwrap())
}

/// Changes an asset's row behind everybody's back, as time would.
async fn set_asset(sql: &PgPool, asset_id: &str, set: &str) {
    let id = asset_id.parse::<AssetId>().unwrap().as_uuid();
    let done = sqlx::query(AssertSqlSafe(format!("UPDATE media.assets SET {set} WHERE id = '{id}'"))).execute(sql).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

/// An asset is as old as that: also its end comes so much earlier.
async fn age(sql: &PgPool, asset_id: &str, days: i64) {
    let set = format!("created_at = created_at - interval '{days} days', retention_until = retention_until - interval '{days} days'");
    set_asset(sql, asset_id, &set).await;
}

/// How many rows a table has.
async fn count(sql: &PgPool, rows: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {rows}"))).fetch_one(sql).await.unwrap()
}

/// Whether two times are within a minute of each other.
fn is_about(time: Option<Timestamp>, seconds: i64) -> bool {
    time.is_some_and(|time| (time.seconds - seconds).abs() < 60)
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}
