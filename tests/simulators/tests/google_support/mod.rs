//! One simulated account with a clock that a test moves by hand.

#![allow(dead_code, reason = "each test file uses its own part")]

use bytes::Bytes;
use groupcast_simulators::faults::{Fault, Faults, Rule};
use groupcast_simulators::google::{GOOGLE_TOKEN_URL, GoogleSimulator, Tenant};
use groupcast_simulators::{Context, Vendor, VendorSimulator as _};
use http::{HeaderMap, Request, Response, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A throw-away key that only the simulator knows.
pub const PRIVATE_KEY: &str = include_str!("../keys/google-throwaway-private.pem");
pub const PUBLIC_KEY: &str = include_str!("../keys/google-throwaway-public.pem");

pub const ACCOUNT: &str = "sync@project.iam.gserviceaccount.com";
pub const ADMIN: &str = "admin@example.com";
pub const START_MS: u64 = 1_790_000_000_000;
pub const BASE: &str = "/admin/directory/v1/";

pub const GROUP: &str = "https://www.googleapis.com/auth/admin.directory.group";
pub const GROUP_READ: &str = "https://www.googleapis.com/auth/admin.directory.group.readonly";
pub const MEMBER: &str = "https://www.googleapis.com/auth/admin.directory.group.member";
pub const MEMBER_READ: &str = "https://www.googleapis.com/auth/admin.directory.group.member.readonly";
pub const USER_READ: &str = "https://www.googleapis.com/auth/admin.directory.user.readonly";

pub struct World {
    pub simulator: GoogleSimulator,
    pub faults: Faults,
    pub now_ms: u64,
    pub token: Option<String>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

impl Answer {
    pub fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self {
            status: parts.status,
            headers: parts.headers,
            text,
            json,
        }
    }

    /// Status, reason and message of an error in Google's shape.
    pub fn error(&self) -> (u16, &str, &str) {
        let error = &self.json["error"];
        assert_eq!(error["code"], json!(self.status.as_u16()), "{}", self.text);
        let inner = &error["errors"][0];
        (
            self.status.as_u16(),
            inner["reason"].as_str().unwrap(),
            error["message"].as_str().unwrap(),
        )
    }

    pub fn emails(&self, list: &str) -> Vec<String> {
        self.json[list]
            .as_array()
            .map(|items| {
                items
                    .iter()
                    .map(|item| item["email"].as_str().unwrap_or("-").to_owned())
                    .collect()
            })
            .unwrap_or_default()
    }
}

/// An account of five users and four groups, changed by `change` before it starts.
pub fn tenant(change: impl FnOnce(&mut Value)) -> Tenant {
    let mut tenant = json!({
        "customer_id": "C01test",
        "domains": ["example.com", "eu.example.com"],
        "service_accounts": [{
            "client_email": ACCOUNT,
            "private_key_id": "key-1",
            "public_key_pem": PUBLIC_KEY,
            "scopes": [GROUP, GROUP_READ, MEMBER, MEMBER_READ, USER_READ],
        }],
        "admins": [ADMIN],
        "users": [
            {"id": "u0", "primary_email": ADMIN, "name": "Ada Admin"},
            {"id": "u1", "primary_email": "anna@example.com", "aliases": ["a.smith@example.com"], "name": "Anna Smith"},
            {"id": "u2", "primary_email": "bert@example.com", "suspended": true, "name": "Bert Old"},
            {"id": "u3", "primary_email": "carl@eu.example.com", "name": "Carl Gauss"},
            {"id": "u4", "primary_email": "plain@example.com", "name": "Plain User"},
        ],
        "groups": [
            {"id": "g1", "email": "sales@example.com", "name": "Sales", "description": "Sells", "aliases": ["selling@example.com"],
             "members": [
                {"id": "u0", "email": ADMIN, "role": "OWNER"},
                {"id": "u1", "email": "anna@example.com"},
                {"id": "x1", "email": "out.side@gmail.com"},
                {"id": "u4", "email": "plain@example.com", "status": "PENDING"},
             ]},
            {"id": "g2", "email": "empty@example.com", "name": "Empty"},
            {"id": "g3", "email": "nested@example.com", "name": "Nested", "members": [
                {"id": "g1", "email": "sales@example.com", "type": "GROUP"},
                {"id": "u2", "email": "bert@example.com"},
            ]},
            {"id": "g4", "email": "all@example.com", "name": "All", "members": [{"id": "C01test", "type": "CUSTOMER"}]},
        ],
    });
    change(&mut tenant);
    serde_json::from_value(tenant).unwrap()
}

pub fn claims(now_ms: u64, scopes: &[&str]) -> Value {
    let now = now_ms / 1000;
    json!({"iss": ACCOUNT, "sub": ADMIN, "scope": scopes.join(" "), "aud": GOOGLE_TOKEN_URL, "iat": now, "exp": now + 3600})
}

pub fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(PRIVATE_KEY.as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("key-1".to_owned());
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

impl World {
    /// The usual account with a token of the given scopes.
    pub fn with_scopes(scopes: &[&str], change: impl FnOnce(&mut Value)) -> Self {
        let mut world = Self {
            simulator: GoogleSimulator::new(tenant(change)),
            faults: Faults::none(),
            now_ms: START_MS,
            token: None,
        };
        world.sign_in(scopes);
        world
    }

    pub fn new(change: impl FnOnce(&mut Value)) -> Self {
        Self::with_scopes(&[GROUP, USER_READ], change)
    }

    pub fn sign_in(&mut self, scopes: &[&str]) {
        let claims = claims(self.now_ms, scopes);
        let answer = self.ask_for_token(&sign(&claims));
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.token = Some(answer.json["access_token"].as_str().unwrap().to_owned());
    }

    pub fn ask_for_token(&mut self, assertion: &str) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion)
            .finish();
        let request = Request::post("/token")
            .header("host", "oauth2.googleapis.com")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(body))
            .unwrap();
        self.handle(&request)
    }

    pub fn handle(&mut self, request: &Request<Bytes>) -> Answer {
        Answer::of(self.raw(request))
    }

    pub fn raw(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut context = Context {
            now_ms: self.now_ms,
            faults: &mut self.faults,
        };
        self.simulator.handle(request, &mut context)
    }

    /// A Directory call; `target` is under the API's base.
    pub fn call(&mut self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{BASE}{target}"))
            .header("host", "admin.googleapis.com");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Bytes::from(body)).unwrap();
        self.handle(&request)
    }

    pub fn get(&mut self, target: &str) -> Answer {
        self.call("GET", target, None)
    }

    pub fn post(&mut self, target: &str, body: &Value) -> Answer {
        self.call("POST", target, Some(body))
    }

    pub fn batch(&mut self, path: &str, parts: &[(&str, &str, Option<Value>)]) -> Answer {
        let mut text = String::new();
        for (at, (method, target, body)) in parts.iter().enumerate() {
            text.push_str(&format!(
                "--edge\r\nContent-Type: application/http\r\nContent-ID: <part {at}>\r\n\r\n{method} {BASE}{target} HTTP/1.1\r\n"
            ));
            match body {
                Some(body) => text.push_str(&format!("Content-Type: application/json\r\n\r\n{body}\r\n")),
                None => text.push_str("\r\n\r\n"),
            }
        }
        text.push_str("--edge--\r\n");
        self.raw_batch(path, text)
    }

    pub fn raw_batch(&mut self, path: &str, text: String) -> Answer {
        let request = Request::post(path)
            .header(
                "authorization",
                format!("Bearer {}", self.token.clone().unwrap_or_default()),
            )
            .header("content-type", "multipart/mixed; boundary=\"edge\"")
            .body(Bytes::from(text))
            .unwrap();
        self.handle(&request)
    }

    pub fn fault(&mut self, method: &str, path: &str, times: Option<u32>, fault: Fault) {
        self.faults.add(Rule {
            vendor: Vendor::Google,
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            query: None,
            skip: 0,
            times,
            fault,
        });
    }
}

/// The parts of a batch answer: content ID, status, body.
pub fn parts(answer: &Answer) -> Vec<(String, u16, Value)> {
    let content_type = answer.headers["content-type"].to_str().unwrap();
    let boundary = content_type.split_once("boundary=").unwrap().1;
    answer
        .text
        .split(&format!("--{boundary}"))
        .skip(1)
        .filter(|part| !part.starts_with("--"))
        .map(|part| {
            let (outer, inner) = part.trim_start().split_once("\r\n\r\n").unwrap();
            let id = outer.replace("\r\n ", " ");
            let id = id
                .split_once("Content-ID: ")
                .map(|(_, id)| id.trim().to_owned())
                .unwrap_or_default();
            let (head, body) = inner.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            (
                id,
                status,
                serde_json::from_str(body.trim()).unwrap_or(Value::Null),
            )
        })
        .collect()
}
