//! Traces against a small collector that reads what arrives.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::traces::{self, WORK};
use super::{Traces, client};
use crate::store::ConnectionId;
use crate::store::service::{JobRecord, JobState, Trigger, Work};

type Arrived = Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>>;

async fn collector() -> (String, Arrived) {
    let arrived = Arrived::default();
    let take = async |State(arrived): State<Arrived>, headers: HeaderMap, body: Bytes| {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        arrived.lock().unwrap().push((headers, request));
    };
    let routes = axum::Router::new()
        .route("/v1/traces", axum::routing::post(take))
        .with_state(Arc::clone(&arrived));
    let socket = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(socket, routes).await.unwrap() });
    (format!("http://{address}"), arrived)
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

fn attributes(of: &[KeyValue]) -> BTreeMap<String, String> {
    of.iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
        .collect()
}

/// A job that had waited for two seconds and a half.
fn job() -> JobRecord {
    JobRecord {
        id: "j1".to_owned(),
        connection: ConnectionId::new("acme", "entra"),
        work: Work::Sync { full: false },
        trigger: Trigger::Request {
            by: "alice@example.com".to_owned(),
        },
        state: JobState::Running,
        queued_at: "2026-01-05T10:00:00Z".parse().unwrap(),
        began_at: Some("2026-01-05T10:00:02.500Z".parse().unwrap()),
        ended_at: None,
        end: None,
        runs: Vec::new(),
        plan: None,
        handed_over: 0,
        host: "host-1".to_owned(),
    }
}

async fn stopped(traces: Traces) -> Duration {
    let began = Instant::now();
    tokio::task::spawn_blocking(move || traces.stop()).await.unwrap();
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_arrives_as_a_tree_with_patterns_of_paths_and_without_people() {
    let (endpoint, arrived) = collector().await;
    let headers = HashMap::from([("authorization".to_owned(), "Bearer of-the-collector".to_owned())]);
    let traces = Traces::new(client(None).unwrap(), &endpoint, headers, 1.0, "host-1").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        let job = traces::job_span(&job());
        let _job = job.enter();
        let run = tracing::info_span!(
            target: WORK, "run", otel.name = "run plan", run = tracing::field::Empty, result = tracing::field::Empty,
            otel.status_code = tracing::field::Empty
        );
        let entered = run.enter();
        traces::begun("r1");
        let phases = traces::Phases::default();
        phases.enter("reading-source");
        phases.enter("reading-source");
        phases.enter("alice@example.com");
        let url =
            "https://graph.microsoft.com/v1.0/groups/0aed-1/members?$filter=mail eq 'alice@example.com'";
        let request = traces::request("entra", "GET", url, 2, 0);
        traces::answered(&request, Some(429));
        tracing::error!(target: WORK, "a vendor's words about alice@example.com");
        tracing::info_span!(target: "hyper::client", "of a library, with alice@example.com");
        traces::ended(crate::store::RunResult::Failed);
        drop(entered);
    });
    stopped(traces).await;

    let arrived = arrived.lock().unwrap();
    let (headers, request) = arrived.first().unwrap();
    assert_eq!(arrived.len(), 1);
    assert_eq!(headers.get("authorization").unwrap(), "Bearer of-the-collector");
    assert_eq!(headers.get("content-type").unwrap(), "application/x-protobuf");
    assert!(!format!("{request:?}").contains("alice"), "{request:?}");
    let told = request.resource_spans.first().unwrap();
    let resource = attributes(&told.resource.as_ref().unwrap().attributes);
    assert_eq!(resource.get("service.name").unwrap(), "groupcast");
    assert_eq!(resource.get("service.instance.id").unwrap(), "host-1");
    let spans: BTreeMap<&str, &Span> = told
        .scope_spans
        .iter()
        .flat_map(|scope| &scope.spans)
        .map(|span| (span.name.as_str(), span))
        .collect();
    let request_name = "GET /v1.0/groups/{id}/members";
    assert_eq!(
        spans.keys().copied().collect::<Vec<_>>(),
        [
            request_name,
            "job sync",
            "phase other",
            "phase reading-source",
            "run plan"
        ]
    );
    let (job, run, asked) = (spans["job sync"], spans["run plan"], spans[request_name]);
    assert_eq!(job.parent_span_id, Vec::<u8>::new());
    assert_eq!(run.parent_span_id, job.span_id);
    assert_eq!(asked.parent_span_id, run.span_id);
    let of_job = attributes(&job.attributes);
    assert_eq!(
        (of_job["tenant"].as_str(), of_job["job"].as_str()),
        ("acme", "j1")
    );
    assert_eq!(of_job["trigger"], "request");
    assert_eq!(of_job["waited_seconds"], "Some(DoubleValue(2.5))");
    let of_run = attributes(&run.attributes);
    assert_eq!(
        (of_run["run"].as_str(), of_run["result"].as_str()),
        ("r1", "failed")
    );
    assert_eq!(run.status.as_ref().unwrap().code, 2, "an error");
    let of_request = attributes(&asked.attributes);
    assert_eq!(of_request["http.request.method"], "GET");
    assert_eq!(of_request["http.response.status_code"], "429");
    assert_eq!(of_request["attempt"], "2");
    assert_eq!(of_request["vendor"], "entra");
    assert_eq!(asked.kind, 3, "a client's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_slows_nothing_and_holds_up_no_stop() {
    // It takes connections, and is silent.
    let silent = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let traces = Traces::new(client(None).unwrap(), &endpoint, HashMap::new(), 1.0, "host-1").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let job = job();
    let took = tracing::subscriber::with_default(subscriber, || {
        let began = Instant::now();
        for _ in 0..30_000 {
            drop(traces::job_span(&job));
        }
        began.elapsed()
    });
    // Far more than the queue holds: what does not fit is dropped, and nobody waits.
    assert!(took < Duration::from_secs(10), "{took:?}");
    let took = stopped(traces).await;
    assert!(took < Duration::from_secs(9), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_of_nothing_sends_nothing() {
    let (endpoint, arrived) = collector().await;
    let traces = Traces::new(client(None).unwrap(), &endpoint, HashMap::new(), 0.0, "host-1").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        drop(traces::job_span(&job()));
    });
    stopped(traces).await;
    assert_eq!(arrived.lock().unwrap().len(), 0);
}
