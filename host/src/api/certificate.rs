//! The listener's certificate: read from its files at the start, and again where they changed, so that a renewed one is
//! shown without a restart. Connections that are there already go on as they began.
//!
//! The files are looked at every half minute, and at once where the process is sent `SIGHUP`. Two files are not written in
//! one moment: as long as they do not belong together, the one before stays.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::server::ServerError;
use crate::config::TlsSection;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What the files were when they were read: of both, since either may be renewed alone.
type Fingerprint = [u8; 32];

/// A certificate with its key, as its files are.
#[derive(Debug)]
pub struct Certificate {
    section: TlsSection,
    provider: Arc<CryptoProvider>,
    shown: RwLock<(Fingerprint, Arc<CertifiedKey>)>,
}

/// What became of another look at the files.
#[derive(Debug)]
pub enum Renewal {
    /// They are as they were.
    Same,
    /// Another certificate is shown from now on.
    Renewed,
    /// They cannot be used (yet); the certificate before is shown on.
    Kept(ServerError),
}

impl Certificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together.
    pub fn open(section: &TlsSection) -> Result<Arc<Self>, ServerError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let read = read(section, &provider)?;
        Ok(Arc::new(Self {
            section: section.clone(),
            provider,
            shown: RwLock::new(read),
        }))
    }

    /// TLS that shows it.
    ///
    /// # Errors
    /// TLS cannot be spoken with it.
    pub fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, ServerError> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault("certificate", &self.section.certificate, &error))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files again.
    pub fn look(&self) -> Renewal {
        let read = match read(&self.section, &self.provider) {
            Ok(read) => read,
            Err(error) => return Renewal::Kept(error),
        };
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        if shown.0 == read.0 {
            return Renewal::Same;
        }
        *shown = read;
        Renewal::Renewed
    }

    /// Looks at the files every so often, and when it is told to, until the host stops.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut hangup = signal(SignalKind::hangup()).ok();
        let mut told = None;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => false,
                Some(()) = async { hangup.as_mut()?.recv().await } => true,
            };
            let certificate = Arc::clone(&self);
            let Ok(renewal) = tokio::task::spawn_blocking(move || certificate.look()).await else {
                continue;
            };
            match renewal {
                Renewal::Renewed => {
                    told = None;
                    tracing::info!(certificate = %self.section.certificate.display(), "a renewed certificate is shown");
                }
                Renewal::Same if asked => tracing::info!("certificate and key are as they were"),
                Renewal::Same => told = None,
                Renewal::Kept(error) => {
                    // The same for hours is told once.
                    let error = error.to_string();
                    if asked || told.as_ref() != Some(&error) {
                        tracing::warn!(%error, "the certificate before is shown on");
                        told = Some(error);
                    }
                }
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&shown.1))
    }
}

fn fault(what: &'static str, path: &Path, why: &dyn std::fmt::Display) -> ServerError {
    ServerError::Certificate {
        what,
        path: path.to_path_buf(),
        why: why.to_string(),
    }
}

fn read(
    section: &TlsSection,
    provider: &CryptoProvider,
) -> Result<(Fingerprint, Arc<CertifiedKey>), ServerError> {
    let file = |what, path: &Path| std::fs::read(path).map_err(|error| fault(what, path, &error));
    let path = &section.certificate;
    let (certificate, key) = (file("certificate", path)?, file("key", &section.key)?);
    let chain = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| fault("certificate", path, &error))?;
    if chain.is_empty() {
        return Err(fault("certificate", path, &"there is no certificate in it"));
    }
    let fingerprint = Sha256::new()
        .chain_update(Sha256::digest(&certificate))
        .chain_update(Sha256::digest(&key))
        .finalize()
        .into();
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| fault("key", &section.key, &error))?;
    let both =
        CertifiedKey::from_der(chain, key, provider).map_err(|error| fault("key", &section.key, &error))?;
    Ok((fingerprint, Arc::new(both)))
}
