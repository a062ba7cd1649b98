//! Credentials: held here, used here, shown to nobody.
//!
//! A source turns a secret into the headers of a request. What may not enter: anything that gives a secret away as
//! text, to a log, an error, a `Debug` output or the guest.

pub mod diagnosis;
pub mod entra;
pub mod error;
pub mod google;
pub mod google_federation;
pub mod jumpcloud;
pub mod subject;
pub mod token;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};

pub use diagnosis::Diagnosis;
pub use error::{CredentialError, CredentialErrorKind};

use crate::secrets::SecretError;

/// A header's value that is, or may hold, a secret.
#[derive(Clone)]
pub struct SecretHeaderValue {
    prefix: &'static str,
    value: SecretString,
    secret: bool,
}

impl SecretHeaderValue {
    /// A secret by itself.
    pub fn new(value: SecretString) -> Self {
        Self {
            prefix: "",
            value,
            secret: true,
        }
    }

    /// `Bearer TOKEN`.
    pub fn bearer(token: &SecretString) -> Self {
        Self {
            prefix: "Bearer ",
            value: token.clone(),
            secret: true,
        }
    }

    /// A value that is no secret, such as an organisation's ID.
    pub fn public(value: &str) -> Self {
        Self {
            prefix: "",
            value: value.into(),
            secret: false,
        }
    }

    /// As it goes over the wire; marked as sensitive for the HTTP library.
    ///
    /// # Errors
    /// If the secret holds characters that no header can hold (a line feed at its end, most often).
    pub fn header_value(&self) -> Result<HeaderValue, CredentialError> {
        let text = zeroize::Zeroizing::new(format!("{}{}", self.prefix, self.value.expose_secret()));
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            CredentialError::new(
                "credential",
                CredentialErrorKind::Unusable,
                "it holds characters that no HTTP header can hold; enter it again, without line breaks",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What must not come back in an answer.
    pub fn secrets(&self) -> Option<&str> {
        self.secret.then(|| self.value.expose_secret())
    }
}

impl fmt::Debug for SecretHeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHeaderValue([withheld])")
    }
}

/// The headers of a credential.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Names and values.
    pub headers: Vec<(HeaderName, SecretHeaderValue)>,
    /// Grows with every renewal: names the token that was refused when asking for another.
    pub generation: u64,
}

/// What a vendor told along with a token. None of it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the token allows, in the vendor's own words; none where the vendor does not say.
    pub granted: Option<BTreeSet<String>>,
    /// How many seconds the vendor's clock is ahead of this machine's.
    pub clock_ahead: Option<i64>,
    /// When the secret or certificate behind the credential expires, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
}

/// That a secret cannot be looked up, as the credential's own error.
pub(super) fn unreadable(credential: &str, error: &SecretError) -> CredentialError {
    let kind = if error.is_passing() {
        CredentialErrorKind::Unreachable
    } else {
        CredentialErrorKind::Missing
    };
    CredentialError::new(credential, kind, error.to_string())
}

/// Gives the headers for a request.
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The headers of the credential `jumpcloud`, `google` or `entra`. `refused` is the generation that the vendor has
    /// answered with 401: a source that can renew gives a later one, once for everybody who asks.
    ///
    /// # Errors
    /// Why there are none, naming the credential, the scope and the fix (R7).
    async fn header(&self, credential: &str, refused: Option<u64>) -> Result<Attached, CredentialError>;

    /// What is known of the credential in hand; nothing before [`Self::header`] gave it.
    async fn facts(&self, _credential: &str) -> Facts {
        Facts::default()
    }
}

/// One credential.
#[async_trait]
pub trait Credential: Send + Sync {
    /// As [`CredentialSource::header`].
    ///
    /// # Errors
    /// As there.
    async fn attach(&self, refused: Option<u64>) -> Result<Attached, CredentialError>;

    /// As [`CredentialSource::facts`].
    async fn facts(&self) -> Facts {
        Facts::default()
    }
}

/// The credentials of one tenant, by name.
#[derive(Clone, Default)]
pub struct TenantCredentials {
    by_name: BTreeMap<String, Arc<dyn Credential>>,
}

impl TenantCredentials {
    /// Adds a credential under its name.
    #[must_use]
    pub fn with(mut self, name: &str, credential: Arc<dyn Credential>) -> Self {
        self.by_name.insert(name.to_owned(), credential);
        self
    }
}

#[async_trait]
impl CredentialSource for TenantCredentials {
    async fn header(&self, credential: &str, refused: Option<u64>) -> Result<Attached, CredentialError> {
        match self.by_name.get(credential) {
            Some(source) => source.attach(refused).await,
            None => Err(CredentialError::new(
                credential,
                CredentialErrorKind::Missing,
                "none is configured; put one in with `groupcast secrets set` and name it in the configuration",
            )),
        }
    }

    async fn facts(&self, credential: &str) -> Facts {
        match self.by_name.get(credential) {
            Some(source) => source.facts().await,
            None => Facts::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn r7_a_missing_credential_is_named_with_the_fix() {
        let error = TenantCredentials::default()
            .header("google", None)
            .await
            .unwrap_err();
        assert_eq!(error.kind, CredentialErrorKind::Missing);
        let message = error.to_string();
        assert!(
            message.contains("google") && message.contains("groupcast secrets set"),
            "{message}"
        );
    }

    #[test]
    fn r7_a_secret_shows_in_no_debug_output_and_its_header_is_sensitive() {
        let value = SecretHeaderValue::bearer(&"hidden-token".into());
        assert!(!format!("{value:?}").contains("hidden"));
        assert!(value.header_value().unwrap().is_sensitive());
        assert!(
            SecretHeaderValue::new("line\nbreak".into())
                .header_value()
                .is_err()
        );
        assert!(SecretHeaderValue::public("org").secrets().is_none());
    }
}

#[cfg(test)]
mod exchange_tests;
