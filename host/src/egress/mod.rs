//! Everything that leaves this machine on behalf of a run passes here, and here it is decided.
//!
//! The order in [`gate::Gate::send`]: [`headers`] and [`path`] (is the request in one unmistakable form), [`policy`]
//! (may this run speak to that place at all), [`decode`] (what would the request do), [`permit`] (may it do so now),
//! then the credential, the [`connection`], and on the way back [`learned`], [`headers`] and [`redact`].
//!
//! What may not enter: anything of wasmtime (the plugin room translates), any decision that relies on what the guest
//! says of itself, and leniency: what cannot be understood to the last byte is refused.

pub mod addresses;
pub mod answers;
pub mod connection;
pub mod date;
pub mod decode;
pub mod dial;
pub mod fence;
pub mod gate;
pub mod headers;
pub mod json;
pub mod learned;
pub mod limits;
pub mod multipart;
pub mod origin;
pub mod path;
pub mod permit;
pub mod policy;
pub mod quota;
pub mod recorder;
pub mod redact;
pub mod rules;
pub mod tls;

use crate::egress::addresses::Network;
use crate::egress::limits::Limits;
use crate::egress::origin::Base;

/// What the egress of one tenant is made from; whoever reads the configuration fills it.
#[derive(Debug, Clone, Default)]
pub struct TenantEgress {
    /// Where requests may go, and which credential belongs there.
    pub bases: Vec<Base>,
    /// Certificates to trust beside the system's own: PEM, one or several.
    pub ca_pem: Option<Vec<u8>>,
    /// Networks that may be reached although they are private (R52 does not depend on them; a proxy, a test server).
    pub allowed_networks: Vec<Network>,
    /// Caps.
    pub limits: Limits,
}
