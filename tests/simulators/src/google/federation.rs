//! Workload identity federation: Google's token service (STS), which gives a federated token for another identity
//! provider's, and `signJwt` of the IAM Service Account Credentials API, by which a federated token signs as a service
//! account. A federated token opens nothing else here: the Directory API does not know it, as Google's does not.
//!
//! Google fetches an issuer's keys from the issuer; here the provider brings the key with it.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::reply;
use super::tenant::{Tenant, WorkloadIdentityProvider};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const SUBJECT_TOKEN_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/iam",
    "https://www.googleapis.com/auth/cloud-platform",
];
const LIFE_SECONDS: u64 = 3_600;
/// The longest life of a subject token, and the furthest end of what is signed.
const DAY_SECONDS: u64 = 24 * 3_600;
const HALF_DAY_SECONDS: u64 = 12 * 3_600;

/// Federated tokens issued so far. Not `Debug`: even a simulated token has no place in a log.
#[derive(Default)]
pub(super) struct FederatedTokens {
    grants: HashMap<String, Grant>,
    issued: u64,
}

struct Grant {
    audience: String,
    subject: String,
    expires_ms: u64,
}

/// A refusal of the token service: status, code, description.
type Refusal = (u16, &'static str, String);

impl FederatedTokens {
    /// Answers where the path is one of this room's.
    pub(super) fn answer(
        &mut self,
        request: &Request<Bytes>,
        tenant: &Tenant,
        now_ms: u64,
    ) -> Option<Response<Bytes>> {
        let path = request.uri().path();
        if path == "/v1/token" {
            if request.method() != Method::POST {
                return Some(api_error(404, "NOT_FOUND", "Requested entity was not found."));
            }
            return Some(match self.exchange(request, tenant, now_ms) {
                Ok(answer) => reply::json(200, &answer, true),
                Err((status, error, description)) => reply::json(
                    status,
                    &json!({"error": error, "error_description": description}),
                    true,
                ),
            });
        }
        let account = path
            .strip_prefix("/v1/projects/-/serviceAccounts/")?
            .strip_suffix(":signJwt")?;
        let account = percent_encoding::percent_decode_str(account).decode_utf8_lossy();
        Some(match self.sign(request, &account, tenant, now_ms) {
            Ok(answer) => reply::json(200, &answer, true),
            Err((status, error, message)) => api_error(status, error, &message),
        })
    }

    fn exchange(&mut self, request: &Request<Bytes>, tenant: &Tenant, now_ms: u64) -> Result<Value, Refusal> {
        let invalid = |description: String| (400, "invalid_request", description);
        let form = fields(request.headers(), request.body())
            .ok_or_else(|| invalid("The request body cannot be parsed.".to_owned()))?;
        let field = |name: &str| {
            form.get(name)
                .map(String::as_str)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| invalid(format!("Invalid value for \"{name}\". This value is required.")))
        };
        if field("grant_type")? != EXCHANGE {
            return Err((
                400,
                "unsupported_grant_type",
                "Invalid value for \"grant_type\". This value should be \
                 \"urn:ietf:params:oauth:grant-type:token-exchange\"."
                    .to_owned(),
            ));
        }
        let audience = field("audience")?;
        if !audience.starts_with("//iam.googleapis.com/") {
            return Err(invalid(
                "Invalid value for \"audience\". This value should be the full resource name of the Identity Provider. See \
                 https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats."
                    .to_owned(),
            ));
        }
        if field("requested_token_type")? != ACCESS_TOKEN {
            return Err(invalid("Invalid value for \"requested_token_type\".".to_owned()));
        }
        if !SUBJECT_TOKEN_TYPES.contains(&field("subject_token_type")?) {
            return Err(invalid("Invalid value for \"subject_token_type\".".to_owned()));
        }
        let scopes: Vec<&str> = field("scope")?.split_ascii_whitespace().collect();
        if !scopes.iter().any(|scope| SCOPES.contains(scope)) {
            return Err((
                400,
                "invalid_scope",
                "Invalid OAuth scope in the request.".to_owned(),
            ));
        }
        let provider = tenant
            .workload_identity_providers
            .iter()
            .find(|provider| provider.audience == audience && !provider.disabled)
            .ok_or_else(|| {
                (
                    400,
                    "invalid_target",
                    "The target service indicated by the \"audience\" parameters is invalid. This might either be because \
                     the pool or provider is disabled or deleted or because it doesn't exist."
                        .to_owned(),
                )
            })?;
        let subject = proven(field("subject_token")?, provider, now_ms)?;
        self.issued = self.issued.saturating_add(1);
        let digest = Sha256::digest(format!("{} {now_ms} {audience} {subject}", self.issued).as_bytes());
        let token = format!("ya29.d.federated-{}", hex::encode(digest));
        self.grants.insert(
            token.clone(),
            Grant {
                audience: audience.to_owned(),
                subject,
                expires_ms: now_ms.saturating_add(LIFE_SECONDS * 1_000),
            },
        );
        Ok(json!({
            "access_token": token,
            "issued_token_type": ACCESS_TOKEN,
            "token_type": "Bearer",
            "expires_in": LIFE_SECONDS,
        }))
    }

    fn sign(
        &self,
        request: &Request<Bytes>,
        account: &str,
        tenant: &Tenant,
        now_ms: u64,
    ) -> Result<Value, Refusal> {
        if request.method() != Method::POST {
            return Err((404, "NOT_FOUND", "Requested entity was not found.".to_owned()));
        }
        let unauthenticated = || {
            (
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
                 authentication credential."
                    .to_owned(),
            )
        };
        let grant = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|token| self.grants.get(token))
            .filter(|grant| now_ms < grant.expires_ms)
            .ok_or_else(unauthenticated)?;
        let may_sign = tenant
            .workload_identity_providers
            .iter()
            .filter(|provider| provider.audience == grant.audience && !provider.disabled)
            .flat_map(|provider| &provider.token_creators)
            .any(|creator| creator.subject == grant.subject && creator.service_account == account);
        let known = tenant
            .service_accounts
            .iter()
            .find(|known| known.client_email == account)
            .and_then(|known| Some((known, known.signing_key_pem.as_ref()?)));
        let (Some((known, key)), true) = (known, may_sign) else {
            return Err((
                403,
                "PERMISSION_DENIED",
                "Permission 'iam.serviceAccounts.signJwt' denied on resource (or it may not exist)."
                    .to_owned(),
            ));
        };
        let invalid = |message: &str| (400, "INVALID_ARGUMENT", message.to_owned());
        let body: Map<String, Value> =
            serde_json::from_slice(request.body()).map_err(|_| invalid("Invalid JSON payload received."))?;
        if let Some(unknown) = body
            .keys()
            .find(|key| !["payload", "delegates"].contains(&key.as_str()))
        {
            return Err(invalid(&format!(
                "Invalid JSON payload received. Unknown name \"{unknown}\": Cannot find field."
            )));
        }
        let payload: Map<String, Value> = body
            .get("payload")
            .and_then(Value::as_str)
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| invalid("The payload is not a valid JWT Claims Set."))?;
        if let Some(end) = payload.get("exp") {
            let now = now_ms / 1_000;
            let fits = end
                .as_u64()
                .is_some_and(|end| end >= now && end <= now + HALF_DAY_SECONDS);
            if !fits {
                return Err(invalid(
                    "The exp claim must be an integer timestamp that is not in the past and at most 12 hours in the future.",
                ));
            }
        }
        let key = EncodingKey::from_rsa_pem(key.as_bytes())
            .map_err(|_| invalid("The account has no usable key."))?;
        let key_id = known
            .private_key_id
            .clone()
            .unwrap_or_else(|| "system-managed".to_owned());
        let header = Header {
            kid: Some(key_id.clone()),
            ..Header::new(Algorithm::RS256)
        };
        let signed =
            jsonwebtoken::encode(&header, &payload, &key).map_err(|_| invalid("It cannot be signed."))?;
        Ok(json!({ "keyId": key_id, "signedJwt": signed }))
    }
}

