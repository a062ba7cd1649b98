//! Google without a key: another identity provider's token says who this host is (workload identity federation), Google's
//! token service gives a federated token for it, by which the IAM Service Account Credentials API signs an assertion as the
//! service account, and the assertion is exchanged as one that was signed with a key. Domain-wide delegation needs the
//! signed assertion: a federated token alone acts for nobody of the domain.
//!
//! Sources: the STS API's `token` method (RFC 8693), and `projects.serviceAccounts.signJwt`.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::google::{Claims, checked_subject, exchange};
use super::subject::Subject;
use super::token::{FreshToken, TokenEndpoint, TokenRefusal, TokenRequest, quoted, unix_seconds};
use super::{CredentialError, CredentialErrorKind, Diagnosis, SecretHeaderValue};
use crate::egress::connection::Connections;
use crate::egress::origin::Origin;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What the federated token is for: to sign, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/iam";

/// A service account that this host may sign as.
pub struct FederatedAccount {
    /// Where the signed assertion is exchanged: Google's token endpoint.
    pub endpoint: TokenEndpoint,
    /// Where the other provider's token is exchanged: `https://sts.googleapis.com/v1/token`.
    pub sts: TokenEndpoint,
    /// `https://iamcredentials.googleapis.com`.
    pub credentials_url: String,
    /// The tenant's connections.
    pub connections: Arc<Connections>,
    /// The workload identity provider's full name.
    pub audience: String,
    /// The service account's address.
    pub service_account: String,
    /// The other provider's token.
    pub subject_token: Subject,
    /// What kind of token that is.
    pub subject_token_type: String,
    /// The administrator whom the service account acts as.
    pub subject: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signed_jwt: String,
}

/// Errors of Google's APIs.
#[derive(Default, Deserialize)]
struct ApiRefusal {
    #[serde(default)]
    error: ApiError,
}

#[derive(Default, Deserialize)]
struct ApiError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    status: String,
}

#[async_trait]
impl TokenRequest for FederatedAccount {
    async fn fetch(&self) -> Result<FreshToken, CredentialError> {
        checked_subject(&self.subject)?;
        let subject_token = self.subject_token.token("google").await?;
        let federated = self.federated(&subject_token).await?;
        let assertion = self.signed(&federated).await?;
        exchange(&self.endpoint, &self.service_account, &self.subject, &assertion).await
    }
}

impl FederatedAccount {
    async fn federated(&self, subject_token: &SecretString) -> Result<SecretString, CredentialError> {
        let subject_token = subject_token.expose_secret();
        let form = [
            ("grant_type", EXCHANGE),
            ("audience", self.audience.as_str()),
            ("scope", SCOPE),
            ("requested_token_type", ACCESS_TOKEN),
            ("subject_token_type", self.subject_token_type.as_str()),
            ("subject_token", subject_token),
        ];
        let fresh = self
            .sts
            .ask(&form, None, |status, refusal| {
                explain_exchange(status, refusal, &self.audience, subject_token)
            })
            .await?;
        Ok(fresh.token)
    }

    async fn signed(&self, federated: &SecretString) -> Result<Zeroizing<String>, CredentialError> {
        let trouble = |kind, message: String| CredentialError::new("google", kind, message);
        let origin = Origin::of_url(&self.credentials_url).map_err(|error| {
            trouble(
                CredentialErrorKind::Unusable,
                format!("google.workload_identity.credentials_url: {error}"),
            )
        })?;
        let claims = Claims::new(
            &self.service_account,
            &self.subject,
            &self.endpoint.url,
            unix_seconds(),
        );
        let payload = serde_json::to_string(&claims).map_err(|_| {
            trouble(
                CredentialErrorKind::Unusable,
                "the assertion cannot be written".to_owned(),
            )
        })?;
        let url = format!(
            "{}/v1/projects/-/serviceAccounts/{}:signJwt",
            self.credentials_url.trim_end_matches('/'),
            utf8_percent_encode(&self.service_account, NON_ALPHANUMERIC)
        );
        let request = Request::post(&url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(
                header::AUTHORIZATION,
                SecretHeaderValue::bearer(federated).header_value()?,
            )
            .body(Bytes::from(json!({ "payload": payload }).to_string()))
            .map_err(|_| trouble(CredentialErrorKind::Unusable, format!("{url} is no URL")))?;
        let answer = self.connections.fetch(&origin, request).await.map_err(|error| {
            trouble(
                CredentialErrorKind::Unreachable,
                format!("no assertion could be signed: {error}"),
            )
            .diagnosed(Diagnosis::Network(error.name()))
        })?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(trouble(
                CredentialErrorKind::Unreachable,
                format!("{origin} answered {status} when asked to sign; try again later"),
            ));
        }
        if !status.is_success() {
            let refusal: ApiRefusal = serde_json::from_slice(answer.body()).unwrap_or_default();
            return Err(self.explain_signing(status, &refusal.error, federated.expose_secret()));
        }
        serde_json::from_slice::<Signed>(answer.body())
            .map(|signed| Zeroizing::new(signed.signed_jwt))
            .map_err(|_| {
                trouble(
                    CredentialErrorKind::Unusable,
                    format!("{origin} answered {status} without a signed assertion; check google.workload_identity.credentials_url"),
                )
            })
    }

