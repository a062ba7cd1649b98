//! Google: a service account that acts as an administrator (a signed assertion, exchanged for a token).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::StatusCode;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::token::{FreshToken, TokenEndpoint, TokenRefusal, TokenRequest, quoted, unix_seconds};
use super::{CredentialError, CredentialErrorKind, Diagnosis, unreadable};
use crate::secrets::SecretHandle;

/// What is asked for: groups with their members, and to read users. Nothing that could write a user (R33).
pub const SCOPES: &str = "https://www.googleapis.com/auth/admin.directory.group \
                          https://www.googleapis.com/auth/admin.directory.user.readonly";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A service account with domain-wide delegation, by its key.
pub struct ServiceAccount {
    endpoint: TokenEndpoint,
    key_file: SecretHandle,
    subject: String,
    /// The key file as it was last read: parsing a key for every token would be for nothing.
    parsed: Mutex<Option<(u64, Arc<Signer>)>>,
}

/// What a key file says, ready to sign.
struct Signer {
    email: String,
    key_id: Option<String>,
    key: EncodingKey,
    audience: String,
}

#[derive(Deserialize)]
struct KeyFile {
    #[serde(rename = "type", default)]
    kind: String,
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

/// The claims of an assertion with domain-wide delegation.
#[derive(Serialize)]
pub(super) struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

impl<'a> Claims<'a> {
    /// For an hour, which is the longest that Google takes.
    pub(super) fn new(email: &'a str, subject: &'a str, audience: &'a str, now: u64) -> Self {
        Self {
            iss: email,
            sub: subject,
            scope: SCOPES,
            aud: audience,
            iat: now,
            exp: now + 3_600,
        }
    }
}

/// That there is an administrator to act as.
pub(super) fn checked_subject(subject: &str) -> Result<(), CredentialError> {
    if subject.contains('@') {
        return Ok(());
    }
    Err(CredentialError::new(
        "google",
        CredentialErrorKind::Unusable,
        "no administrator to act as is configured; set google.admin to the address of one with the role Groups Admin",
    ))
}

impl ServiceAccount {
    /// From the contents of the key file that Google gives for a service account; `subject` is the administrator whom
    /// it acts as.
    ///
    /// # Errors
    /// If there is no administrator. What is wrong with the key file shows when a token is asked for, or by
    /// [`Self::look`].
    pub fn new(
        endpoint: TokenEndpoint,
        key_file: impl Into<SecretHandle>,
        subject: &str,
    ) -> Result<Self, CredentialError> {
        checked_subject(subject)?;
        Ok(Self {
            endpoint,
            key_file: key_file.into(),
            subject: subject.to_owned(),
            parsed: Mutex::default(),
        })
    }

    /// Whether the key file is there and can be used. Asks nobody.
    ///
    /// # Errors
    /// Why not. The contents are never quoted.
    pub async fn look(&self) -> Result<(), CredentialError> {
        self.signer().await.map(|_| ())
    }

    async fn signer(&self) -> Result<(Arc<Signer>, Option<DateTime<Utc>>), CredentialError> {
        let current = self
            .key_file
            .latest()
            .await
            .map_err(|error| unreadable("google", &error))?;
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((changes, signer)) = parsed.as_ref()
            && *changes == current.changes
        {
            return Ok((Arc::clone(signer), current.expires_at));
        }
        let signer = Arc::new(Signer::new(&current.value, &self.endpoint.url)?);
        *parsed = Some((current.changes, Arc::clone(&signer)));
        Ok((signer, current.expires_at))
    }
}

impl Signer {
    fn new(key_file: &SecretString, url: &str) -> Result<Self, CredentialError> {
        let unusable = |message: &str| CredentialError::new("google", CredentialErrorKind::Unusable, message);
        let file: KeyFile = serde_json::from_str(key_file.expose_secret()).map_err(|_| {
            unusable(
                "the secret is not the JSON key file of a service account; store the whole file as Google gives it \
                 (IAM, Service accounts, Keys, Add key, JSON)",
            )
        })?;
        if file.kind != "service_account" {
            return Err(unusable(
                "the JSON file is no service account's key (its type is not service_account); make a key for a \
                 service account and store that file",
            ));
        }
        let private_key = zeroize::Zeroizing::new(file.private_key);
        let key = EncodingKey::from_rsa_pem(private_key.as_bytes()).map_err(|_| {
            unusable("the private key in the key file cannot be read; make a new key and store its file")
        })?;
        Ok(Self {
            audience: file.token_uri.unwrap_or_else(|| url.to_owned()),
            email: file.client_email,
            key_id: file.private_key_id,
            key,
        })
    }

    fn assertion(&self, subject: &str, now: u64) -> Result<String, CredentialError> {
        let header = Header {
            kid: self.key_id.clone(),
            ..Header::new(Algorithm::RS256)
        };
        let claims = Claims::new(&self.email, subject, &self.audience, now);
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| {
            CredentialError::new(
                "google",
                CredentialErrorKind::Unusable,
                "the service account's key cannot sign; make a new key and store its file",
            )
        })
    }
}

#[async_trait]
impl TokenRequest for ServiceAccount {
    async fn fetch(&self) -> Result<FreshToken, CredentialError> {
        let (signer, expires_at) = self.signer().await?;
        let assertion = signer.assertion(&self.subject, unix_seconds())?;
        let mut fresh = exchange(&self.endpoint, &signer.email, &self.subject, &assertion).await?;
        fresh.facts.expires_at = expires_at;
        Ok(fresh)
    }
}

