//! Where something that a machine made comes from is required, whole, and never changed; nor is a version of a caption track.

use media_devstack::DatabaseRole;
use media_domain::AssetId;
use sqlx::Connection;

use super::{
    catalogue::{Attempt, attempt, connect, place, run, set_tenant, superuser, texts},
    seed::seed,
};

const WHOLE: &str = r#"{"model": "m", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z"}"#;

/// Tables with the condition that makes a row a machine's.
const MADE_BY_MACHINES: [(&str, &str); 4] = [
    ("media.assets", "source = 'ai_generated'"),
    ("media.caption_tracks", "source = 'ai'"),
    ("media.transcripts", "source = 'ai'"),
    ("media.ai_media_artifacts", "kind = kind"),
];

#[tokio::test]
async fn what_a_machine_made_has_a_whole_provenance_and_keeps_it() {
    let place = place("schema-provenance").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
    let is_refused = |attempt: &Attempt, why: &str| matches!(attempt, Attempt::Failed(message) if message.contains(why));
    for (table, machines) in MADE_BY_MACHINES {
        // By the superuser, to whom no policy applies, and past the trigger, so that the check alone refuses.
        for part in ["NULL", "'[]'", "'{}'", r#"'{"model": "m", "trace_id": "t"}'"#, r#"'["model", "trace_id", "generated_at"]'"#] {
            run(&mut superuser, &format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await;
            let tried = attempt(&mut superuser, None, &format!("UPDATE {table} SET {machines}, ai_provenance = {part}")).await;
            run(&mut superuser, &format!("ALTER TABLE {table} ENABLE TRIGGER USER")).await;
            assert!(is_refused(&tried, "violates"), "{table}: {part}: {tried:?}");
        }
        run(&mut superuser, &format!("ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {machines}, ai_provenance = '{WHOLE}'; ALTER TABLE {table} ENABLE TRIGGER USER")).await;
        for other in ["NULL", r#"'{"model": "another", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z"}'"#] {
            let tried = attempt(&mut superuser, Some(a.tenant), &format!("UPDATE {table} SET ai_provenance = {other}")).await;
            assert!(is_refused(&tried, "provenance is never changed"), "{table}: {other}: {tried:?}");
        }
        assert_eq!(
            attempt(&mut superuser, None, &format!("UPDATE {table} SET ai_provenance = '{WHOLE}'")).await,
            Attempt::Rows(1),
            "{table}"
        );
    }
}

/// The one way to change it is an erasure's, which takes out what leads to a person, and no more.
#[tokio::test]
async fn an_erasure_takes_persons_out_of_provenance_and_nobody_else_does() {
    let place = place("schema-anonymised").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
    let b = seed(&mut superuser, AssetId::generate().as_uuid(), "b's").await;
    let full =
        r#"{"model": "m", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z", "prompt_id": "p", "decision_id": "d", "engine": "e"}"#;
    let left = r#"{"model": "m", "trace_id": "erased", "generated_at": "2026-01-01T00:00:00Z", "engine": "e"}"#;
    for (table, machines) in MADE_BY_MACHINES {
        run(&mut superuser, &format!("ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {machines}, ai_provenance = '{full}'; ALTER TABLE {table} ENABLE TRIGGER USER")).await;
        let tried = attempt(&mut superuser, None, &format!("UPDATE {table} SET ai_provenance = '{left}'")).await;
        assert!(matches!(&tried, Attempt::Failed(message) if message.contains("never changed")), "{table}: by any other way: {tried:?}");
    }
    let mut janitor = connect(&place, DatabaseRole::Janitor).await;
    for asset in [&a, &b].map(|of| of.rows["media.assets"]["id"].as_str().unwrap().to_owned()) {
        let mut tx = janitor.begin().await.unwrap();
        set_tenant(&mut tx, a.tenant).await;
        sqlx::query("SELECT media.anonymise_provenance($1::uuid)").bind(asset).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }
    for (table, _) in MADE_BY_MACHINES {
        for (tenant, expected) in [(a.tenant, left), (b.tenant, full)] {
            let same = format!("SELECT 'same' FROM {table} WHERE tenant_id = '{tenant}' AND ai_provenance = '{expected}'::jsonb");
            assert_eq!(texts(&mut superuser, &same).await.len(), 1, "{table}: a tenant's own, and another's not at all");
        }
    }
}

#[tokio::test]
async fn a_version_of_a_caption_track_is_never_changed() {
    let place = place("schema-versions").await;
    let mut superuser = superuser(&place).await;
    let a = seed(&mut superuser, AssetId::generate().as_uuid(), "a's").await;
    for set in [
        "language = 'xx'",
        "kind = 'descriptions'",
        "format = 'srt'",
        "bucket = 'x'",
        "version_key = 'x'",
        "source = 'human'",
        "version = 9",
        "based_on = id",
    ] {
        let tried = attempt(&mut superuser, None, &format!("UPDATE media.caption_tracks SET {set}")).await;
        assert!(matches!(&tried, Attempt::Failed(message) if message.contains("never changed")), "{set}: {tried:?}");
    }
    let mut api = connect(&place, DatabaseRole::Api).await;
    let review = "UPDATE media.caption_tracks SET approved = false, rejected = true, reviewed_at = now()";
    assert_eq!(attempt(&mut api, Some(a.tenant), review).await, Attempt::Rows(1));
    for forbidden in ["key = 'x'", "ai_provenance = NULL", "language = 'xx'"] {
        let tried = attempt(&mut api, Some(a.tenant), &format!("UPDATE media.caption_tracks SET {forbidden}")).await;
        assert_eq!(tried, Attempt::Denied, "{forbidden}");
    }
    let both = attempt(&mut superuser, None, "UPDATE media.caption_tracks SET approved = true, rejected = true").await;
    assert!(matches!(&both, Attempt::Failed(message) if message.contains("caption_tracks_one_verdict")), "{both:?}");
}
