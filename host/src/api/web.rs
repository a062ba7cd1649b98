//! What every request finds: the service, who people are, how the host is reached, and its limits.

use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;

use axum_extra::extract::cookie::{Cookie, SameSite};
use http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::oidc::Provider;
use super::rate::Rates;
use crate::config::{Network, ServiceSection};
use crate::service::Service;
use crate::service::identity::Identity;

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

/// See [`Web`].
pub struct Inner {
    /// Everything that can be done.
    pub service: Arc<Service>,
    /// Who people are.
    pub identity: Arc<Identity>,
    /// The identity provider, where people sign in by one.
    pub oidc: Option<Provider>,
    /// How people reach the host: scheme, host and port; the first is the one that is told.
    pub origins: Vec<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<Network>,
    /// How many requests there may be.
    pub rates: Rates,
    /// Ends streams of events when the host stops.
    pub stop: CancellationToken,
    /// What pages may load and where forms may lead: nothing inline, nothing from elsewhere. Signing out leads to the
    /// identity provider.
    pub content_policy: HeaderValue,
}

impl Deref for Web {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Web {
    /// For a listener at `address`.
    pub fn new(
        section: &ServiceSection,
        address: SocketAddr,
        service: Arc<Service>,
        identity: Arc<Identity>,
        oidc: Option<Provider>,
        stop: CancellationToken,
    ) -> Self {
        let elsewhere = oidc.as_ref().and_then(Provider::provider_origin);
        Self(Arc::new(Inner {
            content_policy: content_policy(elsewhere.as_deref()),
            service,
            identity,
            oidc,
            origins: origins(section, address),
            proxies: section.proxies(),
            rates: Rates::new(section.requests_per_minute),
            stop,
        }))
    }

    /// How people reach the host.
    pub fn origin(&self) -> &str {
        self.origins.first().map_or("", String::as_str)
    }

    /// Whether they reach it by TLS.
    pub fn is_secure(&self) -> bool {
        self.origin().starts_with("https://")
    }

    /// The session cookie's name. `__Host-`: the browser takes it only over TLS, for this host and its whole path, so
    /// that no neighbouring host can set one.
    pub fn cookie_name(&self) -> &'static str {
        if self.is_secure() {
            "__Host-groupcast"
        } else {
            "groupcast"
        }
    }

    /// A cookie that scripts and other sites do not get. `Lax`: whoever follows a link from a mail is signed in.
    pub fn cookie(&self, name: impl Into<String>, value: impl Into<String>) -> Cookie<'static> {
        let mut cookie = Cookie::new(name.into(), value.into());
        cookie.set_http_only(true);
        cookie.set_secure(self.is_secure());
        cookie.set_same_site(SameSite::Lax);
        cookie.set_path("/");
        cookie
    }

    /// Takes a cookie back.
    pub fn no_cookie(&self, name: impl Into<String>) -> Cookie<'static> {
        let mut cookie = self.cookie(name, "");
        cookie.make_removal();
        cookie
    }

    /// Whether requests from this address come through a proxy that is believed.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }
}

fn content_policy(provider: Option<&str>) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         font-src 'self'; manifest-src 'self'; form-action 'self'{}{}; base-uri 'none'; frame-ancestors 'none'",
        if provider.is_some() { " " } else { "" },
        provider.unwrap_or_default(),
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Without `public_url` the host is reached on this machine alone, by any of its names.
fn origins(section: &ServiceSection, address: SocketAddr) -> Vec<String> {
    if section.public_url.is_some() {
        return vec![section.origin()];
    }
    let port = address.port();
    vec![
        format!("http://{address}"),
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
        format!("http://[::1]:{port}"),
    ]
}
