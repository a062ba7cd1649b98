//! The front of a serving host: its listener with everything on it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::certificate::Certificate;
use super::oidc::{OidcError, Provider};
use super::server::{self, ServerError};
use super::web::Web;
use super::{Caller, Kind, Problem, application};
use crate::config::{Config, ServiceSection};
use crate::secrets::{SecretError, Secrets};
use crate::service::Service;
use crate::service::identity::Identity;
use crate::store::service::Role;
use crate::telemetry::Telemetry;

/// Why the host cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    /// The listener.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The identity provider.
    #[error(transparent)]
    Oidc(#[from] OidcError),
    /// Its secret.
    #[error("[service.oidc] client_secret: {0}")]
    Secret(#[from] SecretError),
    /// The certificates of the configuration.
    #[error("network.ca_file: {path} cannot be read: {source}")]
    Certificates {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A front that listens already.
pub struct Front {
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    tls: Option<TlsAcceptor>,
    web: Web,
    telemetry: Telemetry,
    address: SocketAddr,
}

impl Front {
    /// Listens as the configuration says; nothing is answered yet.
    ///
    /// # Errors
    /// The address is taken, or certificate, key or secret cannot be read.
    pub async fn open(
        config: &Config,
        section: &ServiceSection,
        service: Arc<Service>,
        telemetry: Telemetry,
        stop: CancellationToken,
    ) -> Result<Self, FrontError> {
        let certificate = section.tls.as_ref().map(Certificate::open).transpose()?;
        let tls = certificate.as_ref().map(Certificate::acceptor).transpose()?;
        let listener = server::listen(section.listen).await?;
        let address = listener.local_addr().map_err(|source| ServerError::Listen {
            address: section.listen,
            source,
        })?;
        let oidc = match &section.oidc {
            None => None,
            Some(oidc) => {
                let secret = match &oidc.client_secret {
                    Some(source) => Some(Secrets::of(&config.secrets).get(source).await?),
                    None => None,
                };
                let ca_pem = match &config.ca_file {
                    Some(path) => {
                        let read = std::fs::read(path);
                        Some(read.map_err(|source| FrontError::Certificates {
                            path: path.clone(),
                            source,
                        })?)
                    }
                    None => None,
                };
                let origin = if section.public_url.is_some() {
                    section.origin()
                } else {
                    format!("http://{address}")
                };
                Some(Provider::new(oidc.clone(), secret, &origin, ca_pem.as_deref())?)
            }
        };
        let identity = Arc::new(Identity::new(service.store().clone(), section));
        let web = Web::new(section, address, service, identity, oidc, stop);
        Ok(Self {
            listener,
            certificate,
            tls,
            web,
            telemetry,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How people reach it.
    pub fn url(&self) -> &str {
        self.web.origin()
    }

    /// Serves the API, what those who watch the host ask for, and what else is given, until the host stops.
    pub async fn serve(self, others: Router<Web>) {
        let watched = crate::telemetry::routes(self.telemetry).layer(from_fn(watching));
        let router = application(&self.web, others.merge(watched.with_state(())));
        let (proxies, stop) = (self.web.proxies.clone(), self.web.stop.clone());
        let fresh = self
            .certificate
            .map(|certificate| tokio::spawn(certificate.keep_fresh(stop.clone())));
        server::serve(self.listener, self.tls, router, proxies, stop).await;
        if let Some(fresh) = fresh {
            fresh.abort();
        }
    }
}

/// Whether the host lives is everybody's to know; its metrics name tenants, and are for whoever sees all of them.
async fn watching(request: Request, next: Next) -> Result<Response, Problem> {
    if request.uri().path() == "/metrics" {
        let caller = request.extensions().get::<Caller>();
        let may = caller.map(|caller| caller.principal.may(None, Role::Viewer));
        match may {
            Some(true) => {}
            Some(false) => {
                return Err(Problem::new(
                    Kind::FORBIDDEN,
                    "metrics are of all tenants: this needs the role viewer for the whole host",
                ));
            }
            None => {
                return Err(Problem::new(
                    Kind::UNAUTHENTICATED,
                    "metrics need a token here; `[telemetry] listen` serves them without one, at an address of its own",
                ));
            }
        }
    }
    Ok(next.run(request).await)
}
