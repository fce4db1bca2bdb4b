use media_devstack::{Binary, DatabaseRole};
use media_domain::AssetId;
use media_proto::v1::{
    AssetKind, AssetStatus, BatchGetPlaybackRequest, DeleteAssetRequest, GetPlaybackRequest, Playback, PlaybackResult,
    RevokePlaybackRequest, playback_result::Outcome,
};
use reqwest::{Client, StatusCode};
use tonic::{Code, Status};

use super::LIMIT;
use crate::{
    harness::{Caller, World, query_tap::QueryTap, samples},
    refusals::{reason, refusal, refused},
};

async fn batch(caller: &Caller, ids: &[&str]) -> Result<Vec<PlaybackResult>, Status> {
    let request = BatchGetPlaybackRequest { asset_ids: ids.iter().map(ToString::to_string).collect() };
    Ok(caller.playback.clone().batch_get_playback(request).await?.into_inner().results)
}

fn playback(result: &PlaybackResult) -> &Playback {
    match &result.outcome {
        Some(Outcome::Playback(playback)) => playback,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_asset_is_answered_by_itself_and_foreign_ones_like_those_that_never_were() {
    let world = World::with("playback-batch", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let (mut caller, mut stranger) = (world.caller().await, world.caller().await);
    let film = caller.upload(AssetKind::Video, "film.mp4", &samples::video(320, 240, 2)).await;
    let picture = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    let gone = caller.upload(AssetKind::Image, "gone.png", &samples::picture(320, 200)).await;
    let found = caller.upload(AssetKind::Image, "found.png", &samples::picture(320, 320)).await;
    let waiting = caller.create(caller.request(AssetKind::Image, "waits.png", 100)).await.asset.unwrap().id;
    let foreign = stranger.upload(AssetKind::Image, "card.png", &samples::picture(200, 200)).await;
    for id in [&film, &picture, &gone, &found] {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }
    stranger.until(&foreign, AssetStatus::Ready, LIMIT).await;
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: gone.clone(), ..Default::default() }).await.unwrap();
    sqlx::query("UPDATE media.assets SET status = 'quarantined' WHERE id = $1")
        .bind(found.parse::<AssetId>().unwrap().as_uuid())
        .execute(&world.sql().await)
        .await
        .unwrap();
    let never = AssetId::generate().to_string();
    let ids = [&foreign, &film, &waiting, &never, &picture, &gone, &found, &film].map(String::as_str);
    let results = batch(&caller, &ids).await.unwrap();
    assert_eq!(results.iter().map(|it| it.asset_id.as_str()).collect::<Vec<_>>(), ids[..7], "in their order, each once");
    let mut errors = Vec::new();
    for result in &results {
        if let Some(Outcome::Error(error)) = &result.outcome {
            errors.push((result.asset_id.as_str(), error.reason.as_str(), error.message.clone()));
            // As GetPlayback says it.
            let alone = caller.playback.get_playback(GetPlaybackRequest { asset_id: result.asset_id.clone() }).await.unwrap_err();
            assert_eq!((refusal(&alone).1.as_str(), alone.message()), (error.reason.as_str(), error.message.as_str()));
        }
    }
    let reasons: Vec<_> = errors.iter().map(|(id, reason, _)| (*id, *reason)).collect();
    let not_found = "ASSET_NOT_FOUND";
    let expected =
        [(&foreign, not_found), (&waiting, "ASSET_NOT_READY"), (&never, not_found), (&gone, not_found), (&found, "ASSET_QUARANTINED")];
    assert_eq!(reasons, expected.map(|(id, reason)| (id.as_str(), reason)));
    assert_eq!(errors[0].2, errors[2].2, "a foreign asset like one that never was");

    // What is answered plays, and is what GetPlayback gives.
    let player = Client::new();
    let (moving, still) = (playback(&results[1]), playback(&results[4]));
    let alone = caller.playback.get_playback(GetPlaybackRequest { asset_id: film.clone() }).await.unwrap().into_inner().playback.unwrap();
    let kinds = |it: &Playback| [&it.hls_url, &it.dash_url, &it.progressive_url, &it.poster_url, &it.storyboard_url].map(String::is_empty);
    assert_eq!((kinds(moving), moving.images.len()), (kinds(&alone), alone.images.len()));
    assert!(!moving.hls_url.is_empty() && still.hls_url.is_empty());
    for url in [&moving.hls_url, &moving.poster_url, &still.images[0].url] {
        assert_eq!(player.get(url).send().await.unwrap().status(), StatusCode::OK, "{url}");
    }
    caller.playback.revoke_playback(RevokePlaybackRequest { asset_id: film.clone() }).await.unwrap();
    assert_ne!(playback(&batch(&caller, &[&film]).await.unwrap()[0]).hls_url, moving.hls_url);

    assert!(batch(&caller, &[]).await.unwrap().is_empty());
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    assert_eq!(refused(batch(&caller, &[&film, "me"]).await), invalid);
    let many: Vec<String> = (0..201).map(|_| AssetId::generate().to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(batch(&caller, &many).await), invalid);
    assert_eq!(batch(&caller, &many[..200]).await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_assets_cost_as_many_questions_as_few() {
    let mut world = World::with("playback-questions", &[Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let database = world.isolated().database_url(DatabaseRole::Api);
    let tap = QueryTap::before(&database).await;
    let _api = world.start(Binary::Api, &[("MEDIA__DATABASE__URL", &tap.url(&database))]).await;
    let mut caller = world.caller().await;
    let mut ids = Vec::new();
    for size in [64, 65, 66, 67] {
        ids.push(caller.upload(AssetKind::Image, "card.png", &samples::picture(size, 64)).await);
    }
    for id in &ids {
        caller.until(id, AssetStatus::Ready, LIMIT).await;
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut asked = Vec::new();
    for some in [&ids[..1], &ids[..2], &ids[..]] {
        tap.take();
        let results = batch(&caller, some).await.unwrap();
        assert!(results.iter().all(|result| !playback(result).images.is_empty()));
        let statements = tap.take().into_iter().filter(|it| !it.contains("schema_version") && it != "ROLLBACK").collect::<Vec<_>>();
        asked.push(statements);
    }
    assert_eq!((&asked[0], &asked[0]), (&asked[1], &asked[2]));
    assert!(asked[0].len() <= 7, "{:?}", asked[0]);
}
