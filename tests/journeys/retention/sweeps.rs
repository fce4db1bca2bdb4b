//! What time does to assets, and what it leaves alone.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::{AssetId, OwnerId};
use media_proto::v1::{EraseOwnerRequest, GetAssetRequest, TenantPolicy};
use sqlx::AssertSqlSafe;
use tonic::Code;

use super::{DAY, age, announce, change, count, delete, is_about, letter, now, refer, set_asset};
use crate::{
    harness::{World, eventually},
    refusals::leftovers,
};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_deleted_when_its_days_are_over_and_erased_after_the_grace() {
    let mut world = World::with("retention-ends", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let consumer = world.consumer().await;
    let (mut owner, mut other) = (world.caller().await, world.caller().await);
    let (sql, store) = (world.sql().await, leftovers::store(&world));
    let over = letter(&mut owner, 1000).await;
    let theirs = letter(&mut other, 1000).await;
    let (fresh, needed, authored) = (letter(&mut owner, 1000).await, letter(&mut owner, 1000).await, letter(&mut owner, 1000).await);
    refer(&mut owner, "b", &needed, None).await.unwrap();
    set_asset(&sql, &authored, "retention_class = 'authored'").await;
    for id in [&over, &theirs, &needed, &authored] {
        age(&sql, id, 91).await;
    }
    age(&sql, &fresh, 89).await;

    // Two at once do what one does.
    world.start_all(&[Binary::Janitor, Binary::Janitor]).await;
    for id in [&over, &theirs] {
        consumer.until(id, "media.asset.deleted.v1", LIMIT).await;
    }
    assert_eq!(owner.assets.get_asset(GetAssetRequest { asset_id: over.clone() }).await.unwrap_err().code(), Code::NotFound);
    for id in [&fresh, &needed, &authored] {
        assert!(owner.get(id).await.asset.unwrap().delete_time.is_none(), "{id}");
    }
    assert_eq!(count(&sql, "media.assets").await, 5, "in the grace everything is there");
    assert_eq!(leftovers::objects(&store, &world, owner.tenant).await.len(), 4);

    set_asset(&sql, &over, "deleted_at = deleted_at - interval '31 days'").await;
    set_asset(&sql, &theirs, "deleted_at = deleted_at - interval '29 days'").await;
    consumer.until(&over, "media.asset.erased.v1", LIMIT).await;
    consumer.assert_in_order(&over);
    let deleted = consumer.of(&over).iter().filter(|event| event.event_type == "media.asset.deleted.v1").count();
    assert_eq!(deleted, 1);
    eventually("its bytes are gone", LIMIT, async || {
        let left = leftovers::objects(&store, &world, owner.tenant).await;
        if left.len() == 3 && !left.iter().any(|name| name.contains(&over)) { Ok(()) } else { Err(left) }
    })
    .await;
    let id = over.parse::<AssetId>().unwrap().as_uuid();
    for table in ["uploads", "work", "transcode_jobs", "variants", "asset_references"] {
        assert_eq!(count(&sql, &format!("media.{table} WHERE asset_id = '{id}'")).await, 0, "{table}");
    }
    assert_eq!(count(&sql, "media.assets").await, 4, "the other tenant's has two days left");
    leftovers::assert_nothing_is_left(&world, owner.tenant).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_days_count_from_the_end_of_the_last_reference() {
    let mut world = World::with("retention-references", &[Binary::Relay, Binary::Api]).await;
    let consumer = world.consumer().await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let (recent, long_ago) = (announce(&mut owner, 1000).await.unwrap(), announce(&mut owner, 1000).await.unwrap());
    for id in [&recent, &long_ago] {
        refer(&mut owner, "b", id, super::at(now() + DAY)).await.unwrap();
        age(&sql, id, 300).await;
    }
    let ended = |id: &str, days: i64| {
        let id = id.parse::<AssetId>().unwrap().as_uuid();
        format!("UPDATE media.asset_references SET expires_at = now() - interval '{days} days' WHERE asset_id = '{id}'")
    };
    for (id, days) in [(&recent, 10), (&long_ago, 91)] {
        sqlx::query(sqlx::AssertSqlSafe(ended(id, days))).execute(&sql).await.unwrap();
    }
    let janitor = world.start(Binary::Janitor, &[]).await;
    consumer.until(&long_ago, "media.asset.deleted.v1", LIMIT).await;
    eventually("the rows of ended references are gone", LIMIT, async || {
        let left = count(&sql, "media.asset_references").await;
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
    let kept = owner.get(&recent).await.asset.unwrap();
    assert!(is_about(kept.retention_until, now() + 80 * DAY), "{kept:?}");
    let metrics = janitor.metrics().await.unwrap();
    for sweep in ["ended_references", "ended_retention", "ended_grace"] {
        assert!(metrics.contains(&format!("media_sweep_lag_seconds{{sweep=\"{sweep}\"}}")), "{sweep}: {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_days_are_applied_to_every_asset() {
    let mut world = World::with("retention-policy", &[Binary::Api]).await;
    let (mut owner, mut other, sql) = (world.caller().await, world.caller().await, world.sql().await);
    let id = announce(&mut owner, 1000).await.unwrap();
    let theirs = announce(&mut other, 1000).await.unwrap();
    // More than one transaction takes.
    sqlx::query(
        "INSERT INTO media.assets (id, tenant_id, owner_user_id, kind, source, status, bucket, key, retention_until)
         SELECT gen_random_uuid(), tenant_id, owner_user_id, kind, source, status, bucket, key || n, retention_until
         FROM media.assets, generate_series(1, 250) n WHERE tenant_id = $1",
    )
    .bind(owner.tenant.0)
    .execute(&sql)
    .await
    .unwrap();
    let days = |days| TenantPolicy { operational_days: Some(days), ..Default::default() };
    change(&mut owner, days(10), &["operational_days"]).await.unwrap();
    change(&mut owner, TenantPolicy { grace_days: Some(3), ..Default::default() }, &["grace_days"]).await.unwrap();
    let at_once = announce(&mut owner, 1000).await.unwrap();
    assert!(is_about(owner.get(&at_once).await.asset.unwrap().retention_until, now() + 10 * DAY), "a new one follows it at once");
    assert!(is_about(owner.get(&id).await.asset.unwrap().retention_until, now() + 90 * DAY), "an old one with the next turn");
    world.start_all(&[Binary::Janitor]).await;
    for wanted in [10, 20] {
        change(&mut owner, days(wanted), &["operational_days"]).await.unwrap();
        eventually("every asset follows the policy", LIMIT, async || {
            let rows =
                format!("media.assets WHERE retention_until = created_at + interval '{wanted} days' AND tenant_id = '{}'", owner.tenant);
            let (followed, pending) = (count(&sql, &rows).await, count(&sql, "media.tenant_policies WHERE etag <> applied_etag").await);
            if (followed, pending) == (252, 0) { Ok(()) } else { Err((followed, pending)) }
        })
        .await;
    }
    assert!(is_about(other.get(&theirs).await.asset.unwrap().retention_until, now() + 90 * DAY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_would_go_and_why_and_changes_nothing() {
    let world = World::with("retention-dry-run", &[Binary::Api]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let (over, gone, fresh) = (letter(&mut owner, 1000).await, letter(&mut owner, 1000).await, letter(&mut owner, 1000).await);
    let mut person = owner.clone();
    person.owner = OwnerId::generate();
    let asked = letter(&mut person, 1000).await;
    let erase = EraseOwnerRequest { owner_user_id: person.owner.to_string(), ..Default::default() };
    owner.retention.erase_owner(erase).await.unwrap();
    let needed = announce(&mut owner, 1000).await.unwrap();
    refer(&mut owner, "b", &needed, super::at(now() + DAY)).await.unwrap();
    sqlx::query("UPDATE media.asset_references SET expires_at = now() - interval '1 hour'").execute(&sql).await.unwrap();
    age(&sql, &over, 91).await;
    super::delete(&mut owner, &gone).await.unwrap();
    set_asset(&sql, &gone, "deleted_at = deleted_at - interval '31 days'").await;
    sqlx::query("UPDATE media.uploads SET created_at = now() - interval '2 days' WHERE state = 'open'").execute(&sql).await.unwrap();
    let before = (count(&sql, "media.assets WHERE deleted_at IS NULL").await, count(&sql, "media.outbox").await);

    // The work of what is deleted has to be over: nobody scans here.
    let said = world.fleet.once(Binary::Janitor, &["--dry-run"]).await.unwrap();
    let line = |sweep: &str, what: &str, why: &str| {
        let found = said.lines().find(|line| line.starts_with(sweep) && line.contains(what)).unwrap_or_else(|| panic!("{sweep}: {said}"));
        assert!(found.contains(why) && found.contains(&owner.tenant.to_string()), "{found}");
    };
    line("ended_retention", &over, "class operational, kept until");
    line("ended_grace", &gone, "its grace was over 1day ago");
    line("ended_references", &needed, "its time was over 1h ago");
    line("abandoned_uploads", &needed, "not finished in 1day");
    line("running_erasures", &asked, "was asked for");
    assert!(!said.contains(&fresh), "{said}");
    assert!(said.lines().last().unwrap().starts_with("5 would be swept"), "{said}");
    let after = (count(&sql, "media.assets WHERE deleted_at IS NULL").await, count(&sql, "media.outbox").await);
    assert_eq!(after, before);
    assert_eq!(count(&sql, "media.asset_references").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_janitor_that_runs_once_does_what_is_due_and_names_the_sweep_that_failed() {
    // Of what is deleted, work that waits is over at once, and work that runs is not: nobody scans here.
    let world = World::with("sweeps-once", &[Binary::Api]).await;
    let (mut owner, sql) = (world.caller().await, world.sql().await);
    let (over, deleted) = (letter(&mut owner, 1_003).await, letter(&mut owner, 1_004).await);
    age(&sql, &over, 91).await;
    delete(&mut owner, &deleted).await.unwrap();
    set_asset(&sql, &deleted, "deleted_at = deleted_at - interval '31 days'").await;
    let right = |words: &str| format!("{words} ON FUNCTION media.ended_retention(int)");
    sqlx::query(AssertSqlSafe(right("REVOKE EXECUTE") + " FROM media_janitor")).execute(&sql).await.unwrap();
    let failed = world.fleet.once(Binary::Janitor, &["--once"]).await.unwrap_err().to_string();
    assert!(failed.contains("sweeps failed: ended_retention: "), "{failed}");
    assert_eq!(count(&sql, "media.assets").await, 1, "the others had their turn");

    sqlx::query(AssertSqlSafe(right("GRANT EXECUTE") + " TO media_janitor")).execute(&sql).await.unwrap();
    world.fleet.once(Binary::Janitor, &["--once"]).await.unwrap();
    assert_eq!(count(&sql, "media.assets WHERE deleted_at IS NOT NULL").await, 1, "its days are over");
}
