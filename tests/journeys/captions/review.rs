//! What a review does, and who may.

use media_devstack::Binary;
use media_domain::{AssetId, CaptionTrackId, TranscriptId};
use media_proto::v1::{CaptionDecision, CaptionKind, CaptionSource, CaptionStatus, CaptionTrack, DeleteCaptionTrackRequest};
use sqlx::PgPool;
use tonic::Code;

use super::{OTHER_VTT, VTT, asset, reason, refusal};
use crate::harness::{Caller, World, caller::token};

#[tokio::test(flavor = "multi_thread")]
async fn a_review_says_who_and_when_and_approval_supersedes_what_was_shown() {
    let world = World::with("captions-review", &[Binary::Api, Binary::Relay]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let first = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let other = caller.import(&id, "en", CaptionKind::Captions, OTHER_VTT.as_bytes()).await.unwrap();
    let subtitles = caller.import(&id, "en", CaptionKind::Subtitles, VTT.as_bytes()).await.unwrap();

    let approved = caller.approve(&first).await.unwrap();
    assert_eq!(
        (approved.status(), approved.approved, approved.reviewed_by.as_str()),
        (CaptionStatus::Approved, true, caller.owner.to_string().as_str())
    );
    let reviewed_at = approved.review_time.unwrap();
    assert_eq!(caller.approve(&first).await.unwrap().review_time, Some(reviewed_at), "said again, it changes nothing");
    caller.approve(&subtitles).await.unwrap();
    caller.approve(&other).await.unwrap();
    let states = |versions: Vec<CaptionTrack>| versions.into_iter().map(|track| (track.id.clone(), track.status())).collect::<Vec<_>>();
    assert_eq!(
        states(caller.versions(&id).await),
        [
            (subtitles.id.clone(), CaptionStatus::Approved),
            (other.id.clone(), CaptionStatus::Approved),
            (first.id.clone(), CaptionStatus::Superseded),
        ],
        "one is shown of a language and kind"
    );

    // An edit does not hide what is shown, before somebody has looked at it.
    let edit = caller.edit(&other, VTT.as_bytes()).await.unwrap();
    assert_eq!(caller.get(&id).await.caption_tracks.iter().filter(|track| track.approved).count(), 2);
    let rejected = caller.reject(&edit).await.unwrap();
    assert_eq!((rejected.status(), rejected.approved), (CaptionStatus::Rejected, false));
    caller.reject(&edit).await.unwrap();
    caller.approve(&edit).await.unwrap();
    caller.reject(&subtitles).await.unwrap();
    let shown: Vec<_> = caller.get(&id).await.caption_tracks.into_iter().filter(|track| track.approved).map(|track| track.id).collect();
    assert_eq!(shown, std::slice::from_ref(&edit.id));

    let expected = ["approved", "approved", "approved", "rejected", "approved", "rejected"];
    let told = crate::harness::eventually("each review is told once", super::LIMIT, async || {
        let events = consumer.of(&id);
        let reviews: Vec<_> = events.into_iter().filter(|event| event.data.get("reviewedBy").is_some()).collect();
        if reviews.len() >= expected.len() { Ok(reviews) } else { Err(reviews.len()) }
    })
    .await;
    let words: Vec<_> = told.iter().map(|event| event.event_type.split('.').nth(2).unwrap()).collect();
    assert_eq!(words, expected);
    assert_eq!((&told[0].data["captionTrackId"], &told[0].data["language"]), (&first.id.as_str().into(), &"en".into()));
    consumer.assert_in_order(&id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_track_never_takes_the_place_of_a_persons() {
    let world = World::with("captions-person", &[Binary::Api]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let person = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let machine = machines(&sql, &person).await;
    assert_eq!((machine.source(), machine.status()), (CaptionSource::Ai, CaptionStatus::Waiting));
    caller.approve(&machine).await.unwrap();
    caller.approve(&person).await.unwrap();
    let again = machines(&sql, &person).await;
    assert_eq!(refusal(caller.approve(&again).await), reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION"));
    assert_eq!(caller.get(&id).await.caption_tracks.iter().find(|track| track.approved).unwrap().id, person.id);

    // Not even by somebody who writes SQL.
    let by_hand = sqlx::query("UPDATE media.caption_tracks SET superseded_by = $1 WHERE id = $2")
        .bind(again.id.parse::<CaptionTrackId>().unwrap().as_uuid())
        .bind(person.id.parse::<CaptionTrackId>().unwrap().as_uuid())
        .execute(&sql)
        .await;
    assert!(by_hand.unwrap_err().to_string().contains("a person's caption track is not superseded by a machine's"));

    // A person may decide otherwise.
    caller.reject(&person).await.unwrap();
    caller.approve(&again).await.unwrap();
    // An edit of a machine's is a person's.
    let edit = caller.edit(&again, OTHER_VTT.as_bytes()).await.unwrap();
    caller.approve(&edit).await.unwrap();
    assert_eq!(
        caller.versions(&id).await.iter().filter(|track| track.approved).map(|track| track.source()).collect::<Vec<_>>(),
        [CaptionSource::Human]
    );
}

/// A track that a machine wrote beside a person's, with the same text.
async fn machines(sql: &PgPool, beside: &CaptionTrack) -> CaptionTrack {
    let (track, transcript) = (CaptionTrackId::generate(), TranscriptId::generate());
    let asset = beside.asset_id.parse::<AssetId>().unwrap().as_uuid();
    sqlx::query(
        r#"INSERT INTO media.transcripts (id, tenant_id, asset_id, language, segments, source, ai_provenance)
           SELECT $1, tenant_id, id, 'en', '[]', 'ai', '{"model": "m", "trace_id": "t", "generated_at": "2026-01-01T00:00:00Z"}'
           FROM media.assets WHERE id = $2"#,
    )
    .bind(transcript.as_uuid())
    .bind(asset)
    .execute(sql)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO media.caption_tracks (id, tenant_id, asset_id, language, kind, format, bucket, key, version_key, source, ai_provenance, transcript_id)
         SELECT $1, c.tenant_id, c.asset_id, c.language, c.kind, c.format, c.bucket, c.version_key, c.version_key, 'ai', t.ai_provenance, t.id
         FROM media.caption_tracks c JOIN media.transcripts t ON t.id = $2 WHERE c.id = $3",
    )
    .bind(track.as_uuid())
    .bind(transcript.as_uuid())
    .bind(beside.id.parse::<CaptionTrackId>().unwrap().as_uuid())
    .execute(sql)
    .await
    .unwrap();
    CaptionTrack { id: track.to_string(), source: CaptionSource::Ai.into(), ..beside.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_review_reviews_and_only_who_may_write_writes() {
    let world = World::with("captions-scopes", &[Binary::Api]).await;
    let url = world.fleet.grpc_url();
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let track = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let missing = reason(Code::PermissionDenied, "SCOPE_MISSING");
    let mut author = Caller::with_token(&url, caller.tenant, token(caller.tenant, "media.read media.write", 60)).await;
    assert_eq!(refusal(author.approve(&track).await), missing);
    let deletion = DeleteCaptionTrackRequest { asset_id: id.clone(), caption_track_id: track.id.clone() };
    assert_eq!(refusal(author.captions.delete_caption_track(deletion).await), missing);
    author.edit(&track, OTHER_VTT.as_bytes()).await.unwrap();
    let newest = author.versions(&id).await.remove(0);
    let mut reviewer = Caller::with_token(&url, caller.tenant, token(caller.tenant, "media.review", 60)).await;
    reviewer.review(&newest, CaptionDecision::Approve).await.unwrap();
    assert_eq!(refusal(reviewer.edit(&newest, VTT.as_bytes()).await), missing);
    assert_eq!(refusal(reviewer.import(&id, "de", CaptionKind::Captions, VTT.as_bytes()).await), missing);
}
