//! Logs to stderr, traces over OTLP, metrics to be scraped.
//!
//! Promises: a log line names its service and trace, and so reads alone; spans get ids also when nothing is
//! exported, so that `traceparent` travels through rows in any case; an unreachable collector delays the end of the
//! process by at most [`FLUSH`].

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::PanicHookInfo;
use std::time::Duration;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use metrics_util::MetricKindMask;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio_util::sync::CancellationToken;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{CommonSettings, LogFormat};
use crate::health::Health;

/// The version of the crates, which many builds have.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that this build was made of, where who built it said so.
pub(crate) const REVISION: &str = match option_env!("MEDIA_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// How long the last spans may take to leave.
pub const FLUSH: Duration = Duration::from_secs(3);

/// A gauge that nobody has renewed for so long is no longer true, and is left out: such as the bytes of a tenant that is gone.
const GAUGES_KEPT: Duration = Duration::from_secs(300);

/// Upper bounds of histograms in seconds: from a query to a film.
const SECONDS: [f64; 14] = [0.001, 0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0, 14400.0];

/// The process's telemetry, from start to [`Telemetry::flush`].
pub(crate) struct Telemetry {
    service: &'static str,
    traces: SdkTracerProvider,
    pub metrics: PrometheusHandle,
}

impl Telemetry {
    /// Installs all three. To be called once per process, inside the runtime that the exporter shall use.
    pub fn start(service: &'static str, instance: &str, settings: &CommonSettings) -> anyhow::Result<Self> {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let resource = Resource::builder()
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
            .with_attribute(KeyValue::new("service.version", VERSION))
            .with_attribute(KeyValue::new("vcs.ref.head.revision", REVISION))
            .build();
        let mut traces = SdkTracerProvider::builder().with_resource(resource);
        if let Some(endpoint) = &settings.telemetry.otlp_endpoint {
            let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).with_timeout(FLUSH).build();
            traces = traces.with_batch_exporter(exporter.context("the OTLP exporter cannot be built")?);
        }
        let traces = traces.build();

        // The exporter's own calls make spans and events too; exporting those would never end.
        let exported = Targets::new()
            .with_default(LevelFilter::INFO)
            .with_targets(["h2", "hyper", "hyper_util", "tonic", "tower", "opentelemetry"].map(|it| (it, LevelFilter::OFF)))
            .with_targets(["opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry-otlp"].map(|it| (it, LevelFilter::OFF)));
        let spans = tracing_opentelemetry::layer().with_tracer(traces.tracer(service)).with_filter(exported);
        let logged = EnvFilter::try_new(&settings.log).context("the log rules cannot be read")?;
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
        let logs = match settings.log_format {
            LogFormat::Json => lines
                .json()
                .map_event_format(|format| JsonLine { service, format: format.flatten_event(true).with_current_span(false) })
                .boxed(),
            LogFormat::Text => lines.map_event_format(|format| TextLine { service, format }).boxed(),
        };
        tracing_subscriber::registry().with(spans).with(logs.with_filter(logged)).try_init().context("logging was started twice")?;
        std::panic::set_hook(Box::new(log_panic));

        let metrics = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .map(|builder| builder.idle_timeout(MetricKindMask::GAUGE, Some(GAUGES_KEPT)))
            .and_then(PrometheusBuilder::install_recorder)
            .context("metrics were started twice")?;
        Ok(Self { service, traces, metrics })
    }

    /// What keeps the metrics right, to be called every few seconds.
    pub fn upkeep(&self, health: Health, stopping: CancellationToken) -> impl Fn() + Send + 'static {
        let (service, metrics) = (self.service, self.metrics.clone());
        move || {
            metrics::gauge!("media_build_info", "service" => service, "version" => VERSION, "revision" => REVISION).set(1.0);
            let ready = if health.missing_unless(&stopping).is_empty() { 1.0 } else { 0.0 };
            metrics::gauge!("media_ready", "service" => service).set(ready);
            metrics.run_upkeep();
        }
    }

    /// Sends what is left, for at most [`FLUSH`]. The runtime that [`Telemetry::start`] was called in must still turn.
    pub fn flush(self) {
        if let Err(error) = self.traces.shutdown_with_timeout(FLUSH) {
            tracing::warn!("the last traces are lost: {error}");
        }
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("(no text)");
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(panic.place = place, panic.backtrace = backtrace, "panicked: {message}");
}

/// The ids of the trace and the span that we are in, as W3C writes them.
fn active_ids() -> Option<(String, String)> {
    Context::map_current(|context| {
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| (ids.trace_id().to_string(), ids.span_id().to_string()))
    })
}

/// A JSON object per line, opening with service and trace.
struct JsonLine<F> {
    service: &'static str,
    format: F,
}

impl<S, N, F> FormatEvent<S, N> for JsonLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        write!(writer, r#"{{"service":"{}","#, self.service)?;
        if let Some((trace, span)) = active_ids() {
            write!(writer, r#""trace_id":"{trace}","span_id":"{span}","#)?;
        }
        writer.write_str(line.strip_prefix('{').ok_or(fmt::Error)?)
    }
}

/// A line for a person's eyes, opening with service and trace.
struct TextLine<F> {
    service: &'static str,
    format: F,
}

impl<S, N, F> FormatEvent<S, N> for TextLine<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(writer, "{} ", self.service)?;
        if let Some((trace, _)) = active_ids() {
            write!(writer, "{trace} ")?;
        }
        self.format.format_event(context, writer, event)
    }
}
