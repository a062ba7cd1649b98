//! Access tokens: fetched once for everybody, kept, and renewed before they expire.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, Request, StatusCode, header};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{
    Attached, Credential, CredentialError, CredentialErrorKind, Diagnosis, Facts, SecretHeaderValue,
};
use crate::egress::connection::Connections;
use crate::egress::date;
use crate::egress::origin::Origin;
use crate::egress::permit::BootClock;

/// A token is renewed this long before it expires, so that none expires on its way.
const SKEW: Duration = Duration::from_secs(60);

/// A refusal is remembered this long, so that a run's many requests do not all ask again.
const REFUSAL_LIFE: Duration = Duration::from_secs(10);

/// A token, fresh from the vendor.
pub struct FreshToken {
    /// The token.
    pub token: SecretString,
    /// How long it lives.
    pub life: Duration,
    /// What the vendor told along with it.
    pub facts: Facts,
}

/// Asks a vendor for a token.
#[async_trait]
pub trait TokenRequest: Send + Sync {
    /// A new token.
    ///
    /// # Errors
    /// Why there is none.
    async fn fetch(&self) -> Result<FreshToken, CredentialError>;
}

enum Held {
    Nothing,
    Token { token: SecretString, until: Duration },
    Refusal { error: CredentialError, until: Duration },
}

struct State {
    held: Held,
    generation: u64,
    facts: Facts,
}

/// A credential that is a token for a while.
pub struct CachedToken<T> {
    request: T,
    clock: Arc<dyn BootClock>,
    extra: Vec<(HeaderName, SecretHeaderValue)>,
    state: Mutex<State>,
}

impl<T: TokenRequest> CachedToken<T> {
    /// Tokens from `request`; the clock must go on while the machine sleeps.
    pub fn new(request: T, clock: Arc<dyn BootClock>) -> Self {
        Self {
            request,
            clock,
            extra: Vec::new(),
            state: Mutex::new(State {
                held: Held::Nothing,
                generation: 0,
                facts: Facts::default(),
            }),
        }
    }

    /// Sends a further header with every request.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: SecretHeaderValue) -> Self {
        self.extra.push((name, value));
        self
    }

    fn attached(&self, token: &SecretString, generation: u64) -> Attached {
        let mut headers = vec![(header::AUTHORIZATION, SecretHeaderValue::bearer(token))];
        headers.extend(self.extra.iter().cloned());
        Attached { headers, generation }
    }
}

#[async_trait]
impl<T: TokenRequest> Credential for CachedToken<T> {
    async fn attach(&self, refused: Option<u64>) -> Result<Attached, CredentialError> {
        // Whoever comes while a token is fetched waits here and finds it.
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        match &state.held {
            Held::Token { token, until } if now < *until && refused != Some(state.generation) => {
                return Ok(self.attached(token, state.generation));
            }
            Held::Refusal { error, until } if now < *until => return Err(error.clone()),
            _ => {}
        }
        match self.request.fetch().await {
            Ok(fresh) => {
                state.generation += 1;
                state.facts = fresh.facts;
                let attached = self.attached(&fresh.token, state.generation);
                // Counted from before the vendor was asked. A life shorter than the skew is used for half its time.
                let life = fresh.life.saturating_sub(SKEW).max(fresh.life.min(SKEW) / 2);
                state.held = Held::Token {
                    token: fresh.token,
                    until: now + life,
                };
                Ok(attached)
            }
            Err(error) => {
                if !error.is_passing() {
                    state.held = Held::Refusal {
                        error: error.clone(),
                        until: self.clock.now() + REFUSAL_LIFE,
                    };
                }
                Err(error)
            }
        }
    }

    async fn facts(&self) -> Facts {
        self.state.lock().await.facts.clone()
    }
}

/// Where tokens are asked for.
#[derive(Clone)]
pub struct TokenEndpoint {
    /// Name of the credential, for messages.
    pub credential: &'static str,
    /// The URL.
    pub url: String,
    /// The tenant's connections: token requests pass the same address checks as all others.
    pub connections: Arc<Connections>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    scope: Option<String>,
}

