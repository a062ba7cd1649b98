//! A HashiCorp Vault (OpenBao answers alike), as far as a reader of secrets meets it: the key-value engine of version 2,
//! the transit engine, sign-in by token, AppRole and Kubernetes, policies, namespaces, the seal. Written from Vault's API
//! documentation; it refuses what Vault refuses, and knows nothing else.
//!
//! No socket here: see [`serve`].

mod serve;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use serde_json::{Map, Value, json};

pub use serve::serve;

/// One Vault. Change it between requests as an administrator would.
#[derive(Default)]
pub struct VaultSimulator {
    /// The namespace that everything is in; none: there are none.
    pub namespace: Option<String>,
    /// Sealed: every request is refused.
    pub is_sealed: bool,
    /// Standing by without forwarding: every request is redirected there.
    pub active_node: Option<String>,
    /// Seconds that a sign-in lives.
    pub life_seconds: u64,
    /// Secrets of the key-value engine, by mount and path.
    secrets: BTreeMap<(String, String), Vec<SecretVersion>>,
    /// Metadata of one's own, by mount and path.
    metadata: BTreeMap<(String, String), BTreeMap<String, String>>,
    app_roles: BTreeMap<String, Role>,
    kubernetes_roles: BTreeMap<String, Role>,
    tokens: BTreeMap<String, Token>,
    transit: BTreeMap<(String, String), TransitKey>,
    issued: u64,
    requests: Vec<String>,
}

struct SecretVersion {
    data: Option<Map<String, Value>>,
    created_ms: u64,
    deleted_ms: Option<u64>,
}

struct Role {
    proof: String,
    reads: BTreeSet<String>,
}

struct Token {
    reads: BTreeSet<String>,
    expires_ms: Option<u64>,
    renewable: bool,
}

#[derive(Default)]
struct TransitKey {
    version: u64,
    /// Plain text and associated data of each ciphertext: what a cipher would do, without one.
    sealed: BTreeMap<String, (String, String)>,
}

