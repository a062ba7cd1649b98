//! Tests of the gate against a real server on this machine.

mod answers;
mod credentials;
mod writes;

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use groupcast_guest::plan::part::GroupRef;
use http::{HeaderName, Method};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::super::TenantEgress;
use super::super::learned::ApprovedOperations;
use super::super::origin::Origin;
use super::super::permit::{BootClock, Lease, ManagedQuestion, NoPermit, OpenIntents, RunPermit};
use super::super::policy::Phase;
use super::super::recorder::MemoryRecorder;
use super::super::rules::Rule;
use super::*;
use crate::credentials::SecretHeaderValue;

/// What the server saw: method, target, authorization, body.
type Seen = Arc<Mutex<Vec<(String, String, String, Bytes)>>>;
type Script = Arc<Mutex<VecDeque<Response<Bytes>>>>;

async fn server(script: Vec<Response<Bytes>>) -> (Origin, Seen) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = Origin::base(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let seen = Seen::default();
    let script: Script = Arc::new(Mutex::new(script.into()));
    let log = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (log, script) = (log.clone(), script.clone());
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (log, script) = (log.clone(), script.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let authorization = parts
                        .headers
                        .get("authorization")
                        .map(|value| value.to_str().unwrap().to_owned())
                        .unwrap_or_default();
                    log.lock().unwrap().push((
                        parts.method.to_string(),
                        parts.uri.to_string(),
                        authorization,
                        body,
                    ));
                    let answer = script
                        .lock()
                        .unwrap()
                        .pop_front()
                        .unwrap_or_else(|| answer(200, "{}"));
                    Ok::<_, hyper::Error>(answer.map(Full::new))
                }
            });
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    (origin, seen)
}

fn answer(status: u16, body: &str) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_owned()))
        .unwrap()
}

/// Hands out `token-of-run-N`; N grows when a token was refused.
struct Tokens {
    generation: AtomicU64,
    renewable: bool,
}

#[async_trait]
impl CredentialSource for Tokens {
    async fn header(&self, _credential: &str, refused: Option<u64>) -> Result<Attached, CredentialError> {
        if self.renewable && refused == Some(self.generation.load(Ordering::SeqCst)) {
            self.generation.fetch_add(1, Ordering::SeqCst);
        }
        let generation = self.generation.load(Ordering::SeqCst);
        Ok(Attached {
            headers: vec![(
                HeaderName::from_static("authorization"),
                SecretHeaderValue::bearer(&format!("token-of-run-{generation}").into()),
            )],
            generation,
        })
    }
}

/// Counts how often it is asked; refuses from the `lapse`th time on.
struct Counting {
    asked: AtomicUsize,
    lapse: usize,
    inner: RunPermit,
}

#[async_trait]
impl WritePermit for Counting {
    async fn ask(&self, writes: &[WireWrite]) -> Result<Vec<Operation>, PermitRefusal> {
        if self.asked.fetch_add(1, Ordering::SeqCst) + 1 >= self.lapse {
            self.inner.lease.lost();
        }
        self.inner.ask(writes).await
    }

    fn learn(&self, key: &str, id: &str) {
        self.inner.learn(key, id);
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        self.inner.lease()
    }
}

struct AlwaysManaged;

#[async_trait]
impl ManagedQuestion for AlwaysManaged {
    async fn is_managed(&self) -> Result<bool, String> {
        Ok(true)
    }
}

struct AllOpen;

impl OpenIntents for AllOpen {
    fn is_open(&self, _operation_json: &str) -> bool {
        true
    }
}

struct Still;

impl BootClock for Still {
    fn now(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn permit(lapse: usize, operations: Vec<Operation>) -> Arc<Counting> {
    let lease = Lease::new(Arc::new(Still));
    lease.renewed(lease.before_renewal(), Duration::from_secs(60));
    Arc::new(Counting {
        asked: AtomicUsize::new(0),
        lapse,
        inner: RunPermit {
            lease: Arc::new(lease),
            managed: Arc::new(AlwaysManaged),
            cancelled: tokio_util::sync::CancellationToken::new(),
            approved: Arc::new(ApprovedOperations::new(operations)),
            intents: Arc::new(AllOpen),
        },
    })
}

fn rules() -> Vec<Rule> {
    let rule = |method: &str, path: &str, writes, batch| Rule {
        credential: "google".into(),
        method: method.into(),
        path: path.into(),
        writes,
        batch,
    };
    let root = "/admin/directory/v1";
    vec![
        rule("GET", &format!("{root}/groups"), false, false),
        rule("GET", &format!("{root}/groups/{{group}}"), false, false),
        rule("POST", &format!("{root}/groups"), true, false),
        rule("POST", &format!("{root}/groups/{{group}}/members"), true, false),
        rule(
            "DELETE",
            &format!("{root}/groups/{{group}}/members/{{member}}"),
            true,
            false,
        ),
        rule("POST", "/batch", true, true),
    ]
}

struct Built {
    gate: Gate,
    recorder: Arc<MemoryRecorder>,
}

fn gate(
    origin: &Origin,
    phase: Phase,
    permit: Arc<dyn WritePermit>,
    renewable: bool,
    limits: Limits,
) -> Built {
    let base = Base {
        vendor: Vendor::Google,
        origin: origin.clone(),
    };
    let egress = TenantEgress {
        bases: vec![base.clone()],
        limits: limits.clone(),
        ..TenantEgress::default()
    };
    let recorder = Arc::new(MemoryRecorder::default());
    let gate = Gate::new(GateParts {
        policy: Policy::new(phase, vec![base], rules()),
        permit,
        credentials: Arc::new(Tokens {
            generation: AtomicU64::new(1),
            renewable,
        }),
        connections: Arc::new(Connections::new(&egress).unwrap()),
        recorder: recorder.clone(),
        limits,
    });
    Built { gate, recorder }
}

fn reading(origin: &Origin) -> Built {
    gate(origin, Phase::Reads, Arc::new(NoPermit), true, Limits::default())
}

fn request(origin: &Origin, method: Method, path: &str, body: &str) -> Request<Bytes> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{origin}/admin/directory/v1{path}"))
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    if !body.is_empty() {
        request
            .headers_mut()
            .insert("content-type", http::HeaderValue::from_static("application/json"));
    }
    request
}

fn get(origin: &Origin) -> Request<Bytes> {
    request(origin, Method::GET, "/groups?customer=my_customer", "")
}

fn removal() -> Operation {
    Operation::RemoveMember {
        group: GroupRef::Id("g".into()),
        principal: "u".into(),
        user: None,
        address: String::new(),
        why: groupcast_guest::plan::part::RemovalReason::LeftGroup,
    }
}

fn remove(origin: &Origin) -> Request<Bytes> {
    request(origin, Method::DELETE, "/groups/g/members/u", "")
}
