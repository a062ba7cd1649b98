//! JumpCloud: an API key, or a service account.

use async_trait::async_trait;
use base64::Engine;
use http::{HeaderName, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::token::{FreshToken, TokenEndpoint, TokenRefusal, TokenRequest, quoted};
use super::{
    Attached, Credential, CredentialError, CredentialErrorKind, Diagnosis, Facts, SecretHeaderValue,
    unreadable,
};
use crate::secrets::SecretHandle;

/// An administrator's API key.
pub struct ApiKey {
    key: SecretHandle,
    organization: Option<String>,
}

impl ApiKey {
    /// `organization` is the ID that multi-tenant administrators must name (`x-org-id`).
    pub fn new(key: impl Into<SecretHandle>, organization: Option<String>) -> Self {
        Self {
            key: key.into(),
            organization,
        }
    }
}

/// The key as it is sent.
fn sendable(key: &SecretString) -> Result<SecretString, CredentialError> {
    let trimmed = key.expose_secret().trim();
    if trimmed.len() < 8 || trimmed.chars().any(|character| !character.is_ascii_graphic()) {
        return Err(CredentialError::new(
            "jumpcloud",
            CredentialErrorKind::Unusable,
            "the API key is too short or has blanks within; copy it again from the administrator's API settings",
        ));
    }
    Ok(trimmed.into())
}

/// The header that names the organisation.
pub fn organization_header(id: &str) -> (HeaderName, SecretHeaderValue) {
    (HeaderName::from_static("x-org-id"), SecretHeaderValue::public(id))
}

#[async_trait]
impl Credential for ApiKey {
    async fn attach(&self, refused: Option<u64>) -> Result<Attached, CredentialError> {
        let known = self.key.known().await;
        let key = match known {
            // Refused: it may have been replaced since it was looked up.
            Ok(known) if refused == Some(known.changes) => self.key.latest().await,
            known => known,
        }
        .map_err(|error| unreadable("jumpcloud", &error))?;
        let mut headers = vec![(
            HeaderName::from_static("x-api-key"),
            SecretHeaderValue::new(sendable(&key.value)?),
        )];
        headers.extend(self.organization.as_deref().map(organization_header));
        Ok(Attached {
            headers,
            generation: key.changes,
        })
    }

    async fn facts(&self) -> Facts {
        let known = self.key.known().await.ok();
        Facts {
            expires_at: known.and_then(|known| known.expires_at),
            ..Facts::default()
        }
    }
}

/// A service account: client credentials, told by HTTP Basic.
pub struct ServiceAccount {
    /// Where tokens are asked for: `https://admin-oauth.id.jumpcloud.com/oauth2/token`.
    pub endpoint: TokenEndpoint,
    /// Client ID.
    pub client_id: String,
    /// Client secret.
    pub client_secret: SecretHandle,
}

#[async_trait]
impl TokenRequest for ServiceAccount {
    async fn fetch(&self) -> Result<FreshToken, CredentialError> {
        let current = self
            .client_secret
            .latest()
            .await
            .map_err(|error| unreadable("jumpcloud", &error))?;
        let secret = current.value.expose_secret().trim();
        let pair = zeroize::Zeroizing::new(format!("{}:{secret}", self.client_id));
        let basic = format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair.as_bytes())
        );
        let form = [("grant_type", "client_credentials"), ("scope", "api")];
        let mut fresh = self
            .endpoint
            .ask(
                &form,
                Some(SecretHeaderValue::new(basic.into())),
                |status, refusal| explain(status, refusal, secret),
            )
            .await?;
        fresh.facts.expires_at = current.expires_at;
        Ok(fresh)
    }
}

fn explain(status: StatusCode, refusal: &TokenRefusal, secret: &str) -> CredentialError {
    let said = quoted(&refusal.error_description, &[secret]);
    let (kind, diagnosis, fix) = match (refusal.error.as_str(), status.as_u16()) {
        ("invalid_client" | "unauthorized_client", _) | (_, 401) => (
            CredentialErrorKind::Rejected,
            Diagnosis::WrongSecret,
            "JumpCloud does not know this client ID and secret; in the Admin Portal, Settings, Service Accounts, make a new \
             secret for the service account and store it",
        ),
        ("invalid_scope", _) => (
            CredentialErrorKind::Scope,
            Diagnosis::ScopeRefused,
            "the service account may not ask for the scope `api`; in the Admin Portal, Settings, Service Accounts, give it \
             API access with the role Read Only",
        ),
        _ => (
            CredentialErrorKind::Rejected,
            Diagnosis::Refused,
            "JumpCloud gave no token; check the service account, its role and the token URL",
        ),
    };
    CredentialError::of_vendor(
        "jumpcloud",
        kind,
        &refusal.error,
        format!("{fix} ({status} {said})"),
    )
    .diagnosed(diagnosis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r7_an_api_key_is_sent_as_it_is_with_the_organisation_beside_it() {
        let key = ApiKey::new("0123456789abcdef\n", Some("org-1".into()));
        let attached = key.attach(Some(0)).await.unwrap();
        assert_eq!(attached.generation, 0);
        let sent: Vec<_> = attached
            .headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    value.header_value().unwrap().to_str().unwrap().to_owned(),
                )
            })
            .collect();
        assert_eq!(
            sent,
            [
                ("x-api-key", "0123456789abcdef".to_owned()),
                ("x-org-id", "org-1".to_owned())
            ]
        );
    }

    #[tokio::test]
    async fn r7_a_badly_copied_key_is_refused_without_showing_it() {
        for key in ["", "tiny1", "0123456789 abcdef"] {
            let error = ApiKey::new(key, None).attach(None).await.map(|_| ()).unwrap_err();
            assert!(key.is_empty() || !error.to_string().contains(key), "{error}");
        }
    }
}
