//! One trace covers an asset, from the upload call through outbox and broker to every worker.
//!
//! A span's parent is what it follows from: work follows from the transaction that planned it, and what another asset's work brings an
//! asset follows from its own upload. A job that was woken by a message also links to the relay's span that published it, which need not
//! be that of the same work.
//!
//! - one_trace_covers_the_upload_call_the_outbox_the_broker_and_every_worker
//! - an_upload_that_ends_in_another_trace_goes_on_in_the_one_it_began_in
//! - followers::a_follower_is_ready_in_the_trace_of_its_own_upload
//! - told::what_logs_and_traces_tell_of_a_call_names_nobody_and_opens_nothing

mod collector;
mod followers;
mod told;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use media_devstack::Binary;
use media_proto::v1::{AssetKind, AssetStatus, CompleteUploadRequest};
use tonic::Request;

use self::collector::{Collector, Place, Span};
use crate::harness::{Caller, World, eventually, samples};

const LIMIT: Duration = Duration::from_secs(120);
const CREATE: &str = "media.v1.UploadService/CreateUpload";
const COMPLETE: &str = "media.v1.UploadService/CompleteUpload";

/// A caller's own span, of which we see only what it sends.
fn callers_span(trace: u128) -> (Place, String) {
    let place = Place { trace: format!("{trace:032x}"), span: "00f067aa0ba902b7".to_owned() };
    let header = format!("00-{}-{}-01", place.trace, place.span);
    (place, header)
}

async fn traced(name: &str, binaries: &[Binary]) -> (World, Collector) {
    let (collector, endpoint) = Collector::start().await;
    let mut world = World::new(name).await;
    world.fleet.set("MEDIA__TELEMETRY__OTLP_ENDPOINT", endpoint);
    // Of the OpenTelemetry SDK: how long, in milliseconds, spans wait before they are sent.
    world.fleet.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    // No worker looks for work by itself: each is woken by a message, and by none of the janitor's, which are in no asset's trace.
    world.fleet.set("MEDIA__WORKER__IDLE_POLL", "10m");
    world.fleet.set("MEDIA__SWEEPS__IDLE_AFTER", "10m");
    world.start_all(binaries).await;
    (world, collector)
}

/// Uploads a file, with a `traceparent` for the first call and one for the last.
async fn upload(caller: &mut Caller, kind: AssetKind, bytes: &[u8], first: &str, last: &str) -> String {
    let with = |traceparent: &str| traceparent.parse().unwrap();
    let mut request = Request::new(caller.request(kind, "traced", bytes.len()));
    request.metadata_mut().insert("traceparent", with(first));
    let created = caller.uploads.create_upload(request).await.unwrap().into_inner();
    caller.put_all(&created, bytes).await;
    let id = created.asset.unwrap().id;
    let mut request = Request::new(CompleteUploadRequest { asset_id: id.clone(), parts: Vec::new() });
    request.metadata_mut().insert("traceparent", with(last));
    caller.uploads.complete_upload(request).await.unwrap();
    id
}

/// The spans of a trace, once the expected ones are there, each as often as it is expected, and the parent of each is.
async fn whole_trace(collector: &Collector, root: &Place, expected: &[(&str, &str)]) -> Vec<Span> {
    let mut wanted: HashMap<(&str, &str), usize> = HashMap::new();
    for span in expected {
        *wanted.entry(*span).or_default() += 1;
    }
    eventually("the trace is whole", LIMIT, async || {
        let spans: Vec<Span> = collector.spans().into_iter().filter(|span| span.place.trace == root.trace).collect();
        let known: HashSet<&str> = spans.iter().map(|span| span.place.span.as_str()).chain([root.span.as_str()]).collect();
        let missing: Vec<_> = wanted.iter().filter(|((service, name), times)| all(&spans, service, name).len() < **times).collect();
        let orphans: Vec<_> = spans.iter().filter(|span| !known.contains(span.parent.as_str())).map(|span| span.name.clone()).collect();
        if missing.is_empty() && orphans.is_empty() { Ok(spans) } else { Err(format!("missing {missing:?}, without parent {orphans:?}")) }
    })
    .await
}

fn all<'a>(spans: &'a [Span], service: &str, name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.service == service && span.name == name).collect()
}

