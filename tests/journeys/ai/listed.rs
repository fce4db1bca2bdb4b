use media_devstack::Binary;
use media_proto::v1::{AiArtifactKind, AiProvenance, AssetKind, CreateUploadRequest, ListAiArtifactsRequest, RecordAiArtifactRequest};
use serde_json::Value;
use tonic::Code;

use super::{provenance, record, record_with, upload};
use crate::{
    harness::{Caller, World, command_line, eventually, samples},
    refusals::{reason, refused},
};

async fn listed(caller: &Caller, request: ListAiArtifactsRequest) -> Vec<String> {
    let page = caller.ai_artifacts.clone().list_ai_artifacts(request).await.unwrap().into_inner();
    page.ai_artifacts.into_iter().map(|artifact| artifact.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_newest_first_page_by_page_and_by_what_is_asked_for() {
    let world = World::with("ai-listed", &[Binary::Api]).await;
    let (caller, stranger) = (world.caller().await, world.caller().await);
    let mut made = Vec::new();
    for (number, kind) in
        [AssetKind::AiImage, AssetKind::AiAudio, AssetKind::AiImage, AssetKind::AiAudio, AssetKind::AiImage].iter().enumerate()
    {
        let model = format!("model-{}", number % 2);
        let request = RecordAiArtifactRequest {
            provenance: Some(AiProvenance { model, ..provenance() }),
            ..record_with(CreateUploadRequest { kind: (*kind).into(), ..upload(&caller, 100) })
        };
        made.push(record(&caller, request).await.unwrap().ai_artifact.unwrap());
        // Ids of one millisecond have no order.
        let of = made[number].create_time;
        eventually("the next millisecond", std::time::Duration::from_secs(1), async || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
            let then = of.map(|time| time.seconds as u128 * 1000 + time.nanos as u128 / 1_000_000).unwrap();
            if now > then + 1 { Ok(()) } else { Err(now) }
        })
        .await;
    }
    let newest_first: Vec<String> = made.iter().rev().map(|artifact| artifact.id.clone()).collect();
    assert_eq!(listed(&caller, ListAiArtifactsRequest::default()).await, newest_first);
    assert!(listed(&stranger, ListAiArtifactsRequest::default()).await.is_empty());

    let mut request = ListAiArtifactsRequest { page_size: 2, ..Default::default() };
    let (mut paged, mut tokens) = (Vec::new(), Vec::new());
    loop {
        let page = caller.ai_artifacts.clone().list_ai_artifacts(request.clone()).await.unwrap().into_inner();
        assert!(page.ai_artifacts.len() <= 2);
        paged.extend(page.ai_artifacts.into_iter().map(|artifact| artifact.id));
        if page.next_page_token.is_empty() {
            break;
        }
        tokens.push(page.next_page_token.clone());
        request.page_token = page.next_page_token;
    }
    assert_eq!((paged, tokens.len()), (newest_first.clone(), 2));
    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let first = ListAiArtifactsRequest { page_token: tokens[0].clone(), ..Default::default() };
    assert_eq!(refused(stranger.ai_artifacts.clone().list_ai_artifacts(first.clone()).await), invalid, "another tenant's");
    for other in [
        ListAiArtifactsRequest { model: "model-0".to_owned(), ..first.clone() },
        ListAiArtifactsRequest { page_token: "forged".to_owned(), ..first },
    ] {
        assert_eq!(refused(caller.ai_artifacts.clone().list_ai_artifacts(other).await), invalid);
    }

    let ids = |which: &[usize]| which.iter().map(|number| made[*number].id.clone()).collect::<Vec<_>>();
    let by = ListAiArtifactsRequest::default;
    let kind = AiArtifactKind::AiAudio.into();
    assert_eq!(listed(&caller, ListAiArtifactsRequest { kind, ..by() }).await, ids(&[3, 1]));
    assert_eq!(listed(&caller, ListAiArtifactsRequest { model: "model-0".to_owned(), ..by() }).await, ids(&[4, 2, 0]));
    let output_asset_id = made[2].output_asset_id.clone();
    assert_eq!(listed(&caller, ListAiArtifactsRequest { output_asset_id, ..by() }).await, ids(&[2]));
    let since = ListAiArtifactsRequest { min_create_time: made[3].create_time, ..by() };
    assert_eq!(listed(&caller, since).await, ids(&[4, 3]));
    let until = ListAiArtifactsRequest { max_create_time: made[3].create_time, ..by() };
    assert_eq!(listed(&caller, until).await, ids(&[2, 1, 0]));
    let bad = ListAiArtifactsRequest { kind: 99, output_asset_id: "me".to_owned(), page_size: 1, ..by() };
    let told = caller.ai_artifacts.clone().list_ai_artifacts(bad).await.unwrap_err();
    assert_eq!(super::fields(&told), ["kind", "output_asset_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_records_shows_and_lists() {
    let world = World::with("ai-typed", &[Binary::Api]).await;
    let caller = world.caller().await;
    let folder = tempfile::tempdir().unwrap();
    let picture = samples::on_disk(folder.path(), "cover.png", &samples::picture(64, 64));
    let typed = async |arguments: &[&str]| {
        let output = command_line::run(command_line::media(&world, &caller, arguments)).await;
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let json = async |arguments: &[&str]| -> Vec<Value> {
        let (code, text, said) = typed(&[&["--json"], arguments].concat()).await;
        assert_eq!(code, 0, "{arguments:?}: {said}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let made = ["--model", "painter-3", "--trace-id", "t-1"];
    let (code, _, said) = typed(&["upload", &picture, "--kind", "ai_image", "--model", "painter-3"]).await;
    assert!(code == 4 && said.contains("provenance.trace_id"), "{code} {said}");
    let asset = json(&[&["upload", &picture, "--kind", "ai_image"], &made[..]].concat()).await;
    assert_eq!(asset[0]["source"], "ASSET_SOURCE_AI_GENERATED");
    let id = asset[0]["id"].as_str().unwrap();
    let record = json(
        &[&["ai", "record", id, "--cost", "1200", "--prompt-ref", "p#4", "--generated-at", "2026-11-24T12:00:00Z"], &made[..]].concat(),
    )
    .await;
    let artifact = record[0]["id"].as_str().unwrap();
    assert!(record[0]["provenance"]["generateTime"].as_str().unwrap().starts_with("2026-11-24T12:00:00"));
    assert_eq!(json(&["ai", "show", artifact]).await, record);
    assert_eq!(json(&["ai", "ls", "--asset", id, "--kind", "ai_image", "--model", "painter-3"]).await, record);
    assert!(json(&["ai", "ls", "--kind", "ai_audio"]).await.is_empty());
    let (_, row, _) = typed(&["ai", "ls"]).await;
    assert!(row.contains(artifact) && row.contains("1200 micro-USD  painter-3"), "{row}");
    assert_eq!(typed(&["ai", "show", id]).await.0, 3, "that is an asset");
}
