//! Files that are fetched from elsewhere, and where nothing is fetched from.
//!
//! - fetched::a_file_is_fetched_once_and_goes_the_way_of_every_upload
//! - fetched::redirects_are_followed_and_a_length_need_not_be_known
//! - fetched::over_https_only_a_server_with_a_trusted_certificate_is_believed
//! - fetched::a_server_in_trouble_is_asked_again
//! - refused::what_a_url_itself_tells_is_refused_with_its_rule_and_leaves_nothing
//! - refused::a_name_of_an_address_that_is_not_public_fails_and_nobody_is_connected_to
//! - refused::a_redirect_to_where_nothing_is_fetched_from_fails
//! - lengths::what_is_not_as_it_was_announced_fails_by_its_fault_and_leaves_nothing
//! - lengths::what_never_ends_is_cut_at_the_limit
//! - lengths::bytes_are_reserved_as_they_are_known_and_the_quota_has_the_last_word
//! - ended::an_import_that_is_aborted_or_deleted_stops_and_leaves_nothing
//! - ended::servers_that_are_slow_keep_no_scan_waiting
//! - ended::a_long_import_is_not_an_abandoned_upload
//! - once::an_import_that_is_sent_again_is_answered_with_the_asset_that_it_made
//! - once::who_imports_too_fast_is_told_when_to_come_back
//! - secrets::a_url_is_read_by_the_scanner_alone_and_forgotten_with_the_import
//! - typed::a_person_imports_from_a_shell
//! - kills::import::a_scanner_killed_in_the_middle_of_an_import_is_followed_by_one_that_begins_anew

mod ended;
mod fetched;
mod lengths;
mod once;
mod refused;
mod secrets;
mod typed;

use std::time::Duration;

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{Asset, AssetKind, AssetStatus, ImportAssetRequest};
use sqlx::PgPool;
use tonic::Status;

use crate::harness::{Caller, Web, World};

const LIMIT: Duration = Duration::from_secs(60);

/// A world that fetches from this one server, which is not public, and from no other like it.
async fn world(name: &str, web: &Web, binaries: &[Binary]) -> World {
    let mut world = World::new(name).await;
    open_to(&mut world, web);
    world.start_all(binaries).await;
    world
}

pub fn open_to(world: &mut World, web: &Web) {
    world.fleet.set("MEDIA__IMPORT__ALLOW", "127.0.0.1/32");
    world.fleet.set("MEDIA__IMPORT__PLAIN_HTTP", "true");
    world.fleet.set("MEDIA__IMPORT__PORTS", format!("[80, 443, {}]", web.port));
}

/// A request for an import that nothing is wrong with.
pub fn request(caller: &Caller, kind: AssetKind, filename: &str, url: &str) -> ImportAssetRequest {
    ImportAssetRequest {
        url: url.to_owned(),
        kind: kind.into(),
        filename: filename.to_owned(),
        owner_user_id: caller.owner.to_string(),
        ..Default::default()
    }
}

pub async fn import(caller: &mut Caller, request: ImportAssetRequest) -> Result<Asset, Status> {
    Ok(caller.uploads.import_asset(request).await?.into_inner().asset.unwrap())
}

/// Imports a letter; answers its asset's id.
async fn letter(caller: &mut Caller, url: &str) -> String {
    import(caller, request(caller, AssetKind::Document, "letter.rtf", url)).await.unwrap().id
}

/// Waits until an import has failed; says why, in a word and in words.
async fn failed(caller: &mut Caller, id: &str) -> (String, String) {
    let asset = caller.until(id, AssetStatus::Failed, LIMIT).await.asset.unwrap();
    assert!(!asset.failure_detail.is_empty(), "{asset:?}");
    (asset.failure_reason, asset.failure_detail)
}

/// What may pass is not tried a second time.
async fn try_once(sql: &PgPool) {
    sqlx::query("UPDATE media.work SET failures = 2 WHERE group_name = 'import' AND state = 'waiting'").execute(sql).await.unwrap();
}

/// What is counted of a tenant: used, reserved.
async fn counted(sql: &PgPool, caller: &Caller) -> (i64, i64) {
    let row = sqlx::query_as("SELECT used_bytes, reserved_bytes FROM media.tenant_usage WHERE tenant_id = $1").bind(caller.tenant.0);
    row.fetch_optional(sql).await.unwrap().unwrap_or_default()
}

/// How many imports and URLs the database holds.
async fn under_way(sql: &PgPool) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT count(*) FROM media.imports), (SELECT count(*) FROM media.import_urls)").fetch_one(sql).await.unwrap()
}

fn asset_id(id: &str) -> AssetId {
    id.parse().unwrap()
}
