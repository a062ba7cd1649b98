//! `[service]`: how the API and the console are served.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_source::SecretSource;

/// How `groupcast serve` serves the API and the console. Without this section it serves schedules alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSection {
    /// Address and port to listen on.
    #[serde(default = "listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// How people reach it, such as `https://groupcast.example.com`; by itself `http://` and `listen`. Plain http is
    /// taken only for this machine.
    pub public_url: Option<String>,
    /// Certificate and key, where no proxy ends TLS.
    pub tls: Option<TlsSection>,
    /// Networks of proxies whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`.
    #[serde(default)]
    pub trusted_proxies: Vec<String>,
    /// Hours after which people sign in again.
    #[serde(default = "session_hours")]
    #[schemars(range(min = 1, max = 168))]
    pub session_hours: u32,
    /// Minutes without a request after which people sign in again.
    #[serde(default = "idle_minutes")]
    #[schemars(range(min = 1, max = 1_440))]
    pub idle_minutes: u32,
    /// Requests that one token, session or address may make in a minute.
    #[serde(default = "requests_per_minute")]
    #[schemars(range(min = 10, max = 100_000))]
    pub requests_per_minute: u32,
    /// How people sign in; without it by token alone.
    pub oidc: Option<OidcSection>,
}

/// Certificate and key of the listener, in PEM.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The certificate and its chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Sign-in by OpenID Connect (authorization code with PKCE).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    /// The provider's issuer URL.
    pub issuer: String,
    /// The client's ID there.
    pub client_id: String,
    /// Where the client's secret is; none for a public client.
    pub client_secret: Option<SecretSource>,
    /// The claim that names a person's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Scopes to ask for besides `openid`.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// Who is an administrator of the whole host before anybody granted anything: `email:alice@example.com` or
    /// `group:platform-admins`.
    #[serde(default)]
    pub admins: Vec<String>,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8420))
}

fn session_hours() -> u32 {
    12
}

fn idle_minutes() -> u32 {
    60
}

fn requests_per_minute() -> u32 {
    600
}

fn groups_claim() -> String {
    "groups".to_owned()
}

fn scopes() -> Vec<String> {
    vec!["email".to_owned(), "profile".to_owned()]
}

impl ServiceSection {
    /// What the types cannot say: key path below `[service]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        Vec::new()
    }
}
