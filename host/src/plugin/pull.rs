//! Fetching a component from an OCI registry, as the CNCF's guidance for Wasm artefacts has it: a manifest with one layer
//! of type `application/wasm`. A reference is always pinned by the manifest's digest, and every byte is checked against a
//! digest before anybody reads it.
//!
//! References and manifests are read by `oci-client`. Its transport is not used: it lets nobody judge the addresses that
//! a registry's name, its redirects and its token service lead to, nor bound what is downloaded.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oci_client::Reference;
use oci_client::manifest::OciImageManifest;
use reqwest::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use reqwest::{StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::PluginError;
use super::load::LARGEST_PLUGIN;
use crate::egress::addresses::{Network, judge};
use crate::egress::origin::Origin;

/// What comes before a reference to a registry.
pub const SCHEME: &str = "oci://";
/// Type of the layer that is a component.
const WASM_LAYER: &str = "application/wasm";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Bytes of a manifest, or of a token service's answer.
const LARGEST_DOCUMENT: u64 = 1 << 20;
/// Redirects of one blob: registries keep blobs elsewhere.
const MOST_REDIRECTS: usize = 3;

/// Name and password at a registry.
#[derive(Debug, Clone)]
pub struct RegistryCredential {
    /// Name.
    pub username: String,
    /// Password or access token.
    pub password: SecretString,
    /// Another host that the credential may be given to: where the registry's tokens come from, if not from itself.
    pub token_host: Option<String>,
}

/// Fetches components.
pub struct Puller {
    allowed: Arc<[Network]>,
    ca_pem: Option<Vec<u8>>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The component.
    pub bytes: Vec<u8>,
    /// SHA-256 of it, lower-case hexadecimal: another one than the manifest's in the reference.
    pub digest: String,
}

/// A registry's answer to who has no token.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    realm: String,
    service: Option<String>,
    scope: Option<String>,
}

/// What a registry is shown.
enum Shown {
    /// What its token service gave.
    Token(String),
    /// Name and password, where it wants them itself: a registry with a file of passwords has no token service.
    Password,
}

#[derive(Deserialize)]
struct Token {
    #[serde(alias = "access_token")]
    token: String,
}

impl Puller {
    /// With private networks that may be connected to, and more certificate authorities in PEM.
    pub fn new(allowed: impl IntoIterator<Item = Network>, ca_pem: Option<Vec<u8>>) -> Self {
        Self {
            allowed: allowed.into_iter().collect(),
            ca_pem,
        }
    }

    /// The component that a reference (`oci://registry/repository@sha256:…`) names.
    ///
    /// # Errors
    /// The reference is not pinned, the registry does not answer as it should, or what it gives is something else.
    pub async fn pull(
        &self,
        reference: &str,
        credential: Option<&RegistryCredential>,
    ) -> Result<Pulled, PluginError> {
        let failed = |reason: String| PluginError::Pull {
            reference: reference.to_owned(),
            reason,
        };
        let named = reference.strip_prefix(SCHEME).unwrap_or(reference);
        let parsed: Reference = named
            .parse()
            .map_err(|_| failed("it is no reference; write oci://registry/repository@sha256:…".to_owned()))?;
        let Some(pin) = parsed.digest().and_then(|digest| digest.strip_prefix("sha256:")) else {
            return Err(PluginError::NotPinned(reference.to_owned()));
        };
        let session = Session::open(self, &parsed, credential).map_err(failed)?;
        tokio::time::timeout(Duration::from_secs(120), session.fetch(pin))
            .await
            .unwrap_or_else(|_| Err("it took more than two minutes".to_owned()))
            .map_err(failed)
    }
}

/// One pull.
struct Session<'a> {
    client: reqwest::Client,
    registry: Origin,
    base: Url,
    repository: String,
    allowed: Arc<[Network]>,
    credential: Option<&'a RegistryCredential>,
}

type Answered<T> = Result<T, String>;

