//! Sign-in by OpenID Connect: discovery, authorization code with PKCE, state and nonce, and an ID token that is checked
//! for issuer, audience, signature, expiry and nonce (by `openidconnect`). What may not enter: who may do what with it.

use std::pin::Pin;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreJwsSigningAlgorithm};
use openidconnect::{
    AsyncHttpClient, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IssuerUrl, LogoutRequest, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope,
    TokenResponse as _,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::sync::RwLock;
use url::Url;
use zeroize::Zeroizing;

use crate::config::OidcSection;
use crate::egress::redact::Secrets as Redacted;
use crate::service::identity::Person;
use crate::service::identity::token::hash;

/// Where the provider sends people back to.
pub const CALLBACK: &str = "/sign-in/oidc/callback";
/// How long what the provider says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_secs(3_600);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long somebody may take there, in seconds.
const LONGEST_THERE: i64 = 600;
/// The largest answer, in bytes.
const LARGEST: usize = 1 << 20;
/// The signatures that are taken: none that whoever knows the client's secret can make.
const SIGNATURES: [CoreJwsSigningAlgorithm; 7] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why somebody could not sign in by the provider. For the log; whoever tries is told to try again.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The configuration cannot be used.
    #[error("[service.oidc] cannot be used: {0}")]
    Setup(String),
    /// The provider cannot be reached, or does not say what it must.
    #[error("the identity provider {issuer} cannot be used: {why}")]
    Provider {
        /// Which.
        issuer: String,
        /// Why.
        why: String,
    },
    /// What came back does not belong to what was sent.
    #[error("the answer does not belong to a sign-in that was begun here, or came too late")]
    State,
    /// The provider refused.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// The ID token cannot be believed.
    #[error("the identity provider's word cannot be believed: {0}")]
    Token(String),
    /// The ID token does not say who this is.
    #[error("the identity provider does not say who this is: {0}")]
    Claims(&'static str),
}

/// A sign-in that was begun: it waits in the browser's cookie for the answer.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: Url,
    /// What its cookie holds.
    pub cookie: String,
}

/// The identity provider.
pub struct Provider {
    section: OidcSection,
    secret: Option<SecretString>,
    origin: String,
    http: Http,
    known: RwLock<Option<(Instant, ProviderMetadataWithLogout)>>,
}

/// Why the provider gave no answer.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("{0}")]
    Request(#[from] reqwest::Error),
    #[error("{0}")]
    Answer(#[from] http::Error),
    #[error("its answer is too large")]
    Large,
}

/// How the provider is asked.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut answer = self.0.execute(request.try_into()?).await?;
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk().await? {
                if body.len() + chunk.len() > LARGEST {
                    return Err(HttpError::Large);
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = http::Response::builder().status(answer.status());
            for (name, value) in answer.headers() {
                response = response.header(name, value);
            }
            Ok(response.body(body)?)
        })
    }
}

