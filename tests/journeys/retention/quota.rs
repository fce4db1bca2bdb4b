//! How much a tenant may store: exact at the door, and given back by every way out.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::TenantId;
use media_proto::v1::{AbortUploadRequest, AssetKind, AssetStatus};
use sqlx::PgPool;
use tonic::Code;
use tonic_types::StatusExt;

use super::{announce, count, delete, letter, quota, set_asset};
use crate::{
    harness::{World, eventually, samples},
    refusals::{reason, refusal},
};

const LIMIT: Duration = Duration::from_secs(30);

/// What is counted: used, reserved.
async fn counted(sql: &PgPool, tenant: TenantId) -> (i64, i64) {
    sqlx::query_as("SELECT used_bytes, reserved_bytes FROM media.tenant_usage WHERE tenant_id = $1")
        .bind(tenant.0)
        .fetch_one(sql)
        .await
        .unwrap()
}

/// The same from the rows themselves.
async fn recounted(sql: &PgPool, tenant: TenantId) -> (i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT coalesce(sum(size_bytes), 0)::bigint FROM media.blobs
                 WHERE tenant_id = $1 AND doomed_at IS NULL AND key LIKE '%/original'),
                (SELECT coalesce(sum(size_bytes), 0)::bigint FROM media.uploads WHERE tenant_id = $1 AND state = 'open')",
    )
    .bind(tenant.0)
    .fetch_one(sql)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_at_once_just_as_many_get_in_as_there_is_room_for() {
    let world = World::with("quota-exact", &[Binary::Api]).await;
    let (mut owner, mut other, sql) = (world.caller().await, world.caller().await, world.sql().await);
    quota(&mut owner, 10_500).await;
    letter(&mut owner, 499).await;
    let asking: Vec<_> = (0..24)
        .map(|_| {
            let mut owner = owner.clone();
            tokio::spawn(async move { announce(&mut owner, 1000).await })
        })
        .collect();
    let (mut let_in, mut turned_away) = (0, 0);
    for asked in asking {
        match asked.await.unwrap() {
            Ok(_) => let_in += 1,
            Err(full) => {
                turned_away += 1;
                assert_eq!(refusal(&full), reason(Code::ResourceExhausted, "QUOTA_EXCEEDED"));
                let details = full.get_error_details();
                let of = |key: &str| details.error_info().unwrap().metadata[key].parse::<i64>().unwrap();
                assert_eq!([of("used_bytes"), of("reserved_bytes"), of("asked_bytes"), of("quota_bytes")], [500, 10_000, 1000, 10_500]);
                assert!(full.message().contains("10500") && details.retry_info().is_none(), "{full:?}");
            }
        }
    }
    assert_eq!((let_in, turned_away), (10, 14));
    assert_eq!(counted(&sql, owner.tenant).await, (500, 10_000));
    assert_eq!(count(&sql, "media.assets").await, 11, "nothing is left of those who were turned away");
    announce(&mut other, 1000).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_an_upload_ends_is_counted() {
    let mut world = World::new("quota-ends").await;
    world.fleet.set("MEDIA__SWEEPS__ABANDONED_AFTER", "1h");
    world.start_all(&[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Janitor]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let tenant = owner.tenant;
    let is = async |expected: (i64, i64), what: &str| {
        eventually(what, LIMIT, async || {
            let seen = (counted(&sql, tenant).await, recounted(&sql, tenant).await);
            if seen == (expected, expected) { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    let aborted = announce(&mut owner, 1000).await.unwrap();
    is((0, 1000), "it is reserved").await;
    owner.uploads.abort_upload(AbortUploadRequest { asset_id: aborted }).await.unwrap();
    is((0, 0), "given up, it is given back").await;

    let deleted = announce(&mut owner, 2000).await.unwrap();
    is((0, 2000), "it is reserved").await;
    delete(&mut owner, &deleted).await.unwrap();
    is((0, 0), "deleted while it is uploaded, it is given back").await;

    announce(&mut owner, 3000).await.unwrap();
    is((0, 3000), "it is reserved").await;
    sqlx::query("UPDATE media.uploads SET created_at = created_at - interval '2 hours' WHERE state = 'open'").execute(&sql).await.unwrap();
    is((0, 0), "abandoned, it is given back").await;

    let stored = letter(&mut owner, 4000).await;
    is((4001, 0), "what was reserved is used").await;
    let infected = samples::eicar();
    let quarantined = owner.upload(AssetKind::Document, "virus.txt", &infected).await;
    let kept = 4001 + i64::try_from(infected.len()).unwrap();
    eventually("the scanner has it", LIMIT, async || {
        let status = owner.clone().get(&quarantined).await.asset.unwrap().status();
        if status == AssetStatus::Quarantined { Ok(()) } else { Err(status) }
    })
    .await;
    is((kept, 0), "in quarantine it is stored once").await;

    for id in [&stored, &quarantined] {
        delete(&mut owner, id).await.unwrap();
    }
    is((kept, 0), "deleted, it can be brought back").await;
    for id in [&stored, &quarantined] {
        set_asset(&sql, id, "deleted_at = deleted_at - interval '31 days'").await;
    }
    is((0, 0), "erased, it is given back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_warned_at_each_step_once_until_it_has_been_below() {
    let world = World::with("quota-warned", &[Binary::Relay, Binary::Api]).await;
    let consumer = world.consumer().await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let subject = owner.tenant.to_string();
    let warned = async |percents: &[i64], what: &str| {
        eventually(what, LIMIT, async || {
            let events = consumer.of(&subject);
            let seen: Vec<_> = events.iter().map(|event| event.data["percent"].as_i64().unwrap()).collect();
            if seen == percents { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    quota(&mut owner, 100_000).await;
    announce(&mut owner, 69_999).await.unwrap();
    let file = samples::document(9_999);
    let created = owner.create(owner.request(AssetKind::Document, "letter.rtf", file.len())).await;
    assert_eq!(count(&sql, "media.outbox WHERE aggregate = 'tenant'").await, 0);
    announce(&mut owner, 1).await.unwrap();
    warned(&[80], "80 % are reached").await;
    let event = consumer.of(&subject).pop().unwrap();
    assert_eq!((event.event_type.as_str(), event.tenant.as_str(), event.sequence), ("media.quota.warned.v1", subject.as_str(), 1));
    assert_eq!(event.data["tenantId"], subject);
    let sizes = ["usedBytes", "reservedBytes", "quotaBytes"].map(|name| event.data[name].as_str().unwrap().to_owned());
    assert_eq!(sizes, ["0", "80000", "100000"]);

    // On its way from reserved to used it is not below for anybody.
    owner.put_all(&created, &file).await;
    owner.complete(&created.asset.unwrap().id).await.unwrap();
    announce(&mut owner, 10_001).await.unwrap();
    let filling = announce(&mut owner, 4_999).await.unwrap();
    warned(&[80, 95], "95 % are reached, and 80 % are told of once").await;
    owner.uploads.abort_upload(AbortUploadRequest { asset_id: filling }).await.unwrap();
    announce(&mut owner, 6_000).await.unwrap();
    warned(&[80, 95, 95], "95 % are reached again").await;

    quota(&mut owner, 1_000_000).await;
    quota(&mut owner, 100_000).await;
    warned(&[80, 95, 95, 80, 95], "a quota that is lowered can be reached, too: both steps are told").await;
    consumer.assert_in_order(&subject);
}
