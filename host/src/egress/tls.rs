//! Whom to trust: the system's roots, and the configuration's own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why TLS could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The configured certificates cannot be used.
    #[error(
        "the configured CA certificates cannot be used: {0}; give one or several certificates in PEM form"
    )]
    Certificates(String),
    /// The library refused.
    #[error("TLS could not be set up: {0}")]
    Setup(String),
}

/// How long what was read of certificates is good: the system's change with its updates.
const GOOD_FOR: Duration = Duration::from_secs(3_600);
/// Sessions that a tenant remembers to resume; it speaks to five places or so.
const SESSIONS: usize = 8;

/// Who is trusted: the same for all tenants of a configuration, and large.
#[derive(Clone)]
struct Trusted {
    provider: Arc<CryptoProvider>,
    /// None where nobody is.
    judge: Option<Arc<Naming>>,
}

/// What was read and when, by the configuration's certificates.
type Read = BTreeMap<Option<Vec<u8>>, (Instant, Trusted)>;

/// What was read.
static READ: Mutex<Read> = Mutex::new(BTreeMap::new());

/// TLS as client, for every connection of a tenant. Tenants share who is trusted, and nothing else: each resumes sessions
/// of its own alone.
///
/// # Errors
/// If the configured certificates cannot be read.
pub fn client(ca_pem: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
    let Trusted { provider, judge } = trusted(ca_pem)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?;
    let mut config = match judge {
        Some(judge) => builder
            .dangerous()
            .with_custom_certificate_verifier(judge)
            .with_no_client_auth(),
        None => builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

fn trusted(ca_pem: Option<&[u8]>) -> Result<Trusted, TlsError> {
    let key = ca_pem.map(<[u8]>::to_vec);
    let known = |read: &BTreeMap<_, (Instant, Trusted)>| {
        read.get(&key)
            .filter(|(at, _)| at.elapsed() < GOOD_FOR)
            .map(|(_, trusted)| trusted.clone())
    };
    if let Some(trusted) = known(&READ.lock().unwrap_or_else(PoisonError::into_inner)) {
        return Ok(trusted);
    }
    let trusted = read(ca_pem)?;
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    read.retain(|_, (at, _)| at.elapsed() < GOOD_FOR);
    read.insert(key, (Instant::now(), trusted.clone()));
    Ok(trusted)
}

fn read(ca_pem: Option<&[u8]>) -> Result<Trusted, TlsError> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "some of the system's certificates could not be read");
    }
    roots.add_parsable_certificates(system.certs);
    if let Some(pem) = ca_pem {
        let mut found = 0_usize;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| TlsError::Certificates(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| TlsError::Certificates(error.to_string()))?;
            found += 1;
        }
        if found == 0 {
            return Err(TlsError::Certificates("no certificate in them".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let judge = if roots.is_empty() {
        None
    } else {
        let judge = Naming::new(roots, &provider).map_err(|error| TlsError::Setup(error.to_string()))?;
        Some(Arc::new(judge))
    };
    Ok(Trusted { provider, judge })
}

/// The library's own judge of certificates, which it asks and whose word stands. Only where it knows no authority behind
/// a certificate, the refusal also names who issued it.
#[derive(Debug)]
struct Naming {
    judge: Arc<WebPkiServerVerifier>,
}

impl Naming {
    fn new(
        roots: RootCertStore,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, rustls::client::VerifierBuilderError> {
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map(|judge| Self { judge })
    }
}

impl ServerCertVerifier for Naming {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.judge
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                    // The highest certificate that was shown names the authority that is missing here.
                    let highest = intermediates.last().unwrap_or(end_entity);
                    rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(
                        UnknownIssuer(issuer(highest)),
                    ))))
                }
                other => other,
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}

/// No authority that is trusted here stands behind a certificate; with who issued it, where that can be read.
struct UnknownIssuer(Option<String>);

impl std::error::Error for UnknownIssuer {}

impl std::fmt::Display for UnknownIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(issuer) => write!(
                f,
                "its certificate was issued by “{issuer}”, whom this machine does not trust"
            ),
            None => f.write_str("its certificate was issued by somebody whom this machine does not trust"),
        }
    }
}

/// As in `Display`: the library shows other errors than its own by their debugging form.
impl std::fmt::Debug for UnknownIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What is wrong with a certificate, out of the library's words for it.
pub fn plain(words: &str) -> &str {
    words
        .split_once("Other(OtherError(")
        .and_then(|(_, rest)| rest.strip_suffix("))"))
        .unwrap_or(words)
}

/// The issuer's name, shortened and without anything that a terminal would act on: it comes from a stranger.
fn issuer(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    let name: String = read
        .issuer()
        .to_string()
        .chars()
        .filter(|letter| !letter.is_control())
        .take(120)
        .collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_are_none_are_refused_with_what_to_give() {
        for pem in [
            &b""[..],
            b"nonsense",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let message = client(Some(pem)).unwrap_err().to_string();
            assert!(message.contains("PEM"), "{message}");
        }
        assert!(client(None).is_ok());
    }
}
