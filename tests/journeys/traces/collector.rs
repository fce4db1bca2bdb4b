//! A receiver of OTLP, and the spans that it was sent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, transport::Server};

/// A span's place in the world, as W3C writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub trace: String,
    pub span: String,
}

#[derive(Clone, Debug)]
pub struct Span {
    pub service: String,
    pub name: String,
    pub place: Place,
    /// Empty for a root.
    pub parent: String,
    pub links: Vec<Place>,
    pub attributes: HashMap<String, String>,
}

#[derive(Clone, Default)]
pub struct Collector {
    received: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    /// Listens until the test ends; answers itself and its address.
    pub async fn start() -> (Self, String) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(TraceServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, endpoint)
    }

    /// Every span that came so far.
    pub fn spans(&self) -> Vec<Span> {
        self.received.lock().unwrap().clone()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut received = self.received.lock().unwrap();
        for of_service in request.into_inner().resource_spans {
            let service = attributes(&of_service.resource.unwrap().attributes)["service.name"].clone();
            received.extend(of_service.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Span {
                service: service.clone(),
                place: place(&span.trace_id, &span.span_id),
                parent: hex(&span.parent_span_id),
                links: span.links.iter().map(|link| place(&link.trace_id, &link.span_id)).collect(),
                attributes: attributes(&span.attributes),
                name: span.name,
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn attributes(given: &[KeyValue]) -> HashMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some((pair.key.clone(), text.clone())),
        _ => None,
    };
    given.iter().filter_map(text).collect()
}

fn place(trace: &[u8], span: &[u8]) -> Place {
    Place { trace: hex(trace), span: hex(span) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