    fn explain_signing(&self, status: StatusCode, refusal: &ApiError, token: &str) -> CredentialError {
        let said = quoted(&refusal.message, &[token]);
        let account = &self.service_account;
        let (diagnosis, kind, fix) = match refusal.status.as_str() {
            _ if said.contains("has not been used in project") || said.contains("is disabled") => (
                Diagnosis::SigningRefused,
                CredentialErrorKind::Rejected,
                "the IAM Service Account Credentials API is not enabled in the service account's project; enable it \
                 (iamcredentials.googleapis.com)"
                    .to_owned(),
            ),
            "PERMISSION_DENIED" | "NOT_FOUND" => (
                Diagnosis::SigningRefused,
                CredentialErrorKind::Scope,
                format!(
                    "this workload may not sign as {account}, or there is no such account; grant its principal of the \
                     workload identity pool the role Service Account Token Creator on {account}"
                ),
            ),
            _ => (
                Diagnosis::Refused,
                CredentialErrorKind::Rejected,
                format!("Google did not sign as {account}; check google.workload_identity"),
            ),
        };
        CredentialError::of_vendor(
            "google",
            kind,
            &refusal.status,
            format!("{fix} ({status} {} {said})", refusal.status),
        )
        .diagnosed(diagnosis)
    }
}

/// What the token service is known to refuse, each with its fix.
fn explain_exchange(
    status: StatusCode,
    refusal: &TokenRefusal,
    audience: &str,
    subject_token: &str,
) -> CredentialError {
    let said = quoted(&refusal.error_description, &[subject_token]);
    let words = said.to_ascii_lowercase();
    let (diagnosis, fix) = match refusal.error.as_str() {
        "invalid_target" => (
            Diagnosis::FederationMismatch,
            format!(
                "there is no workload identity provider {audience}, or it is disabled; check google.workload_identity.audience \
                 (the project's number, not its ID) against IAM & Admin, Workload Identity Federation"
            ),
        ),
        "unauthorized_client" => (
            Diagnosis::FederationMismatch,
            "the provider's attribute condition does not hold for this workload; check the condition and the token's claims"
                .to_owned(),
        ),
        "invalid_grant" if words.contains("stale") || words.contains("expired") => (
            Diagnosis::FederatedTokenExpired,
            "the other identity provider's token has expired: whoever writes it no longer renews it, or a clock is off; look \
             at what renews google.workload_identity.subject_token"
                .to_owned(),
        ),
        "invalid_grant" | "invalid_request" if words.contains("audience") => (
            Diagnosis::FederationMismatch,
            "the token was written for another audience; have it written for one that the provider allows, which is by \
             itself https: followed by google.workload_identity.audience"
                .to_owned(),
        ),
        "invalid_grant" if words.contains("signature") => (
            Diagnosis::FederationMismatch,
            "the token's signature does not fit its issuer's published keys; check which issuer wrote it, and that Google can \
             read the issuer's keys"
                .to_owned(),
        ),
        "invalid_grant" if words.contains("issuer") => (
            Diagnosis::FederationMismatch,
            "the token's issuer is not the one that the provider trusts; check the provider's issuer, and whose token it is"
                .to_owned(),
        ),
        _ => (
            Diagnosis::Refused,
            "Google's token service took no token of the other identity provider; check google.workload_identity".to_owned(),
        ),
    };
    CredentialError::of_vendor(
        "google",
        CredentialErrorKind::Rejected,
        &refusal.error,
        format!("{fix} ({status} {} {said})", refusal.error),
    )
    .diagnosed(diagnosis)
}
