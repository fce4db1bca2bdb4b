//! The same bytes twice: one tenant stores and encodes them once, and another never learns of it.
//!
//! - early::bytes_that_are_there_are_shared_at_once_and_nothing_is_uploaded
//! - early::what_was_asked_for_here_and_not_there_is_made
//! - early::what_is_no_twin_is_uploaded
//! - late::of_two_in_flight_at_once_one_is_encoded_and_both_are_ready
//! - late::a_follower_waits_for_its_leader_and_has_what_it_has
//! - late::what_is_heard_of_one_is_written_down_for_both
//! - ends::the_first_is_deleted_while_the_second_is_scanned
//! - ends::where_the_leader_is_deleted_the_oldest_follower_is_encoded_and_the_others_follow_it
//! - ends::who_follows_an_asset_that_an_older_worker_ended_is_encoded_by_itself
//! - ends::a_leader_that_fails_takes_nobody_with_it
//! - ends::the_bytes_go_with_the_last_who_names_them
//! - ends::what_is_made_again_for_one_leaves_the_others_as_they_are
//! - found::what_is_found_in_shared_bytes_is_found_for_all_who_have_them
//! - tenants::two_tenants_have_two_sets_and_neither_is_told_of_the_other

mod early;
mod ends;
mod found;
mod late;
mod tenants;

use std::{collections::BTreeSet, time::Duration};

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{Asset, AssetKind, AssetStatus, CreateUploadRequest, CreateUploadResponse, GetDownloadUrlRequest};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::harness::{Caller, World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(90);
const WITHOUT_TRANSCODER: [Binary; 4] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor];
const ALL: [Binary; 5] = [Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder, Binary::Janitor];

/// A picture that no other call of this makes.
pub fn picture() -> Vec<u8> {
    let mut picture = samples::picture(400, 200);
    // Behind its end nothing is looked at.
    picture.extend(AssetId::generate().to_string().bytes());
    picture
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Announces bytes by their hash.
pub async fn announce(caller: &mut Caller, kind: AssetKind, bytes: &[u8]) -> CreateUploadResponse {
    let request = CreateUploadRequest { sha256: sha256(bytes), ..caller.request(kind, "card.png", bytes.len()) };
    caller.create(request).await
}

/// Waits until an asset is in a state, whatever its jobs.
async fn is(caller: &Caller, id: &str, status: AssetStatus) -> Asset {
    let mut caller = caller.clone();
    eventually(&format!("{id} is {}", status.as_str_name()), LIMIT, async move || {
        let asset = caller.get(id).await.asset.unwrap();
        if asset.status() == status { Ok(asset) } else { Err((asset.status(), asset.failure_reason)) }
    })
    .await
}

/// The objects that an asset names: its original and its variants.
async fn named(sql: &PgPool, id: &str) -> BTreeSet<String> {
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT key FROM media.assets WHERE id = $1 UNION SELECT key FROM media.variants WHERE asset_id = $1")
            .bind(uuid(id))
            .fetch_all(sql)
            .await
            .unwrap();
    keys.into_iter().collect()
}

/// How often an asset was looked into and encoded.
async fn encoded(sql: &PgPool, id: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM media.work WHERE asset_id = $1 AND queue = 'transcode' AND state = 'succeeded'")
        .bind(uuid(id))
        .fetch_one(sql)
        .await
        .unwrap()
}

async fn follows(sql: &PgPool, id: &str) -> Option<String> {
    let follows: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT follows FROM media.assets WHERE id = $1").bind(uuid(id)).fetch_one(sql).await.unwrap();
    follows.map(|id| AssetId::from(id).to_string())
}

fn uuid(id: &str) -> uuid::Uuid {
    id.parse::<AssetId>().unwrap().as_uuid()
}

/// An object of an asset, as it is downloaded: the original where no profile is named.
async fn download(caller: &mut Caller, id: &str, profile: &str) -> Result<Vec<u8>, tonic::Status> {
    let request = GetDownloadUrlRequest { asset_id: id.to_owned(), profile: profile.to_owned() };
    let url = caller.playback.get_download_url(request).await?.into_inner().url;
    Ok(reqwest::get(url).await.unwrap().error_for_status().unwrap().bytes().await.unwrap().to_vec())
}

/// Two that are uploaded whole and have been scanned: the first leads, and the second follows it.
async fn leader_and_follower(world: &World, caller: &mut Caller, bytes: &[u8]) -> (String, String) {
    let sql = world.sql().await;
    let leader = caller.upload(AssetKind::Image, "card.png", bytes).await;
    is(caller, &leader, AssetStatus::Transcoding).await;
    let follower = caller.upload(AssetKind::Image, "again.png", bytes).await;
    is(caller, &follower, AssetStatus::Transcoding).await;
    assert_eq!(follows(&sql, &follower).await.as_ref(), Some(&leader));
    (leader, follower)
}
