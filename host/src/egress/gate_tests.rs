//! Tests of the gate against a real server on this machine.

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

#[tokio::test]
async fn r7_the_credential_is_added_on_the_way_out_and_the_connection_is_kept() {
    let (origin, seen) = server(Vec::new()).await;
    let built = reading(&origin);
    for _ in 0..3 {
        let answer = built.gate.send(get(&origin)).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[0].1, "/admin/directory/v1/groups?customer=my_customer");
    assert_eq!(seen[0].2, "Bearer token-of-run-1");
    let recorded = format!("{:?}", built.recorder.all_sent());
    assert!(!recorded.contains("token-of-run"), "{recorded}");
}

#[tokio::test]
async fn r7_after_a_401_the_request_is_sent_once_more_with_a_new_token() {
    let (origin, seen) = server(vec![answer(401, "{}"), answer(200, "{}")]).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 200);
    let tokens: Vec<_> = seen.lock().unwrap().iter().map(|seen| seen.2.clone()).collect();
    assert_eq!(tokens, ["Bearer token-of-run-1", "Bearer token-of-run-2"]);

    let (origin, seen) = server((0..5).map(|_| answer(401, "{}")).collect()).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 401);
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn r7_a_credential_that_cannot_be_renewed_is_not_tried_twice() {
    let (origin, seen) = server(vec![answer(401, "{}")]).await;
    let built = gate(
        &origin,
        Phase::Reads,
        Arc::new(NoPermit),
        false,
        Limits::default(),
    );
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 401);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn r44_an_approved_write_passes_and_the_permit_is_asked_again_with_the_connection_in_hand() {
    let (origin, seen) = server(Vec::new()).await;
    let permit = permit(usize::MAX, vec![removal()]);
    let built = gate(&origin, Phase::Writes, permit.clone(), true, Limits::default());
    built.gate.send(remove(&origin)).await.unwrap();
    assert_eq!(permit.asked.load(Ordering::SeqCst), 2);
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(built.recorder.all_sent()[0].operations, [removal()]);
}

#[tokio::test]
async fn r36_no_write_starts_when_the_permit_lapses_before_the_connection_is_in_hand() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(2, vec![removal()]),
        true,
        Limits::default(),
    );
    let error = built.gate.send(remove(&origin)).await.unwrap_err();
    assert_eq!(error, GateError::Permit(PermitRefusal::LeaseLapsed));
    assert_eq!(error.kind(), GateErrorKind::Denied);
    assert!(seen.lock().unwrap().is_empty());
    assert_eq!(built.recorder.all_refused().len(), 1);
}

