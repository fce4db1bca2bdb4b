//! What logs and traces must not tell: names, and what opens something.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, GetDownloadUrlRequest, GetPlaybackRequest, RevokePlaybackRequest};
use reqwest::StatusCode;
use tonic::{body::Body, transport::Channel};
use tower::ServiceExt as _;

use super::{LIMIT, traced};
use crate::harness::{Caller, caller, eventually, samples};

const PERSON: &str = "anna.person@example.org";
const FILENAME: &str = "Anna Person at the beach.png";

#[tokio::test(flavor = "multi_thread")]
async fn what_logs_and_traces_tell_of_a_call_names_nobody_and_opens_nothing() {
    let (world, collector) = traced("told", &[Binary::Relay, Binary::Api, Binary::Scanner, Binary::Transcoder]).await;
    let tenant = world.caller().await.tenant;
    let token = caller::token_of(PERSON, tenant, caller::ALL_SCOPES, 600);
    let mut person = Caller::with_token(&world.fleet.grpc_url(), tenant, token.clone()).await;
    let id = person.upload(AssetKind::Image, FILENAME, &samples::picture(400, 200)).await;
    person.until(&id, AssetStatus::Ready, LIMIT).await;
    let playback = person.playback.get_playback(GetPlaybackRequest { asset_id: id.clone() }).await.unwrap().into_inner().playback.unwrap();
    let shown: reqwest::Url = playback.images[0].url.parse().unwrap();
    reqwest::get(shown.clone()).await.unwrap().error_for_status().unwrap();
    let download = GetDownloadUrlRequest { asset_id: id.clone(), profile: String::new() };
    person.playback.get_download_url(download).await.unwrap();
    person.playback.revoke_playback(RevokePlaybackRequest { asset_id: id.clone() }).await.unwrap();
    // What a closed door says of a token.
    eventually("the door is closed", LIMIT, async || match reqwest::get(shown.clone()).await.unwrap().status() {
        StatusCode::FORBIDDEN => Ok(()),
        other => Err(other),
    })
    .await;
    // Of a player whom an ingress sent to the wrong port.
    let channel = Channel::from_shared(world.fleet.grpc_url()).unwrap().connect().await.unwrap();
    let astray = http::Request::get(shown.path()).body(Body::empty()).unwrap();
    let answer = channel.oneshot(astray).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "16", "it has no token of a caller");
    eventually("the last call is told", LIMIT, async || {
        let names: Vec<String> = collector.spans().into_iter().map(|span| span.name).collect();
        if names.iter().any(|name| name.ends_with("/RevokePlayback")) { Ok(()) } else { Err(names) }
    })
    .await;

    let told = format!("{}\n{:?}", world.logs(), collector.spans());
    assert!(told.contains(&id), "nothing was told of the asset");
    let opens = shown.path_segments().unwrap().nth(1).unwrap();
    for secret in [PERSON, FILENAME, "Anna", &person.owner.to_string(), token.as_str(), opens, "X-Amz-Signature", "X-Amz-Credential"] {
        assert!(!told.contains(secret), "{secret}: {}", told.lines().find(|line| line.contains(secret)).unwrap_or_default());
    }
}
