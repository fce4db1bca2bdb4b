//! CaptionService and TranscriptService.

use media_proto::v1::{
    CaptionDecision, CaptionFormat, CaptionKind, CaptionMode, DeleteCaptionTrackRequest, GenerateCaptionsRequest, GetCaptionTrackRequest,
    GetTranscriptRequest, ImportCaptionTrackRequest, ListCaptionTracksRequest, ListTranscriptsRequest, PlaceHoldRequest,
    ReviewCaptionTrackRequest, SearchTranscriptsRequest, UpdateCaptionTrackRequest,
};

use super::scene::{Scene, captions, uuid};
use crate::harness::samples;

/// A caption track's id that no asset has.
const NO_TRACK: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const NO_FILE: &[u8] = b"no subtitle";

pub async fn walk(scene: &Scene) {
    imported_and_edited(scene).await;
    shown_and_reviewed(scene).await;
    generated(scene).await;
    made_too_fast(scene).await;
    transcripts(scene).await;
}

fn track_of(asset_id: &str, track: &str) -> GetCaptionTrackRequest {
    GetCaptionTrackRequest { asset_id: asset_id.to_owned(), caption_track_id: track.to_owned(), format: CaptionFormat::Vtt.into() }
}

fn delete(asset_id: &str, track: &str) -> DeleteCaptionTrackRequest {
    DeleteCaptionTrackRequest { asset_id: asset_id.to_owned(), caption_track_id: track.to_owned() }
}