/// What a vendor said when it gave no token.
#[derive(Debug, Default, Deserialize)]
pub struct TokenRefusal {
    /// OAuth's error code.
    #[serde(default)]
    pub error: String,
    /// In words.
    #[serde(default)]
    pub error_description: String,
}

impl TokenEndpoint {
    /// Asks for a token with a form; `explain` turns a refusal into words that name the fix.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ask(
        &self,
        form: &[(&str, &str)],
        basic: Option<SecretHeaderValue>,
        explain: impl Fn(StatusCode, &TokenRefusal) -> CredentialError + Send + Sync,
    ) -> Result<FreshToken, CredentialError> {
        let trouble = |kind, message: String| CredentialError::new(self.credential, kind, message);
        let origin = Origin::of_url(&self.url)
            .map_err(|error| trouble(CredentialErrorKind::Unusable, format!("the token URL: {error}")))?;
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = Request::post(&self.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(body))
            .map_err(|error| trouble(CredentialErrorKind::Unusable, format!("the token URL: {error}")))?;
        if let Some(basic) = basic {
            request
                .headers_mut()
                .insert(header::AUTHORIZATION, basic.header_value()?);
        }
        let answer = self.connections.fetch(&origin, request).await.map_err(|error| {
            trouble(
                CredentialErrorKind::Unreachable,
                format!("no token could be asked for: {error}"),
            )
            .diagnosed(Diagnosis::Network(error.name()))
        })?;
        let status = answer.status();
        let clock_ahead = date::seconds_ahead(answer.headers());
        if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(trouble(
                CredentialErrorKind::Rejected,
                format!(
                    "a proxy stands between this machine and {origin} and asks for a sign-in of its own (407); let this \
                     machine through to {origin} without one"
                ),
            )
            .diagnosed(Diagnosis::ProxySignIn));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(trouble(
                CredentialErrorKind::Unreachable,
                format!("{origin} answered {status} when asked for a token; try again later"),
            ));
        }
        if is_page(&answer) {
            return Err(trouble(
                CredentialErrorKind::Rejected,
                format!(
                    "{origin} answered {status} with a web page when asked for a token: a proxy, a firewall's sign-in \
                     page or a wrong address stands there; let this machine through to {origin}, or correct the \
                     address in the configuration"
                ),
            )
            .diagnosed(Diagnosis::NotTheVendor));
        }
        if !status.is_success() {
            let refusal: TokenRefusal = serde_json::from_slice(answer.body()).unwrap_or_default();
            let mut error = explain(status, &refusal);
            if error.kind == CredentialErrorKind::ClockSkew
                && let Some(told) = clock_ahead.and_then(date::difference)
            {
                error.message = format!("{} ({origin}: {told})", error.message);
            }
            return Err(error);
        }
        // The parser's message could quote the token.
        let token: TokenAnswer = serde_json::from_slice(answer.body()).map_err(|_| {
            trouble(
                CredentialErrorKind::Unusable,
                format!("{origin} answered {status} without an access token; check the token URL"),
            )
        })?;
        if token
            .token_type
            .is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer"))
        {
            return Err(trouble(
                CredentialErrorKind::Unusable,
                format!("{origin} gave a token that is no bearer token"),
            ));
        }
        Ok(FreshToken {
            token: token.access_token.into(),
            life: Duration::from_secs(token.expires_in.unwrap_or(300)),
            facts: Facts {
                granted: token
                    .scope
                    .map(|scopes| scopes.split_ascii_whitespace().map(str::to_owned).collect()),
                clock_ahead,
                expires_at: None,
            },
        })
    }
}

/// Whether an answer is a page for people, which no token endpoint gives.
fn is_page(answer: &http::Response<Bytes>) -> bool {
    answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

/// Seconds since 1970, for assertions.
pub(super) fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A vendor's own words, without what was sent to it, and not endless.
pub(super) fn quoted(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "[withheld]");
    }
    // In whatever other spelling it comes back: encoded, escaped.
    let sent = crate::egress::redact::Secrets::default();
    for secret in secrets {
        sent.remember(secret);
    }
    sent.text(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
