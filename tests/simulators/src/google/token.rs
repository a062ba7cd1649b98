//! Who is calling: the token endpoint, access tokens, and self-signed bearer tokens.
//!
//! Two ways in, as Google has them. A service account with domain-wide delegation trades a signed
//! assertion for an access token in an admin's name; or it signs its own bearer token and acts in its own
//! name, with the admin role it was given itself.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::directory::Directory;
use super::error::ApiError;
use super::reply;
use super::tenant::ServiceAccount;

/// Google's published token endpoint: the audience that client libraries sign for.
pub const GOOGLE_TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// The audience of a self-signed bearer token.
pub const GOOGLE_API_AUDIENCE: &str = "https://admin.googleapis.com/";

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LONGEST_SECONDS: u64 = 3600;
/// How far a client's clock may run ahead.
const SKEW_SECONDS: u64 = 300;
const NOT_TIMELY: &str = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
                          timeframe. Check your iat and exp values in the JWT claim.";
const NOT_GRANTED: &str = "Client is unauthorized to retrieve access tokens using this method, or client not \
                           authorized for any of the scopes requested.";

/// Who acts in one call.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The acting address.
    pub subject: String,
    /// The scopes in force; none means everything the role allows (a self-signed token without scopes).
    pub scopes: Option<Vec<String>>,
}

impl Caller {
    pub(super) fn holds_any(&self, wanted: &[&str]) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|held| held.iter().any(|scope| wanted.contains(&scope.as_str())))
    }
}

#[derive(Debug)]
struct Grant {
    client_email: String,
    subject: String,
    scopes: Vec<String>,
    expires_ms: u64,
}

/// The tokens issued so far. Not `Debug`: even a simulated token has no place in a log.
#[derive(Default)]
pub(super) struct Tokens {
    grants: HashMap<String, Grant>,
    issued: u64,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    scope: Option<String>,
    aud: Option<Value>,
    iat: Option<f64>,
    exp: Option<f64>,
}

/// A refusal of the token endpoint: status, code, description.
type Refusal = (u16, &'static str, String);

fn invalid_grant(description: &str) -> Refusal {
    (400, "invalid_grant", description.to_owned())
}

fn invalid_request(description: &str) -> Refusal {
    (400, "invalid_request", description.to_owned())
}

impl Tokens {
    pub(super) fn issued(&self) -> u64 {
        self.issued
    }

    pub(super) fn in_force(&self) -> Vec<String> {
        self.grants.keys().cloned().collect()
    }

    pub(super) fn revoke_all(&mut self) {
        self.grants.clear();
    }

    /// Answers `POST /token`.
    pub(super) fn exchange(
        &mut self,
        headers: &HeaderMap,
        body: &[u8],
        audiences: &[String],
        life_seconds: u64,
        directory: &Directory,
        now_ms: u64,
    ) -> Response<Bytes> {
        let mut response = match read_assertion(headers, body, audiences, directory, now_ms) {
            Ok((client_email, subject, scopes)) => {
                self.issued = self.issued.saturating_add(1);
                let digest =
                    Sha256::digest(format!("{} {now_ms} {client_email} {subject}", self.issued).as_bytes());
                let token = format!("ya29.simulated-{}", hex::encode(digest));
                self.grants.insert(
                    token.clone(),
                    Grant {
                        client_email,
                        subject,
                        scopes,
                        expires_ms: now_ms.saturating_add(life_seconds.saturating_mul(1000)),
                    },
                );
                let answer =
                    json!({"access_token": token, "expires_in": life_seconds, "token_type": "Bearer"});
                reply::json(200, &answer, true)
            }
            Err((status, error, description)) => reply::json(
                status,
                &json!({"error": error, "error_description": description}),
                true,
            ),
        };
        response.headers_mut().insert(
            header::CACHE_CONTROL,
            header::HeaderValue::from_static("no-cache, no-store, max-age=0, must-revalidate"),
        );
        response
    }

    /// Who calls, from the `Authorization` header.
    pub(super) fn caller(
        &self,
        headers: &HeaderMap,
        audiences: &[String],
        directory: &Directory,
        now_ms: u64,
    ) -> Result<Caller, ApiError> {
        let header = headers
            .get(header::AUTHORIZATION)
            .ok_or_else(ApiError::no_credentials)?;
        let text = header.to_str().map_err(|_| ApiError::bad_credentials())?;
        let token = text
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or_else(ApiError::bad_credentials)?;
        if let Some(grant) = self.grants.get(token) {
            if now_ms >= grant.expires_ms {
                return Err(ApiError::bad_credentials());
            }
            if grant.subject == grant.client_email {
                let scopes = Some(grant.scopes.clone());
                return Ok(Caller {
                    subject: grant.subject.clone(),
                    scopes,
                });
            }
            // A scope that an admin has withdrawn since is gone from tokens already issued.
            let granted = account(directory, &grant.client_email).map_or(&[][..], |account| &account.scopes);
            let scopes = grant
                .scopes
                .iter()
                .filter(|scope| granted.contains(scope))
                .cloned()
                .collect();
            return Ok(Caller {
                subject: grant.subject.clone(),
                scopes: Some(scopes),
            });
        }
        self_signed(token, audiences, directory, now_ms).ok_or_else(ApiError::bad_credentials)
    }
}

fn account<'a>(directory: &'a Directory, client_email: &str) -> Option<&'a ServiceAccount> {
    directory
        .tenant()
        .service_accounts
        .iter()
        .find(|account| account.client_email.eq_ignore_ascii_case(client_email))
}

