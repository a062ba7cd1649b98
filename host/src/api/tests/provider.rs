//! A small, strict OpenID provider for the tests: it gives out a code for what was asked exactly, once, and a token only
//! for the code's own client, redirect and verifier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::*;

pub(super) const CLIENT: &str = "groupcast-console";
pub(super) const SECRET: &str = "the-clients-secret";

/// What is wrong with the provider, for tests of what must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    Nothing,
    Nonce,
    Audience,
    Issuer,
    Expired,
    Signature,
    Unsigned,
    Unverified,
    NoEmail,
}

/// A provider that listens.
#[derive(Clone)]
pub(super) struct Simulated(Arc<Inner>);

struct Inner {
    issuer: String,
    key: jsonwebtoken::EncodingKey,
    other_key: jsonwebtoken::EncodingKey,
    jwk: Value,
    state: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    codes: HashMap<String, HashMap<String, String>>,
    wrong: Option<Wrong>,
    email: String,
    groups: Vec<String>,
    tokens: u32,
}

fn key() -> (jsonwebtoken::EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let key = jsonwebtoken::EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    // An uncompressed point: 4, then x and y.
    let raw = pair.public_key_raw();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
        "x": text(&raw[1..33]), "y": text(&raw[33..65]) });
    (key, jwk)
}

impl Simulated {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ((key, jwk), (other_key, _)) = (key(), key());
        let this = Self(Arc::new(Inner {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            key,
            other_key,
            jwk,
            state: Mutex::default(),
        }));
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(exchange))
            .with_state(this.clone());
        tokio::spawn(super::super::server::serve(
            listener,
            None,
            router,
            Vec::new(),
            CancellationToken::new(),
        ));
        this
    }

    pub(super) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Who signs in next, and what is wrong.
    pub(super) fn next(&self, email: &str, groups: &[&str], wrong: Wrong) {
        let mut given = self.0.state.lock().unwrap();
        given.email = email.to_owned();
        given.groups = groups.iter().map(|group| (*group).to_owned()).collect();
        given.wrong = Some(wrong);
    }

    pub(super) fn tokens(&self) -> u32 {
        self.0.state.lock().unwrap().tokens
    }
}

async fn discovery(State(this): State<Simulated>) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", this.0.issuer);
    Json(json!({
        "issuer": this.0.issuer, "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"), "end_session_endpoint": at("/end"), "response_types_supported": ["code"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

async fn keys(State(this): State<Simulated>) -> Json<Value> {
    Json(json!({ "keys": [this.0.jwk] }))
}

async fn authorize(State(this): State<Simulated>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let of = |name: &str| asked.get(name).map_or("", String::as_str);
    assert_eq!((of("client_id"), of("response_type")), (CLIENT, "code"));
    assert_eq!(of("code_challenge_method"), "S256");
    assert!(of("scope").split(' ').any(|scope| scope == "openid"));
    assert!(of("state").len() >= 16 && of("nonce").len() >= 16 && of("code_challenge").len() >= 43);
    let code = hex::encode(rand::random::<[u8; 16]>());
    let back = format!("{}?code={code}&state={}", of("redirect_uri"), of("state"));
    this.0.state.lock().unwrap().codes.insert(code, asked);
    Redirect::to(&back).into_response()
}

async fn exchange(
    State(this): State<Simulated>,
    headers: HeaderMap,
    Form(given): Form<HashMap<String, String>>,
) -> Response {
    let refuse = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let of = |name: &str| given.get(name).map_or("", String::as_str);
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{SECRET}"));
    let authorised = headers
        .get(header::AUTHORIZATION)
        .map(|value| value.to_str().unwrap().to_owned());
    if authorised.as_deref() != Some(&format!("Basic {basic}")) {
        return refuse("invalid_client");
    }
    let mut state = this.0.state.lock().unwrap();
    // A code is good once.
    let Some(asked) = state.codes.remove(of("code")) else {
        return refuse("invalid_grant");
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier").as_bytes()));
    if of("grant_type") != "authorization_code"
        || asked["redirect_uri"] != of("redirect_uri")
        || asked["code_challenge"] != challenge
    {
        return refuse("invalid_grant");
    }
    let wrong = state.wrong.unwrap_or(Wrong::Nothing);
    let now = chrono::Utc::now().timestamp();
    let mut claims = json!({
        "iss": this.0.issuer, "aud": CLIENT, "sub": "1234", "iat": now, "exp": now + 300,
        "nonce": asked["nonce"], "email": state.email, "email_verified": true, "name": "Alice Example",
        "groups": state.groups,
    });
    match wrong {
        Wrong::Nonce => claims["nonce"] = "another-sign-ins".into(),
        Wrong::Audience => claims["aud"] = "another-client".into(),
        Wrong::Issuer => claims["iss"] = "https://evil.example".into(),
        Wrong::Expired => claims["exp"] = (now - 600).into(),
        Wrong::Unverified => claims["email_verified"] = false.into(),
        Wrong::NoEmail => drop(claims.as_object_mut().unwrap().remove("email")),
        Wrong::Nothing | Wrong::Signature | Wrong::Unsigned => {}
    }
    let mut head = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    head.kid = Some("k1".to_owned());
    let key = if wrong == Wrong::Signature {
        &this.0.other_key
    } else {
        &this.0.key
    };
    let mut token = jsonwebtoken::encode(&head, &claims, key).unwrap();
    if wrong == Wrong::Unsigned {
        let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        token = format!("{}.{}.", text(&json!({ "alg": "none" })), text(&claims));
    }
    state.tokens += 1;
    Json(json!({ "access_token": "unused", "token_type": "Bearer", "id_token": token })).into_response()
}
