use std::time::Duration;

use media_devstack::Binary;
use media_proto::v1::{
    AiProvenance, AssetKind, AssetSource, AssetStatus, CreateUploadRequest, GetPlaybackRequest, RetentionClass, UploadRequest,
    upload_request::Content,
};
use tonic::Code;

use super::{fields, provenance, upload};
use crate::{
    harness::{World, samples},
    refusals::{reason, refusal},
};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn what_ai_made_says_where_it_comes_from_and_nothing_else_does() {
    let world = World::with("ai-provenance", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let good = upload(&caller, 100);
    let with = |provenance: AiProvenance| CreateUploadRequest { provenance: Some(provenance), ..good.clone() };
    let future = media_proto::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let cases = [
        (CreateUploadRequest { provenance: None, ..good.clone() }, &["provenance"][..]),
        (with(AiProvenance::default()), &["provenance.model", "provenance.trace_id"]),
        (with(AiProvenance { trace_id: String::new(), ..provenance() }), &["provenance.trace_id"]),
        (with(AiProvenance { model: "x".repeat(201), ..provenance() }), &["provenance.model"]),
        (with(AiProvenance { generate_time: Some(future), ..provenance() }), &["provenance.generate_time"]),
        (with(AiProvenance { engine: "theirs".to_owned(), ..provenance() }), &["provenance.engine"]),
        (CreateUploadRequest { kind: AssetKind::Image.into(), ..good.clone() }, &["provenance"]),
    ];
    for (request, named) in cases {
        let refused = caller.uploads.create_upload(request.clone()).await.unwrap_err();
        assert_eq!(refusal(&refused), reason(Code::InvalidArgument, "FIELD_INVALID"));
        assert_eq!(fields(&refused), named, "{request:?}");
        let stream = futures::stream::iter([UploadRequest { content: Some(Content::Announcement(request)) }]);
        let refused = caller.uploads.upload(stream).await.unwrap_err();
        assert_eq!(fields(&refused), named, "by stream");
    }
    let asset = caller.create(good).await.asset.unwrap();
    assert_eq!((asset.source(), asset.retention_class()), (AssetSource::AiGenerated, RetentionClass::AiGenerated));
    let shown = caller.get(&asset.id).await.provenance.unwrap();
    assert!(shown.generate_time.is_some(), "the time of the call, where the caller says none");
    assert_eq!(AiProvenance { generate_time: None, ..shown }, provenance());
    let plain = caller.create(caller.request(AssetKind::Image, "card.png", 100)).await.asset.unwrap();
    assert_eq!((plain.source(), plain.retention_class()), (AssetSource::Upload, RetentionClass::Operational));
    assert_eq!(caller.get(&plain.id).await.provenance, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ai_made_passes_the_scan_and_is_shown_like_its_kind() {
    let world = World::with("ai-scan", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let mut caller = world.caller().await;
    let picture = samples::picture(400, 200);
    // One by the bucket, one through the service, and one that is no picture.
    let created = caller.create(upload(&caller, picture.len())).await;
    caller.put_all(&created, &picture).await;
    let by_bucket = created.asset.unwrap().id;
    caller.complete(&by_bucket).await.unwrap();
    let contents = [Content::Announcement(upload(&caller, picture.len())), Content::Chunk(picture.clone())];
    let stream = futures::stream::iter(contents.map(|content| UploadRequest { content: Some(content) }));
    let through = caller.uploads.upload(stream).await.unwrap().into_inner().asset.unwrap().id;
    let infected = samples::eicar();
    let created = caller.create(upload(&caller, infected.len())).await;
    caller.put_all(&created, &infected).await;
    let infected = created.asset.unwrap().id;
    caller.complete(&infected).await.unwrap();

    for id in [&by_bucket, &through] {
        let got = caller.until(id, AssetStatus::Ready, LIMIT).await;
        assert_eq!(got.asset.unwrap().source(), AssetSource::AiGenerated);
        assert!(got.variants.iter().any(|variant| variant.profile.starts_with("webp-")), "{:?}", got.variants);
        let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id: id.clone() }).await.unwrap().into_inner().playback;
        assert!(!playback.unwrap().images.is_empty());
    }
    caller.until(&infected, AssetStatus::Quarantined, LIMIT).await;
}