/// Checks signature and algorithm against the account's key.
fn verified<'a>(directory: &'a Directory, token: &str) -> Result<(Claims, &'a ServiceAccount), Refusal> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| invalid_request("Bad Request"))?;
    let unproven: Claims =
        jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| invalid_request("Bad Request"))?;
    let issuer = unproven
        .iss
        .ok_or_else(|| invalid_grant("Invalid JWT: iss field missing."))?;
    let account = account(directory, &issuer)
        .ok_or_else(|| invalid_grant("Invalid JWT: No valid verifier found for issuer."))?;
    let wrong_key =
        matches!((&header.kid, &account.private_key_id), (Some(kid), Some(known)) if kid != known);
    if header.alg != Algorithm::RS256 || wrong_key {
        return Err(invalid_grant("Invalid JWT Signature."));
    }
    let key = DecodingKey::from_rsa_pem(account.public_key_pem.as_bytes())
        .map_err(|_| invalid_grant("Invalid JWT Signature."))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // The library would use the machine's clock; time here is the simulator's.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .map_err(|_| invalid_grant("Invalid JWT Signature."))?
        .claims;
    Ok((claims, account))
}

fn is_timely(claims: &Claims, now_ms: u64) -> bool {
    let now = std::time::Duration::from_millis(now_ms).as_secs_f64();
    let seconds = |count: u64| std::time::Duration::from_secs(count).as_secs_f64();
    match (claims.iat, claims.exp) {
        (Some(issued), Some(expires)) => {
            expires > now
                && issued <= now + seconds(SKEW_SECONDS)
                && expires > issued
                && expires <= issued + seconds(LONGEST_SECONDS)
        }
        _ => false,
    }
}

fn is_for(claims: &Claims, audiences: &[String]) -> bool {
    match &claims.aud {
        Some(Value::String(audience)) => audiences.contains(audience),
        _ => false,
    }
}

fn read_assertion(
    headers: &HeaderMap,
    body: &[u8],
    audiences: &[String],
    directory: &Directory,
    now_ms: u64,
) -> Result<(String, String, Vec<String>), Refusal> {
    let is_form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .trim()
                .to_ascii_lowercase()
                .starts_with("application/x-www-form-urlencoded")
        });
    if !is_form {
        return Err(invalid_request("Required parameter is missing: grant_type"));
    }
    let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    match form.get("grant_type").map(String::as_str) {
        None => return Err(invalid_request("Required parameter is missing: grant_type")),
        Some(GRANT_TYPE) => {}
        Some(other) => {
            return Err((
                400,
                "unsupported_grant_type",
                format!("Invalid grant_type: {other}"),
            ));
        }
    }
    let assertion = form
        .get("assertion")
        .ok_or_else(|| invalid_request("Required parameter is missing: assertion"))?;
    let (claims, account) = verified(directory, assertion)?;
    if !is_for(&claims, audiences) {
        return Err(invalid_grant(&format!(
            "Invalid JWT: Failed audience check. The right audience is {}",
            audiences.first().map_or(GOOGLE_TOKEN_URL, String::as_str)
        )));
    }
    if !is_timely(&claims, now_ms) {
        return Err(invalid_grant(NOT_TIMELY));
    }
    let scopes: Vec<String> = claims
        .scope
        .unwrap_or_default()
        .split_ascii_whitespace()
        .map(str::to_owned)
        .collect();
    if scopes.is_empty() {
        return Err((
            400,
            "invalid_scope",
            "Empty or missing scope not allowed.".to_owned(),
        ));
    }
    let Some(subject) = claims.sub else {
        // Without a subject the account acts in its own name, for which delegation plays no part.
        return Ok((account.client_email.clone(), account.client_email.clone(), scopes));
    };
    if !scopes.iter().all(|scope| account.scopes.contains(scope)) {
        return Err((401, "unauthorized_client", NOT_GRANTED.to_owned()));
    }
    if !subject.contains('@') {
        return Err(invalid_request("Invalid impersonation prn email address."));
    }
    let known_admin = is_admin(directory, &subject);
    match directory.user(&subject) {
        Some(user) if user.suspended => Err(invalid_grant("The account has been disabled")),
        None if !known_admin => Err(invalid_grant("Invalid email or User ID")),
        _ => Ok((account.client_email.clone(), subject, scopes)),
    }
}

/// Whether an address holds an admin role, by any of its spellings.
pub(super) fn is_admin(directory: &Directory, subject: &str) -> bool {
    let wanted = super::address::key(subject);
    let primary = directory
        .user(subject)
        .map(|user| super::address::key(&user.primary_email));
    directory
        .tenant()
        .admins
        .iter()
        .map(|admin| super::address::key(admin))
        .any(|admin| admin == wanted || Some(&admin) == primary.as_ref())
}

/// A bearer token that the account signed itself, for the API and not for the token endpoint.
fn self_signed(token: &str, audiences: &[String], directory: &Directory, now_ms: u64) -> Option<Caller> {
    let (claims, account) = verified(directory, token).ok()?;
    let own_name = claims
        .sub
        .as_deref()
        .is_some_and(|subject| subject.eq_ignore_ascii_case(&account.client_email));
    let scopes: Option<Vec<String>> = claims
        .scope
        .as_deref()
        .map(|scope| scope.split_ascii_whitespace().map(str::to_owned).collect());
    // Either an audience or scopes say what the token is for.
    let is_meant_for_us = if claims.aud.is_some() {
        is_for(&claims, audiences)
    } else {
        scopes.is_some()
    };
    (own_name && is_meant_for_us && is_timely(&claims, now_ms)).then(|| Caller {
        subject: account.client_email.clone(),
        scopes,
    })
}