#[tokio::test]
async fn r36_a_write_is_not_sent_again_after_a_401_when_the_permit_has_lapsed() {
    let (origin, seen) = server(vec![answer(401, "{}")]).await;
    let permit = permit(3, vec![removal()]);
    let built = gate(&origin, Phase::Writes, permit.clone(), true, Limits::default());
    assert!(matches!(
        built.gate.send(remove(&origin)).await,
        Err(GateError::Permit(_))
    ));
    assert_eq!(permit.asked.load(Ordering::SeqCst), 3);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn r44_a_write_that_is_not_approved_never_reaches_the_vendor_alone_or_in_a_batch() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(usize::MAX, vec![removal()]),
        true,
        Limits::default(),
    );
    let other = request(&origin, Method::DELETE, "/groups/g/members/other", "");
    assert!(matches!(
        built.gate.send(other).await,
        Err(GateError::Permit(PermitRefusal::NotApproved(_)))
    ));
    let part = |member: &str| {
        format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: <{member}>\r\n\r\n\
             DELETE /admin/directory/v1/groups/g/members/{member} HTTP/1.1\r\n\r\n\r\n"
        )
    };
    let batch = Request::post(format!("{origin}/batch"))
        .header("content-type", "multipart/mixed; boundary=b")
        .body(Bytes::from(format!("{}{}--b--\r\n", part("u"), part("other"))))
        .unwrap();
    assert!(matches!(
        built.gate.send(batch).await,
        Err(GateError::Permit(PermitRefusal::NotApproved(_)))
    ));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r44_while_a_run_plans_no_write_reaches_the_vendor() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Reads,
        permit(usize::MAX, vec![removal()]),
        true,
        Limits::default(),
    );
    let error = built.gate.send(remove(&origin)).await.unwrap_err();
    assert!(
        matches!(error, GateError::Policy(PolicyRefusal::WriteWhileReading(_))),
        "{error}"
    );
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r33_no_request_that_changes_a_user_reaches_the_vendor() {
    let (origin, seen) = server(Vec::new()).await;
    let built = gate(
        &origin,
        Phase::Writes,
        permit(usize::MAX, Vec::new()),
        true,
        Limits::default(),
    );
    let suspend = request(&origin, Method::PATCH, "/users/u", r#"{"suspended":true}"#);
    assert!(matches!(
        built.gate.send(suspend).await,
        Err(GateError::Content(Refusal::UserWrite(_)))
    ));
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn r44_the_id_of_a_created_group_is_learned_from_the_vendors_answer() {
    let member = Operation::AddMember {
        group: GroupRef::New("a@x".into()),
        principal: "u".into(),
        user: String::new(),
        address: String::new(),
    };
    let create = Operation::CreateGroup {
        key: "a@x".into(),
        name: "A".into(),
        description: String::new(),
    };
    let (origin, _) = server(vec![answer(200, r#"{"id":"g7","email":"a@x"}"#)]).await;
    let permit = permit(usize::MAX, vec![create, member.clone()]);
    let built = gate(&origin, Phase::Writes, permit, true, Limits::default());
    let add = |group: &str| {
        request(
            &origin,
            Method::POST,
            &format!("/groups/{group}/members"),
            r#"{"id":"u","role":"MEMBER"}"#,
        )
    };
    assert!(built.gate.send(add("g7")).await.is_err());
    let create = request(&origin, Method::POST, "/groups", r#"{"email":"a@x","name":"A"}"#);
    built.gate.send(create).await.unwrap();
    assert!(built.gate.send(add("g8")).await.is_err());
    built.gate.send(add("g7")).await.unwrap();
    assert_eq!(built.recorder.all_sent().last().unwrap().operations, [member]);
}

#[tokio::test]
async fn r7_an_echoed_token_never_reaches_the_guest_and_headers_pass_a_list() {
    let mut echo = answer(200, r#"{"you":"Bearer token-of-run-1"}"#);
    for (name, value) in [
        ("set-cookie", "s=token-of-run-1"),
        ("x-echo", "token-of-run-1"),
        ("etag", "\"token-of-run-1\""),
        ("x-total-count", "7"),
    ] {
        echo.headers_mut().insert(
            HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        );
    }
    let (origin, _) = server(vec![echo]).await;
    let built = reading(&origin);
    let answer = built.gate.send(get(&origin)).await.unwrap();
    let shown = format!("{:?}", answer);
    assert!(!shown.contains("token-of-run-1"), "{shown}");
    assert!(answer.headers().get("set-cookie").is_none() && answer.headers().get("x-echo").is_none());
    assert_eq!(answer.headers()["x-total-count"], "7");
    assert_eq!(answer.body(), &Bytes::from(r#"{"you":"Bearer **************"}"#));
    assert!(built.recorder.all_sent()[0].echoed_secret);
}

#[tokio::test]
async fn r52_a_redirect_is_an_answer_and_is_not_followed() {
    let redirect = Response::builder()
        .status(302)
        .header("location", "http://127.0.0.1:9/elsewhere")
        .body(Bytes::new())
        .unwrap();
    let (origin, seen) = server(vec![redirect]).await;
    let built = reading(&origin);
    assert_eq!(built.gate.send(get(&origin)).await.unwrap().status(), 302);
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_answer_over_the_cap_is_refused_packed_or_not() {
    use std::io::Write;
    let long = "x".repeat(10_000);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(long.as_bytes()).unwrap();
    let mut packed = answer(200, "");
    *packed.body_mut() = packer.finish().unwrap().into();
    packed
        .headers_mut()
        .insert("content-encoding", http::HeaderValue::from_static("gzip"));
    let (origin, _) = server(vec![answer(200, &long), packed.clone(), packed]).await;
    let limits = Limits {
        response_bytes: 5_000,
        ..Limits::default()
    };
    let built = gate(&origin, Phase::Reads, Arc::new(NoPermit), true, limits);
    for _ in 0..2 {
        let error = built.gate.send(get(&origin)).await.unwrap_err();
        assert_eq!(error.kind(), GateErrorKind::AnswerTooLong);
    }
    let built = reading(&origin);
    let answer = built.gate.send(get(&origin)).await.unwrap();
    assert_eq!(answer.body().len(), 10_000);
    assert!(answer.headers().get("content-encoding").is_none());
}

#[tokio::test]
async fn the_requests_and_bytes_of_a_run_are_capped() {
    let (origin, seen) = server(Vec::new()).await;
    let limits = Limits {
        requests_per_run: 2,
        request_bytes: 10,
        ..Limits::default()
    };
    let built = gate(&origin, Phase::Reads, Arc::new(NoPermit), true, limits);
    let long = request(&origin, Method::POST, "/groups", "{\"name\":\"a long one\"}");
    assert_eq!(
        built.gate.send(long).await.unwrap_err().kind(),
        GateErrorKind::RequestTooLong
    );
    for _ in 0..2 {
        built.gate.send(get(&origin)).await.unwrap();
    }
    let error = built.gate.send(get(&origin)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::TooManyRequests);
    assert_eq!(seen.lock().unwrap().len(), 2);
    assert_eq!(built.gate.totals().by_status[&(Vendor::Google, 200)], 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_may_have_taken_effect_and_a_dead_port_cannot() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = Origin::base(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let limits = Limits {
        request_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let built = gate(&silent, Phase::Reads, Arc::new(NoPermit), true, limits.clone());
    let error = built.gate.send(get(&silent)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::AnswerLost);
    assert!(error.may_have_been_sent());
    drop(listener);
    let built = gate(&silent, Phase::Reads, Arc::new(NoPermit), true, limits);
    let error = built.gate.send(get(&silent)).await.unwrap_err();
    assert_eq!(error.kind(), GateErrorKind::NotSent);
    assert!(!error.may_have_been_sent());
}
