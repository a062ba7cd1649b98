//! What every request passes.

use super::*;

#[tokio::test]
async fn every_answer_tells_browsers_what_they_must_not_do() {
    let rig = Rig::with("public_url = 'https://groupcast.example.com'", None).await;
    for path in ["/", "/api/v1/whoami", "/api/v1/openapi.json", "/sign-in/oidc"] {
        let request = Request::get(path).header(header::HOST, "groupcast.example.com");
        let answer = rig.send(request.body(Body::empty()).unwrap()).await;
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("referrer-policy", "same-origin"),
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
        ] {
            assert_eq!(answer.header(name), value, "{path} {name}");
        }
        assert_eq!(answer.header("x-request-id").len(), 24, "{path}");
    }
}

#[tokio::test]
async fn refusals_are_problem_documents_that_say_what_to_do() {
    let rig = Rig::new().await;
    let token = rig.token(None, Role::Admin).await;
    let json = "application/json";
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(300_000));
    let cases: Vec<(Method, &str, &str, &str, u16, &str)> = vec![
        (Method::GET, "/api/v1/nothing", "", "", 404, "not-found"),
        (Method::GET, "/api/v1/tenants/a%00b", "", "", 404, "not-found"),
        (
            Method::GET,
            "/api/v1/tenants?search=a%00b",
            "",
            "",
            422,
            "invalid",
        ),
        (Method::GET, "/api/v1/tenants?limit=0", "", "", 422, "invalid"),
        (Method::GET, "/api/v1/tenants?limit=x", "", "", 422, "invalid"),
        (Method::GET, "/api/v1/tenants?unknown=1", "", "", 422, "invalid"),
        (Method::GET, "/api/v1/tenants?cursor=x", "", "", 422, "invalid"),
        (
            Method::PUT,
            "/api/v1/tenants",
            json,
            "{}",
            405,
            "method-not-allowed",
        ),
        (
            Method::POST,
            "/api/v1/tenants",
            "text/plain",
            "{}",
            415,
            "media-type",
        ),
        (Method::POST, "/api/v1/tenants", json, "{", 400, "malformed"),
        (
            Method::POST,
            "/api/v1/tenants",
            json,
            r#"{"name":"a","name":"b"}"#,
            422,
            "invalid",
        ),
        (
            Method::POST,
            "/api/v1/tenants",
            json,
            r#"{"name":1}"#,
            422,
            "invalid",
        ),
        (
            Method::POST,
            "/api/v1/tenants",
            json,
            r#"{"name":"a","jumpcloud":{},"more":1}"#,
            422,
            "invalid",
        ),
        (Method::POST, "/api/v1/tenants", json, &large, 413, "too-large"),
        (
            Method::PATCH,
            "/api/v1/tenants/acme",
            json,
            "{}",
            428,
            "precondition-required",
        ),
    ];
    for (method, path, kind, body, status, name) in cases {
        let mut request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header(header::HOST, "127.0.0.1:8420")
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let answer = rig.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        let told = format!("{method} {path}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.status.as_u16(), status, "{told}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{told}"
        );
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:groupcast:problem:{name}"), "{told}");
        assert_eq!(problem["status"], status, "{told}");
        assert_eq!(problem["instance"], answer.header("x-request-id"), "{told}");
        assert!(problem["detail"].as_str().unwrap().len() > 10, "{told}");
        if status == 405 {
            assert!(answer.header("allow").contains("POST"), "{told}");
        }
    }
    let long = format!("/api/v1/tenants?search={}", "x".repeat(9_000));
    assert_eq!(rig.get(&token, &long).await.status, StatusCode::URI_TOO_LONG);
}