/// A refusal: status and messages.
struct Refusal(u16, Vec<&'static str>);

type Answer = Result<Value, Refusal>;

impl VaultSimulator {
    /// An empty Vault, unsealed.
    pub fn new() -> Self {
        Self {
            life_seconds: 3_600,
            ..Self::default()
        }
    }

    /// Writes a new version of a secret.
    pub fn put(&mut self, mount: &str, path: &str, data: Value, now_ms: u64) {
        self.secrets
            .entry((mount.to_owned(), path.to_owned()))
            .or_default()
            .push(SecretVersion {
                data: data.as_object().cloned(),
                created_ms: now_ms,
                deleted_ms: None,
            });
    }

    /// Deletes the latest version of a secret.
    pub fn delete(&mut self, mount: &str, path: &str, now_ms: u64) {
        if let Some(latest) = self
            .secrets
            .get_mut(&(mount.to_owned(), path.to_owned()))
            .and_then(|versions| versions.last_mut())
        {
            latest.data = None;
            latest.deleted_ms = Some(now_ms);
        }
    }

    /// Sets metadata of one's own on a secret.
    pub fn describe(&mut self, mount: &str, path: &str, name: &str, value: &str) {
        self.metadata
            .entry((mount.to_owned(), path.to_owned()))
            .or_default()
            .insert(name.to_owned(), value.to_owned());
    }

    /// A token that may use what begins with one of these paths (`secret/data/groupcast/`, `transit/`); it never expires.
    pub fn token(&mut self, token: &str, reads: &[&str]) {
        self.tokens.insert(
            token.to_owned(),
            Token {
                reads: owned(reads),
                expires_ms: None,
                renewable: false,
            },
        );
    }

    /// An AppRole with its secret ID.
    pub fn app_role(&mut self, role_id: &str, secret_id: &str, reads: &[&str]) {
        let role = Role {
            proof: secret_id.to_owned(),
            reads: owned(reads),
        };
        self.app_roles.insert(role_id.to_owned(), role);
    }

    /// A role of the Kubernetes method, and the pod's token that it takes.
    pub fn kubernetes_role(&mut self, name: &str, jwt: &str, reads: &[&str]) {
        let role = Role {
            proof: jwt.to_owned(),
            reads: owned(reads),
        };
        self.kubernetes_roles.insert(name.to_owned(), role);
    }

    /// A key of the transit engine; once more: a new version of it.
    pub fn transit_key(&mut self, mount: &str, name: &str) {
        self.transit
            .entry((mount.to_owned(), name.to_owned()))
            .or_default()
            .version += 1;
    }

    /// Revokes all tokens.
    pub fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    /// Methods and paths of all requests so far.
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// Answers a request.
    pub fn handle(&mut self, request: &Request<Bytes>, now_ms: u64) -> Response<Bytes> {
        let path = request.uri().path();
        self.requests.push(format!("{} {path}", request.method()));
        if let Some(active) = &self.active_node {
            let target = format!("{active}{path}");
            return Response::builder()
                .status(307)
                .header("location", target)
                .body(Bytes::new())
                .unwrap_or_default();
        }
        let answer = if self.is_sealed {
            Err(Refusal(503, vec!["Vault is sealed"]))
        } else {
            self.answer(request, path, now_ms)
        };
        let (status, body) = match answer {
            // A deleted version is not found, and its metadata is told all the same.
            Ok(body) if body.pointer("/data/data").is_some_and(Value::is_null) => (404, body),
            Ok(body) => (200, body),
            Err(Refusal(status, errors)) => (status, json!({ "errors": errors })),
        };
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .header("cache-control", "no-store")
            .body(Bytes::from(body.to_string()))
            .unwrap_or_default()
    }

    fn answer(&mut self, request: &Request<Bytes>, path: &str, now_ms: u64) -> Answer {
        let path = path.strip_prefix("/v1/").ok_or(Refusal(404, vec![]))?;
        let headers = request.headers();
        let given = headers
            .get("x-vault-namespace")
            .and_then(|value| value.to_str().ok());
        if given.map(|name| name.trim_matches('/')) != self.namespace.as_deref() {
            return Err(Refusal(403, vec!["permission denied"]));
        }
        let is_write = matches!(*request.method(), Method::POST | Method::PUT);
        if let Some(mount) = path
            .strip_prefix("auth/")
            .and_then(|rest| rest.strip_suffix("/login"))
        {
            if !is_write {
                return Err(unsupported());
            }
            return self.login(mount, &body(request)?, now_ms);
        }
        let (token, held) = self.bearer(headers, now_ms)?;
        match (path, request.method()) {
            ("auth/token/lookup-self", &Method::GET) => return Ok(self.lookup(&token, now_ms)),
            ("auth/token/renew-self", _) if is_write => return self.renew(&token, now_ms),
            _ => {}
        }
        if !held.iter().any(|prefix| path.starts_with(prefix.as_str())) {
            return Err(Refusal(403, vec!["1 error occurred:\n\t* permission denied\n\n"]));
        }
        if let Some((mount, secret)) = path.split_once("/data/") {
            if request.method() != Method::GET {
                return Err(unsupported());
            }
            return self.read(mount, secret);
        }
        for (verb, seals) in [("/encrypt/", true), ("/decrypt/", false)] {
            if let Some((mount, key)) = path.split_once(verb) {
                if !is_write {
                    return Err(unsupported());
                }
                return self.transit(mount, key, seals, &body(request)?);
            }
        }
        Err(Refusal(404, vec!["no handler for route. route entry not found."]))
    }

    fn bearer(&self, headers: &HeaderMap, now_ms: u64) -> Result<(String, BTreeSet<String>), Refusal> {
        let token = headers
            .get("x-vault-token")
            .and_then(|value| value.to_str().ok())
            .ok_or(Refusal(400, vec!["missing client token"]))?;
        self.tokens
            .get(token)
            .filter(|held| held.expires_ms.is_none_or(|end| now_ms < end))
            .map(|held| (token.to_owned(), held.reads.clone()))
            .ok_or(Refusal(
                403,
                vec!["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
            ))
    }

    fn login(&mut self, mount: &str, body: &Map<String, Value>, now_ms: u64) -> Answer {
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let reads = match mount {
            "approle" => self
                .app_roles
                .get(text("role_id"))
                .filter(|role| role.proof == text("secret_id"))
                .ok_or(Refusal(400, vec!["invalid role or secret ID"]))?
                .reads
                .clone(),
            "kubernetes" => {
                if text("jwt").is_empty() {
                    return Err(Refusal(400, vec!["missing jwt"]));
                }
                let role = self
                    .kubernetes_roles
                    .get(text("role"))
                    .ok_or(Refusal(400, vec!["invalid role name"]))?;
                if role.proof != text("jwt") {
                    return Err(Refusal(403, vec!["permission denied"]));
                }
                role.reads.clone()
            }
            _ => return Err(Refusal(403, vec!["permission denied"])),
        };
        self.issued += 1;
        let token = format!("hvs.simulated-{:08}-{now_ms}", self.issued);
        self.tokens.insert(
            token.clone(),
            Token {
                reads,
                expires_ms: Some(now_ms + self.life_seconds * 1_000),
                renewable: true,
            },
        );
        Ok(self.granted(&token))
    }

    fn granted(&self, token: &str) -> Value {
        let auth = json!({
            "client_token": token,
            "accessor": format!("accessor-{}", self.issued),
            "policies": ["default", "groupcast"],
            "token_policies": ["default", "groupcast"],
            "metadata": {"role_name": "groupcast"},
            "lease_duration": self.life_seconds,
            "renewable": true,
            "entity_id": "entity",
            "token_type": "service",
            "orphan": true,
            "mfa_requirement": null,
            "num_uses": 0,
        });
        envelope(&Value::Null, &auth)
    }

    fn renew(&mut self, token: &str, now_ms: u64) -> Answer {
        let life = self.life_seconds;
        match self.tokens.get_mut(token) {
            Some(held) if held.renewable => held.expires_ms = Some(now_ms + life * 1_000),
            _ => return Err(Refusal(400, vec!["lease is not renewable"])),
        }
        Ok(self.granted(token))
    }

    fn lookup(&self, token: &str, now_ms: u64) -> Value {
        let held = self.tokens.get(token);
        let left = held
            .and_then(|held| held.expires_ms)
            .map_or(0, |end| end.saturating_sub(now_ms) / 1_000);
        envelope(
            &json!({
                "accessor": "accessor", "creation_time": now_ms / 1_000, "creation_ttl": left, "display_name": "token",
                "entity_id": "", "expire_time": null, "explicit_max_ttl": 0, "id": token, "issue_time": null,
                "meta": null, "num_uses": 0, "orphan": true, "path": "auth/token/create", "policies": ["default"],
                "renewable": held.is_some_and(|held| held.renewable), "ttl": left, "type": "service",
            }),
            &Value::Null,
        )
    }

    fn read(&self, mount: &str, path: &str) -> Answer {
        let at = (mount.to_owned(), path.to_owned());
        let versions = self.secrets.get(&at).ok_or(Refusal(404, vec![]))?;
        let latest = versions.last().ok_or(Refusal(404, vec![]))?;
        Ok(envelope(
            &json!({
                "data": latest.data,
                "metadata": {
                    "created_time": moment(latest.created_ms),
                    "custom_metadata": self.metadata.get(&at),
                    "deletion_time": latest.deleted_ms.map(moment).unwrap_or_default(),
                    "destroyed": false,
                    "version": versions.len(),
                },
            }),
            &Value::Null,
        ))
    }

    fn transit(&mut self, mount: &str, key: &str, seals: bool, body: &Map<String, Value>) -> Answer {
        let held = self
            .transit
            .get_mut(&(mount.to_owned(), key.to_owned()))
            .ok_or(Refusal(400, vec!["encryption key not found"]))?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let bound = text("associated_data");
        if STANDARD.decode(bound).is_err() {
            return Err(Refusal(400, vec!["failed to base64-decode associated_data"]));
        }
        if seals {
            let plain = text("plaintext");
            if STANDARD.decode(plain).is_err() {
                return Err(Refusal(400, vec!["failed to base64-decode plaintext"]));
            }
            let number = held.sealed.len() + 1;
            let cipher = format!(
                "vault:v{}:{}",
                held.version,
                STANDARD.encode(format!("box {number}"))
            );
            held.sealed
                .insert(cipher.clone(), (plain.to_owned(), bound.to_owned()));
            return Ok(envelope(
                &json!({"ciphertext": cipher, "key_version": held.version}),
                &Value::Null,
            ));
        }
        match held.sealed.get(text("ciphertext")) {
            Some((plain, known)) if known == bound => {
                Ok(envelope(&json!({ "plaintext": plain }), &Value::Null))
            }
            Some(_) => Err(Refusal(400, vec!["cipher: message authentication failed"])),
            None => Err(Refusal(400, vec!["invalid ciphertext: no prefix"])),
        }
    }
}

fn owned(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn unsupported() -> Refusal {
    Refusal(405, vec!["1 error occurred:\n\t* unsupported operation\n\n"])
}

fn body(request: &Request<Bytes>) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(request.body()).map_err(|_| Refusal(400, vec!["error parsing JSON"]))
}

fn envelope(data: &Value, auth: &Value) -> Value {
    json!({
        "request_id": "00000000-0000-4000-8000-00000000000a",
        "lease_id": "", "renewable": false, "lease_duration": 0,
        "data": data, "wrap_info": null, "warnings": null, "auth": auth,
    })
}

/// RFC 3339, to the second.
fn moment(ms: u64) -> String {
    crate::entra::moment(ms)
}
