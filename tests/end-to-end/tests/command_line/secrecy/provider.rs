//! An identity provider that people sign in by, as far as one sign-in meets it. It can refuse, and then it repeats what it
//! was sent.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use groupcast_tests::PRIVATE_KEY;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::search::spellings;

/// The client's ID there.
pub const CLIENT: &str = "groupcast-console";
/// Who signs in.
pub const PERSON: &str = "alice@example.com";

/// A provider that listens.
pub struct Provider {
    /// Its issuer URL.
    pub issuer: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    issuer: String,
    nonce: Option<String>,
    told: Vec<String>,
    tokens: Vec<String>,
}

impl Provider {
    pub fn start() -> Self {
        let socket = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let issuer = format!("http://{}", socket.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            issuer: issuer.clone(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for mut stream in socket.incoming().flatten() {
                let (head, body) = request(&mut stream);
                let (status, answer) = shared.lock().unwrap().answer(&head, &body);
                let answer = answer.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        Self { issuer, state }
    }

    /// From now on it gives a token for this sign-in; before, it refuses and repeats.
    pub fn admit(&self, nonce: &str) {
        self.state.lock().unwrap().nonce = Some(nonce.to_owned());
    }

    /// All that it was sent and that it gave out which nobody else may know.
    pub fn secrets(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        [&state.told[..], &state.tokens[..]].concat()
    }
}

/// The head and the body of a request.
fn request(stream: &mut TcpStream) -> (String, String) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").and_then(|length| length.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return (head.to_owned(), body.to_owned());
            }
        }
        match stream.read(&mut piece) {
            Ok(read @ 1..) => bytes.extend_from_slice(&piece[..read]),
            _ => return Default::default(),
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
}

impl State {
    fn answer(&mut self, head: &str, body: &str) -> (&'static str, Value) {
        let key = EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).unwrap();
        let at = |path: &str| format!("{}{path}", self.issuer);
        match head.split(' ').nth(1).unwrap_or_default() {
            "/.well-known/openid-configuration" => (
                "200 OK",
                json!({
                    "issuer": self.issuer, "authorization_endpoint": at("/authorize"),
                    "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
                    "response_types_supported": ["code"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256"],
                }),
            ),
            "/keys" => {
                let mut jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
                jwk.common.key_id = Some("k1".to_owned());
                ("200 OK", json!({ "keys": [jwk] }))
            }
            "/token" => {
                let basic = header(head, "authorization").unwrap_or_default();
                let sent = form_urlencoded::parse(body.as_bytes());
                let mut told: Vec<String> = sent
                    .filter(|(name, _)| name == "code" || name == "code_verifier")
                    .map(|(_, value)| value.into_owned())
                    .collect();
                told.push(basic.trim_start_matches("Basic ").to_owned());
                self.told.extend(told.iter().cloned());
                let Some(nonce) = self.nonce.take() else {
                    told.push(super::hosts::OIDC.to_owned());
                    let said: Vec<String> = told.iter().flat_map(|one| spellings(one)).collect();
                    let refusal = json!({
                        "error": "invalid_client",
                        "error_description": format!("{basic} {}", said.join(" ")),
                    });
                    return ("401 Unauthorized", refusal);
                };
                let now = chrono::Utc::now().timestamp();
                let claims = json!({
                    "iss": self.issuer, "aud": CLIENT, "sub": "1234", "iat": now, "exp": now + 300,
                    "nonce": nonce, "email": PERSON, "email_verified": true, "name": "Alice Example",
                });
                let mut head = Header::new(Algorithm::RS256);
                head.kid = Some("k1".to_owned());
                let token = jsonwebtoken::encode(&head, &claims, &key).unwrap();
                self.tokens.push(token.clone());
                let access = "access-token-of-the-provider";
                self.tokens.push(access.to_owned());
                let answer = json!({ "access_token": access, "token_type": "Bearer", "id_token": token });
                ("200 OK", answer)
            }
            _ => ("404 Not Found", Value::Null),
        }
    }
}
