//! PlaybackService.

use media_proto::v1::{
    BatchGetPlaybackRequest, GetDownloadUrlRequest, GetPlaybackRequest, RevokePlaybackRequest, playback_result::Outcome,
};

use super::scene::{Scene, uuid};

pub async fn walk(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger) = (scene.owner.clone(), scene.stranger.clone());
    let of = |asset_id: &str| GetPlaybackRequest { asset_id: asset_id.to_owned() };
    assert!(!cells.happy(owner.playback.get_playback(of(&scene.sound)).await).playback.unwrap().hls_url.is_empty());
    cells.refused("ASSET_NOT_READY", owner.playback.get_playback(of(&scene.announced)).await);
    cells.refused("ASSET_QUARANTINED", owner.playback.get_playback(of(&scene.infected)).await);
    let batch = BatchGetPlaybackRequest { asset_ids: vec![scene.sound.clone()] };
    let [result] = &cells.happy(owner.playback.batch_get_playback(batch.clone()).await).results[..] else { panic!("one was asked for") };
    assert!(matches!(result.outcome, Some(Outcome::Playback(_))), "{result:?}");
    cells.apart(stranger.playback.batch_get_playback(batch).await, |answer| {
        let is_unknown = |outcome: &Outcome| matches!(outcome, Outcome::Error(error) if error.reason == "ASSET_NOT_FOUND");
        answer.results.len() == 1 && answer.results.iter().all(|result| result.outcome.as_ref().is_some_and(is_unknown))
    });
    cells.happy(owner.playback.revoke_playback(RevokePlaybackRequest { asset_id: scene.sound.clone() }).await);

    let download = |asset_id: &str, profile: &str| GetDownloadUrlRequest { asset_id: asset_id.to_owned(), profile: profile.to_owned() };
    assert!(cells.happy(owner.playback.get_download_url(download(&scene.letter, "")).await).url.starts_with("http"));
    cells.refused("VARIANT_NOT_FOUND", owner.playback.get_download_url(download(&scene.letter, "poster")).await);
    cells.refused("ASSET_NOT_READY", owner.playback.get_download_url(download(&scene.announced, "")).await);
    cells.refused("ASSET_QUARANTINED", owner.playback.get_download_url(download(&scene.infected, "")).await);
    let id = scene.another_letter().await;
    scene.archive(&id, Some("archived")).await;
    cells.refused("ASSET_ARCHIVED", owner.playback.get_download_url(download(&id, "")).await);
    // As of a file that is larger than what clamd reads.
    let done = sqlx::query("UPDATE media.assets SET scan_verdict = 'partial' WHERE id = $1").bind(uuid(&id)).execute(&scene.sql).await;
    assert_eq!(done.unwrap().rows_affected(), 1);
    cells.refused("SCAN_PARTIAL", owner.playback.get_download_url(download(&id, "")).await);
}
