//! Trace context as it travels through rows, message headers and calls: a W3C `traceparent`
//! (<https://www.w3.org/TR/trace-context/#traceparent-header>). `tracestate` does not travel.
//!
//! A worker's span has the `traceparent` of its row as its parent, so that one trace covers an asset from the
//! upload call to its last variant, and links to the span that sent the message which woke it.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt as _, SetParentError};

const TRACEPARENT: &str = "traceparent";

/// The `traceparent` to write into a row or a header, so that what follows belongs to the span we are in, or to the
/// nearest around it that is exported. None outside any span, or where telemetry was never started.
pub fn current_traceparent() -> Option<String> {
    write(&Context::current())
}

/// As [`current_traceparent`], of a given span. Starts the span: its parent can no longer be set.
pub fn traceparent_of(span: &Span) -> Option<String> {
    write(&span.context())
}

/// Makes `span` a child of the span that `traceparent` names.
///
/// Must be called before `span` is entered, instrumented or asked for its context. A `traceparent` that is
/// malformed leaves `span` as it is: a stranger's header is no reason to refuse work.
pub fn set_parent(span: &Span, traceparent: &str) {
    let Some(parent) = parse(traceparent) else { return };
    match span.set_parent(parent) {
        Ok(()) | Err(SetParentError::LayerNotFound | SetParentError::SpanDisabled) => {}
        Err(SetParentError::AlreadyStarted) => {
            tracing::warn!(span = span.metadata().map(|it| it.name()), "a span was entered before its parent was set: its trace is torn");
        }
    }
}

/// Links `span` to the span that `traceparent` names; a malformed one adds no link.
pub fn add_link(span: &Span, traceparent: &str) {
    if let Some(linked) = parse(traceparent) {
        span.add_link(linked.span().span_context().clone());
    }
}

fn write(context: &Context) -> Option<String> {
    let mut header = Header(None);
    TraceContextPropagator::new().inject_context(context, &mut header);
    header.0
}

fn parse(traceparent: &str) -> Option<Context> {
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &Header(Some(traceparent.to_owned())));
    context.span().span_context().is_valid().then_some(context)
}

/// One `traceparent`, as the carrier that a propagator wants.
struct Header(Option<String>);

impl Injector for Header {
    fn set(&mut self, key: &str, value: String) {
        if key == TRACEPARENT {
            self.0 = Some(value);
        }
    }
}

impl Extractor for Header {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.as_deref().filter(|_| key == TRACEPARENT)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn with_telemetry(test: impl FnOnce()) {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), test);
    }

    #[test]
    fn a_span_joins_the_trace_of_its_row_under_an_id_of_its_own() {
        with_telemetry(|| {
            let span = tracing::info_span!("work");
            set_parent(&span, GIVEN);
            let carried = span.in_scope(current_traceparent).unwrap();
            assert_eq!(carried[..36], GIVEN[..36], "the trace's id");
            assert_ne!(carried[36..52], GIVEN[36..52], "the span's id");
        });
    }

    #[test]
    fn what_is_no_traceparent_starts_a_new_trace() {
        with_telemetry(|| {
            for malformed in ["", "nonsense", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf9\u{fc}-1-01"] {
                let span = tracing::info_span!("work");
                set_parent(&span, malformed);
                add_link(&span, malformed);
                let fresh = traceparent_of(&span).unwrap();
                assert_ne!(fresh[3..35], GIVEN[3..35]);
                assert_ne!(&fresh[3..35], "0".repeat(32));
            }
        });
    }

    #[test]
    fn outside_a_span_there_is_no_traceparent() {
        with_telemetry(|| assert_eq!(current_traceparent(), None));
        assert_eq!(current_traceparent(), None);
    }
}