fn get<'a>(spans: &'a [Span], service: &str, name: &str) -> &'a Span {
    let same = all(spans, service, name);
    assert_eq!(same.len(), 1, "{service} has {name} so often in {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    same[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_covers_the_upload_call_the_outbox_the_broker_and_every_worker() {
    let (world, collector) = traced("traces", &Binary::ALL).await;
    let consumer = world.consumer().await;
    let mut caller = world.caller().await;
    let (root, traceparent) = callers_span(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    let id = upload(&mut caller, AssetKind::Video, &samples::video(320, 240, 4), &traceparent, &traceparent).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;
    consumer.until(&id, "media.ai_artifact.recorded.v1", LIMIT).await;

    let jobs = [
        ("media-scanner", "media.scan scan"),
        ("media-transcoder", "media.transcode probe"),
        ("media-transcoder", "media.transcode speech"),
        ("media-transcoder", "media.transcode poster"),
        ("media-transcoder", "media.transcode ladder"),
        ("media-captioner", "media.caption captions"),
    ];
    let rows: Vec<String> = sqlx::query_scalar("SELECT 'publish ' || type FROM media.outbox").fetch_all(&world.sql().await).await.unwrap();
    let expected: Vec<(&str, &str)> = [("media-api", CREATE), ("media-api", COMPLETE)]
        .into_iter()
        .chain(jobs)
        .chain(rows.iter().map(|name| ("media-outbox-relay", name.as_str())))
        .collect();
    let spans = whole_trace(&collector, &root, &expected).await;

    // Parents: what each follows from.
    let (create, complete) = (get(&spans, "media-api", CREATE), get(&spans, "media-api", COMPLETE));
    let [scan, probe, speech, poster, ladder, captions] = jobs.map(|(service, name)| get(&spans, service, name));
    assert_eq!([&create.parent, &complete.parent], [&root.span; 2]);
    for (job, parent) in [(scan, complete), (probe, scan), (speech, probe), (poster, probe), (ladder, probe), (captions, speech)] {
        assert_eq!(job.parent, parent.place.span, "{} follows from {}", job.name, parent.name);
        assert_eq!(job.attributes["asset.id"], id);
    }
    let of_relay: Vec<&Span> = spans.iter().filter(|span| span.service == "media-outbox-relay").collect();
    for (name, parent) in [
        ("publish media.asset.created.v1", create),
        ("publish media.asset.uploaded.v1", complete),
        ("publish media.scan.requested", complete),
        ("publish media.asset.scanned.v1", scan),
        ("publish media.caption.requested", speech),
        ("publish media.transcript.created.v1", captions),
    ] {
        assert_eq!(get(&spans, "media-outbox-relay", name).parent, parent.place.span, "{name} follows from {}", parent.name);
    }
    assert_eq!(of_relay.len(), rows.len(), "each row of the outbox was published once, in a span of this trace");

    // Links: the message that woke it.
    for (job, message) in [(scan, "publish media.scan.requested"), (captions, "publish media.caption.requested")] {
        assert_eq!(job.links, [get(&spans, "media-outbox-relay", message).place.clone()], "{}", job.name);
    }
    let wakings: Vec<&Place> =
        of_relay.iter().filter(|span| span.name == "publish media.transcode.requested").map(|span| &span.place).collect();
    assert_eq!(probe.links.len(), 1, "its worker was idle, so a message woke it");
    for job in [probe, speech, poster, ladder] {
        assert!(job.links.iter().all(|link| wakings.contains(&link)), "{} links to {:?}", job.name, job.links);
    }

    // What consumers get: the relay's span, so that theirs can follow from it.
    for event in consumer.of(&id) {
        let header = event.traceparent.as_deref().unwrap();
        let publish = of_relay.iter().find(|span| header[3..35] == span.place.trace && header[36..52] == span.place.span);
        assert_eq!(publish.unwrap().name, format!("publish {}", event.event_type));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_ends_in_another_trace_goes_on_in_the_one_it_began_in() {
    let (world, collector) = traced("two-traces", &[Binary::Relay, Binary::Api, Binary::Scanner]).await;
    let mut caller = world.caller().await;
    let ((begun, first), (ended, last)) = (callers_span(0xaaaa), callers_span(0xbbbb));
    let id = upload(&mut caller, AssetKind::Document, &samples::document(500), &first, &last).await;
    caller.until(&id, AssetStatus::Ready, LIMIT).await;

    let expected = [
        ("media-api", CREATE),
        ("media-api", "end upload"),
        ("media-outbox-relay", "publish media.asset.created.v1"),
        ("media-outbox-relay", "publish media.asset.uploaded.v1"),
        ("media-outbox-relay", "publish media.scan.requested"),
        ("media-outbox-relay", "publish media.asset.ready.v1"),
        ("media-scanner", "media.scan scan"),
    ];
    let spans = whole_trace(&collector, &begun, &expected).await;
    let call = whole_trace(&collector, &ended, &[("media-api", COMPLETE)]).await;
    let (create, end, complete) =
        (get(&spans, "media-api", CREATE), get(&spans, "media-api", "end upload"), get(&call, "media-api", COMPLETE));
    assert_eq!((complete.parent.as_str(), end.parent.as_str()), (ended.span.as_str(), create.place.span.as_str()));
    assert_eq!(get(&spans, "media-scanner", "media.scan scan").parent, end.place.span);
    // From either trace a person finds the other.
    assert_eq!(end.links, std::slice::from_ref(&complete.place));
    assert_eq!(complete.links, std::slice::from_ref(&end.place));
    assert!(call.iter().all(|span| span.service == "media-api"), "{call:?}");
    let correlations: Vec<Option<String>> =
        sqlx::query_scalar("SELECT DISTINCT correlation_id FROM media.outbox").fetch_all(&world.sql().await).await.unwrap();
    assert_eq!(correlations, [Some(begun.trace)], "what belongs together has one trace id");
}
