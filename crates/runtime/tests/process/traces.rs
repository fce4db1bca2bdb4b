//! What a collector receives, and what the log says about the same trace.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::AT_ONCE;
use crate::small_service::SmallService;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const LINK: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Clone, Default)]
struct Collector {
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.received.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_span_has_the_rows_trace_as_parent_and_the_senders_span_as_link() {
    let collector = Collector::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(collector.clone()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));

    let settings = [("MEDIA__TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()), ("MEDIA__TRACE__PARENT", PARENT), ("MEDIA__TRACE__LINK", LINK)];
    let mut service = SmallService::start(&settings);
    let line = service.wait_for_log(r#""message":"works""#);
    service.signal("TERM");
    let end = service.wait(AT_ONCE);
    assert_eq!(end.code, Some(0), "{}", end.log);

    let received = collector.received.lock().unwrap();
    let resources = &received[0].resource_spans;
    let attributes = &resources[0].resource.as_ref().unwrap().attributes;
    let attribute = |key: &str| {
        let value = attributes.iter().find(|it| it.key == key)?.value.as_ref()?.value.as_ref()?;
        if let any_value::Value::StringValue(text) = value { Some(text.clone()) } else { None }
    };
    assert_eq!(attribute("service.name").as_deref(), Some("small-service"));
    assert!(end.log.contains(&attribute("service.instance.id").unwrap()), "the log names the same instance: {}", end.log);

    let spans = received.iter().flat_map(|it| &it.resource_spans).flat_map(|it| &it.scope_spans).flat_map(|it| &it.spans);
    let spans = spans.collect::<Vec<_>>();
    assert_eq!(spans.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["work"]);
    assert_eq!(hex(&spans[0].trace_id), PARENT[3..35]);
    assert_eq!(hex(&spans[0].parent_span_id), PARENT[36..52]);
    assert_eq!(spans[0].links.len(), 1);
    assert_eq!((hex(&spans[0].links[0].trace_id), hex(&spans[0].links[0].span_id)), (LINK[3..35].to_owned(), LINK[36..52].to_owned()));

    let own_id = hex(&spans[0].span_id);
    assert!(line.contains(&format!(r#""traceparent":"00-{}-{own_id}-01""#, &PARENT[3..35])), "{line}");
    assert!(line.starts_with(&format!(r#"{{"service":"small-service","trace_id":"{}","span_id":"{own_id}","#, &PARENT[3..35])), "{line}");
    assert!(line.contains(r#""asset.id":"01ARZ3NDEKTSV4RRFFQ69G5FAV""#), "{line}");
}

#[test]
fn a_collector_that_is_not_there_costs_the_end_little_and_the_exit_code_nothing() {
    let mut service = SmallService::start(&[("MEDIA__TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:1"), ("MEDIA__LOG_FORMAT", "text")]);
    let line = service.wait_for_log("works");
    assert!(line.starts_with("small-service "), "{line}");
    service.signal("TERM");
    assert_eq!(service.wait(AT_ONCE).code, Some(0));
}
