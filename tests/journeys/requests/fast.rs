use media_devstack::Binary;
use media_proto::v1::AssetKind;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    harness::World,
    refusals::{reason, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn who_creates_too_fast_is_told_when_to_come_back() {
    let mut world = World::new("fast").await;
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_PER_SECOND", "1");
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_AT_ONCE", "3");
    world.start_all(&[Binary::Api]).await;
    let mut caller = world.caller().await;
    for _ in 0..3 {
        caller.create(caller.request(AssetKind::Subtitle, "a.vtt", 10)).await;
    }
    let refusal = caller.uploads.create_upload(caller.request(AssetKind::Subtitle, "a.vtt", 10)).await.unwrap_err();
    let wait = refusal.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert_eq!(refused::<()>(Err(refusal)), reason(Code::ResourceExhausted, "RATE_LIMITED"));
    let mut other = world.caller().await;
    other.create(other.request(AssetKind::Subtitle, "a.vtt", 10)).await;
    tokio::time::sleep(wait).await;
    caller.create(caller.request(AssetKind::Subtitle, "a.vtt", 10)).await;
}
