use std::time::{Duration, Instant};

use media_devstack::Binary;
use media_proto::{
    FieldMask,
    v1::{
        AssetKind, AssetStatus, BatchGetPlaybackRequest, CaptionKind, CaptionVisibility, GetPlaybackRequest, Playback, TenantPolicy,
        UpdateTenantPolicyRequest, playback_result::Outcome,
    },
};
use reqwest::StatusCode;

use super::LIMIT;
use crate::harness::{Caller, World, eventually, samples};

/// The promise.
const WITHIN: Duration = Duration::from_secs(5);

async fn let_players_see(caller: &mut Caller, visibility: CaptionVisibility) -> Instant {
    let policy = Some(TenantPolicy { caption_visibility: visibility.into(), ..Default::default() });
    let update_mask = Some(FieldMask { paths: vec!["caption_visibility".to_owned()] });
    caller.retention.update_tenant_policy(UpdateTenantPolicyRequest { policy, update_mask }).await.unwrap();
    Instant::now()
}

/// The captions that both calls name, by language.
async fn named(caller: &mut Caller, id: &str) -> (Playback, Vec<String>) {
    let alone = caller.playback.get_playback(GetPlaybackRequest { asset_id: id.to_owned() }).await.unwrap().into_inner().playback.unwrap();
    let request = BatchGetPlaybackRequest { asset_ids: vec![id.to_owned()] };
    let results = caller.playback.batch_get_playback(request).await.unwrap().into_inner().results;
    let Some(Outcome::Playback(among)) = &results[0].outcome else { panic!("{results:?}") };
    let languages = |it: &Playback| it.captions.iter().map(|caption| caption.language.clone()).collect::<Vec<_>>();
    assert_eq!(languages(&alone), languages(among));
    let languages = languages(&alone);
    (alone, languages)
}

/// What the door says of a track: the master playlist, the manifest, and the track itself.
async fn door(playback: &Playback, track: &str) -> (bool, bool, StatusCode) {
    let text = async |url: &str| reqwest::get(url).await.unwrap().error_for_status().unwrap().text().await.unwrap();
    let captions = playback.hls_url.replace("hls.m3u8", &format!("captions/{track}.vtt"));
    let status = reqwest::get(&captions).await.unwrap().status();
    (text(&playback.hls_url).await.contains(track), text(&playback.dash_url).await.contains(track), status)
}

const SEEN: (bool, bool, StatusCode) = (true, true, StatusCode::OK);
const HIDDEN: (bool, bool, StatusCode) = (false, false, StatusCode::NOT_FOUND);

#[tokio::test(flavor = "multi_thread")]
async fn where_the_policy_asks_for_no_approval_players_see_what_nobody_has_looked_at() {
    let world = World::with("visibility", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let (mut caller, mut other) = (world.caller().await, world.caller().await);
    let film = samples::video(320, 240, 2);
    let id = caller.upload(AssetKind::Video, "film.mp4", &film).await;
    let theirs = other.upload(AssetKind::Video, "film.mp4", &film).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    other.until(&theirs, AssetStatus::Ready, LIMIT).await;
    let english = caller.import(&id, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    let german = caller.import(&id, "de", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    let french = caller.import(&id, "fr", CaptionKind::Captions, &samples::subtitle()).await.unwrap();
    caller.approve(&german).await.unwrap();
    caller.reject(&french).await.unwrap();
    other.import(&theirs, "en", CaptionKind::Captions, &samples::subtitle()).await.unwrap();

    let (playback, languages) = named(&mut caller, &id).await;
    assert_eq!((languages, door(&playback, &german.id).await), (vec!["de".to_owned()], SEEN), "by default what is approved");
    assert_eq!(door(&playback, &english.id).await, HIDDEN);

    // One token sees the change, in both directions, within the promised time.
    let changed = let_players_see(&mut caller, CaptionVisibility::All).await;
    assert_eq!(named(&mut caller, &id).await.1, ["en", "de"], "at once in what is answered");
    becomes(&playback, &english.id, SEEN, changed).await;
    assert_eq!(door(&playback, &french.id).await, HIDDEN, "what a person rejected is shown to nobody");
    assert_eq!(named(&mut other, &theirs).await.1, [""; 0], "another tenant decides for itself");
    let edit = caller.edit(&german, b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nNeu.\n").await.unwrap();
    becomes(&playback, &edit.id, SEEN, Instant::now()).await;
    assert_eq!(door(&playback, &german.id).await, HIDDEN, "of a language one track is shown, and the edit is newer");

    let changed = let_players_see(&mut caller, CaptionVisibility::Approved).await;
    assert_eq!(named(&mut caller, &id).await.1, ["de"]);
    becomes(&playback, &english.id, HIDDEN, changed).await;
    assert_eq!((door(&playback, &german.id).await, door(&playback, &edit.id).await), (SEEN, HIDDEN), "until its edit is approved");
}

async fn becomes(playback: &Playback, track: &str, wanted: (bool, bool, StatusCode), changed: Instant) {
    eventually("the door follows", LIMIT, async || {
        // Of a look that takes its time, its beginning counts.
        let asked = changed.elapsed();
        let seen = door(playback, track).await;
        assert!(seen == wanted || asked < WITHIN, "{seen:?}, asked {asked:?} after the change");
        if seen == wanted { Ok(()) } else { Err(seen) }
    })
    .await;
}
