//! What is refused, with what its author needs to mend it.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{
    AssetKind, CaptionFormat, CaptionKind, CaptionSource, CaptionTrack, DeleteAssetRequest, GenerateCaptionsRequest, GetTranscriptRequest,
    ImportCaptionTrackRequest, ListTranscriptsRequest, ReviewCaptionTrackRequest, SearchTranscriptsRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{VTT, asset, reason, refusal};
use crate::harness::{Bucket, World};

/// Reason, line, and the field at fault.
fn syntax(status: &Status) -> (String, String, String) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let field = details.bad_request().unwrap().field_violations[0].clone();
    let line = info.metadata.get("line").cloned().unwrap_or_default();
    assert!(line.is_empty() || field.description.contains(&format!("line {line}")), "a person reads the line, too: {field:?}");
    (info.reason.clone(), line, field.field)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_right_is_refused_with_its_line_and_leaves_nothing() {
    let world = World::with("captions-syntax", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let cue = "00:00:05.000 --> 00:00:06.000\nsecret\n";
    let faulty = [
        (format!("WEBVTT\n\n{cue}\n00:00:07,000 --> 00:00:08,000\nsecret\n"), "6"),
        (format!("WEBVTT\n\n{cue}\n00:00:09.000 --> 00:00:08.000\nsecret\n"), "6"),
        (format!("WEBVTT\n\n{cue}\n00:00:01.000 --> 00:00:02.000\nsecret\n"), "6"),
        (format!("WEBVTT\n\n{cue}{cue}"), "5"),
        ("WEBVTT\n\n00:61.000 --> 00:62.000\nsecret\n".to_owned(), "3"),
        ("1\n00:00:01,000 --> 00:00:02,000\nsecret\n\n2\n00:00:03,000 -> 00:00:04,000\nsecret\n\n3\n00:00:05,000 --> 00:00:04,000\nsecret\n".to_owned(), "6"),
        ("secret\n".to_owned(), "1"),
        (String::new(), "1"),
    ];
    let good = caller.import(&id, "de", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let before = Bucket::of(world.isolated()).objects().await;
    for (content, line) in &faulty {
        let expected = ("CAPTION_SYNTAX".to_owned(), (*line).to_owned(), "content".to_owned());
        let imported = caller.import(&id, "en", CaptionKind::Captions, content.as_bytes()).await.unwrap_err();
        assert_eq!(syntax(&imported), expected, "{content:?}");
        assert!(!imported.message().contains("secret"), "{}", imported.message());
        let edited = caller.edit(&good, content.as_bytes()).await.unwrap_err();
        assert_eq!(syntax(&edited), expected, "{content:?}");
    }
    let mut named = caller.import_request(&id, "en", CaptionKind::Captions, VTT.as_bytes());
    named.format = CaptionFormat::Srt.into();
    // Read as what it is said to be: its header is no cue.
    assert_eq!(syntax(&caller.captions.import_caption_track(named).await.unwrap_err()).0, "CAPTION_SYNTAX");
    let large = caller.import(&id, "en", CaptionKind::Captions, &vec![b'x'; (4 << 20) + 1]).await.unwrap_err();
    assert_eq!(syntax(&large), ("SIZE_EXCEEDS_LIMIT".to_owned(), String::new(), "content".to_owned()));

    assert_eq!(Bucket::of(world.isolated()).objects().await, before);
    let rows: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM media.caption_tracks), (SELECT count(*) FROM media.blobs WHERE key ~ 'captions')")
            .fetch_one(&world.sql().await)
            .await
            .unwrap();
    assert_eq!(rows, (1, 1), "nothing is left of what was refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_at_fault_is_named() {
    let world = World::with("captions-fields", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let fields = |status: Status| {
        assert_eq!(refusal::<()>(Err(status.clone())), reason(Code::InvalidArgument, "FIELD_INVALID"));
        let details = status.get_error_details();
        details.bad_request().unwrap().field_violations.iter().map(|it| it.field.clone()).collect::<Vec<_>>()
    };
    let nothing = ImportCaptionTrackRequest { asset_id: id.clone(), ..Default::default() };
    assert_eq!(fields(caller.captions.import_caption_track(nothing).await.unwrap_err()), ["language", "kind", "source"]);
    let mut by_a_machine = caller.import_request(&id, "../x", CaptionKind::Captions, VTT.as_bytes());
    by_a_machine.source = CaptionSource::Ai.into();
    assert_eq!(
        fields(caller.captions.import_caption_track(by_a_machine).await.unwrap_err()),
        ["language", "source"],
        "no caller is a machine"
    );

    let track = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let nobody = ReviewCaptionTrackRequest { asset_id: id.clone(), caption_track_id: track.id.clone(), ..Default::default() };
    assert_eq!(fields(caller.captions.review_caption_track(nobody).await.unwrap_err()), ["decision", "reviewer_user_id"]);
    let no_id = CaptionTrack { id: "x".to_owned(), ..track.clone() };
    assert_eq!(fields(caller.approve(&no_id).await.unwrap_err()), ["caption_track_id"]);
    let language = GenerateCaptionsRequest { asset_id: id.clone(), language: "e".repeat(40), priority: 99, ..Default::default() };
    assert_eq!(fields(caller.captions.generate_captions(language).await.unwrap_err()), ["language", "priority"]);
    for query in ["", "  ", "-without", "x".repeat(201).as_str()] {
        let search = SearchTranscriptsRequest { query: query.to_owned(), ..Default::default() };
        assert_eq!(fields(caller.transcripts.search_transcripts(search).await.unwrap_err()), ["query"], "{query}");
    }

    caller.assets.delete_asset(DeleteAssetRequest { asset_id: id.clone(), ..Default::default() }).await.unwrap();
    let gone = reason(Code::NotFound, "ASSET_NOT_FOUND");
    assert_eq!(refusal(caller.approve(&track).await), gone);
    assert_eq!(refusal(caller.edit(&track, VTT.as_bytes()).await), gone);
    assert_eq!(refusal(caller.text(&track, CaptionFormat::Vtt).await), gone);
    assert_eq!(refusal(caller.delete_track(&track).await), gone);
    assert_eq!(refusal(caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await), gone);
    assert_eq!(refusal(caller.transcripts.list_transcripts(ListTranscriptsRequest { asset_id: id, ..Default::default() }).await), gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_heard_is_not_captioned() {
    let world = World::with("captions-unheard", &[Binary::Api]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let film = asset(&mut caller).await;
    let letter = caller.create(caller.request(AssetKind::Document, "letter.rtf", 1_000)).await.asset.unwrap().id;
    let not_ready = reason(Code::FailedPrecondition, "ASSET_NOT_READY");
    let generate = |id: &str| GenerateCaptionsRequest { asset_id: id.to_owned(), ..Default::default() };
    assert_eq!(refusal(caller.captions.generate_captions(generate(&film)).await), not_ready);
    for status in ["scanning", "transcoding", "ready"] {
        for id in [&film, &letter] {
            sqlx::query("UPDATE media.assets SET status = $1 WHERE id = $2")
                .bind(status)
                .bind(id.parse::<AssetId>().unwrap().as_uuid())
                .execute(&sql)
                .await
                .unwrap();
        }
        if status != "ready" {
            assert_eq!(refusal(caller.captions.generate_captions(generate(&film)).await), not_ready, "its sound is still to come");
        }
    }
    let nothing = reason(Code::NotFound, "VARIANT_NOT_FOUND");
    assert_eq!(refusal(caller.captions.generate_captions(generate(&film)).await), nothing);
    assert_eq!(refusal(caller.captions.generate_captions(generate(&letter)).await), nothing);
    let transcript = GetTranscriptRequest { asset_id: film, ..Default::default() };
    assert_eq!(refusal(caller.transcripts.get_transcript(transcript).await), reason(Code::NotFound, "TRANSCRIPT_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_quarantined_asset_no_word_is_given_out() {
    let world = World::with("captions-quarantined", &[Binary::Api]).await;
    let sql = world.sql().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let track = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    for status in ["scanning", "quarantined"] {
        sqlx::query("UPDATE media.assets SET status = $1").bind(status).execute(&sql).await.unwrap();
    }
    let quarantined = reason(Code::FailedPrecondition, "ASSET_QUARANTINED");
    assert_eq!(refusal(caller.text(&track, CaptionFormat::Vtt).await), quarantined);
    let transcript = GetTranscriptRequest { asset_id: id.clone(), ..Default::default() };
    assert_eq!(refusal(caller.transcripts.get_transcript(transcript).await), quarantined);
    let search = SearchTranscriptsRequest { query: "hello".to_owned(), asset_id: id.clone(), ..Default::default() };
    assert_eq!(refusal(caller.transcripts.search_transcripts(search).await), quarantined);
    let generate = GenerateCaptionsRequest { asset_id: id, ..Default::default() };
    assert_eq!(refusal(caller.captions.generate_captions(generate).await), quarantined);
}