impl Provider {
    /// A provider; nothing is asked of it yet. `ca_pem` are certificates that are trusted besides the system's.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(
        section: OidcSection,
        secret: Option<SecretString>,
        origin: &str,
        ca_pem: Option<&[u8]>,
    ) -> Result<Self, OidcError> {
        let setup = |error: &dyn std::fmt::Display| OidcError::Setup(error.to_string());
        let tls = crate::egress::tls::client(ca_pem).map_err(|error| setup(&error))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // An answer from elsewhere is none of the provider's.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .map_err(|error| setup(&error))?;
        Ok(Self {
            section,
            secret,
            origin: origin.to_owned(),
            http: Http(http),
            known: RwLock::default(),
        })
    }

    /// Scheme, host and port of the provider.
    pub fn provider_origin(&self) -> Option<String> {
        let url = Url::parse(&self.section.issuer).ok()?;
        Some(url.origin().ascii_serialization())
    }

    /// Begins a sign-in; `next` is where to go afterwards.
    ///
    /// # Errors
    /// The provider cannot be reached.
    pub async fn begin(&self, next: &str) -> Result<Begun, OidcError> {
        let client = self.client(false).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                CoreAuthenticationFlow::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        for scope in &self.section.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, state, nonce) = request.url();
        let next = URL_SAFE_NO_PAD.encode(next);
        let now = chrono::Utc::now().timestamp().to_string();
        let cookie = [state.secret(), nonce.secret(), verifier.secret(), &next, &now].map(String::as_str);
        Ok(Begun {
            url,
            cookie: cookie.join("."),
        })
    }

    /// Ends a sign-in: who it is, and where they wanted to go.
    ///
    /// # Errors
    /// Anything that does not fit.
    pub async fn finish(
        &self,
        cookie: &str,
        state: &str,
        code: String,
    ) -> Result<(Person, String), OidcError> {
        let parts: Vec<&str> = cookie.split('.').collect();
        let [expected, nonce, verifier, next, begun] = parts.as_slice() else {
            return Err(OidcError::State);
        };
        let age = chrono::Utc::now().timestamp() - begun.parse::<i64>().unwrap_or_default();
        if expected.is_empty() || hash(expected) != hash(state) || !(0..=LONGEST_THERE).contains(&age) {
            return Err(OidcError::State);
        }
        let next = URL_SAFE_NO_PAD.decode(next).ok();
        let next = next.and_then(|bytes| String::from_utf8(bytes).ok());
        let next = next.ok_or(OidcError::State)?;
        let client = self.client(false).await?;
        let answer = client
            .exchange_code(AuthorizationCode::new(code.clone()))
            .map_err(|error| self.provider(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new((*verifier).to_owned()))
            .request_async(&self.http)
            .await
            .map_err(|error| OidcError::Refused(self.without_what_was_sent(&error, &code, verifier)))?;
        let id_token = answer
            .id_token()
            .ok_or(OidcError::Token("it gave no ID token".to_owned()))?;
        let nonce = Nonce::new((*nonce).to_owned());
        let person = match self.person(&client, id_token, &nonce) {
            // The provider may have begun to sign with another key.
            Err(OidcError::Token(_)) => self.person(&self.client(true).await?, id_token, &nonce)?,
            other => other?,
        };
        Ok((person, next))
    }

    fn person(&self, client: &Client, id_token: &CoreIdToken, nonce: &Nonce) -> Result<Person, OidcError> {
        let verifier = client.id_token_verifier().set_allowed_algs(SIGNATURES);
        let claims = id_token
            .claims(&verifier, nonce)
            .map_err(|error| OidcError::Token(whole(&error)))?;
        if claims.email_verified() == Some(false) {
            return Err(OidcError::Claims("the e-mail address is not verified"));
        }
        let email = claims
            .email()
            .map(|email| email.as_str().trim().to_owned())
            .filter(|email| crate::config::is_subject(&format!("email:{email}")))
            .ok_or(OidcError::Claims("there is no e-mail address in the ID token"))?;
        let name = claims
            .name()
            .and_then(|name| name.get(None))
            .map(|name| name.as_str().trim().to_owned())
            .filter(|name| !name.is_empty() && name.len() <= 200)
            .unwrap_or_else(|| email.clone());
        // What was verified above, read again for the claim that each provider names as it likes.
        let groups = payload(&id_token.to_string())
            .and_then(|claims| claims.get(&self.section.groups_claim).cloned())
            .map(groups_of)
            .unwrap_or_default();
        Ok(Person { email, name, groups })
    }

    /// Where the browser goes to sign out there too (RP-initiated logout), where the provider offers it.
    pub async fn sign_out_url(&self) -> Option<Url> {
        let metadata = self.metadata(false).await.ok()?;
        let end = metadata.additional_metadata().end_session_endpoint.clone()?;
        let back = PostLogoutRedirectUrl::new(format!("{}/sign-in", self.origin)).ok()?;
        let request = LogoutRequest::from(end)
            .set_client_id(ClientId::new(self.section.client_id.clone()))
            .set_post_logout_redirect_uri(back);
        Some(request.http_get_url())
    }

    /// The provider's own words, which may repeat what it was sent.
    fn without_what_was_sent(&self, error: &dyn std::error::Error, code: &str, verifier: &str) -> String {
        let sent = Redacted::default();
        if let Some(secret) = &self.secret {
            let secret = secret.expose_secret();
            sent.remember(secret);
            // As it goes there: both parts as in a form, and packed (RFC 6749, 2.3.1).
            let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = Zeroizing::new(format!("{}:{}", form(&self.section.client_id), form(secret)));
            sent.remember(&Zeroizing::new(STANDARD.encode(&*pair)));
        }
        sent.remember(code);
        sent.remember(verifier);
        sent.text(&whole(error))
    }

    async fn client(&self, again: bool) -> Result<Client, OidcError> {
        let metadata = self.metadata(again).await?;
        let redirect = RedirectUrl::new(format!("{}{CALLBACK}", self.origin))
            .map_err(|error| OidcError::Setup(error.to_string()))?;
        let secret = self
            .secret
            .as_ref()
            .map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let client_id = ClientId::new(self.section.client_id.clone());
        Ok(CoreClient::from_provider_metadata(metadata, client_id, secret).set_redirect_uri(redirect))
    }

    async fn metadata(&self, again: bool) -> Result<ProviderMetadataWithLogout, OidcError> {
        // Again, but not at every bad token that somebody sends.
        let fresh = if again { Duration::from_secs(30) } else { KNOWN_FOR };
        if let Some((at, known)) = self.known.read().await.as_ref()
            && at.elapsed() < fresh
        {
            return Ok(known.clone());
        }
        let issuer = IssuerUrl::new(self.section.issuer.clone())
            .map_err(|error| OidcError::Setup(error.to_string()))?;
        let found = ProviderMetadataWithLogout::discover_async(issuer, &self.http)
            .await
            .map_err(|error| self.provider(&error))?;
        *self.known.write().await = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    fn provider(&self, error: &dyn std::error::Error) -> OidcError {
        OidcError::Provider {
            issuer: self.section.issuer.clone(),
            why: whole(error),
        }
    }
}

/// An error with its causes. Where the provider said it, it may repeat what it was sent.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

fn payload(token: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A list of names, or one name.
fn groups_of(claim: Value) -> Vec<String> {
    let text = |value: Value| match value {
        Value::String(name) if !name.is_empty() && name.len() <= 320 => Some(name),
        _ => None,
    };
    match claim {
        Value::Array(names) => names.into_iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}
