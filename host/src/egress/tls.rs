//! Whom to trust: the system's roots, and the configuration's own.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

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

/// TLS as client, for every connection of a tenant.
///
/// # Errors
/// If the configured certificates cannot be read.
pub fn client(ca_pem: Option<&[u8]>) -> Result<ClientConfig, TlsError> {
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
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
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