impl<'a> Session<'a> {
    fn open(
        puller: &Puller,
        reference: &Reference,
        credential: Option<&'a RegistryCredential>,
    ) -> Answered<Self> {
        let host = reference.resolve_registry();
        let bare = host.rsplit_once(':').map_or(host, |(bare, _)| bare);
        // In the clear only on this machine, as registries are tried out.
        let scheme = if matches!(bare, "localhost" | "127.0.0.1" | "[::1]") {
            "http"
        } else {
            "https"
        };
        let text = format!("{scheme}://{host}");
        let registry = Origin::base(&text).map_err(|error| error.to_string())?;
        let base = Url::parse(&text).map_err(|error| error.to_string())?;
        let tls = crate::egress::tls::client(puller.ca_pem.as_deref()).map_err(|error| error.to_string())?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(30))
            .dns_resolver(Judged {
                registry: registry.clone(),
                allowed: Arc::clone(&puller.allowed),
            })
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            registry,
            base,
            repository: reference.repository().to_owned(),
            allowed: Arc::clone(&puller.allowed),
            credential,
        })
    }

    async fn fetch(&self, pin: &str) -> Answered<Pulled> {
        let mut shown = None;
        let manifest = self
            .get(
                &format!("manifests/sha256:{pin}"),
                MANIFEST,
                LARGEST_DOCUMENT,
                &mut shown,
            )
            .await?;
        let found = hex::encode(Sha256::digest(&manifest));
        if found != pin {
            return Err(format!("the registry gave another manifest, sha256:{found}"));
        }
        let manifest: OciImageManifest = serde_json::from_slice(&manifest)
            .map_err(|error| format!("its manifest does not read: {error}"))?;
        let [layer] = manifest.layers.as_slice() else {
            return Err(format!(
                "it has {} layers, and a component is one of type {WASM_LAYER}",
                manifest.layers.len()
            ));
        };
        if layer.media_type != WASM_LAYER {
            return Err(format!("its layer is {:?}, not {WASM_LAYER}", layer.media_type));
        }
        let digest = layer
            .digest
            .strip_prefix("sha256:")
            .filter(|digest| super::folder::is_digest(digest))
            .ok_or_else(|| format!("its layer's digest {:?} is no SHA-256", layer.digest))?;
        if u64::try_from(layer.size).map_or(true, |size| size > LARGEST_PLUGIN) {
            return Err(format!(
                "its layer has {} bytes, more than a plugin may",
                layer.size
            ));
        }
        let bytes = self
            .get(
                &format!("blobs/sha256:{digest}"),
                "*/*",
                LARGEST_PLUGIN,
                &mut shown,
            )
            .await?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != digest {
            return Err(format!("the registry gave another layer, sha256:{found}"));
        }
        Ok(Pulled { bytes, digest: found })
    }

    /// Something of the repository; asks for a token where the registry wants one.
    async fn get(
        &self,
        what: &str,
        accept: &str,
        longest: u64,
        shown: &mut Option<Shown>,
    ) -> Answered<Vec<u8>> {
        let url = self
            .base
            .join(&format!("/v2/{}/{what}", self.repository))
            .map_err(|error| error.to_string())?;
        let mut answer = self.ask(url.clone(), accept, shown.as_ref()).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && shown.is_none() {
            *shown = Some(self.wanted(&answer).await?);
            answer = self.ask(url, accept, shown.as_ref()).await?;
        }
        if answer.status() == StatusCode::UNAUTHORIZED && self.credential.is_some() {
            return Err(
                "it refuses name and password; check the credential of the registry in the configuration"
                    .to_owned(),
            );
        }
        let mut redirects = 0;
        while answer.status().is_redirection() {
            redirects += 1;
            if redirects > MOST_REDIRECTS {
                return Err("it redirects without end".to_owned());
            }
            let to = answer
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .and_then(|to| answer.url().join(to).ok())
                .ok_or("it redirects to nowhere")?;
            // Never with token or password: what they are for is the registry alone.
            answer = self.ask(to, accept, None).await?;
        }
        if answer.status() != StatusCode::OK {
            return Err(format!("{} answered {}", answer.url(), answer.status()));
        }
        body(answer, longest).await
    }

    /// What the registry wants to be shown, as its refusal says.
    async fn wanted(&self, refusal: &reqwest::Response) -> Answered<Shown> {
        let ways: Vec<&str> = refusal
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|way| way.to_str().ok())
            .collect();
        if let Some(challenge) = ways.iter().find_map(|way| challenge(way)) {
            return Ok(Shown::Token(self.token(&challenge).await?));
        }
        let is_basic = |way: &&str| {
            way.split(' ')
                .next()
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("basic"))
        };
        match (ways.iter().any(is_basic), self.credential) {
            (true, Some(_)) => Ok(Shown::Password),
            (true, None) => Err(
                "it wants a name and a password; name them under [[plugins.registries]] of the configuration"
                    .to_owned(),
            ),
            (false, _) => Err(
                "it wants a credential in a way that is none of a registry's (neither a Bearer nor a Basic challenge)"
                    .to_owned(),
            ),
        }
    }

    async fn ask(&self, url: Url, accept: &str, shown: Option<&Shown>) -> Answered<reqwest::Response> {
        self.permit(&url)?;
        let mut request = self.client.get(url).header(ACCEPT, accept);
        match (shown, self.credential) {
            (Some(Shown::Token(token)), _) => {
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
            (Some(Shown::Password), Some(credential)) => {
                request = request.basic_auth(&credential.username, Some(credential.password.expose_secret()));
            }
            _ => {}
        }
        request.send().await.map_err(|error| causes(&error))
    }

    async fn token(&self, challenge: &Challenge) -> Answered<String> {
        let mut url = Url::parse(&challenge.realm).map_err(|error| format!("its token service: {error}"))?;
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &challenge.service {
                query.append_pair("service", service);
            }
            if let Some(scope) = &challenge.scope {
                query.append_pair("scope", scope);
            }
        }
        self.permit(&url)?;
        let mut request = self.client.get(url.clone());
        if let Some(credential) = self.credential {
            let host = url.host_str().unwrap_or_default();
            if host != self.registry.host() && Some(host) != credential.token_host.as_deref() {
                return Err(format!(
                    "it sends the credential on to {host}; if that is meant, name that host as token_host of the registry"
                ));
            }
            request = request.basic_auth(&credential.username, Some(credential.password.expose_secret()));
        }
        let answer = request.send().await.map_err(|error| causes(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(format!(
                "its token service answered {}; check the credential of the registry in the configuration",
                answer.status()
            ));
        }
        let token: Token = serde_json::from_slice(&body(answer, LARGEST_DOCUMENT).await?)
            .map_err(|_| "its token service's answer does not read".to_owned())?;
        Ok(token.token)
    }

    /// Names are judged when they are resolved; an address that is written out is judged here.
    fn permit(&self, url: &Url) -> Answered<()> {
        if url.scheme() != self.base.scheme() && url.scheme() != "https" {
            return Err(format!("{url} is not https"));
        }
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => address.into(),
            Some(url::Host::Ipv6(address)) => address.into(),
            _ => return Ok(()),
        };
        judge(&self.registry, address, &self.allowed).map_err(|error| error.to_string())
    }
}

