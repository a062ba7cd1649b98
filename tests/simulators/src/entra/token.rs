//! The login endpoint: client credentials in, an access token out; and the check of a bearer token.
//! Refusals have the form and the AADSTS numbers of the real endpoint.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::assertion;
use super::federated;
use super::reply::{Refusal, Reply, moment};
use super::state::State;

/// Seconds that an access token lives, as the real endpoint says.
pub(super) const TOKEN_SECONDS: u64 = 3599;
const SCOPE: &str = "https://graph.microsoft.com/.default";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) struct LoginRefusal {
    status: u16,
    error: &'static str,
    code: u64,
    message: String,
}

pub(super) fn refuse(
    status: u16,
    error: &'static str,
    code: u64,
    message: impl Into<String>,
) -> LoginRefusal {
    LoginRefusal {
        status,
        error,
        code,
        message: message.into(),
    }
}

/// Answers `POST /{tenant}/oauth2/v2.0/token`.
pub(super) fn issue(
    state: &mut State,
    tenant: &str,
    request: &Request<Bytes>,
    origin: &str,
    now_ms: u64,
) -> Reply {
    match grant(state, tenant, request, origin, now_ms) {
        Ok(reply) => reply,
        Err(refusal) => refused(state, &refusal, now_ms),
    }
    .with("cache-control", "no-store, no-cache")
}

/// A refusal in the login endpoint's form.
pub(super) fn refused(state: &mut State, refusal: &LoginRefusal, now_ms: u64) -> Reply {
    let (trace, correlation) = (state.new_id("trace"), state.new_id("correlation"));
    let timestamp = moment(now_ms).replace('T', " ");
    Reply::json(
        refusal.status,
        json!({
            "error": refusal.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
                refusal.code, refusal.message
            ),
            "error_codes": [refusal.code],
            "timestamp": timestamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", refusal.code),
        }),
    )
}

/// That no tenant has this name.
pub(super) fn unknown_tenant(tenant: &str, error: &'static str) -> LoginRefusal {
    refuse(
        400,
        error,
        90_002,
        format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."
        ),
    )
}

fn grant(
    state: &mut State,
    tenant: &str,
    request: &Request<Bytes>,
    origin: &str,
    now_ms: u64,
) -> Result<Reply, LoginRefusal> {
    let kind = request
        .headers()
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(refuse(
            400,
            "invalid_request",
            900_144,
            "The request body must contain the following parameter: 'grant_type'.",
        ));
    }
    if !state.is_named(tenant) {
        return Err(unknown_tenant(tenant, "invalid_request"));
    }
    let mut form: std::collections::BTreeMap<String, String> =
        form_urlencoded::parse(request.body()).into_owned().collect();
    if let Some((client_id, secret)) = basic(request) {
        // Both ways at once are one proof too many, whether or not they agree.
        if form.contains_key("client_secret") || form.contains_key("client_assertion") {
            return Err(refuse(
                400,
                "invalid_request",
                90_014,
                "More than one client authentication was presented; exactly one is expected.",
            ));
        }
        form.entry("client_id".to_owned()).or_insert(client_id);
        form.insert("client_secret".to_owned(), secret);
    }
    let field = |name: &str| -> Result<&str, LoginRefusal> {
        form.get(name).map(String::as_str).ok_or_else(|| {
            refuse(
                400,
                "invalid_request",
                900_144,
                format!("The request body must contain the following parameter: '{name}'."),
            )
        })
    };
    if field("grant_type")? != "client_credentials" {
        return Err(refuse(
            400,
            "unsupported_grant_type",
            70_003,
            "The app requested an unsupported grant type.",
        ));
    }
    let client_id = field("client_id")?.to_owned();
    let Some(application) = state
        .applications
        .iter()
        .find(|application| application.client_id.eq_ignore_ascii_case(&client_id))
        .cloned()
    else {
        return Err(refuse(
            400,
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client_id}' was not found in the directory '{}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
                state.domain
            ),
        ));
    };
    let scope = field("scope")?;
    if scope != SCOPE {
        return Err(refuse(
            400,
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
            ),
        ));
    }
    match (form.get("client_secret"), form.get("client_assertion")) {
        (Some(_), Some(_)) => {
            return Err(refuse(
                400,
                "invalid_request",
                90_014,
                "Both 'client_secret' and 'client_assertion' were presented; exactly one is expected.",
            ));
        }
        (Some(secret), None) => {
            if application.client_secret_expired
                && application.client_secret.as_deref() == Some(secret.as_str())
            {
                return Err(refuse(
                    401,
                    "invalid_client",
                    7_000_222,
                    format!(
                        "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
                    ),
                ));
            }
            if application.client_secret.as_deref() != Some(secret.as_str()) {
                return Err(refuse(
                    401,
                    "invalid_client",
                    7_000_215,
                    format!(
                        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client_id}'."
                    ),
                ));
            }
        }
        (None, Some(proof)) => {
            if field("client_assertion_type")? != ASSERTION_TYPE {
                return Err(refuse(
                    400,
                    "invalid_request",
                    90_014,
                    "The value of 'client_assertion_type' is not supported.",
                ));
            }
            let is_own = federated::issuer(proof).is_none_or(|issuer| issuer == application.client_id);
            let checked = if is_own || application.federated_credentials.is_empty() {
                let audiences = audiences(state, origin);
                assertion::check(proof, &application, &audiences, now_ms)
            } else {
                federated::check(proof, &application, now_ms)
            };
            checked.map_err(|(code, message)| refuse(401, "invalid_client", code, message))?;
        }
        (None, None) => {
            return Err(refuse(
                401,
                "invalid_client",
                7_000_216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            ));
        }
    }
    state.tokens_issued = state.tokens_issued.saturating_add(1);
    let expires = now_ms.saturating_add(TOKEN_SECONDS.saturating_mul(1000));
    let token = access_token(
        state,
        &application.client_id,
        &application.permissions,
        now_ms,
        expires,
    );
    state
        .tokens
        .insert(token.clone(), (application.client_id.clone(), expires));
    Ok(Reply::ok(json!({
        "token_type": "Bearer",
        "expires_in": TOKEN_SECONDS,
        "ext_expires_in": TOKEN_SECONDS,
        "access_token": token,
    })))
}

