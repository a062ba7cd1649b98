//! HTTP to what gives secrets: Vault, and services that give tokens. Vendors are never spoken to from here; that is the
//! egress gate's.

use std::path::Path;
use std::time::Duration;

use super::SecretError;

/// A client that follows no redirect, knows no proxy, and trusts the system's authorities and those of a file.
/// # Errors
/// The file cannot be read or holds no certificates; the system's cannot be read. `url` is named in errors.
pub fn client(ca_file: Option<&Path>, timeout: Duration, url: &str) -> Result<reqwest::Client, SecretError> {
    // Several libraries bring rustls; the first to say which cryptography decides for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let unusable = |why: &str| SecretError::Token {
        url: url.to_owned(),
        why: why.to_owned(),
        passing: false,
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(timeout)
        .referer(false);
    if url.starts_with("http://") {
        // Nothing to trust: without this, the system's authorities are read for nothing.
        builder = builder.tls_certs_only(Vec::new());
    } else if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| SecretError::File {
            path: path.to_path_buf(),
            source,
        })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| unusable("the file of certificate authorities holds no certificates in PEM"))?;
        builder = builder.tls_certs_merge(certificates);
    }
    builder
        .build()
        .map_err(|_| unusable("no client can be made; check the system's certificate authorities"))
}
