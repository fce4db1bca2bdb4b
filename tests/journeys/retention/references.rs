//! What bundles need.

use media_devstack::Binary;
use media_domain::AssetId;
use media_proto::{
    Timestamp,
    v1::{BundleAsset, ListReferencesRequest, Reference, RemoveReferenceRequest, SetReferencesRequest},
};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{DAY, announce, at, delete, is_about, now, refer};
use crate::{
    harness::{Caller, World},
    refusals::{reason, refusal, refused},
};

async fn set(caller: &mut Caller, bundle: &str, assets: &[(&str, Option<Timestamp>)]) -> Result<(), Status> {
    let assets = assets.iter().map(|(id, expire_time)| BundleAsset { asset_id: (*id).to_owned(), expire_time: *expire_time }).collect();
    caller.retention.set_references(SetReferencesRequest { bundle_id: bundle.to_owned(), assets }).await.map(drop)
}

async fn of_bundle(caller: &mut Caller, bundle: &str) -> Vec<Reference> {
    let request = ListReferencesRequest { bundle_id: bundle.to_owned(), ..Default::default() };
    caller.retention.list_references(request).await.unwrap().into_inner().references
}

async fn of_asset(caller: &mut Caller, id: &str) -> Vec<String> {
    let request = ListReferencesRequest { asset_id: id.to_owned(), ..Default::default() };
    let listed = caller.retention.list_references(request).await.unwrap().into_inner().references;
    listed.into_iter().map(|reference| reference.bundle_id).collect()
}

async fn remove(caller: &mut Caller, bundle: &str, id: &str) -> Option<Timestamp> {
    let request = RemoveReferenceRequest { bundle_id: bundle.to_owned(), asset_id: id.to_owned() };
    caller.retention.remove_reference(request).await.unwrap().into_inner().asset.unwrap().retention_until
}

