//! Two uploads of the same bytes: the second is made by the first one's work, and stays in its own trace.

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus};

use super::{COMPLETE, CREATE, LIMIT, callers_span, get, traced, upload, whole_trace};
use crate::harness::{Caller, eventually, samples};

/// Waits until the scanner has let an asset pass.
async fn is_scanned(caller: &mut Caller, id: &str) {
    eventually("it is scanned", LIMIT, async || match caller.get(id).await.asset.unwrap().status() {
        AssetStatus::Transcoding => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_is_ready_in_the_trace_of_its_own_upload() {
    let (mut world, collector) = traced("trace-of-a-follower", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let bytes = samples::picture(400, 200);
    let ((led, first), (followed, second)) = (callers_span(0xaaaa), callers_span(0xbbbb));
    let leader = upload(&mut caller, AssetKind::Image, &bytes, &first, &first).await;
    is_scanned(&mut caller, &leader).await;
    let follower = upload(&mut caller, AssetKind::Image, &bytes, &second, &second).await;
    is_scanned(&mut caller, &follower).await;
    world.start_all(&[Binary::Transcoder]).await;

    for (id, own) in [(&leader, &led), (&follower, &followed)] {
        consumer.until(id, "media.asset.ready.v1", LIMIT).await;
        for event in consumer.of(id) {
            let header = event.traceparent.as_deref().unwrap();
            assert_eq!(header[3..35], own.trace, "{} of {id}", event.event_type);
            assert_eq!(event.attributes["correlationid"], own.trace, "{} of {id}", event.event_type);
        }
    }
    let expected = [
        ("media-api", CREATE),
        ("media-api", COMPLETE),
        ("media-scanner", "media.scan scan"),
        ("media-outbox-relay", "publish media.asset.created.v1"),
        ("media-outbox-relay", "publish media.asset.uploaded.v1"),
        ("media-outbox-relay", "publish media.scan.requested"),
        ("media-outbox-relay", "publish media.asset.scanned.v1"),
        ("media-outbox-relay", "publish media.asset.ready.v1"),
    ];
    let spans = whole_trace(&collector, &followed, &expected).await;
    let ready = get(&spans, "media-outbox-relay", "publish media.asset.ready.v1");
    assert_eq!(ready.parent, get(&spans, "media-api", CREATE).place.span, "it follows from its own upload");
    assert!(spans.iter().all(|span| span.service != "media-transcoder"), "the work is the leader's: {spans:?}");
}
