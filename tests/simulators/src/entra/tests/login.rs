//! Tokens: who gets one, and how long it works.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::*;

#[test]
fn a_wrong_secret_tenant_application_or_scope_is_refused_in_the_login_endpoints_words() {
    let mut desk = Desk::open("app");
    let tenant = "example.com";
    for (tenant, form, status, error, number) in [
        (
            tenant,
            "client_id=app&client_secret=wrong",
            401,
            "invalid_client",
            7_000_215,
        ),
        (
            tenant,
            "client_id=none&client_secret=x",
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            "other",
            "client_id=app&client_secret=right",
            400,
            "invalid_request",
            90_002,
        ),
        (tenant, "client_id=app", 401, "invalid_client", 7_000_216),
    ] {
        let seen = desk.login(tenant, form);
        assert_eq!(seen.status, status, "{form}");
        assert_eq!(seen.body["error"], error);
        assert_eq!(seen.body["error_codes"][0], number);
        assert!(
            seen.body["error_description"]
                .as_str()
                .unwrap()
                .starts_with(&format!("AADSTS{number}: "))
        );
    }
    let request = Request::post("/example.com/oauth2/v2.0/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(
            b"grant_type=client_credentials&scope=User.Read&client_id=app&client_secret=right",
        ))
        .unwrap();
    assert_eq!(desk.send(request).body["error"], "invalid_scope");
}

#[test]
fn a_token_expires_and_can_be_revoked() {
    let mut desk = Desk::open("app");
    assert_eq!(desk.get("/v1.0/groups").status, 200);
    desk.now_ms += 3_599_000;
    assert_eq!(
        code(&desk.get("/v1.0/groups")),
        (401, "InvalidAuthenticationToken")
    );
    let mut desk = Desk::open("app");
    desk.simulator.revoke_tokens();
    assert_eq!(desk.get("/v1.0/groups").status, 401);
}

/// An RSA key and its self-signed certificate, made for these tests alone.
const KEY: &str = include_str!("key.pem");
const CERTIFICATE: &str = include_str!("certificate.pem");

#[test]
fn an_assertion_signed_with_the_registered_certificate_is_taken_and_others_are_not() {
    let mut tenant = tenant();
    tenant.applications[0].certificate_pem = Some(CERTIFICATE.to_owned());
    let mut desk = Desk::with(tenant, "app");
    let der = x509_parser::pem::parse_x509_pem(CERTIFICATE.as_bytes())
        .unwrap()
        .1
        .contents;
    let thumbprint = URL_SAFE_NO_PAD.encode(<sha2::Sha256 as sha2::Digest>::digest(&der));
    let sign = |algorithm: &str, thumbprint: &str, change: (&str, Value)| {
        let mut claims = json!({"iss": "app", "sub": "app", "jti": "1", "exp": NOW / 1000 + 600,
            "aud": "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/oauth2/v2.0/token"});
        claims[change.0] = change.1;
        let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(&header), part(&claims));
        let key = jsonwebtoken::EncodingKey::from_rsa_pem(KEY.as_bytes()).unwrap();
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm.parse().unwrap()).unwrap();
        format!("{message}.{signature}")
    };
    let mut ask = |assertion: String| {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        desk.login(
            "example.com",
            &format!("client_id=app&client_assertion_type={kind}&client_assertion={assertion}"),
        )
    };
    for algorithm in ["RS256", "PS256"] {
        assert_eq!(
            ask(sign(algorithm, &thumbprint, ("jti", json!("2")))).status,
            200,
            "{algorithm}"
        );
    }
    let fraction = Duration::from_millis(NOW + 600_250).as_secs_f64();
    assert_eq!(
        ask(sign("PS256", &thumbprint, ("exp", json!(fraction)))).status,
        200
    );
    for (assertion, number) in [
        (
            sign("PS256", &thumbprint, ("exp", json!(fraction - 1200.0))),
            700_024,
        ),
        (sign("PS256", &thumbprint, ("nbf", json!("soon"))), 700_024),
        (sign("RS256", "AAAA", ("jti", json!("2"))), 700_027),
        (
            sign("RS256", &thumbprint, ("aud", json!("https://else.where"))),
            700_023,
        ),
        (sign("RS256", &thumbprint, ("iss", json!("other"))), 700_021),
        (
            sign("RS256", &thumbprint, ("exp", json!(NOW / 1000 - 600))),
            700_024,
        ),
        (
            sign("RS256", &thumbprint, ("jti", json!("2")))
                .rsplit_once('.')
                .map(|(left, _)| format!("{left}.AAAA"))
                .unwrap(),
            700_027,
        ),
    ] {
        let seen = ask(assertion);
        assert_eq!((seen.status, &seen.body["error_codes"][0]), (401, &json!(number)));
    }
}

#[test]
fn a_tenant_describes_itself_to_microsofts_client_libraries() {
    let mut desk = Desk::open("app");
    let ask = |desk: &mut Desk, tenant: &str| {
        desk.send(
            Request::get(format!("/{tenant}/v2.0/.well-known/openid-configuration"))
                .header("host", "login.test")
                .body(Bytes::new())
                .unwrap(),
        )
    };
    for tenant in ["example.com", "11111111-2222-4333-8444-555555555555"] {
        let seen = ask(&mut desk, tenant);
        assert_eq!(seen.status, 200, "{}", seen.body);
        let base = "https://login.test/11111111-2222-4333-8444-555555555555";
        assert_eq!(seen.body["token_endpoint"], format!("{base}/oauth2/v2.0/token"));
        assert_eq!(seen.body["issuer"], format!("{base}/v2.0"));
        assert_eq!(
            seen.body["authorization_endpoint"],
            format!("{base}/oauth2/v2.0/authorize")
        );
    }
    let seen = ask(&mut desk, "nobody.example");
    assert_eq!(
        (seen.status, &seen.body["error"]),
        (400, &json!("invalid_tenant"))
    );
    assert_eq!(seen.body["error_codes"][0], 90_002);
}

#[test]
fn a_client_can_prove_itself_by_http_basic_instead_and_not_as_well() {
    let mut desk = Desk::open("app");
    let mut ask = |proof: &str, form: &str| {
        let proof = base64::engine::general_purpose::STANDARD.encode(proof);
        let body =
            format!("grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default{form}");
        desk.send(
            Request::post("/example.com/oauth2/v2.0/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", format!("Basic {proof}"))
                .body(Bytes::from(body))
                .unwrap(),
        )
    };
    assert_eq!(ask("app:right", "").status, 200);
    assert_eq!(ask("app:wrong", "").body["error"], "invalid_client");
    assert_eq!(
        ask("app:right", "&client_secret=right").body["error"],
        "invalid_request"
    );
    // An ID in the body that is another's does not become the one that was proven.
    assert_eq!(
        ask("app:right", "&client_id=none").body["error"],
        "unauthorized_client"
    );
}

#[test]
fn the_token_endpoint_takes_post_alone() {
    let mut desk = Desk::open("app");
    let seen = desk.send(
        Request::get("/example.com/oauth2/v2.0/token")
            .body(Bytes::new())
            .unwrap(),
    );
    assert_eq!(
        (seen.status, &seen.body["error_codes"][0]),
        (400, &json!(900_561))
    );
}