#[tokio::test(flavor = "multi_thread")]
async fn what_bundles_need_is_kept_and_cannot_be_deleted() {
    let world = World::with("references", &[Binary::Api]).await;
    let (mut owner, mut other) = (world.caller().await, world.caller().await);
    let id = announce(&mut owner, 1000).await.unwrap();
    assert!(is_about(owner.get(&id).await.asset.unwrap().retention_until, now() + 90 * DAY), "nobody needs it yet");

    let week = now() + 7 * DAY;
    assert!(is_about(refer(&mut owner, "course/1", &id, at(week)).await.unwrap().retention_until, week + 90 * DAY));
    assert_eq!(refer(&mut owner, "course/2", &id, None).await.unwrap().retention_until, None);
    assert_eq!(refer(&mut owner, "course/2", &id, None).await.unwrap().retention_until, None, "said twice");
    assert_eq!(of_asset(&mut owner, &id).await, ["course/1", "course/2"]);
    let listed = of_bundle(&mut owner, "course/1").await;
    assert_eq!((listed.len(), listed[0].asset_id.as_str(), listed[0].expire_time), (1, id.as_str(), at(week)));
    assert!(is_about(listed[0].create_time, now()));

    let kept = delete(&mut owner, &id).await.unwrap_err();
    assert_eq!(refusal(&kept), reason(Code::FailedPrecondition, "REFERENCED"));
    assert_eq!(kept.get_error_details().error_info().unwrap().metadata["bundles"], "course/1, course/2");
    assert!(owner.get(&id).await.asset.unwrap().delete_time.is_none());

    assert!(of_bundle(&mut other, "course/1").await.is_empty(), "another tenant's bundle of the same name");
    assert!(is_about(remove(&mut owner, "course/2", &id).await, week + 90 * DAY), "the other one is still there");
    assert_eq!(refused(delete(&mut owner, &id).await), reason(Code::FailedPrecondition, "REFERENCED"));
    assert!(is_about(remove(&mut owner, "course/1", &id).await, now() + 90 * DAY), "it ended now, and not when it said it would");
    assert!(is_about(remove(&mut owner, "course/1", &id).await, now() + 90 * DAY), "a second time changes nothing");
    refer(&mut owner, "course/3", &id, at(week)).await.unwrap();
    // As a week later.
    sqlx::query("UPDATE media.asset_references SET expires_at = now() - interval '1 second'").execute(&world.sql().await).await.unwrap();
    assert!(of_asset(&mut owner, &id).await.is_empty());
    delete(&mut owner, &id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_list_of_a_bundle_replaces_the_one_before() {
    let world = World::with("references-set", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(announce(&mut owner, 1000).await.unwrap());
    }
    let [a, b, c] = &ids[..] else { unreachable!() };
    let week = now() + 7 * DAY;
    refer(&mut owner, "elsewhere", a, None).await.unwrap();
    set(&mut owner, "b", &[(a, None), (b, at(week))]).await.unwrap();
    set(&mut owner, "b", &[(b, None), (c, at(week))]).await.unwrap();
    let listed: Vec<_> =
        of_bundle(&mut owner, "b").await.into_iter().map(|reference| (reference.asset_id, reference.expire_time)).collect();
    let mut expected = vec![(b.clone(), None), (c.clone(), at(week))];
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(listed, expected);
    assert_eq!(of_asset(&mut owner, a).await, ["elsewhere"], "another bundle's reference is its own");
    assert_eq!(owner.get(b).await.asset.unwrap().retention_until, None);
    assert!(is_about(owner.get(c).await.asset.unwrap().retention_until, week + 90 * DAY));

    let unknown = AssetId::generate().to_string();
    assert_eq!(refused(set(&mut owner, "b", &[(a, None), (&unknown, None)]).await), reason(Code::NotFound, "ASSET_NOT_FOUND"));
    assert_eq!(of_bundle(&mut owner, "b").await.len(), 2, "all or nothing");
    set(&mut owner, "b", &[]).await.unwrap();
    assert!(of_bundle(&mut owner, "b").await.is_empty());
    for id in [b, c] {
        assert!(is_about(owner.get(id).await.asset.unwrap().retention_until, now() + 90 * DAY));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_lists_at_once_one_stands_whole() {
    let world = World::with("references-at-once", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(announce(&mut owner, 1000).await.unwrap());
    }
    ids.sort();
    for round in 0..20 {
        let setting: Vec<_> = [0, 4]
            .map(|from| {
                let (mut owner, half) = (owner.clone(), ids[from..from + 4].to_vec());
                tokio::spawn(async move {
                    let mut half: Vec<_> = half.iter().map(|id| (id.as_str(), None)).collect();
                    half.reverse();
                    set(&mut owner, "b", &half).await
                })
            })
            .into_iter()
            .collect();
        for set in setting {
            set.await.unwrap().unwrap();
        }
        let listed: Vec<_> = of_bundle(&mut owner, "b").await.into_iter().map(|reference| reference.asset_id).collect();
        assert!(listed == ids[..4] || listed == ids[4..], "round {round}: {listed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_cut_into_pages_that_belong_to_them() {
    let world = World::with("references-pages", &[Binary::Api]).await;
    let (mut owner, mut other) = (world.caller().await, world.caller().await);
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(announce(&mut owner, 1000).await.unwrap());
    }
    ids.sort();
    set(&mut owner, "b", &ids.iter().map(|id| (id.as_str(), None)).collect::<Vec<_>>()).await.unwrap();
    for bundle in ["a", "c", "d"] {
        refer(&mut owner, bundle, &ids[0], None).await.unwrap();
    }
    let by_bundle = ListReferencesRequest { bundle_id: "b".to_owned(), page_size: 2, ..Default::default() };
    let by_asset = ListReferencesRequest { asset_id: ids[0].clone(), page_size: 3, ..Default::default() };
    for (request, key, expected) in [
        (by_bundle.clone(), (|reference: Reference| reference.asset_id) as fn(Reference) -> String, ids.clone()),
        (by_asset.clone(), |reference| reference.bundle_id, ["a", "b", "c", "d"].map(str::to_owned).to_vec()),
    ] {
        let (mut request, mut seen) = (request, Vec::new());
        loop {
            let page = owner.retention.list_references(request.clone()).await.unwrap().into_inner();
            assert!(page.references.len() <= 3);
            seen.extend(page.references.into_iter().map(key));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen, expected);
    }
    let page_token = owner.retention.list_references(by_bundle.clone()).await.unwrap().into_inner().next_page_token;
    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    for request in [
        ListReferencesRequest { page_token: page_token.clone(), ..by_asset },
        ListReferencesRequest { bundle_id: "c".to_owned(), page_token: page_token.clone(), ..Default::default() },
        ListReferencesRequest { page_token: "nonsense".to_owned(), ..by_bundle.clone() },
    ] {
        assert_eq!(refused(owner.retention.list_references(request).await), invalid);
    }
    assert_eq!(refused(other.retention.list_references(ListReferencesRequest { page_token, ..by_bundle }).await), invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reference_is_refused() {
    let world = World::with("references-refused", &[Binary::Api]).await;
    let mut owner = world.caller().await;
    let id = announce(&mut owner, 1000).await.unwrap();
    let invalid = reason(Code::InvalidArgument, "FIELD_INVALID");
    for (bundle, expire_time) in [("", None), ("a\nb", None), (&*"x".repeat(201), None), ("b", at(now() - 1)), ("b", at(i64::MAX))] {
        assert_eq!(refused(refer(&mut owner, bundle, &id, expire_time).await), invalid, "{bundle:?} {expire_time:?}");
    }
    assert_eq!(refused(refer(&mut owner, "b", "me", None).await), invalid);
    assert_eq!(refused(set(&mut owner, "b", &[(&id, None), (&id, None)]).await), invalid);
    assert_eq!(refused(set(&mut owner, "b", &vec![(&*id, None); 2_001]).await), invalid);
    let lists = [("", "", 0), (&*id, "b", 0), (&*id, "", -1), ("me", "", 0), ("", "a\nb", 0)];
    for (asset_id, bundle_id, page_size) in lists {
        let request =
            ListReferencesRequest { asset_id: asset_id.to_owned(), bundle_id: bundle_id.to_owned(), page_size, page_token: String::new() };
        assert_eq!(refused(owner.retention.list_references(request).await), invalid, "{asset_id} {bundle_id} {page_size}");
    }
    let gone = reason(Code::NotFound, "ASSET_NOT_FOUND");
    delete(&mut owner, &id).await.unwrap();
    assert_eq!(refused(refer(&mut owner, "b", &id, None).await), gone, "a deleted asset is there for nobody");
}
