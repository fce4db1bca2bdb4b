//! Search over what was said. The rows are written by hand, so that what is said is known.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::{AssetId, TranscriptId};
use media_proto::v1::{DeleteAssetRequest, GetTranscriptRequest, ListTranscriptsRequest, SearchTranscriptsRequest, TranscriptMatch};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tonic::Code;

use super::{asset, reason, refusal};
use crate::harness::{Caller, World};

/// Writes a transcript whose segments last a second each.
async fn said(sql: &PgPool, asset_id: &str, segments: &[&str]) -> String {
    let id = TranscriptId::generate();
    let segments: Vec<_> = (0..)
        .zip(segments)
        .map(|(at, text)| json!({ "startMs": at * 1_000, "endMs": at * 1_000 + 900, "text": text, "speakerLabel": "Zebulon" }))
        .collect();
    sqlx::query(
        r#"INSERT INTO media.transcripts (id, tenant_id, asset_id, language, segments, source, ai_provenance)
           SELECT $1, tenant_id, id, 'en', $2, 'ai', '{"model": "m", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z"}'
           FROM media.assets WHERE id = $3"#,
    )
    .bind(id.as_uuid())
    .bind(json!(segments))
    .bind(asset_id.parse::<AssetId>().unwrap().as_uuid())
    .execute(sql)
    .await
    .unwrap();
    id.to_string()
}

async fn search(caller: &mut Caller, query: &str) -> Vec<TranscriptMatch> {
    let request = SearchTranscriptsRequest { query: query.to_owned(), ..Default::default() };
    caller.transcripts.search_transcripts(request).await.unwrap().into_inner().matches
}

