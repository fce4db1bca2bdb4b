//! What a stranger's id costs: the same questions to the database, in the same order, as an id that never was. So the time of an answer
//! tells no more than its bytes.

use media_devstack::{Binary, DatabaseRole};
use media_domain::{AssetId, CaptionTrackId};
use media_proto::v1::{AssetKind, CaptionKind, CreateUploadRequest, EraseOwnerRequest};
use tonic::Code;

use super::strangers::{artifact, job_and_letter, naming};
use crate::harness::{Caller, World, asking::ask, query_tap::QueryTap, samples};

/// What is asked whether anybody calls or not, and the end of a transaction, which may come after the answer.
fn is_of_no_call(statement: &str) -> bool {
    statement.contains("schema_version") || statement == "ROLLBACK" || statement.starts_with("LISTEN")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_anothers_asks_the_database_what_an_id_that_never_was_asks() {
    let mut world = World::new("same-questions").await;
    let database = world.isolated().database_url(DatabaseRole::Api);
    let tap = QueryTap::before(&database).await;
    let _api = world.start(Binary::Api, &[("MEDIA__DATABASE__URL", &tap.url(&database))]).await;
    let mut owner = world.caller().await;
    let id = owner.create(owner.request(AssetKind::Subtitle, "mine.vtt", 10)).await.asset.unwrap().id;
    let track = owner.import(&id, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap().id;
    let (job, letter) = job_and_letter(&world, owner.tenant, &id).await;
    let artifact = artifact(&world, owner.tenant, &id).await;
    let nobody = EraseOwnerRequest { owner_user_id: AssetId::generate().to_string(), ..Default::default() };
    let erasure = owner.retention.erase_owner(nobody).await.unwrap().into_inner().erasure.unwrap().id;
    let mut stranger = world.caller().await;
    let (never, no_track) = (AssetId::generate().to_string(), CaptionTrackId::generate().to_string());
    // Well-formed, and no asset's: the first of all ids, the last, and one in the small letters that a ULID may have.
    let (first, last, small) = ("0".repeat(26), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ".to_owned(), never.to_lowercase());
    let mut walked = 0;
    for method in naming() {
        let theirs = match method {
            "OperationsService/RetryJob" => &job,
            "OperationsService/RedriveDeadLetters" => &letter,
            "AiArtifactService/GetAiArtifact" => &artifact,
            "RetentionService/GetErasure" => &erasure,
            _ => &id,
        };
        let mut asked = Vec::new();
        for (id, track) in [(theirs, &track), (&never, &no_track), (&first, &no_track), (&last, &track), (&small, &no_track)] {
            tap.take();
            let answer = ask(&mut stranger, method, id, track).await;
            let statements: Vec<String> = tap.take().into_iter().filter(|statement| !is_of_no_call(statement)).collect();
            let refused = answer.expect_err(method);
            assert_eq!(refused.code(), Code::NotFound, "{method}: {refused:?}");
            assert!(!statements.is_empty(), "{method} asked nothing");
            asked.push((refused.message().to_owned(), refused.details().to_vec(), statements));
        }
        for other in asked.iter().skip(1) {
            assert_eq!(asked[0], *other, "{method}");
        }
        walked += 1;
    }
    assert!(walked >= 25, "{walked} methods name an asset");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_another_tenant_has_asks_what_one_that_nobody_has_asks() {
    let mut world = World::new("same-questions-hash").await;
    let database = world.isolated().database_url(DatabaseRole::Api);
    let tap = QueryTap::before(&database).await;
    let _api = world.start(Binary::Api, &[("MEDIA__DATABASE__URL", &tap.url(&database))]).await;
    let (mut owner, mut stranger, sql) = (world.caller().await, world.caller().await, world.sql().await);
    let [theirs, nobodys] = ["a", "b"].map(|digit| digit.repeat(64));
    let of = |caller: &Caller, sha256: &str| CreateUploadRequest {
        sha256: sha256.to_owned(),
        ..caller.request(AssetKind::Document, "letter.rtf", 10)
    };
    owner.create(owner.request(AssetKind::Document, "letter.rtf", 10)).await;
    // As it is after a scan that found nothing.
    let mut connection = sql.acquire().await.unwrap();
    sqlx::query("SET session_replication_role = replica").execute(&mut *connection).await.unwrap();
    let ready = "UPDATE media.assets SET status = 'ready', sha256 = $1, mime = 'application/rtf', size_bytes = 10, scan_verdict = 'clean'";
    sqlx::query(ready).bind(&theirs).execute(&mut *connection).await.unwrap();
    sqlx::query("UPDATE media.uploads SET state = 'completed'").execute(&mut *connection).await.unwrap();
    let stored = "INSERT INTO media.blobs (tenant_id, bucket, key, sha256, size_bytes)
       SELECT tenant_id, bucket, key, sha256, size_bytes FROM media.assets ON CONFLICT DO NOTHING";
    sqlx::query(stored).execute(&mut *connection).await.unwrap();
    let mut asked = Vec::new();
    for sha256 in [&theirs, &nobodys] {
        tap.take();
        let created = stranger.create(of(&stranger, sha256)).await;
        assert!(created.plan.is_some());
        asked.push(tap.take().into_iter().filter(|statement| !is_of_no_call(statement)).collect::<Vec<_>>());
    }
    assert!(asked[0].len() > 4, "{asked:?}");
    assert_eq!(asked[0], asked[1]);
    tap.take();
    assert!(owner.create(of(&owner, &theirs)).await.asset.unwrap().deduplicated, "its own tenant has it");
}
