//! What was made for one place opens no other: signatures, playback tokens and page tokens.

use std::time::Duration;

use media_devstack::Binary;
use media_domain::DeadLetterId;
use media_proto::v1::{
    AddReferenceRequest, AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, ListAssetsRequest, ListDeadLettersRequest,
    ListJobsRequest, ListReferencesRequest,
};
use reqwest::{Client, StatusCode, redirect::Policy};
use tonic::Code;
use url::Url;

use crate::{
    harness::{Caller, World, samples},
    refusals::{reason, refused},
};

const LIMIT: Duration = Duration::from_secs(120);

/// A picture of this caller's, and where players are sent for it.
async fn picture(caller: &mut Caller) -> (String, Url, Url) {
    let id = caller.upload(AssetKind::Image, "card.png", &samples::picture(400, 200)).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    let playback = caller.playback.get_playback(GetPlaybackRequest { asset_id: id.clone() }).await.unwrap().into_inner().playback.unwrap();
    let request = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    let download = caller.playback.get_download_url(request).await.unwrap().into_inner().url;
    (id, playback.images[0].url.parse().unwrap(), download.parse().unwrap())
}

/// The token in a URL of the door.
fn token(url: &Url) -> String {
    url.path_segments().unwrap().nth(1).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_a_playback_token_and_a_place_in_a_list_are_of_no_use_elsewhere() {
    let world = World::with("borrowed", &[Binary::Api, Binary::Relay, Binary::Scanner, Binary::Transcoder]).await;
    let (mut owner, mut stranger) = (world.caller().await, world.caller().await);
    let (theirs, shown, download) = picture(&mut owner).await;
    let (own, own_shown, own_download) = picture(&mut stranger).await;
    let http = Client::builder().redirect(Policy::none()).build().unwrap();
    let status = async |url: Url| http.get(url).send().await.unwrap().status();

    // A signature for a download: neither another tenant's object, nor another object of the same asset, nor another method.
    assert_eq!(status(own_download.clone()).await, StatusCode::OK);
    let moved = |url: &Url, path: &str| {
        let mut url = url.clone();
        url.set_path(path);
        url
    };
    let (key, own_key) = (download.path().to_owned(), own_download.path().to_owned());
    assert!(key.contains(&owner.tenant.to_string()) && own_key.contains(&stranger.tenant.to_string()));
    let variant = own_key.replace("/original", &format!("/variants/webp-320/{own}"));
    for path in
        [key.clone(), own_key.replace(&own, &theirs), own_key.replace(&stranger.tenant.to_string(), &owner.tenant.to_string()), variant]
    {
        assert_eq!(status(moved(&own_download, &path)).await, StatusCode::FORBIDDEN, "{path}");
    }
    for (what, method) in [("put", http.put(own_download.clone())), ("delete", http.delete(own_download.clone()))] {
        assert_eq!(method.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{what}");
    }
    // A signature for a part: no part of another upload, and no other part of this one.
    let (announced, target) = (samples::document(200), samples::document(200));
    let mine = stranger.create(stranger.request(AssetKind::Document, "mine.rtf", announced.len())).await;
    let other = owner.create(owner.request(AssetKind::Document, "theirs.rtf", target.len())).await;
    let part = |created: &media_proto::v1::CreateUploadResponse| created.plan.as_ref().unwrap().parts[0].url.parse::<Url>().unwrap();
    let (mine, other) = (part(&mine), part(&other));
    let with = |name: &str, value: &str| {
        let mut url = mine.clone();
        let pairs: Vec<(String, String)> = mine.query_pairs().into_owned().collect();
        let changed = pairs.into_iter().map(|(key, old)| if key == name { (key, value.to_owned()) } else { (key, old) });
        url.query_pairs_mut().clear().extend_pairs(changed);
        url
    };
    let upload_id = other.query_pairs().find(|(name, _)| name == "uploadId").unwrap().1.into_owned();
    for url in [moved(&mine, other.path()), with("uploadId", &upload_id), with("partNumber", "2")] {
        let answer = http.put(url.clone()).body(announced.clone()).send().await.unwrap().status();
        assert_eq!(answer, StatusCode::FORBIDDEN, "{url}");
    }

    // A playback token leads to its own asset, however its halves are put together, and no other kind of token is one.
    let place = http.get(own_shown.clone()).send().await.unwrap();
    assert!(place.headers()["location"].to_str().unwrap().contains(&own), "{place:?}");
    let (a, b) = (token(&shown), token(&own_shown));
    assert_eq!(a.len(), b.len());
    let page = owner.assets.list_assets(ListAssetsRequest { page_size: 1, ..Default::default() }).await.unwrap().into_inner();
    let halves = [a.len() / 4, a.len() / 2, a.len() * 3 / 4].map(|at| format!("{}{}", &a[..at], &b[at..]));
    for forged in halves.into_iter().chain([page.next_page_token, format!("{a}{b}"), a[..a.len() - 1].to_owned()]) {
        let url = moved(&shown, &shown.path().replace(&a, &forged));
        assert!([StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status(url).await), "{forged}");
    }

    places_in_lists(&world, &mut owner, &mut stranger).await;
}

/// A place in a list is the tenant's who was told it, also for a stranger whose own list is as long.
async fn places_in_lists(world: &World, owner: &mut Caller, stranger: &mut Caller) {
    let sql = world.sql().await;
    for tenant in [owner.tenant, stranger.tenant] {
        for _ in 0..2 {
            sqlx::query("INSERT INTO media.dead_letters (id, tenant_id, queue, reason, body) VALUES ($1, $2, 'scan', 'rejected', '{}')")
                .bind(DeadLetterId::generate().as_uuid())
                .bind(tenant.0)
                .execute(&sql)
                .await
                .unwrap();
        }
    }
    for caller in [&mut *owner, &mut *stranger] {
        for name in ["a.rtf", "b.rtf"] {
            let id = caller.create(caller.request(AssetKind::Document, name, 100)).await.asset.unwrap().id;
            let request = AddReferenceRequest { asset_id: id, bundle_id: "bundle".to_owned(), expire_time: None };
            caller.retention.add_reference(request).await.unwrap();
        }
    }
    let invalid = reason(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    macro_rules! refused_to_a_stranger {
        ($client:ident.$method:ident($request:expr)) => {{
            let mut request = $request;
            let page_token = owner.$client.$method(request.clone()).await.unwrap().into_inner().next_page_token;
            assert!(!page_token.is_empty(), stringify!($method));
            request.page_token = page_token;
            owner.$client.$method(request.clone()).await.unwrap();
            assert_eq!(refused(stranger.$client.$method(request).await), invalid, stringify!($method));
        }};
    }
    refused_to_a_stranger!(assets.list_assets(ListAssetsRequest { page_size: 1, ..Default::default() }));
    refused_to_a_stranger!(operations.list_jobs(ListJobsRequest { page_size: 1, ..Default::default() }));
    refused_to_a_stranger!(operations.list_dead_letters(ListDeadLettersRequest { page_size: 1, ..Default::default() }));
    refused_to_a_stranger!(retention.list_references(ListReferencesRequest {
        bundle_id: "bundle".to_owned(),
        page_size: 1,
        ..Default::default()
    }));
}
