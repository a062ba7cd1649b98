//! `[service]`: how the API and the console are served.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::network::Network;
use super::secret_source::SecretSource;
use super::values::is_loopback;

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
        let mut faults = Vec::new();
        for (key, given, least, most) in [
            ("session_hours", self.session_hours, 1, 168),
            ("idle_minutes", self.idle_minutes, 1, 1_440),
            ("requests_per_minute", self.requests_per_minute, 10, 100_000),
        ] {
            if given < least || given > most {
                let message = format!("{given} is out of range; it goes from {least} to {most}");
                faults.push((vec![key], message));
            }
        }
        for given in &self.trusted_proxies {
            if let Err(message) = given.parse::<Network>() {
                faults.push((vec!["trusted_proxies"], message));
            }
        }
        self.public_url_faults(&mut faults);
        if let Some(oidc) = &self.oidc {
            oidc.faults(&mut faults);
        }
        faults
    }

    fn public_url_faults(&self, faults: &mut Vec<(Vec<&'static str>, String)>) {
        let mut refuse = |message: &str| faults.push((vec!["public_url"], message.to_owned()));
        let Some(given) = &self.public_url else {
            if !self.listen.ip().is_loopback() {
                refuse(
                    "people on other machines can reach this address, so say how: public_url = \
                     \"https://groupcast.example.com\"",
                );
            } else if self.tls.is_some() {
                refuse("with [service.tls] say by which name it is reached: public_url = \"https://...\"");
            }
            return;
        };
        let Ok(url) = Url::parse(given) else {
            return refuse("this is no URL; write it as https://groupcast.example.com");
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            refuse("this must be a scheme, a host and a port alone: the service is at the root of its host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            refuse("a user name and password have no place here");
        }
        match url.scheme() {
            "https" => {
                let loopback = self.listen.ip().is_loopback();
                if self.tls.is_none() && !loopback && self.trusted_proxies.is_empty() {
                    refuse(
                        "nothing would speak TLS: give [service.tls], or listen on loopback behind a proxy, or name \
                         the proxy's network in trusted_proxies",
                    );
                }
            }
            "http" if is_loopback(&url) && self.tls.is_none() => {}
            "http" => refuse("plain http is taken only for this machine; use https"),
            _ => refuse("this must begin with https://"),
        }
    }

    /// How people reach it: scheme, host and port, without a slash at the end.
    pub fn origin(&self) -> String {
        match self.public_url.as_deref().map(Url::parse) {
            Some(Ok(url)) => url.origin().ascii_serialization(),
            _ => format!("http://{}", self.listen),
        }
    }

    /// The networks of `trusted_proxies`.
    pub fn proxies(&self) -> Vec<Network> {
        self.trusted_proxies
            .iter()
            .filter_map(|given| given.parse().ok())
            .collect()
    }
}

impl OidcSection {
    fn faults(&self, faults: &mut Vec<(Vec<&'static str>, String)>) {
        match Url::parse(&self.issuer) {
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url) => {}
            _ => faults.push((
                vec!["oidc", "issuer"],
                "this must be the provider's issuer URL, and begin with https://".to_owned(),
            )),
        }
        for (key, given) in [
            ("client_id", &self.client_id),
            ("groups_claim", &self.groups_claim),
        ] {
            if given.trim().is_empty() {
                faults.push((vec!["oidc", key], "this must not be empty".to_owned()));
            }
        }
        if let Some(message) = self.client_secret.as_ref().and_then(SecretSource::fault) {
            faults.push((vec!["oidc", "client_secret"], message));
        }
        for subject in &self.admins {
            if !is_subject(subject) {
                faults.push((
                    vec!["oidc", "admins"],
                    format!("`{subject}` is nobody; write email:alice@example.com or group:platform-admins"),
                ));
            }
        }
    }
}

/// Whether a text names a person or a group of the identity provider: `email:alice@example.com`, `group:admins`.
pub fn is_subject(text: &str) -> bool {
    let plain =
        |text: &str| !text.trim().is_empty() && text.len() <= 320 && !text.chars().any(char::is_control);
    match text.split_once(':') {
        Some(("email", address)) => plain(address) && address.contains('@') && !address.contains(' '),
        Some(("group", name)) => plain(name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let section: ServiceSection = toml::from_str(text).unwrap();
        section
            .faults()
            .into_iter()
            .map(|(place, message)| format!("{}: {message}", place.join(".")))
            .collect()
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        assert!(faults("").is_empty());
        assert!(faults("public_url = 'http://localhost:8420'").is_empty());
        assert!(faults("public_url = 'https://groupcast.example.com'").is_empty());
        for wrong in [
            "listen = '0.0.0.0:8420'",
            "listen = '0.0.0.0:8420'\npublic_url = 'https://groupcast.example.com'",
            "public_url = 'http://groupcast.example.com'",
            "public_url = 'https://groupcast.example.com/below'",
            "public_url = 'https://user:word@groupcast.example.com'",
            "public_url = 'ftp://groupcast.example.com'",
            "tls = { certificate = 'a.pem', key = 'b.pem' }",
        ] {
            assert_eq!(faults(wrong).len(), 1, "{wrong}: {:?}", faults(wrong));
        }
        let behind =
            "listen = '0.0.0.0:8420'\npublic_url = 'https://g.example.com'\ntrusted_proxies = ['10.0.0.0/8']";
        assert!(faults(behind).is_empty());
    }

    #[test]
    fn an_origin_has_no_slash_and_no_usual_port() {
        let section = |text: &str| toml::from_str::<ServiceSection>(text).unwrap().origin();
        assert_eq!(section(""), "http://127.0.0.1:8420");
        assert_eq!(
            section("public_url = 'https://g.example.com:443/'"),
            "https://g.example.com"
        );
    }

    #[test]
    fn administrators_are_people_or_groups() {
        assert!(is_subject("email:alice@example.com") && is_subject("group:Platform admins"));
        for wrong in [
            "alice@example.com",
            "email:",
            "email:alice",
            "group: ",
            "token:x",
            "",
        ] {
            assert!(!is_subject(wrong), "{wrong}");
        }
        let wrong = "[oidc]\nissuer = 'http://provider.example.com'\nclient_id = ''\nadmins = ['alice']";
        assert_eq!(faults(wrong).len(), 3);
    }
}
