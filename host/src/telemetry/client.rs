//! The HTTP client for collectors and dead man's switches: whom it trusts is what the host trusts, it follows no
//! redirect, and no answer is waited for long. Vendors are never spoken to by it.

use std::time::Duration;

use crate::egress::tls;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client. `ca_pem` are certificate authorities beside the system's.
///
/// # Errors
/// What is wrong with the certificates, for a person.
pub fn client(ca_pem: Option<&[u8]>) -> Result<reqwest::Client, String> {
    let tls = tls::client(ca_pem).map_err(|error| error.to_string())?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .connect_timeout(PATIENCE)
        .user_agent(concat!("groupcast/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| error.to_string())
}