/// Who the subject token says its bearer is, if the provider trusts it.
fn proven(token: &str, provider: &WorkloadIdentityProvider, now_ms: u64) -> Result<String, Refusal> {
    let grant = |description: String| (400, "invalid_grant", description);
    let unread = || grant("Unable to parse the ID Token.".to_owned());
    let unproven: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| unread())?;
    let issuer = unproven.get("iss").and_then(Value::as_str).ok_or_else(unread)?;
    if issuer != provider.issuer {
        return Err(grant(format!(
            "The issuer in ID Token {issuer} does not match the expected ones: [{}].",
            provider.issuer
        )));
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| unread())?;
    let key = DecodingKey::from_rsa_pem(provider.public_key_pem.as_bytes()).map_err(|_| unread())?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times and audiences are judged below: the library would ask the machine's clock.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let is_signed = header.alg == Algorithm::RS256;
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation)
        .ok()
        .filter(|_| is_signed)
        .ok_or_else(|| grant("Error verifying the ID Token's signature with the issuer's keys.".to_owned()))?
        .claims;
    let audiences: Vec<&str> = match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let with_scheme = format!("https:{}", provider.audience);
    let allowed: Vec<&str> = if provider.allowed_audiences.is_empty() {
        vec![&provider.audience, &with_scheme]
    } else {
        provider.allowed_audiences.iter().map(String::as_str).collect()
    };
    if !audiences.iter().any(|audience| allowed.contains(audience)) {
        return Err(grant(format!(
            "The audience in ID Token [{}] does not match the expected audience.",
            audiences.join(", ")
        )));
    }
    let now = now_ms / 1_000;
    let second = |name: &str| claims.get(name).and_then(Value::as_u64);
    match (second("iat"), second("exp")) {
        (Some(issued), Some(end)) if end > now && issued <= now + 300 && end <= issued + DAY_SECONDS => {}
        (Some(issued), Some(_)) => {
            return Err(grant(format!("ID Token issued at {issued} is stale to sign-in.")));
        }
        _ => return Err(grant("The ID Token lacks iat or exp.".to_owned())),
    }
    let subject = claims
        .get("sub")
        .and_then(Value::as_str)
        .filter(|subject| !subject.is_empty() && subject.len() <= 127)
        .ok_or_else(|| grant("The mapped attribute google.subject must have 1 to 127 bytes.".to_owned()))?;
    if !provider.subjects.is_empty() && !provider.subjects.iter().any(|known| known == subject) {
        return Err((
            400,
            "unauthorized_client",
            "The given credential is rejected by the attribute condition.".to_owned(),
        ));
    }
    Ok(subject.to_owned())
}

/// A form, or the same as JSON with names in camel case, which the token service takes as well.
fn fields(headers: &HeaderMap, body: &[u8]) -> Option<HashMap<String, String>> {
    let kind = headers
        .get(header::CONTENT_TYPE)?
        .to_str()
        .ok()?
        .to_ascii_lowercase();
    if kind.starts_with("application/x-www-form-urlencoded") {
        return Some(form_urlencoded::parse(body).into_owned().collect());
    }
    let object: HashMap<String, String> = serde_json::from_slice(body).ok()?;
    Some(
        object
            .into_iter()
            .map(|(name, value)| {
                let name = name.chars().fold(String::new(), |mut snake, character| {
                    if character.is_ascii_uppercase() {
                        snake.push('_');
                    }
                    snake.push(character.to_ascii_lowercase());
                    snake
                });
                (name, value)
            })
            .collect(),
    )
}

fn api_error(status: u16, name: &str, message: &str) -> Response<Bytes> {
    reply::json(
        status,
        &json!({"error": {"code": status, "message": message, "status": name}}),
        true,
    )
}
