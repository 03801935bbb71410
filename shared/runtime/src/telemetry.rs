//! Logs: one line an event, to standard error, without personal data. And traces, to a collector where one is named.

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends what is left of the traces when it is dropped: to be held until the process ends.
#[derive(Default)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = &self.0 {
            // A collector that is gone must not keep the process; the exporter has its own timeout.
            let _ = provider.shutdown();
        }
    }
}

/// Starts logging. The filter is `WARIKAN_LOG`, in the syntax of `tracing_subscriber::EnvFilter`, or `default`.
/// A second call does nothing.
pub fn init(default: &str, json: bool) {
    drop(init_with_traces(default, json, None, "warikan"));
}

/// Starts logging, and sends spans by OTLP over HTTP (protobuf) to `collector`, the whole address of its traces' path
/// (`http://collector:4318/v1/traces`). `service` is this process's name there.
///
/// The spans that are sent are those of requests; the filter concerns the log alone.
#[must_use]
pub fn init_with_traces(
    default: &str,
    json: bool,
    collector: Option<&str>,
    service: &str,
) -> Telemetry {
    let filter = EnvFilter::try_from_env("WARIKAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(true);
    let lines = if json {
        lines.json().with_filter(filter).boxed()
    } else {
        lines.with_filter(filter).boxed()
    };
    let exporter = collector.and_then(|endpoint| {
        opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(endpoint)
            .build()
            .ok()
    });
    let provider = exporter.map(|exporter| {
        SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(
                Resource::builder()
                    .with_service_name(service.to_owned())
                    .build(),
            )
            .build()
    });
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("warikan"))
            // Requests and what happens in them, not the libraries' own spans.
            .with_filter(EnvFilter::new(
                "off,warikan=info,warikan_runtime=info,warikan_gateway=info",
            ))
    });
    // Already set by whoever embeds us: theirs stays.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(traces)
        .try_init();
    Telemetry(provider)
}