#[tokio::test]
async fn a_host_answers_to_its_own_names_alone() {
    let rig = Rig::new().await;
    let token = rig.token(None, Role::Viewer).await;
    for (host, status) in [
        ("127.0.0.1:8420", 200),
        ("localhost:8420", 200),
        ("evil.example:8420", 421),
        ("127.0.0.1", 421),
    ] {
        let request = Request::get("/api/v1/whoami")
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Bearer {token}"));
        let answer = rig.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_waits_and_only_they() {
    let rig = Rig::with("requests_per_minute = 10", None).await;
    let (one, other) = (
        rig.token(None, Role::Viewer).await,
        rig.token(None, Role::Viewer).await,
    );
    for _ in 0..10 {
        let answer = rig.get(&one, "/api/v1/whoami").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.header("ratelimit").contains("r="), "{answer:?}");
    }
    let refused = rig.get(&one, "/api/v1/whoami").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(rig.get(&other, "/api/v1/whoami").await.status, StatusCode::OK);
    // Guessed tokens count by address, whatever they are.
    let mut last = StatusCode::OK;
    for number in 0..12 {
        last = rig
            .get(&format!("gc_guess{number}"), "/api/v1/whoami")
            .await
            .status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    let refusals = crate::store::service::AuditQuery {
        action_prefix: Some("sign-in.refused".to_owned()),
        ..Default::default()
    };
    let entries = rig.store.audit(&refusals).await.unwrap();
    assert_eq!(entries.len(), 5, "a flood does not fill the audit log");
}

#[tokio::test]
async fn only_a_believed_proxy_says_where_a_request_came_from() {
    let rig = Rig::with("trusted_proxies = ['127.0.0.0/8', '10.0.0.0/8']", None).await;
    for (forwarded, address) in [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.1.2.3", "203.0.113.7"),
        ("nonsense", "127.0.0.1"),
    ] {
        let request = Request::get("/api/v1/whoami")
            .header(header::HOST, "whatever")
            .header("x-forwarded-for", forwarded)
            .header(header::AUTHORIZATION, "Bearer gc_unknown");
        rig.send(request.body(Body::empty()).unwrap()).await;
        let entries = rig.store.audit(&Default::default()).await.unwrap();
        assert_eq!(
            entries[0].entry.actor.address.as_deref(),
            Some(address),
            "{forwarded}"
        );
    }
    let plain = Rig::new().await;
    let request = Request::get("/api/v1/whoami")
        .header(header::HOST, "localhost:8420")
        .header("x-forwarded-for", "203.0.113.7")
        .header(header::AUTHORIZATION, "Bearer gc_unknown");
    plain.send(request.body(Body::empty()).unwrap()).await;
    let entries = plain.store.audit(&Default::default()).await.unwrap();
    assert_eq!(entries[0].entry.actor.address.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn a_request_with_its_key_is_done_once_and_shows_its_secret_once() {
    let rig = Rig::new().await;
    let admin = rig.token(None, Role::Admin).await;
    let body = json!({ "name": "pipeline", "role": "viewer" });
    let key = [("idempotency-key", "9b2c")];
    let ask = async |body: &Value| {
        rig.ask(&admin, Method::POST, "/api/v1/tokens", Some(body), &key)
            .await
    };
    let first = ask(&body).await;
    let again = ask(&body).await;
    assert_eq!(
        (first.status, again.status),
        (StatusCode::CREATED, StatusCode::CREATED)
    );
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(first.header("location"), again.header("location"));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert!(first.json()["secret"].as_str().unwrap().starts_with("gc_"));
    assert_eq!(again.json()["secret"], Value::Null, "a secret is kept nowhere");
    let other = ask(&json!({ "name": "another", "role": "viewer" })).await;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        other.json()["type"],
        "urn:groupcast:problem:idempotency-key-reused"
    );
    // Another's key of the same name is another key.
    let second = rig.token(None, Role::Admin).await;
    let theirs = rig
        .ask(&second, Method::POST, "/api/v1/tokens", Some(&body), &key)
        .await;
    assert_ne!(theirs.json()["id"], first.json()["id"]);
}

#[tokio::test]
async fn an_idempotency_key_is_what_the_document_says_it_is() {
    let rig = Rig::new().await;
    let admin = rig.token(None, Role::Admin).await;
    let body = json!({ "name": "pipeline", "role": "viewer" });
    let long = "k".repeat(256);
    for key in ["", "two words", "tab\there", &long] {
        let headers = [("idempotency-key", key)];
        let refused = rig
            .ask(&admin, Method::POST, "/api/v1/tokens", Some(&body), &headers)
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{key}: {refused:?}");
        let told = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains("visible ASCII"), "{told}");
    }
    let fits = [("idempotency-key", &long[1..])];
    let made = rig
        .ask(&admin, Method::POST, "/api/v1/tokens", Some(&body), &fits)
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
}

#[tokio::test]
async fn nobody_overwrites_what_they_never_saw() {
    let rig = Rig::new().await;
    rig.tenant("acme").await;
    let admin = rig.token(None, Role::Admin).await;
    let path = "/api/v1/tenants/acme";
    let seen = rig.get(&admin, path).await.header("etag").to_owned();
    let change = async |title: &str| {
        let body = json!({ "title": title });
        rig.ask(&admin, Method::PATCH, path, Some(&body), &[("if-match", &seen)])
            .await
    };
    let mine = change("Mine").await;
    assert_eq!(mine.status, StatusCode::OK, "{mine:?}");
    assert_ne!(mine.header("etag"), seen);
    let late = change("Theirs").await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(late.json()["current"], mine.json()["version"]);
    assert_eq!(rig.get(&admin, path).await.json()["title"], "Mine");
    let weak = rig
        .ask(
            &admin,
            Method::PATCH,
            path,
            Some(&json!({})),
            &[("if-match", "*")],
        )
        .await;
    assert_eq!(weak.status, StatusCode::PRECONDITION_FAILED);
}
