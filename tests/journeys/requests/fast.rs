use std::time::{Duration, Instant};

use futures::future::join_all;
use media_devstack::Binary;
use media_proto::v1::AssetKind;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::{
    harness::{Caller, World},
    refusals::{reason, refusal},
};

/// More than are let in while they arrive: that takes no ten seconds anywhere.
pub const MANY: usize = 16;

/// Sends all calls at once to where a tenant may send so many, and one more for each second; answers the longest wait that was told.
pub async fn all_at_once(calls: impl Iterator<Item = impl Future<Output = Result<(), Status>>>, may: u64) -> Duration {
    let begun = Instant::now();
    let (let_in, turned_away): (Vec<_>, Vec<_>) = join_all(calls).await.into_iter().partition(Result::is_ok);
    let most = may + begun.elapsed().as_secs();
    assert!((may..=most).contains(&(let_in.len() as u64)), "{} were let in, and not {may} to {most}", let_in.len());
    turned_away.into_iter().map(|answer| told(&answer.unwrap_err())).max().expect("some came too fast")
}

/// How long who came too fast was told to wait.
fn told(status: &Status) -> Duration {
    assert_eq!(refusal(status), reason(Code::ResourceExhausted, "RATE_LIMITED"));
    status.get_error_details().retry_info().unwrap().retry_delay.unwrap()
}

async fn create(caller: &mut Caller) -> Result<(), Status> {
    let request = caller.request(AssetKind::Subtitle, "a.vtt", 10);
    caller.uploads.create_upload(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_creates_too_fast_is_told_when_to_come_back() {
    let mut world = World::new("fast").await;
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_PER_SECOND", "1");
    world.fleet.set("MEDIA__RATE_LIMIT__CREATES_AT_ONCE", "3");
    world.start_all(&[Binary::Api]).await;
    let mut caller = world.caller().await;
    let creates = (0..MANY).map(|_| {
        let mut caller = caller.clone();
        async move { create(&mut caller).await }
    });
    let wait = all_at_once(creates, 3).await;
    create(&mut world.caller().await).await.expect("another tenant is not counted with it");
    sleep(wait).await;
    // The last of the many may have been let in, and later than any was told to wait: by the second time nobody else has come.
    if let Err(early) = create(&mut caller).await {
        sleep(told(&early)).await;
        create(&mut caller).await.unwrap();
    }
}