async fn imported_and_edited(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let id = &scene.letter;
    let too_large = vec![b'x'; (4 << 20) + 1];
    let import = |content: &[u8], request_id: &str| ImportCaptionTrackRequest {
        request_id: request_id.to_owned(),
        ..scene.owner.import_request(id, "en", CaptionKind::Captions, content)
    };
    let made = cells.happy(owner.captions.import_caption_track(import(&samples::subtitle(), "one")).await).caption_track.unwrap().id;
    cells.refused("CAPTION_SYNTAX", owner.captions.import_caption_track(import(NO_FILE, "")).await);
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.captions.import_caption_track(import(&too_large, "")).await);
    cells.refused("REQUEST_ID_REUSED", owner.captions.import_caption_track(import(NO_FILE, "one")).await);
    owner.captions.delete_caption_track(delete(id, &made)).await.unwrap();
    cells.refused("CAPTION_TRACK_NOT_FOUND", owner.captions.import_caption_track(import(&samples::subtitle(), "one")).await);

    let track = owner.import(id, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap().id;
    let edit = |track: &str, content: &[u8], request_id: &str| UpdateCaptionTrackRequest {
        asset_id: id.clone(),
        caption_track_id: track.to_owned(),
        content: content.to_vec(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    cells.refused("CAPTION_TRACK_NOT_FOUND", owner.captions.update_caption_track(edit(NO_TRACK, &samples::subtitle(), "")).await);
    cells.refused("CAPTION_SYNTAX", owner.captions.update_caption_track(edit(&track, NO_FILE, "")).await);
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.captions.update_caption_track(edit(&track, &too_large, "")).await);
    let edited = cells.happy(owner.captions.update_caption_track(edit(&track, &samples::subtitle(), "two")).await).caption_track.unwrap();
    assert_eq!((edited.version, edited.based_on.as_str()), (2, track.as_str()));
    cells.refused("REQUEST_ID_REUSED", owner.captions.update_caption_track(edit(&track, NO_FILE, "two")).await);
    cells.refused("ILLEGAL_TRANSITION", owner.captions.update_caption_track(edit(&track, &samples::subtitle(), "")).await);
    let review = ReviewCaptionTrackRequest {
        asset_id: id.clone(),
        caption_track_id: track,
        decision: CaptionDecision::Approve.into(),
        reviewer_user_id: owner.owner.to_string(),
    };
    cells.refused("ILLEGAL_TRANSITION", owner.captions.review_caption_track(review.clone()).await);
    let unknown = ReviewCaptionTrackRequest { caption_track_id: NO_TRACK.to_owned(), ..review.clone() };
    cells.refused("CAPTION_TRACK_NOT_FOUND", owner.captions.review_caption_track(unknown).await);
    let newest = ReviewCaptionTrackRequest { caption_track_id: edited.id, ..review };
    assert!(cells.happy(owner.captions.review_caption_track(newest).await).caption_track.unwrap().approved);
}

async fn shown_and_reviewed(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let id = &scene.letter;
    let list = ListCaptionTracksRequest { asset_id: id.clone(), ..Default::default() };
    let listed = cells.happy(owner.captions.list_caption_tracks(list.clone()).await).caption_tracks;
    let forged = ListCaptionTracksRequest { page_token: "forged".to_owned(), ..list };
    cells.refused("PAGE_TOKEN_INVALID", owner.captions.list_caption_tracks(forged).await);
    let track = &listed[0].id;
    assert!(cells.happy(owner.captions.get_caption_track(track_of(id, track)).await).content.starts_with("WEBVTT"));
    cells.refused("CAPTION_TRACK_NOT_FOUND", owner.captions.get_caption_track(track_of(id, NO_TRACK)).await);
    let infected = owner.import(&scene.infected, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap().id;
    cells.refused("ASSET_QUARANTINED", owner.captions.get_caption_track(track_of(&scene.infected, &infected)).await);
    cells.refused("CAPTION_TRACK_NOT_FOUND", owner.captions.delete_caption_track(delete(id, NO_TRACK)).await);
    let hold = PlaceHoldRequest { asset_id: id.clone(), reason: "a case".to_owned(), ..Default::default() };
    let hold = owner.retention.place_hold(hold).await.unwrap().into_inner().hold.unwrap();
    cells.refused("HELD", owner.captions.delete_caption_track(delete(id, track)).await);
    super::retention::let_go(&mut owner, &hold, "b").await;
    cells.happy(owner.captions.delete_caption_track(delete(id, track)).await);
}

async fn generated(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let of = |asset_id: &str| GenerateCaptionsRequest { asset_id: asset_id.to_owned(), ..Default::default() };
    captions(&mut owner, CaptionMode::Off).await;
    cells.refused("CAPTIONS_OFF", owner.captions.generate_captions(of(&scene.sound)).await);
    captions(&mut owner, CaptionMode::OnRequest).await;
    cells.refused("ASSET_NOT_READY", owner.captions.generate_captions(of(&scene.announced)).await);
    cells.refused("ASSET_QUARANTINED", owner.captions.generate_captions(of(&scene.infected)).await);
    cells.refused("VARIANT_NOT_FOUND", owner.captions.generate_captions(of(&scene.letter)).await);
    scene.archive(&scene.sound, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.captions.generate_captions(of(&scene.sound)).await);
    scene.archive(&scene.sound, None).await;
    let once = GenerateCaptionsRequest { request_id: "once".to_owned(), ..of(&scene.sound) };
    assert_eq!(cells.happy(owner.captions.generate_captions(once.clone()).await).job.unwrap().profile, "speech");
    let other = GenerateCaptionsRequest { language: "en".to_owned(), ..once };
    cells.refused("REQUEST_ID_REUSED", owner.captions.generate_captions(other).await);
}

async fn made_too_fast(scene: &Scene) {
    let mut hurried = scene.hurried.clone();
    let asset_id = scene.letter.clone();
    let generate = GenerateCaptionsRequest { asset_id: asset_id.clone(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.captions.generate_captions(generate.clone()).await).await;
    let import = scene.hurried.import_request(&asset_id, "en", CaptionKind::Captions, &samples::subtitle());
    scene.soon_refused("RATE_LIMITED", async || hurried.captions.import_caption_track(import.clone()).await).await;
    let edit = UpdateCaptionTrackRequest { asset_id, caption_track_id: NO_TRACK.to_owned(), ..Default::default() };
    scene.soon_refused("RATE_LIMITED", async || hurried.captions.update_caption_track(edit.clone()).await).await;
}

async fn transcripts(scene: &Scene) {
    let cells = &scene.cells;
    let mut owner = scene.owner.clone();
    let get = |asset_id: &str| GetTranscriptRequest { asset_id: asset_id.to_owned(), ..Default::default() };
    cells.refused("TRANSCRIPT_NOT_FOUND", owner.transcripts.get_transcript(get(&scene.sound)).await);
    cells.refused("ASSET_QUARANTINED", owner.transcripts.get_transcript(get(&scene.infected)).await);
    // As somebody wrote it down elsewhere: no RPC takes a transcript.
    sqlx::query(
        r#"INSERT INTO media.transcripts (id, tenant_id, asset_id, language, source, segments)
           VALUES ($1, $2, $3, 'en', 'human', '[{"startMs": 0, "endMs": 900, "text": "hello there"}]')"#,
    )
    .bind(uuid(&media_domain::TranscriptId::generate().to_string()))
    .bind(owner.tenant.0)
    .bind(uuid(&scene.sound))
    .execute(&scene.sql)
    .await
    .unwrap();
    assert_eq!(cells.happy(owner.transcripts.get_transcript(get(&scene.sound)).await).transcript.unwrap().segments.len(), 1);
    let list = ListTranscriptsRequest { asset_id: scene.sound.clone(), ..Default::default() };
    assert_eq!(cells.happy(owner.transcripts.list_transcripts(list.clone()).await).transcripts.len(), 1);
    let forged = ListTranscriptsRequest { page_token: "forged".to_owned(), ..list };
    cells.refused("PAGE_TOKEN_INVALID", owner.transcripts.list_transcripts(forged).await);
    let search =
        |asset_id: &str| SearchTranscriptsRequest { query: "hello".to_owned(), asset_id: asset_id.to_owned(), ..Default::default() };
    assert_eq!(cells.happy(owner.transcripts.search_transcripts(search(&scene.sound)).await).matches.len(), 1);
    cells.refused("ASSET_QUARANTINED", owner.transcripts.search_transcripts(search(&scene.infected)).await);
    let forged = SearchTranscriptsRequest { page_token: "forged".to_owned(), ..search("") };
    cells.refused("PAGE_TOKEN_INVALID", owner.transcripts.search_transcripts(forged).await);
}
