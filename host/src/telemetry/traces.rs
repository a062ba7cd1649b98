//! Traces: what a job was made of and how long each step took, sent to a collector by OTLP.
//!
//! Spans are made where the work is done, with the targets below; only those are exported, and only with the fields that
//! are named here: a method, a vendor, a pattern of a path, a status. A collector that is away or slow costs a run
//! nothing: spans wait in a queue of bounded length, and what does not fit is dropped.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider};
use tracing::{Metadata, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::exporter::Collector;
use crate::store::RunResult;
use crate::store::service::{JobRecord, Trigger, Work};

/// Target of the spans of jobs, runs, phases and requests.
pub const WORK: &str = "groupcast::trace";
/// Target of the spans of calls of the store.
pub const STORE: &str = "groupcast::trace::store";

/// Spans that wait to be sent; more are dropped.
const QUEUE: usize = 8_192;
/// Spans that are sent at once.
const BATCH: usize = 512;
/// How often they are sent.
const PERIOD: Duration = Duration::from_secs(2);
/// How long sending may take, and so the flush at the stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint or a header.
    #[error("traces cannot be sent: {0}; look at telemetry.otlp_endpoint and telemetry.otlp_headers")]
    Exporter(#[from] ExporterBuildError),
    /// The client.
    #[error("traces cannot be sent: {0}")]
    Client(String),
}

/// Where traces go.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Traces to a collector. `endpoint` is its URL without `/v1/traces`; `headers` are sent with each request; `ratio` is
    /// the share of jobs that is traced; `instance` is what this host is called. To be called within a runtime, which
    /// sends.
    ///
    /// # Errors
    /// If the endpoint or a header is none.
    pub fn new(
        client: reqwest::Client,
        endpoint: &str,
        headers: HashMap<String, String>,
        ratio: f64,
        instance: &str,
    ) -> Result<Self, TraceError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new(client))
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(PATIENCE)
            .with_headers(headers)
            .build()?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(PERIOD)
            .build();
        let resource = Resource::builder_empty()
            .with_service_name("groupcast")
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", instance.to_owned()),
                KeyValue::new("host.arch", std::env::consts::ARCH),
                KeyValue::new("os.type", std::env::consts::OS),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(
                BatchSpanProcessor::builder(exporter)
                    .with_batch_config(config)
                    .build(),
            )
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio))))
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// What a subscriber needs to send its spans here.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer("groupcast"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(is_traced))
    }

    /// Sends what waits, and no more after that. Takes a few seconds at most, whether the collector is there or not. To
    /// be called within the runtime, on a thread that may wait.
    pub fn stop(&self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces could not be sent; is the collector there?");
        }
    }
}

/// Our own spans and nobody's events: what a library or a plugin says is for the log.
fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(WORK)
}

/// Notes on the run's span, which is the one that is entered, which run it is.
pub(crate) fn begun(run: &str) {
    Span::current().record("run", run);
}

/// Notes on it how the run ended.
pub(crate) fn ended(result: RunResult) {
    let span = Span::current();
    span.record(
        "result",
        match result {
            RunResult::Done => "done",
            RunResult::ChangesPending => "changes-pending",
            RunResult::Refused => "refused",
            RunResult::Failed => "failed",
            RunResult::HandedOver => "handed-over",
        },
    );
    if result == RunResult::Failed {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a request to a vendor.
pub(crate) fn request(vendor: &'static str, method: &str, url: &str, attempt: u32, parts: usize) -> Span {
    let template = super::template(url);
    tracing::info_span!(
        target: WORK,
        "request",
        otel.name = format!("{method} {template}"),
        otel.kind = "client",
        vendor,
        http.request.method = method,
        url.template = template,
        attempt,
        parts,
        http.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
    )
}

/// Notes on a request's span how it ended.
pub(crate) fn answered(span: &Span, status: Option<u16>) {
    if let Some(status) = status {
        span.record("http.response.status_code", u64::from(status));
    }
    if status.is_none_or(|status| status >= 400) {
        span.record("otel.status_code", "ERROR");
    }
}

/// The span of a job at work, and how long it had waited for its turn.
pub fn job_span(job: &JobRecord) -> Span {
    let work = match job.work {
        Work::Check => "check",
        Work::Plan => "plan",
        Work::Sync { .. } => "sync",
        Work::Apply { .. } => "apply",
        Work::Undo { .. } => "undo",
    };
    let trigger = match job.trigger {
        Trigger::Schedule => "schedule",
        Trigger::Event => "event",
        // Who asked is in the audit log.
        Trigger::Request { .. } => "request",
    };
    let waited = job.began_at.unwrap_or_else(Utc::now) - job.queued_at;
    tracing::info_span!(
        target: WORK,
        parent: None,
        "job",
        otel.name = format!("job {work}"),
        work,
        trigger,
        job = job.id,
        tenant = job.connection.tenant,
        connection = job.connection.name,
        waited_seconds = waited.as_seconds_f64(),
    )
}

/// The phase that a run is in, as its component reports it: a span until the next phase, or until this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Phases(Mutex<Option<(&'static str, Span)>>);

impl Phases {
    /// The component says that it is in this phase.
    pub(crate) fn enter(&self, phase: &str) {
        // A plugin's own words are no name of a span.
        let phase = match phase {
            "reading-source" => "reading-source",
            "source-members" => "source-members",
            "reading-target" => "reading-target",
            "target-members" => "target-members",
            "target-users" => "target-users",
            "planning" => "planning",
            "write" | "writing" => "writing",
            _ => "other",
        };
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_none_or(|(known, _)| *known != phase) {
            let span = tracing::info_span!(
                target: WORK,
                "phase",
                otel.name = format!("phase {phase}"),
                phase,
            );
            *current = Some((phase, span));
        }
    }
}
