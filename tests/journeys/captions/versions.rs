//! Versions: each is kept as it is, and an edit makes another.

use media_devstack::Binary;
use media_proto::v1::{CaptionFormat, CaptionKind, CaptionSource, CaptionStatus, ListCaptionTracksRequest};
use tonic::Code;

use super::{OTHER_VTT, SRT, VTT, asset, reason, refusal};
use crate::harness::{Bucket, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_given_in_either_format_whichever_was_sent() {
    let world = World::with("captions-import", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    for (content, language) in [(VTT, "en"), (SRT, "DE-ch")] {
        let track = caller.import(&id, language, CaptionKind::Subtitles, content.as_bytes()).await.unwrap();
        assert_eq!((track.kind(), track.source(), track.status()), (CaptionKind::Subtitles, CaptionSource::Human, CaptionStatus::Waiting));
        assert_eq!((track.version, track.approved, track.asset_id.as_str()), (1, false, id.as_str()));
        assert_eq!(caller.text(&track, CaptionFormat::Vtt).await.unwrap(), VTT);
        assert_eq!(caller.text(&track, CaptionFormat::Unspecified).await.unwrap(), VTT);
        assert_eq!(caller.text(&track, CaptionFormat::Srt).await.unwrap(), SRT);
    }
    let mut request = caller.import_request(&id, "fr", CaptionKind::Captions, SRT.as_bytes());
    (request.source, request.format) = (CaptionSource::Imported.into(), CaptionFormat::Srt.into());
    let track = caller.captions.import_caption_track(request).await.unwrap().into_inner().caption_track.unwrap();
    assert_eq!(track.source(), CaptionSource::Imported);

    let languages: Vec<_> = caller.get(&id).await.caption_tracks.into_iter().map(|track| track.language).collect();
    assert_eq!(languages, ["en", "de-CH", "fr"], "a language has one spelling");
    let folder = format!("tenants/{}/media/{id}/captions/fr/{}.vtt", caller.tenant, track.id);
    assert_eq!(Bucket::of(world.isolated()).bytes(&folder).await, VTT.as_bytes());
    let doomed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM media.blobs WHERE doomed_at IS NOT NULL").fetch_one(&world.sql().await).await.unwrap();
    assert_eq!(doomed, 0, "what is named is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_a_persons_new_version_and_the_older_one_gives_way() {
    let world = World::with("captions-edit", &[Binary::Api, Binary::Relay]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let mut request = caller.import_request(&id, "en", CaptionKind::Captions, VTT.as_bytes());
    request.source = CaptionSource::Imported.into();
    let first = caller.captions.import_caption_track(request).await.unwrap().into_inner().caption_track.unwrap();
    let second = caller.edit(&first, OTHER_VTT.as_bytes()).await.unwrap();
    assert_eq!((second.version, second.source(), second.based_on.as_str()), (2, CaptionSource::Human, first.id.as_str()));
    assert_eq!((second.language.as_str(), second.kind(), second.status()), ("en", CaptionKind::Captions, CaptionStatus::Waiting));
    assert_eq!(caller.text(&second, CaptionFormat::Vtt).await.unwrap(), OTHER_VTT);
    assert_eq!(caller.text(&first, CaptionFormat::Vtt).await.unwrap(), VTT, "the older version is what it was");

    let versions = caller.versions(&id).await;
    let told: Vec<_> = versions.iter().map(|track| (track.version, track.status(), track.superseded_by.as_str())).collect();
    assert_eq!(told, [(2, CaptionStatus::Waiting, ""), (1, CaptionStatus::Superseded, second.id.as_str())]);
    assert_eq!(caller.get(&id).await.caption_tracks, versions[..1], "an asset shows what stands");

    let illegal = reason(Code::FailedPrecondition, "ILLEGAL_TRANSITION");
    assert_eq!(refusal(caller.edit(&first, VTT.as_bytes()).await), illegal, "who edits what another has edited is told");
    assert_eq!(refusal(caller.approve(&first).await), illegal);
    assert_eq!(refusal(caller.reject(&first).await), illegal);

    // Two who edit the same version at once: one of them wins.
    let (mut one, mut other) = (caller.clone(), caller.clone());
    let (one, other) = tokio::join!(one.edit(&second, VTT.as_bytes()), other.edit(&second, OTHER_VTT.as_bytes()));
    let (won, lost) = if one.is_ok() { (one, other) } else { (other, one) };
    assert_eq!((won.unwrap().version, refusal(lost)), (3, illegal));
    assert_eq!(caller.versions(&id).await.len(), 3);

    consumer.until(&id, "media.caption.created.v1", super::LIMIT).await;
    crate::harness::eventually("three versions are told", super::LIMIT, async || {
        let events = consumer.of(&id);
        let sources: Vec<_> = events
            .iter()
            .filter_map(|event| event.data.get("source")?.as_str().filter(|_| event.event_type == "media.caption.created.v1"))
            .map(str::to_owned)
            .collect();
        if sources == ["imported", "human", "human"] { Ok(()) } else { Err(sources) }
    })
    .await;
    consumer.assert_in_order(&id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_edit_gives_its_place_back() {
    let world = World::with("captions-delete", &[Binary::Api, Binary::Relay, Binary::Janitor]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = asset(&mut caller).await;
    let first = caller.import(&id, "en", CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    let edit = caller.edit(&first, OTHER_VTT.as_bytes()).await.unwrap();
    caller.delete_track(&edit).await.unwrap();
    assert_eq!(refusal(caller.delete_track(&edit).await), reason(Code::NotFound, "CAPTION_TRACK_NOT_FOUND"));
    let versions = caller.versions(&id).await;
    assert_eq!(
        versions.iter().map(|track| (track.id.as_str(), track.status())).collect::<Vec<_>>(),
        [(first.id.as_str(), CaptionStatus::Waiting)]
    );
    caller.edit(&first, OTHER_VTT.as_bytes()).await.unwrap();
    let deleted = consumer.until(&id, "media.caption.deleted.v1", super::LIMIT).await;
    assert_eq!((&deleted.data["captionTrackId"], &deleted.data["kind"]), (&edit.id.as_str().into(), &"captions".into()));
    consumer.assert_in_order(&id);
    let bucket = Bucket::of(world.isolated());
    crate::harness::eventually("the deleted text is gone from the bucket", super::LIMIT, async || {
        let left: Vec<_> = bucket.objects().await.into_keys().filter(|key| key.contains(&edit.id)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_comes_in_pages_and_their_tokens_lead_nowhere_else() {
    let world = World::with("captions-pages", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let (id, other) = (asset(&mut caller).await, asset(&mut caller).await);
    for language in ["en", "de", "fr", "it", "es"] {
        caller.import(&id, language, CaptionKind::Captions, VTT.as_bytes()).await.unwrap();
    }
    caller.import(&id, "en", CaptionKind::Descriptions, VTT.as_bytes()).await.unwrap();
    let mut request =
        ListCaptionTracksRequest { asset_id: id.clone(), page_size: 2, kind: CaptionKind::Captions.into(), ..Default::default() };
    let (mut languages, mut pages) = (Vec::new(), 0);
    loop {
        let page = caller.captions.list_caption_tracks(request.clone()).await.unwrap().into_inner();
        languages.extend(page.caption_tracks.into_iter().map(|track| track.language));
        pages += 1;
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!((pages, languages), (3, ["es", "it", "fr", "de", "en"].map(str::to_owned).to_vec()), "newest first");
    let narrowed = ListCaptionTracksRequest { asset_id: id.clone(), language: "EN".to_owned(), ..Default::default() };
    assert_eq!(caller.captions.list_caption_tracks(narrowed).await.unwrap().into_inner().caption_tracks.len(), 2);

    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    for wrong in [
        ListCaptionTracksRequest { asset_id: other, ..request.clone() },
        ListCaptionTracksRequest { kind: CaptionKind::Subtitles.into(), ..request.clone() },
        ListCaptionTracksRequest { page_token: "a.AAAA".to_owned(), ..request.clone() },
    ] {
        assert_eq!(refusal(caller.captions.list_caption_tracks(wrong).await), invalid);
    }
    let less = ListCaptionTracksRequest { page_size: -1, ..request };
    assert_eq!(refusal(caller.captions.list_caption_tracks(less).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}