/// An access token in the form that the real endpoint gives: a JSON Web Token whose claim `roles` lists the application
/// permissions, absent where there are none. Clients are told to treat it as opaque; so the signature here is none.
fn access_token(
    state: &mut State,
    client_id: &str,
    permissions: &[String],
    now_ms: u64,
    expires_ms: u64,
) -> String {
    let id = state.new_id("token");
    let mut claims = json!({
        "aud": "https://graph.microsoft.com",
        "iss": format!("https://sts.windows.net/{}/", state.tenant_id),
        "iat": now_ms / 1000,
        "nbf": now_ms / 1000,
        "exp": expires_ms / 1000,
        "appid": client_id,
        "idtyp": "app",
        "tid": state.tenant_id,
        "uti": id,
        "ver": "1.0",
    });
    if let (false, Some(claims)) = (permissions.is_empty(), claims.as_object_mut()) {
        claims.insert("roles".to_owned(), json!(permissions));
    }
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "simulated"});
    format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string()),
        URL_SAFE_NO_PAD.encode(format!("no signature: {id}"))
    )
}

/// Client ID and secret by HTTP Basic, each form-encoded before they were joined (RFC 6749, 2.3.1).
fn basic(request: &Request<Bytes>) -> Option<(String, String)> {
    let value = request
        .headers()
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = joined
        .split_once(':')
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(&text.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((decoded(client_id), decoded(secret)))
}

/// The audiences that an assertion may name: this tenant's token endpoint, by either name, at the
/// vendor's host and at this one.
fn audiences(state: &State, origin: &str) -> Vec<String> {
    let mut found = Vec::new();
    for origin in ["https://login.microsoftonline.com", origin] {
        for tenant in [&state.tenant_id, &state.domain] {
            found.push(format!("{origin}/{tenant}/oauth2/v2.0/token"));
            found.push(format!("{origin}/{tenant}/v2.0"));
        }
    }
    found
}

/// The application that a request's bearer token stands for: its client ID and permissions.
pub(super) fn bearer(state: &State, headers: &http::HeaderMap, now_ms: u64) -> Result<Caller, Refusal> {
    let refuse = |message: &str| {
        Refusal::new(401, "InvalidAuthenticationToken", message).with(
            "www-authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\"",
        )
    };
    let value = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| refuse("Access token is empty."))?;
    let token = value
        .split_once(' ')
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or_else(|| refuse("Access token is empty."))?;
    let (client_id, expires) = state
        .tokens
        .get(token)
        .ok_or_else(|| refuse("CompactToken parsing failed with error code: 80049217"))?;
    if now_ms >= *expires {
        return Err(refuse("Lifetime validation failed, the token is expired."));
    }
    let permissions = state
        .applications
        .iter()
        .find(|application| application.client_id == *client_id)
        .map(|application| application.permissions.clone())
        .ok_or_else(|| refuse("The identity of the calling application could not be established."))?;
    Ok(Caller {
        client_id: client_id.clone(),
        permissions,
    })
}

/// Who asks, and what an admin consented to.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub client_id: String,
    pub permissions: Vec<String>,
}

/// Sets of permissions, any of which suffices.
pub(super) mod need {
    pub const READ_GROUPS: &[&str] = &[
        "GroupMember.Read.All",
        "GroupMember.ReadWrite.All",
        "Group.Read.All",
        "Group.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ];
    pub const CREATE_GROUP: &[&str] = &["Group.Create", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
    pub const WRITE_GROUPS: &[&str] = &["Group.ReadWrite.All", "Directory.ReadWrite.All"];
    pub const WRITE_MEMBERS: &[&str] = &[
        "GroupMember.ReadWrite.All",
        "Group.ReadWrite.All",
        "Directory.ReadWrite.All",
    ];
    pub const READ_USERS: &[&str] = &[
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
        "Directory.ReadWrite.All",
    ];
    pub const WRITE_USERS: &[&str] = &["User.ReadWrite.All"];
    pub const WRITE_ROLE_GROUPS: &[&str] = &["RoleManagement.ReadWrite.Directory"];
}

impl Caller {
    pub fn may(&self, any_of: &[&str]) -> bool {
        self.permissions
            .iter()
            .any(|permission| any_of.contains(&permission.as_str()))
    }

    pub fn needs(&self, any_of: &[&str]) -> Result<(), Refusal> {
        if self.may(any_of) {
            Ok(())
        } else {
            Err(Refusal::denied())
        }
    }
}
