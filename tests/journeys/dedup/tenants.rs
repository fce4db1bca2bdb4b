//! Two tenants with the same bytes.

use media_proto::v1::{Asset, AssetKind, AssetStatus, CreateUploadRequest, GetAssetResponse, GetPlaybackRequest};

use super::{ALL, LIMIT, encoded, named, picture, sha256};
use crate::{
    harness::{Caller, World},
    refusals::leftovers,
};

/// An answer without what differs between any two assets.
fn blank(asset: &Asset) -> Asset {
    let mut asset = asset.clone();
    for text in [&mut asset.id, &mut asset.tenant_id, &mut asset.owner_user_id] {
        text.clear();
    }
    (asset.create_time, asset.retention_until) = (None, None);
    asset
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tenants_have_two_sets_and_neither_is_told_of_the_other() {
    let world = World::with("dedup-tenants", &ALL).await;
    let (consumer, sql) = (world.consumer().await, world.sql().await);
    let bytes = picture();
    let (mut one, mut two) = (world.caller().await, world.caller().await);
    let mut got: Vec<(String, GetAssetResponse, Vec<String>)> = Vec::new();
    let mut announced: Vec<Asset> = Vec::new();
    // One after the other: the second's bytes are there, and ready, in another tenant.
    for caller in [&mut one, &mut two] {
        let request = CreateUploadRequest { sha256: sha256(&bytes), ..caller.request(AssetKind::Image, "card.png", bytes.len()) };
        let created = caller.create(request).await;
        let plan = created.plan.clone().expect("nobody of this tenant has these bytes");
        assert_eq!((plan.part_count, plan.parts.len()), (1, 1));
        caller.put_all(&created, &bytes).await;
        let asset = created.asset.unwrap();
        caller.complete(&asset.id).await.unwrap();
        let ready = caller.until(&asset.id, AssetStatus::Ready, LIMIT).await;
        consumer.until(&asset.id, "media.asset.ready.v1", LIMIT).await;
        got.push((asset.id.clone(), ready, urls(caller, &asset.id).await));
        announced.push(asset);
    }
    assert_eq!(blank(&announced[0]), blank(&announced[1]), "announced alike");
    let [(first, a, a_urls), (second, b, b_urls)] = <[_; 2]>::try_from(got).unwrap();
    assert_eq!(blank(a.asset.as_ref().unwrap()), blank(b.asset.as_ref().unwrap()), "answered alike");
    assert!(!b.asset.as_ref().unwrap().deduplicated);
    let jobs = |it: &GetAssetResponse| it.jobs.iter().map(|job| (job.profile.clone(), job.status())).collect::<Vec<_>>();
    let sorted = |mut jobs: Vec<_>| {
        jobs.sort();
        jobs
    };
    assert_eq!(sorted(jobs(&a)), sorted(jobs(&b)));

    assert_eq!((encoded(&sql, &first).await, encoded(&sql, &second).await), (2, 2), "each was looked into and encoded");
    let (ours, theirs) = (named(&sql, &first).await, named(&sql, &second).await);
    assert!(ours.is_disjoint(&theirs) && ours.len() == theirs.len(), "{ours:?} {theirs:?}");
    for (urls, own, other, others_asset) in [(&a_urls, &one, &two, &second), (&b_urls, &two, &one, &first)] {
        for url in urls {
            assert!(!url.contains(&other.tenant.to_string()) && !url.contains(others_asset.as_str()), "{url}");
        }
        let seen = consumer.of(if others_asset == &second { &first } else { &second });
        for event in &seen {
            assert_eq!(event.tenant, own.tenant.to_string());
            let data = event.data.to_string();
            assert!(!data.contains(&other.tenant.to_string()) && !data.contains(others_asset.as_str()), "{data}");
        }
    }
    let types = |id: &str| {
        let mut types: Vec<String> = consumer.of(id).into_iter().map(|event| event.event_type).collect();
        types.sort();
        types
    };
    assert_eq!(types(&first), types(&second));
    for caller in [&one, &two] {
        leftovers::assert_nothing_is_left(&world, caller.tenant).await;
    }
}

/// Every URL that a caller is given for an asset, and where its redirects lead.
async fn urls(caller: &mut Caller, id: &str) -> Vec<String> {
    let playback =
        caller.playback.get_playback(GetPlaybackRequest { asset_id: id.to_owned() }).await.unwrap().into_inner().playback.unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut urls = Vec::new();
    for image in playback.images {
        let answer = client.get(&image.url).send().await.unwrap();
        urls.extend(answer.headers().get("location").map(|url| url.to_str().unwrap().to_owned()));
        urls.push(image.url);
    }
    assert!(urls.len() > 2, "{urls:?}");
    urls
}
