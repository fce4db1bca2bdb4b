use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::{
    FieldMask,
    v1::{Asset, AssetKind, BatchGetAssetsRequest, DeleteAssetRequest, RetentionClass, UpdateAssetRequest},
};
use tonic::Code;

use crate::{
    harness::World,
    refusals::{reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_class_are_changed_where_the_etag_is_the_assets() {
    let world = World::with("edits", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let before = caller.create(caller.request(AssetKind::Subtitle, "old.vtt", 10)).await.asset.unwrap();
    let edit = |asset: Asset, paths: &[&str]| UpdateAssetRequest {
        asset: Some(Asset { id: before.id.clone(), ..asset }),
        update_mask: Some(FieldMask { paths: paths.iter().map(ToString::to_string).collect() }),
    };
    let new = Asset {
        filename: "new.vtt".into(),
        retention_class: RetentionClass::Authored.into(),
        etag: before.etag.clone(),
        ..Asset::default()
    };
    let renamed = caller.assets.update_asset(edit(new.clone(), &["filename"])).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((renamed.filename.as_str(), renamed.retention_class()), ("new.vtt", RetentionClass::Operational));
    assert_ne!(renamed.etag, before.etag);

    let stale = caller.assets.update_asset(edit(new.clone(), &["retention_class"])).await;
    assert_eq!(refused(stale), reason(Code::Aborted, "ETAG_MISMATCH"));
    let fresh = Asset { etag: renamed.etag.clone(), ..new.clone() };
    let kept = caller.assets.update_asset(edit(fresh, &["retention_class"])).await.unwrap().into_inner().asset.unwrap();
    assert_eq!((kept.filename.as_str(), kept.retention_class()), ("new.vtt", RetentionClass::Authored));
    let same =
        caller.assets.update_asset(edit(Asset { etag: String::new(), ..new }, &["filename"])).await.unwrap().into_inner().asset.unwrap();
    assert_eq!(same.etag, kept.etag, "what changes nothing is no new version");

    let wrong = edit(Asset { filename: "a/b".into(), ..Asset::default() }, &["filename", "status"]);
    assert_eq!(refused(caller.assets.update_asset(wrong).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_assets_come_in_the_order_of_their_ids_and_foreign_ones_are_missing() {
    let world = World::with("batch", &[Binary::Api]).await;
    let mut caller = world.caller().await;
    let mut stranger = world.caller().await;
    let mut ids = Vec::new();
    for name in ["a.vtt", "b.vtt", "c.vtt"] {
        ids.push(caller.create(caller.request(AssetKind::Subtitle, name, 10)).await.asset.unwrap().id);
    }
    caller.assets.delete_asset(DeleteAssetRequest { asset_id: ids[1].clone(), ..Default::default() }).await.unwrap();
    let never = AssetId::generate().to_string();
    let asked = vec![ids[2].clone(), never.clone(), ids[0].clone(), ids[1].clone(), ids[2].clone()];
    let got = caller.assets.batch_get_assets(BatchGetAssetsRequest { asset_ids: asked.clone() }).await.unwrap().into_inner();
    assert_eq!(got.assets.iter().map(|asset| &asset.id).collect::<Vec<_>>(), [&ids[2], &ids[0]]);
    assert_eq!(got.missing_asset_ids, [never, ids[1].clone()]);
    let foreign = stranger.assets.batch_get_assets(BatchGetAssetsRequest { asset_ids: asked.clone() }).await.unwrap().into_inner();
    assert_eq!((foreign.assets.len(), foreign.missing_asset_ids.len()), (0, 4), "a stranger gets none");

    let many = BatchGetAssetsRequest { asset_ids: vec![ids[0].clone(); 201] };
    assert_eq!(refused(caller.assets.batch_get_assets(many).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
    let wrong = BatchGetAssetsRequest { asset_ids: vec!["me".into()] };
    assert_eq!(refused(caller.assets.batch_get_assets(wrong).await), reason(Code::InvalidArgument, "FIELD_INVALID"));
}
