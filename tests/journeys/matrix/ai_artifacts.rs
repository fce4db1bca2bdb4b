//! AiArtifactService.

use media_proto::v1::{
    AssetKind, CreateUploadRequest, DeleteAssetRequest, GetAiArtifactRequest, ListAiArtifactsRequest, RecordAiArtifactRequest,
    record_ai_artifact_request::Output,
};

use super::scene::{Scene, uuid};
use crate::ai::{record_of, record_with, upload};

pub async fn walk(scene: &Scene) {
    let cells = &scene.cells;
    let (mut owner, mut stranger, mut poor, mut hurried) =
        (scene.owner.clone(), scene.stranger.clone(), scene.poor.clone(), scene.hurried.clone());
    let output = owner.create(upload(&owner, 100)).await.asset.unwrap().id;
    let once = RecordAiArtifactRequest { request_id: "recorded".to_owned(), ..record_of(&output) };
    let artifact = cells.happy(owner.ai_artifacts.record_ai_artifact(once.clone()).await).ai_artifact.unwrap();
    let other = RecordAiArtifactRequest { cost_micro_usd: 7, ..once.clone() };
    cells.refused("REQUEST_ID_REUSED", owner.ai_artifacts.record_ai_artifact(other).await);
    let get = GetAiArtifactRequest { ai_artifact_id: artifact.id.clone() };
    assert_eq!(cells.happy(owner.ai_artifacts.get_ai_artifact(get).await).ai_artifact.unwrap(), artifact);
    let list = ListAiArtifactsRequest { output_asset_id: output.clone(), ..Default::default() };
    assert_eq!(cells.happy(owner.ai_artifacts.list_ai_artifacts(list.clone()).await).ai_artifacts.len(), 1);
    cells.apart(stranger.ai_artifacts.list_ai_artifacts(list.clone()).await, |answer| answer.ai_artifacts.is_empty());
    let forged = ListAiArtifactsRequest { page_token: "forged".to_owned(), ..list };
    cells.refused("PAGE_TOKEN_INVALID", owner.ai_artifacts.list_ai_artifacts(forged).await);

    let announcing = |upload: CreateUploadRequest| record_with(upload);
    let large = CreateUploadRequest { size_bytes: 1 << 40, ..upload(&owner, 100) };
    cells.refused("SIZE_EXCEEDS_LIMIT", owner.ai_artifacts.record_ai_artifact(announcing(large)).await);
    let typed = CreateUploadRequest { mime: "video/mp4".to_owned(), ..upload(&owner, 100) };
    cells.refused("MIME_UNSUPPORTED", owner.ai_artifacts.record_ai_artifact(announcing(typed)).await);
    let theirs = announcing(upload(&poor, 100));
    cells.refused("QUOTA_EXCEEDED", poor.ai_artifacts.record_ai_artifact(theirs).await);
    let fast = || announcing(upload(&scene.hurried, 100));
    scene.soon_refused("RATE_LIMITED", async || hurried.ai_artifacts.record_ai_artifact(fast()).await).await;

    for (moves, reason) in [(&["failed"][..], "ASSET_NOT_READY"), (&["scanning", "quarantined"], "ASSET_QUARANTINED")] {
        let request = CreateUploadRequest { kind: AssetKind::AiImage.into(), ..upload(&owner, 100) };
        let ended = owner.create(request).await.asset.unwrap().id;
        for status in moves {
            let moved = sqlx::query("UPDATE media.assets SET status = $1 WHERE id = $2").bind(status).bind(uuid(&ended));
            assert_eq!(moved.execute(&scene.sql).await.unwrap().rows_affected(), 1);
        }
        let output = Some(Output::OutputAssetId(ended));
        cells.refused(reason, owner.ai_artifacts.record_ai_artifact(RecordAiArtifactRequest { output, ..record_of("") }).await);
    }
    owner.assets.delete_asset(DeleteAssetRequest { asset_id: output, ..Default::default() }).await.unwrap();
    cells.refused("ASSET_NOT_FOUND", owner.ai_artifacts.record_ai_artifact(once).await);
}
