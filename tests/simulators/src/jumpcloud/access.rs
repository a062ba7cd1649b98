//! Who may ask: API keys, service accounts' tokens and the organisation that a request names.

use std::collections::HashMap;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::JumpcloudSimulator;
use super::answer::{Answer, Refusal, ok};
use super::endpoints::Call;
use super::organisation::is_identifier;

/// The tokens issued, and when each ends, in milliseconds since the Unix epoch.
#[derive(Default)]
pub(super) struct Tokens {
    valid_until: HashMap<String, u64>,
    issued: u64,
}

impl JumpcloudSimulator {
    /// Ends every token issued so far, as an administrator's revocation does.
    pub fn revoke_tokens(&mut self) {
        self.tokens.valid_until.clear();
    }

    /// Whether the request's key or token opens the organisation it names.
    pub(super) fn admit(&self, request: &Request<Bytes>) -> Result<(), Refusal> {
        let headers = request.headers();
        let key = text(headers, "x-api-key");
        let bearer = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        let known = match (key, bearer) {
            (Some(key), _) => !key.is_empty() && key == self.organisation.api_key,
            (None, Some(token)) => {
                let until = self.tokens.valid_until.get(token);
                until.is_some_and(|until| self.now_ms < *until)
            }
            (None, None) => false,
        };
        if !known {
            return Err(Refusal::unauthorized());
        }
        match text(headers, "x-org-id") {
            // An administrator of several organisations finds them by this list, so it needs none.
            None if self.organisation.multi_tenant && request.uri().path() != "/api/organizations" => Err(
                Refusal::new(StatusCode::UNAUTHORIZED, "x-org-id header is required"),
            ),
            None => Ok(()),
            Some(id) if !is_identifier(id) => Err(Refusal::bad_request("x-org-id header is malformed")),
            Some(id) if id != self.organisation.organisation_id => {
                Err(Refusal::not_found("organization not found"))
            }
            Some(_) => Ok(()),
        }
    }

    /// `POST /oauth2/token`: a bearer token for a service account (client credentials, RFC 6749,
    /// section 4.4; HTTP Basic and scope `api` as the vendor's own client sends them).
    pub(super) fn issue_token(&mut self, call: &Call<'_>) -> Answer {
        let refuse = Refusal::oauth;
        let account = self.organisation.service_account.as_ref();
        let given = text(call.headers, "authorization").and_then(basic);
        let known = account.zip(given).is_some_and(|(account, (client, secret))| {
            account.client_id == client && account.client_secret == secret
        });
        if !known {
            return Err(refuse(
                StatusCode::UNAUTHORIZED,
                "invalid_client",
                "Client authentication failed",
            ));
        }
        let form = text(call.headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !form {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The body must be form-encoded",
            ));
        }
        let fields: HashMap<String, String> = form_urlencoded::parse(call.body).into_owned().collect();
        if fields.get("grant_type").map(String::as_str) != Some("client_credentials") {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "Only client_credentials is supported",
            ));
        }
        if fields.get("scope").map(String::as_str) != Some("api") {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "invalid_scope",
                "The requested scope is invalid",
            ));
        }
        let behaviour = &self.organisation.behaviour;
        let lifetime = behaviour.token_lifetime_seconds;
        let lives = behaviour
            .token_revoked_after_seconds
            .map_or(lifetime, |revoked| revoked.min(lifetime));
        self.tokens.issued += 1;
        let seed = format!("{}:{}", self.organisation.organisation_id, self.tokens.issued);
        let token = hex::encode(Sha256::digest(seed.as_bytes()));
        let now = self.now_ms;
        self.tokens.valid_until.retain(|_, until| now < *until);
        let until = now.saturating_add(lives.saturating_mul(1000));
        self.tokens.valid_until.insert(token.clone(), until);
        Ok(ok(&json!({
            "access_token": token, "token_type": "bearer", "expires_in": lifetime, "scope": "api",
        })))
    }
}

/// A header's value, where it is text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn basic(value: &str) -> Option<(String, String)> {
    let encoded = value.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (client, secret) = decoded.split_once(':')?;
    Some((client.to_owned(), secret.to_owned()))
}