/// A body, as far as it may be.
async fn body(mut answer: reqwest::Response, longest: u64) -> Answered<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(|error| causes(&error))? {
        if whole.len() as u64 + piece.len() as u64 > longest {
            return Err(format!("it sends more than {longest} bytes"));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

/// An error with what is behind it: the outermost says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// `Bearer realm="…",service="…",scope="…"` (RFC 6750, distribution's token specification).
fn challenge(header: &str) -> Option<Challenge> {
    let (scheme, parameters) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let value = |wanted: &str| {
        let mut rest = parameters;
        loop {
            let (name, after) = rest.split_once('=')?;
            let quoted = after.trim_start().strip_prefix('"')?;
            let (value, after) = quoted.split_once('"')?;
            if name
                .trim()
                .trim_start_matches(',')
                .trim()
                .eq_ignore_ascii_case(wanted)
            {
                return Some(value.to_owned());
            }
            rest = after;
        }
    };
    Some(Challenge {
        realm: value("realm")?,
        service: value("service"),
        scope: value("scope"),
    })
}

/// This machine's name service, and only addresses that may be connected to.
struct Judged {
    registry: Origin,
    allowed: Arc<[Network]>,
}

impl reqwest::dns::Resolve for Judged {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let (registry, allowed) = (self.registry.clone(), Arc::clone(&self.allowed));
        Box::pin(async move {
            let mut judged: Vec<SocketAddr> = Vec::new();
            let mut refusal = None;
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                match judge(&registry, address.ip(), &allowed) {
                    Ok(()) => judged.push(address),
                    Err(error) => refusal = Some(error),
                }
            }
            match refusal {
                Some(refusal) if judged.is_empty() => Err(refusal.into()),
                _ => Ok(Box::new(judged.into_iter()) as reqwest::dns::Addrs),
            }
        })
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
