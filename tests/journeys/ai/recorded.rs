use std::time::Duration;

use futures::future::join_all;
use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::v1::{
    AiArtifactKind, AiProvenance, AssetKind, AssetSource, AssetStatus, CreateUploadRequest, GetAiArtifactRequest, ListAiArtifactsRequest,
    RecordAiArtifactRequest,
};
use tonic::Code;

use super::{fields, provenance, record, record_of, record_with, upload};
use crate::{
    harness::{Caller, World, samples},
    refusals::{leftovers, reason, refusal, refused},
};

const LIMIT: Duration = Duration::from_secs(120);

async fn recorded(caller: &Caller) -> usize {
    let listed = caller.ai_artifacts.clone().list_ai_artifacts(ListAiArtifactsRequest::default()).await;
    listed.unwrap().into_inner().ai_artifacts.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_is_there_is_recorded_once_for_each_request_id() {
    let world = World::with("ai-recorded", &[Binary::Api, Binary::Relay]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let id = caller.create(upload(&caller, 100)).await.asset.unwrap().id;
    let request = RecordAiArtifactRequest {
        provenance: Some(AiProvenance { decision_id: "d-7".to_owned(), ..provenance() }),
        request_id: "one".to_owned(),
        ..record_of(&id)
    };
    let first = record(&caller, request.clone()).await.unwrap();
    let artifact = first.ai_artifact.unwrap();
    assert_eq!(
        (artifact.kind(), artifact.cost_micro_usd, artifact.prompt_ref.as_str()),
        (AiArtifactKind::AiImage, 1200, "prompts/covers#4")
    );
    assert_eq!((artifact.output_asset_id.as_str(), first.asset.unwrap().id.as_str(), first.plan), (id.as_str(), id.as_str(), None));
    let said = artifact.provenance.clone().unwrap();
    assert_eq!((said.model.as_str(), said.decision_id.as_str()), ("painter-3", "d-7"));
    assert_eq!(said.generate_time, caller.get(&id).await.provenance.unwrap().generate_time, "the asset's, where the call says none");
    let got = caller.ai_artifacts.get_ai_artifact(GetAiArtifactRequest { ai_artifact_id: artifact.id.clone() }).await.unwrap();
    assert_eq!(got.into_inner().ai_artifact.unwrap(), artifact);

    for answer in join_all((0..8).map(|_| record(&caller, request.clone()))).await {
        assert_eq!(answer.unwrap().ai_artifact.unwrap(), artifact);
    }
    let other = record(&caller, RecordAiArtifactRequest { cost_micro_usd: 1, ..request }).await;
    assert_eq!(refused(other), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(recorded(&caller).await, 1);
    let told = consumer.until(&id, "media.ai_artifact.recorded.v1", LIMIT).await;
    assert_eq!((&told.data["aiArtifactId"], &told.data["kind"]), (&artifact.id.clone().into(), &"ai_image".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_does_not_fit_is_refused_by_its_fault_and_nothing_is_recorded() {
    let world = World::with("ai-unfit", &[Binary::Api]).await;
    let (mut caller, mut stranger) = (world.caller().await, world.caller().await);
    let fit = caller.create(upload(&caller, 100)).await.asset.unwrap().id;
    let plain = caller.create(caller.request(AssetKind::Image, "card.png", 100)).await.asset.unwrap().id;
    let foreign = stranger.create(upload(&stranger, 100)).await.asset.unwrap().id;
    let failed = caller.create(upload(&caller, 100)).await.asset.unwrap().id;
    caller.uploads.abort_upload(media_proto::v1::AbortUploadRequest { asset_id: failed.clone() }).await.unwrap();
    let quarantined = caller.create(upload(&caller, 100)).await.asset.unwrap().id;
    for status in ["scanning", "quarantined"] {
        sqlx::query("UPDATE media.assets SET status = $1 WHERE id = $2")
            .bind(status)
            .bind(quarantined.parse::<AssetId>().unwrap().as_uuid())
            .execute(&world.sql().await)
            .await
            .unwrap();
    }
    for (output, code, why) in [
        (&foreign, Code::NotFound, "ASSET_NOT_FOUND"),
        (&AssetId::generate().to_string(), Code::NotFound, "ASSET_NOT_FOUND"),
        (&failed, Code::FailedPrecondition, "ASSET_NOT_READY"),
        (&quarantined, Code::FailedPrecondition, "ASSET_QUARANTINED"),
        (&plain, Code::InvalidArgument, "FIELD_INVALID"),
    ] {
        assert_eq!(refused(record(&caller, record_of(output)).await), reason(code, why), "{output}");
    }
    let of_fit = |provenance: AiProvenance| RecordAiArtifactRequest { provenance: Some(provenance), ..record_of(&fit) };
    let cases = [
        (of_fit(AiProvenance { model: "another".to_owned(), ..provenance() }), &["provenance"][..]),
        (of_fit(AiProvenance { trace_id: "another".to_owned(), ..provenance() }), &["provenance"]),
        (of_fit(AiProvenance { prompt_id: "another".to_owned(), ..provenance() }), &["provenance"]),
        (of_fit(AiProvenance { model: String::new(), ..provenance() }), &["provenance.model"]),
        (RecordAiArtifactRequest { provenance: None, ..record_of(&fit) }, &["provenance"]),
        (RecordAiArtifactRequest { output: None, ..record_of(&fit) }, &["output"]),
        (
            RecordAiArtifactRequest { cost_micro_usd: -1, prompt_ref: "x".repeat(201), ..record_of("me") },
            &["prompt_ref", "cost_micro_usd", "output_asset_id"],
        ),
    ];
    for (request, named) in cases {
        let told = record(&caller, request.clone()).await.unwrap_err();
        assert_eq!(
            (refusal(&told), fields(&told)),
            (reason(Code::InvalidArgument, "FIELD_INVALID"), named.iter().map(ToString::to_string).collect())
        );
    }
    assert_eq!(recorded(&caller).await, 0);
    record(&caller, record_of(&fit)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_announced_and_recorded_in_one_call() {
    let world = World::with("ai-with-upload", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let picture = samples::picture(320, 320);
    let request = RecordAiArtifactRequest { request_id: "one".to_owned(), ..record_with(upload(&caller, picture.len())) };
    let answers = join_all((0..6).map(|_| record(&caller, request.clone()))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let (artifact, asset) = (answers[0].ai_artifact.clone().unwrap(), answers[0].asset.clone().unwrap());
    for answer in &answers {
        assert_eq!((answer.ai_artifact.as_ref(), answer.asset.as_ref().map(|it| &it.id)), (Some(&artifact), Some(&asset.id)));
        assert!(!answer.plan.as_ref().unwrap().parts.is_empty());
    }
    assert_eq!((artifact.output_asset_id.as_str(), asset.source()), (asset.id.as_str(), AssetSource::AiGenerated));
    assert_eq!(artifact.provenance, caller.get(&asset.id).await.provenance);
    let other = RecordAiArtifactRequest { prompt_ref: "another".to_owned(), ..request.clone() };
    assert_eq!(refused(record(&caller, other).await), reason(Code::AlreadyExists, "REQUEST_ID_REUSED"));

    let created = media_proto::v1::CreateUploadResponse { asset: Some(asset.clone()), plan: answers[5].plan.clone() };
    caller.put_all(&created, &picture).await;
    caller.complete(&asset.id).await.unwrap();
    caller.until(&asset.id, AssetStatus::Ready, LIMIT).await;
    let again = record(&caller, request).await.unwrap();
    assert_eq!((again.ai_artifact, again.plan), (Some(artifact), None), "nothing is left to upload");
    assert_eq!(again.asset.unwrap().status(), AssetStatus::Ready);
    assert_eq!(recorded(&caller).await, 1);
    let told = consumer.until(&asset.id, "media.ai_artifact.recorded.v1", LIMIT).await;
    let made = consumer.until(&asset.id, "media.asset.created.v1", LIMIT).await;
    assert_eq!(made.data["source"], "ai_generated");
    assert!(made.sequence < told.sequence, "an asset begins before what is said of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_or_is_at_fault_leaves_neither_record_nor_upload() {
    let world = World::with("ai-no-room", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    crate::retention::quota(&mut caller, 1000).await;
    let full = record(&caller, record_with(upload(&caller, 1001))).await;
    assert_eq!(refused(full), reason(Code::ResourceExhausted, "QUOTA_EXCEEDED"));
    let large = record(&caller, record_with(upload(&caller, 300 << 20))).await;
    assert_eq!(refused(large), reason(Code::InvalidArgument, "SIZE_EXCEEDS_LIMIT"));
    let faulty = CreateUploadRequest {
        kind: AssetKind::Video.into(),
        filename: "../x".to_owned(),
        request_id: "theirs".to_owned(),
        ..upload(&caller, 100)
    };
    let told = record(&caller, RecordAiArtifactRequest { provenance: None, ..record_with(faulty) }).await.unwrap_err();
    assert_eq!(fields(&told), ["provenance", "upload.request_id", "upload.kind", "filename"]);
    assert_eq!(recorded(&caller).await, 0);
    leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    record(&caller, record_with(upload(&caller, 1000))).await.unwrap();
}
