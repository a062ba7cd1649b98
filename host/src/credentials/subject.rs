//! Another identity provider's token, by which this host says who it is: from a secret's place, or asked for at a URL.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{CredentialError, CredentialErrorKind, Diagnosis, SecretHeaderValue, unreadable};
use crate::secrets::{SecretHandle, web};

/// The longest answer with a token, in bytes.
const LONGEST: usize = 64 << 10;
/// How long a service may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the token is.
pub enum Subject {
    /// At a secret's place: read anew for every exchange, since such tokens live for minutes.
    Place(SecretHandle),
    /// At a URL.
    Url(SubjectUrl),
}

/// A service that gives tokens: the metadata of a cloud, a build service.
pub struct SubjectUrl {
    /// The URL.
    pub url: String,
    /// Headers, none of them secret.
    pub headers: BTreeMap<String, String>,
    /// A token that the service wants to see.
    pub bearer: Option<SecretHandle>,
    /// The field of a JSON answer that holds the token; none: the whole answer is it.
    pub field: Option<String>,
    /// More certificate authorities to trust, in PEM.
    pub ca_file: Option<std::path::PathBuf>,
}

impl Subject {
    /// The token, as it is now. `credential` is named in errors.
    pub(super) async fn token(&self, credential: &str) -> Result<SecretString, CredentialError> {
        let token = match self {
            Self::Place(handle) => {
                handle
                    .latest()
                    .await
                    .map_err(|error| unreadable(credential, &error))?
                    .value
            }
            Self::Url(url) => url.ask(credential).await?,
        };
        let trimmed = token.expose_secret().trim();
        if trimmed.is_empty() || trimmed.chars().any(|character| !character.is_ascii_graphic()) {
            return Err(CredentialError::new(
                credential,
                CredentialErrorKind::Unusable,
                "what should be another identity provider's token is none: it is empty or has blanks within",
            ));
        }
        Ok(trimmed.into())
    }
}

impl SubjectUrl {
    async fn ask(&self, credential: &str) -> Result<SecretString, CredentialError> {
        let trouble = |kind, why: String| {
            CredentialError::new(
                credential,
                kind,
                format!("{} gave no token of the other identity provider: {why}", self.url),
            )
        };
        let client = web::client(self.ca_file.as_deref(), PATIENCE, &self.url)
            .map_err(|error| trouble(CredentialErrorKind::Unusable, error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        if let Some(bearer) = &self.bearer {
            let bearer = bearer
                .latest()
                .await
                .map_err(|error| unreadable(credential, &error))?;
            let value = SecretHeaderValue::bearer(&bearer.value.expose_secret().trim().into());
            headers.insert(http::header::AUTHORIZATION, value.header_value()?);
        }
        let mut answer = client.get(&self.url).headers(headers).send().await.map_err(|_| {
            trouble(CredentialErrorKind::Unreachable, "it does not answer".to_owned())
                .diagnosed(Diagnosis::Network("unreachable"))
        })?;
        let status = answer.status();
        if !status.is_success() {
            let kind = if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
                CredentialErrorKind::Unreachable
            } else {
                CredentialErrorKind::Rejected
            };
            return Err(trouble(
                kind,
                format!("it answered {status}; check its URL and headers"),
            ));
        }
        let mut body = zeroize::Zeroizing::new(Vec::new());
        while let Some(chunk) = answer.chunk().await.map_err(|_| {
            trouble(
                CredentialErrorKind::Unreachable,
                "its answer broke off".to_owned(),
            )
        })? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST {
                return Err(trouble(
                    CredentialErrorKind::Unusable,
                    "its answer is longer than any token".to_owned(),
                ));
            }
        }
        let none = || {
            trouble(
                CredentialErrorKind::Unusable,
                "its answer holds none; check `field`".to_owned(),
            )
        };
        match &self.field {
            None => std::str::from_utf8(&body)
                .map(SecretString::from)
                .map_err(|_| none()),
            Some(field) => serde_json::from_slice::<Value>(&body)
                .ok()
                .and_then(|answer| answer.get(field).and_then(Value::as_str).map(SecretString::from))
                .ok_or_else(none),
        }
    }
}