/// When and what, of each match.
fn told(matches: &[TranscriptMatch]) -> Vec<(i64, &str)> {
    matches.iter().map(|it| (it.start_ms, it.snippet.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_answers_asset_time_and_words_of_its_own_tenant_only() {
    let world = World::with("search-words", &[Binary::Api]).await;
    let sql = world.sql().await;
    let (mut caller, mut stranger) = (world.caller().await, world.caller().await);
    let (film, talk, foreign) = (asset(&mut caller).await, asset(&mut caller).await, asset(&mut stranger).await);
    let of_film = said(&sql, &film, &["The quick brown fox jumps.", "Over the lazy dog.", "A fox again, and a dog."]).await;
    said(&sql, &talk, &["Nothing of the sort, said the fox.", "Übung macht den Meister."]).await;
    said(&sql, &foreign, &["A secret fox of somebody else."]).await;

    let found = search(&mut caller, "quick FOX").await;
    assert_eq!(told(&found), [(0, "The quick brown fox jumps.")]);
    assert_eq!((found[0].asset_id.as_str(), found[0].transcript_id.as_str(), found[0].end_ms), (film.as_str(), of_film.as_str(), 900));
    assert_eq!(
        told(&search(&mut caller, "fox").await),
        [(0, "Nothing of the sort, said the fox."), (0, "The quick brown fox jumps."), (2_000, "A fox again, and a dog.")]
    );
    assert_eq!(told(&search(&mut caller, "\"lazy dog\"").await), [(1_000, "Over the lazy dog.")]);
    assert_eq!(told(&search(&mut caller, "\"dog lazy\"").await), []);
    assert_eq!(told(&search(&mut caller, "fox -sort").await).len(), 2);
    assert_eq!(told(&search(&mut caller, "meister or lazy").await), [(1_000, "Übung macht den Meister."), (1_000, "Over the lazy dog.")]);
    assert_eq!(told(&search(&mut caller, "übung").await).len(), 1);
    assert_eq!(told(&search(&mut caller, "quick lazy").await).len(), 2, "words in different moments: those that hold any");
    assert_eq!(told(&search(&mut caller, "zebulon").await), [], "who speaks is not what is said");

    // Nothing that a caller can type reaches beyond its tenant, not even the word by which tenants are told apart.
    assert_eq!(told(&search(&mut stranger, "fox").await), [(0, "A secret fox of somebody else.")]);
    for query in [
        "secret",
        "somebody",
        &format!("tenant:{}", stranger.tenant),
        &format!("fox or \"tenant:{}\"", stranger.tenant),
        "fox' | 'x",
        "fox & !tenant",
    ] {
        let found = search(&mut caller, query).await;
        assert!(found.iter().all(|it| it.asset_id != foreign), "{query}: {found:?}");
    }
    let within = SearchTranscriptsRequest { query: "fox".to_owned(), asset_id: talk.clone(), ..Default::default() };
    let found = caller.transcripts.search_transcripts(within).await.unwrap().into_inner().matches;
    assert_eq!(told(&found), [(0, "Nothing of the sort, said the fox.")]);
    let theirs = GetTranscriptRequest { asset_id: talk, transcript_id: of_film, ..Default::default() };
    assert_eq!(
        refusal(caller.transcripts.get_transcript(theirs).await),
        reason(Code::NotFound, "TRANSCRIPT_NOT_FOUND"),
        "of another asset"
    );

    the_index_answers(&world, caller.tenant.0).await;
}

/// The function's own statement, as the role that it runs as: the tenant and the words are one condition of the index.
async fn the_index_answers(world: &World, tenant: uuid::Uuid) {
    let mut superuser =
        PgConnection::connect(world.isolated().database_url(media_devstack::DatabaseRole::Superuser).as_str()).await.unwrap();
    let many = r#"INSERT INTO media.transcripts (id, tenant_id, asset_id, language, segments, source)
        SELECT gen_random_uuid(), a.tenant_id, a.id, 'en', jsonb_build_array(jsonb_build_object('startMs', 0, 'endMs', 1, 'text', 'number ' || n)), 'human'
        FROM media.assets a, generate_series(1, 2000) n; ANALYZE media.transcripts"#;
    sqlx::raw_sql(many).execute(&mut superuser).await.unwrap();
    let mut tx = superuser.begin().await.unwrap();
    let body: String =
        sqlx::query_scalar("SELECT prosrc FROM pg_proc WHERE proname = 'search_transcripts'").fetch_one(&mut *tx).await.unwrap();
    let body = body.replace("p_query", "'fox'").replace("p_before", "NULL::uuid").replace("p_limit", "50");
    sqlx::raw_sql(AssertSqlSafe(format!(
        "SELECT set_config('app.tenant_id', '{tenant}', true); SET LOCAL ROLE media_across; SET LOCAL search_path = pg_catalog, media"
    )))
    .execute(&mut *tx)
    .await
    .unwrap();
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {body}"))).fetch_all(&mut *tx).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("Bitmap Index Scan on transcripts_search"), "{plan}");
    let condition = plan.lines().find(|line| line.contains("Index Cond")).unwrap_or_else(|| panic!("{plan}"));
    assert!(condition.contains("tenant:") && condition.contains("fox"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_goes_on_by_pages_and_leaves_out_what_is_deleted() {
    let world = World::with("search-pages", &[Binary::Api]).await;
    let sql = world.sql().await;
    let (mut caller, mut stranger) = (world.caller().await, world.caller().await);
    let id = asset(&mut caller).await;
    for number in 0..5 {
        said(&sql, &id, &[&format!("word {number}")]).await;
        // Ids of one millisecond have no order.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let gone = asset(&mut caller).await;
    said(&sql, &gone, &["a word of what is deleted"]).await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: gone, ..Default::default() }).await.unwrap();

    let mut request = SearchTranscriptsRequest { query: "word".to_owned(), page_size: 2, ..Default::default() };
    let mut snippets = Vec::new();
    loop {
        let page = caller.transcripts.search_transcripts(request.clone()).await.unwrap().into_inner();
        snippets.extend(page.matches.into_iter().map(|it| it.snippet));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(snippets, ["word 4", "word 3", "word 2", "word 1", "word 0"]);
    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    assert_eq!(refusal(stranger.transcripts.search_transcripts(request.clone()).await), invalid, "another tenant's");
    let other = SearchTranscriptsRequest { query: "words".to_owned(), ..request.clone() };
    assert_eq!(refusal(caller.transcripts.search_transcripts(other).await), invalid, "another search's");

    let mut list = ListTranscriptsRequest { asset_id: id, page_size: 3, ..Default::default() };
    let page = caller.transcripts.list_transcripts(list.clone()).await.unwrap().into_inner();
    list.page_token = page.next_page_token;
    let last = caller.transcripts.list_transcripts(list.clone()).await.unwrap().into_inner();
    assert_eq!((page.transcripts.len(), last.transcripts.len(), last.next_page_token.as_str()), (3, 2, ""));
    list.page_token = request.page_token;
    assert_eq!(refusal(caller.transcripts.list_transcripts(list).await), invalid, "another method's");
}