/// A signed assertion in exchange for a token in the administrator's name.
pub(super) async fn exchange(
    endpoint: &TokenEndpoint,
    email: &str,
    subject: &str,
    assertion: &str,
) -> Result<FreshToken, CredentialError> {
    let form = [("grant_type", GRANT), ("assertion", assertion)];
    endpoint
        .ask(&form, None, |status, refusal| {
            explain(status, refusal, email, subject, assertion)
        })
        .await
}

/// The errors that the token endpoint is known to give, each with its fix.
fn explain(
    status: StatusCode,
    refusal: &TokenRefusal,
    email: &str,
    subject: &str,
    assertion: &str,
) -> CredentialError {
    let said = quoted(&refusal.error_description, &[assertion]);
    let words = said.to_ascii_lowercase();
    let delegation = format!(
        "the service account {email} is not allowed to act for the domain with the scopes \"{SCOPES}\"; in the Admin \
         console (Security, API controls, Domain-wide delegation) add its client ID with exactly these scopes, and wait \
         some minutes"
    );
    let new_key = "in the Google Cloud console, IAM & Admin, Service Accounts, this account, Keys, make a new key, store its \
                   file and delete the old one";
    let (diagnosis, fix) = match refusal.error.as_str() {
        "invalid_grant" if words.contains("invalid email or user id") => (
            Diagnosis::WrongSubject,
            format!("{subject} is no user of the domain; set google.admin to an administrator's primary address"),
        ),
        "invalid_grant" if words.contains("iat") || words.contains("exp") || words.contains("reasonable timeframe") => (
            Diagnosis::ClockSkew,
            "Google finds the assertion's times wrong; this machine's clock is off: set it (NTP) and try again".to_owned(),
        ),
        "invalid_grant" if words.contains("signature") || words.contains("no valid verifier") => (
            Diagnosis::KeyRevoked,
            format!("Google no longer accepts the key of {email}: it was deleted, or the account was; {new_key}"),
        ),
        "invalid_grant"
            if words.contains("deleted") || words.contains("disabled") || words.contains("account not found") =>
        (
            Diagnosis::AccountGone,
            format!(
                "the service account {email}, or the administrator {subject}, no longer exists or is suspended; set \
                 google.admin to an administrator who can sign in, or {new_key}"
            ),
        ),
        "invalid_request" if words.contains("impersonation") => (
            Diagnosis::WrongSubject,
            format!("{subject} is no address that can be acted as; set google.admin to an administrator's primary address"),
        ),
        "unauthorized_client" | "access_denied" | "invalid_scope" => (Diagnosis::DelegationMissing, delegation),
        "internal_failure" => (
            Diagnosis::VendorUnavailable,
            "Google's token endpoint failed; try again later".to_owned(),
        ),
        _ => (
            Diagnosis::Refused,
            format!("Google gave no token to {email} acting as {subject}; check the key, the subject and the delegation"),
        ),
    };
    let kind = match diagnosis {
        Diagnosis::WrongSubject | Diagnosis::DelegationMissing => CredentialErrorKind::Scope,
        Diagnosis::ClockSkew => CredentialErrorKind::ClockSkew,
        Diagnosis::VendorUnavailable => CredentialErrorKind::Unreachable,
        _ => CredentialErrorKind::Rejected,
    };
    CredentialError::of_vendor(
        "google",
        kind,
        &refusal.error,
        format!("{fix} ({status} {} {said})", refusal.error),
    )
    .diagnosed(diagnosis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(error: &str, description: &str) -> CredentialError {
        let refusal = TokenRefusal {
            error: error.into(),
            error_description: description.into(),
        };
        explain(
            StatusCode::BAD_REQUEST,
            &refusal,
            "robot@p.example",
            "admin@x",
            "signed.assertion",
        )
    }

    #[test]
    fn r7_each_known_refusal_names_the_credential_and_the_fix() {
        for (error, description, kind, fix) in [
            (
                "invalid_grant",
                "Invalid email or User ID",
                CredentialErrorKind::Scope,
                "google.admin",
            ),
            (
                "invalid_grant",
                "Invalid JWT: No valid verifier found for issuer",
                CredentialErrorKind::Rejected,
                "new key",
            ),
            (
                "invalid_grant",
                "Invalid JWT Signature.",
                CredentialErrorKind::Rejected,
                "new key",
            ),
            (
                "invalid_grant",
                "The account has been deleted",
                CredentialErrorKind::Rejected,
                "no longer exists",
            ),
            (
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values",
                CredentialErrorKind::ClockSkew,
                "clock",
            ),
            (
                "unauthorized_client",
                "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.",
                CredentialErrorKind::Scope,
                "Domain-wide delegation",
            ),
            (
                "access_denied",
                "Requested client not authorized.",
                CredentialErrorKind::Scope,
                "admin.directory.group",
            ),
            (
                "invalid_request",
                "Invalid impersonation prn email address.",
                CredentialErrorKind::Scope,
                "google.admin",
            ),
            (
                "internal_failure",
                "Backend Error",
                CredentialErrorKind::Unreachable,
                "try again",
            ),
        ] {
            let error = explained(error, description);
            assert_eq!(error.kind, kind, "{description}");
            let message = error.to_string();
            assert!(message.contains(fix) && message.contains("google"), "{message}");
        }
        assert!(
            !explained("invalid_grant", "bad signed.assertion here")
                .to_string()
                .contains("signed.assertion")
        );
    }

    #[test]
    fn r33_no_scope_can_write_a_user() {
        for scope in SCOPES.split(' ').filter(|scope| scope.contains("user")) {
            assert!(scope.ends_with(".readonly"), "{scope}");
        }
        assert_eq!(SCOPES.split(' ').count(), 2);
    }
}
