//! Tests of the token exchanges against a server that looks at what it is sent. The key in `testdata` was made for
//! these tests and opens nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation};
use serde_json::{Value, json};

use super::token::{CachedToken, TokenEndpoint};
use super::*;
use crate::egress::TenantEgress;
use crate::egress::connection::Connections;
use crate::egress::permit::SystemBootClock;

const KEY: &str = include_str!("testdata/throwaway-private.pem");
const PUBLIC: &str = include_str!("testdata/throwaway-public.pem");
const CERTIFICATE: &str = include_str!("testdata/throwaway-certificate.pem");

type Form = BTreeMap<String, String>;

struct Login {
    url: String,
    /// Authorization and form of every request.
    seen: Arc<Mutex<Vec<(String, Form)>>>,
}

async fn login(status: u16, answer: Value) -> Login {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (log, answer) = (log.clone(), answer.to_string());
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let (log, answer) = (log.clone(), answer.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let authorization = parts
                        .headers
                        .get("authorization")
                        .map(|value| value.to_str().unwrap().to_owned())
                        .unwrap_or_default();
                    let form = form_urlencoded::parse(&body).into_owned().collect();
                    log.lock().unwrap().push((authorization, form));
                    let answer = Response::builder()
                        .status(status)
                        .body(Full::new(Bytes::from(answer)));
                    Ok::<_, hyper::Error>(answer.unwrap())
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    Login { url, seen }
}

fn granted() -> Value {
    json!({"access_token": "granted-token", "token_type": "Bearer", "expires_in": 3599})
}

fn endpoint(login: &Login, credential: &'static str) -> TokenEndpoint {
    TokenEndpoint {
        credential,
        url: login.url.clone(),
        connections: Arc::new(Connections::new(&TenantEgress::default()).unwrap()),
    }
}

async fn attach(request: impl token::TokenRequest) -> Result<String, CredentialError> {
    let cached = CachedToken::new(request, Arc::new(SystemBootClock));
    let attached = cached.attach(None).await?;
    let (name, value) = &attached.headers[0];
    assert_eq!(name, "authorization");
    Ok(value.header_value()?.to_str().unwrap().to_owned())
}

fn verified(assertion: &str, algorithm: Algorithm) -> TokenData<Value> {
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    jsonwebtoken::decode(
        assertion,
        &DecodingKey::from_rsa_pem(PUBLIC.as_bytes()).unwrap(),
        &validation,
    )
    .unwrap()
}

fn key_file(token_uri: Option<&str>) -> SecretString {
    json!({"type": "service_account", "client_email": "robot@p.example", "private_key": KEY,
           "private_key_id": "k1", "token_uri": token_uri})
    .to_string()
    .into()
}

#[tokio::test]
async fn r33_google_gets_a_signed_assertion_that_asks_for_no_right_to_write_users() {
    let login = login(200, granted()).await;
    let account =
        google::ServiceAccount::new(endpoint(&login, "google"), key_file(None), "admin@x.example").unwrap();
    assert_eq!(attach(account).await.unwrap(), "Bearer granted-token");
    let (_, form) = login.seen.lock().unwrap()[0].clone();
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let assertion = verified(&form["assertion"], Algorithm::RS256);
    assert_eq!(assertion.header.kid.as_deref(), Some("k1"));
    let claims = assertion.claims;
    assert_eq!(claims["iss"], "robot@p.example");
    assert_eq!(claims["sub"], "admin@x.example");
    assert_eq!(claims["aud"], login.url.as_str());
    assert_eq!(claims["scope"], google::SCOPES);
    assert_eq!(
        claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(),
        3_600
    );
}

#[tokio::test]
async fn r7_entra_gets_a_secret_or_an_assertion_that_names_its_certificate() {
    let login = login(200, granted()).await;
    let application = |proof| entra::Application {
        endpoint: endpoint(&login, "entra"),
        client_id: "app-1".into(),
        scope: "https://graph.microsoft.com/.default".into(),
        proof,
    };
    let secret = application(entra::Proof::Secret("the-secret\n".into()));
    assert_eq!(attach(secret).await.unwrap(), "Bearer granted-token");
    let (_, form) = login.seen.lock().unwrap()[0].clone();
    assert_eq!(form["client_secret"], "the-secret");
    assert_eq!(form["scope"], "https://graph.microsoft.com/.default");

    for (number, algorithm) in [Algorithm::PS256, Algorithm::RS256].into_iter().enumerate() {
        let proof = entra::Proof::Certificate(entra::CertificateProof::new(KEY, CERTIFICATE, algorithm));
        attach(application(proof)).await.unwrap();
        let (_, form) = login.seen.lock().unwrap()[number + 1].clone();
        assert!(!form.contains_key("client_secret"));
        let assertion = verified(&form["client_assertion"], algorithm);
        assert_eq!(
            assertion.header.x5t_s256.map(|thumbprint| thumbprint.len()),
            Some(43)
        );
        assert_eq!(assertion.claims["aud"], login.url.as_str());
        assert_eq!(assertion.claims["sub"], "app-1");
    }
}

#[tokio::test]
async fn r7_a_jumpcloud_service_account_shows_itself_by_http_basic() {
    let login = login(200, granted()).await;
    let account = jumpcloud::ServiceAccount {
        endpoint: endpoint(&login, "jumpcloud"),
        client_id: "id".into(),
        client_secret: "secret-of-it".into(),
    };
    assert_eq!(attach(account).await.unwrap(), "Bearer granted-token");
    let (authorization, form) = login.seen.lock().unwrap()[0].clone();
    let expected = base64::engine::general_purpose::STANDARD.encode("id:secret-of-it");
    assert_eq!(authorization, format!("Basic {expected}"));
    assert_eq!(form["scope"], "api");
    assert_eq!(form["grant_type"], "client_credentials");
}

#[tokio::test]
async fn r7_a_refused_credential_gives_an_error_with_the_fix_and_without_the_secret() {
    let said = "AADSTS7000215: Invalid client secret provided: the-secret.";
    let login = login(401, json!({"error": "invalid_client", "error_description": said})).await;
    let application = entra::Application {
        endpoint: endpoint(&login, "entra"),
        client_id: "app-1".into(),
        scope: "s".into(),
        proof: entra::Proof::Secret("the-secret".into()),
    };
    let error = attach(application).await.unwrap_err();
    assert_eq!(error.vendor_code.as_deref(), Some("AADSTS7000215"));
    let shown = format!("{error} {error:?}");
    assert!(
        !shown.contains("the-secret") && shown.contains("store its value"),
        "{shown}"
    );
}

#[tokio::test]
async fn r7_a_vendor_that_cannot_be_asked_is_no_fault_of_the_credential() {
    let login = login(503, json!({})).await;
    let account =
        google::ServiceAccount::new(endpoint(&login, "google"), key_file(None), "admin@x.example").unwrap();
    assert!(attach(account).await.unwrap_err().is_passing());
}

#[tokio::test]
async fn r7_a_token_url_on_plain_http_elsewhere_gets_no_secret() {
    let mut endpoint = endpoint(&login(200, granted()).await, "jumpcloud");
    endpoint.url = "http://login.example/token".into();
    let account = jumpcloud::ServiceAccount {
        endpoint,
        client_id: "id".into(),
        client_secret: "secret-of-it".into(),
    };
    assert_eq!(
        attach(account).await.unwrap_err().kind,
        CredentialErrorKind::Unusable
    );
}
