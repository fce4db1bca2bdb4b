//! Speech: written down, and shown to players once somebody has approved it.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{AssetKind, AssetStatus, CaptionSource, GetPlaybackRequest, Playback};
use serde_json::Value;

use super::{LIMIT, played::Master};
use crate::harness::{Bucket, Caller, World, eventually, samples};

const SPOKEN: &str = "Before anyone can watch this film, it is checked for viruses. Then every word is written down.";
/// A changed row is seen by the door within five seconds.
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn speech_is_written_down_and_players_see_it_only_when_it_is_approved() {
    let world = World::with("speech", &Binary::ALL).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = caller.upload(AssetKind::Video, "talk.mp4", &samples::talk(SPOKEN)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let recorded = consumer.until(&id, "media.ai_artifact.recorded.v1", LIMIT).await;
    let transcript = consumer.until(&id, "media.transcript.created.v1", LIMIT).await;
    let caption = consumer.until(&id, "media.caption.created.v1", LIMIT).await;
    consumer.assert_in_order(&id);

    let sql = world.sql().await;
    let asset = id.parse::<AssetId>().unwrap().as_uuid();
    let (language, segments, source): (String, Value, String) =
        sqlx::query_as("SELECT language, segments, source FROM media.transcripts WHERE asset_id = $1")
            .bind(asset)
            .fetch_one(&sql)
            .await
            .unwrap();
    assert_eq!((language.as_str(), source.as_str()), ("en", "ai"));
    assert_eq!(transcript.data["language"], "en");
    let text: Vec<&str> = segments.as_array().unwrap().iter().map(|segment| segment["text"].as_str().unwrap()).collect();
    assert_is_what_was_said(&text.join(" "));
    let (kind, provenance): (String, Value) =
        sqlx::query_as("SELECT kind, ai_provenance FROM media.ai_media_artifacts WHERE source_asset_id = $1")
            .bind(asset)
            .fetch_one(&sql)
            .await
            .unwrap();
    assert_eq!((kind.as_str(), &recorded.data["kind"]), ("transcript", &Value::from("transcript")));
    for field in ["model", "trace_id", "generated_at"] {
        assert!(provenance[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {provenance}");
    }

    let tracks = caller.get(&id).await.caption_tracks;
    assert_eq!(tracks.len(), 1, "{tracks:?}");
    assert_eq!((tracks[0].source(), tracks[0].approved, tracks[0].language.as_str()), (CaptionSource::Ai, false, "en"));
    assert_eq!(caption.data["captionTrackId"], tracks[0].id.as_str());
    let hidden = playback(&mut caller, &id).await;
    assert!(hidden.captions.is_empty(), "{:?}", hidden.captions);
    assert!(Master::get(&hidden.hls_url).await.captions.is_empty());
    let guessed = hidden.hls_url.replace("hls.m3u8", &format!("captions/{}.vtt", tracks[0].id));
    assert_eq!(reqwest::get(&guessed).await.unwrap().status(), 404, "whoever guesses its address gets nothing");

    caller.approve(&tracks[0]).await.unwrap();
    let shown = playback(&mut caller, &id).await;
    assert_eq!(
        shown.captions.iter().map(|caption| caption.url.as_str()).collect::<Vec<_>>(),
        [&guessed.replace(token(&guessed), token(&shown.hls_url))]
    );
    let playlist = eventually("the approved track is in the master playlist", SOON, async || {
        let master = Master::get(&shown.hls_url).await;
        master.captions.first().cloned().ok_or(master.text)
    })
    .await;
    let listed = reqwest::get(&playlist).await.unwrap().error_for_status().unwrap().text().await.unwrap();
    assert!(listed.contains(&format!("{}.vtt", tracks[0].id)), "{listed}");
    let captions = reqwest::get(&shown.captions[0].url).await.unwrap().error_for_status().unwrap().text().await.unwrap();
    assert!(captions.starts_with("WEBVTT\n"), "{captions}");
    assert_is_what_was_said(&captions);
    let key = format!("tenants/{}/media/{id}/captions/en.vtt", caller.tenant);
    let bucket = Bucket::of(world.isolated());
    eventually("the copy at the asked-for key is there", SOON, async || {
        let keys: Vec<_> = bucket.objects().await.into_keys().collect();
        if keys.contains(&key) { Ok(()) } else { Err(keys) }
    })
    .await;
    assert_eq!(bucket.bytes(&key).await, captions.as_bytes());

    // A person's better words take its place, and what is rejected is shown no more.
    let corrected = captions.to_uppercase();
    let edit = caller.edit(&tracks[0], corrected.as_bytes()).await.unwrap();
    assert_eq!(playback(&mut caller, &id).await.captions.len(), 1, "until it is approved, the machine's is shown");
    caller.approve(&edit).await.unwrap();
    let shown = playback(&mut caller, &id).await;
    assert!(shown.captions.len() == 1 && shown.captions[0].url.ends_with(&format!("{}.vtt", edit.id)), "{:?}", shown.captions);
    eventually("the person's words are played", SOON, async || {
        let answer = reqwest::get(&shown.captions[0].url).await.unwrap();
        if answer.status() == 200 { Ok(answer.text().await.unwrap()) } else { Err(answer.status()) }
    })
    .await;
    caller.reject(&edit).await.unwrap();
    assert!(playback(&mut caller, &id).await.captions.is_empty());
    eventually("a rejected track is played no more", SOON, async || {
        let status = reqwest::get(&shown.captions[0].url).await.unwrap().status();
        if status == 404 { Ok(()) } else { Err(status) }
    })
    .await;
    consumer.until(&id, "media.caption.rejected.v1", LIMIT).await;
    consumer.assert_in_order(&id);
}

async fn playback(caller: &mut Caller, id: &str) -> Playback {
    let request = GetPlaybackRequest { asset_id: id.to_owned() };
    caller.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap()
}

/// The token in a URL of the door: each call of GetPlayback makes one.
fn token(url: &str) -> &str {
    url.split_once("/playback/").unwrap().1.split_once('/').unwrap().0
}

/// At least 80 % of the words are there.
fn assert_is_what_was_said(text: &str) {
    let plain = |text: &str| text.to_lowercase().split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let heard = plain(text);
    let said: Vec<String> = plain(SPOKEN).into_iter().filter(|word| !word.is_empty()).collect();
    let found = said.iter().filter(|word| heard.contains(word)).count();
    assert!(found * 10 >= said.len() * 8, "{found} of {} words: {text}", said.len());
}
