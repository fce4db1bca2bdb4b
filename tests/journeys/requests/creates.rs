//! Tracks, holds and captions that are asked for again under their request id: each once, however often its answer is lost.

use std::collections::BTreeSet;

use futures::future::join_all;
use media_devstack::Binary;
use media_proto::v1::{
    AssetKind, AssetStatus, CaptionKind, CaptionMode, GenerateCaptionsRequest, ImportCaptionTrackRequest, JobStatus,
    ListCaptionTracksRequest, PlaceHoldRequest, ReleaseHoldRequest, UpdateCaptionTrackRequest,
};
use tonic::Code;

use crate::{
    harness::{Caller, World, samples},
    matrix::{captions, sound_of},
    refusals::{reason, refused},
};

const ONCE: &str = "once";
const AT_ONCE: usize = 8;

/// How many versions an asset has, also those whose place another has taken.
async fn versions(caller: &mut Caller, asset_id: &str) -> usize {
    let list = ListCaptionTracksRequest { asset_id: asset_id.to_owned(), show_superseded: true, ..Default::default() };
    caller.captions.list_caption_tracks(list).await.unwrap().into_inner().caption_tracks.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_is_handed_over_again_is_the_one_that_was_made() {
    let world = World::with("tracks-once", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let id = caller.create(caller.request(AssetKind::Video, "film.mp4", 1_000)).await.asset.unwrap().id;
    let import = ImportCaptionTrackRequest {
        request_id: ONCE.to_owned(),
        ..caller.import_request(&id, "en", CaptionKind::Captions, &samples::subtitle())
    };
    let answers = join_all((0..AT_ONCE).map(|_| {
        let (mut captions, import) = (caller.captions.clone(), import.clone());
        async move { captions.import_caption_track(import).await.unwrap().into_inner().caption_track.unwrap().id }
    }));
    let made: BTreeSet<String> = answers.await.into_iter().collect();
    assert_eq!((made.len(), versions(&mut caller, &id).await), (1, 1), "{made:?}");

    let edit = UpdateCaptionTrackRequest {
        asset_id: id.clone(),
        caption_track_id: made.first().unwrap().clone(),
        content: b"WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello, there!\n".to_vec(),
        request_id: ONCE.to_owned(),
        ..Default::default()
    };
    let answers = join_all((0..AT_ONCE).map(|_| {
        let (mut captions, edit) = (caller.captions.clone(), edit.clone());
        async move { captions.update_caption_track(edit).await.unwrap().into_inner().caption_track.unwrap() }
    }));
    let edited: BTreeSet<(String, i32)> = answers.await.into_iter().map(|track| (track.id, track.version)).collect();
    assert_eq!((edited.len(), versions(&mut caller, &id).await), (1, 2), "{edited:?}");
    // What was made is shown as it is by now, and the first answer's version has given way to the edit.
    let again = caller.captions.import_caption_track(import.clone()).await.unwrap().into_inner().caption_track.unwrap();
    assert_eq!(Some(&again.superseded_by), edited.first().map(|(id, _)| id));

    let reused = reason(Code::AlreadyExists, "REQUEST_ID_REUSED");
    let other = ImportCaptionTrackRequest { language: "de".to_owned(), ..import.clone() };
    assert_eq!(refused(caller.captions.import_caption_track(other).await), reused);
    let long = ImportCaptionTrackRequest { request_id: "x".repeat(65), ..import };
    assert_eq!(refused(caller.captions.import_caption_track(long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    let long = UpdateCaptionTrackRequest { request_id: "x".repeat(65), ..edit };
    assert_eq!(refused(caller.captions.update_caption_track(long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(versions(&mut caller, &id).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_placed_again_is_the_one_that_stands_or_was_released() {
    let world = World::with("holds-once", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let asset_id = caller.create(caller.request(AssetKind::Subtitle, "a.vtt", 10)).await.asset.unwrap().id;
    let place = PlaceHoldRequest { asset_id: asset_id.clone(), reason: "a case".to_owned(), request_id: ONCE.to_owned() };
    let answers = join_all((0..AT_ONCE).map(|_| {
        let (mut retention, place) = (caller.retention.clone(), place.clone());
        async move { retention.place_hold(place).await.unwrap().into_inner().hold.unwrap().id }
    }));
    let placed: BTreeSet<String> = answers.await.into_iter().collect();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM media.asset_holds").fetch_one(&world.sql().await).await.unwrap();
    assert_eq!((placed.len(), rows), (1, 1), "{placed:?}");

    let release = ReleaseHoldRequest { asset_id, hold_id: placed.first().unwrap().clone() };
    caller.retention.release_hold(release).await.unwrap();
    let again = caller.retention.place_hold(place.clone()).await.unwrap().into_inner().hold.unwrap();
    assert!(placed.contains(&again.id) && again.release_time.is_some(), "read afresh: {again:?}");
    let other = PlaceHoldRequest { reason: "another case".to_owned(), ..place.clone() };
    assert_eq!(refused(caller.retention.place_hold(other).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let anew = PlaceHoldRequest { request_id: String::new(), ..place.clone() };
    assert_ne!(caller.retention.place_hold(anew).await.unwrap().into_inner().hold.unwrap().id, again.id, "without an id, another");
    let long = PlaceHoldRequest { request_id: "x".repeat(65), ..place };
    assert_eq!(refused(caller.retention.place_hold(long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_that_are_asked_for_again_are_not_made_again() {
    let world = World::with("captions-once", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    captions(&mut caller, CaptionMode::OnRequest).await;
    let id = caller.upload(AssetKind::Audio, "tone.m4a", &sound_of(2)).await;
    caller.until(&id, AssetStatus::Ready, std::time::Duration::from_secs(90)).await;
    let generate = GenerateCaptionsRequest { asset_id: id.clone(), request_id: ONCE.to_owned(), ..Default::default() };
    let answers = join_all((0..AT_ONCE).map(|_| {
        let (mut captions, generate) = (caller.captions.clone(), generate.clone());
        async move { captions.generate_captions(generate).await.unwrap().into_inner().job.unwrap().id }
    }));
    let jobs: BTreeSet<String> = answers.await.into_iter().collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    // The speech is made meanwhile: asked anew, its captions would be planned.
    caller.until(&id, AssetStatus::Ready, std::time::Duration::from_secs(90)).await;
    let again = caller.captions.generate_captions(generate.clone()).await.unwrap().into_inner().job.unwrap();
    assert_eq!((again.profile.as_str(), again.status(), jobs.contains(&again.id)), ("speech", JobStatus::Succeeded, true));
    let other = GenerateCaptionsRequest { language: "en".to_owned(), ..generate.clone() };
    assert_eq!(refused(caller.captions.generate_captions(other).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    let long = GenerateCaptionsRequest { request_id: "x".repeat(65), ..generate };
    assert_eq!(refused(caller.captions.generate_captions(long).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}
