//! JumpCloud, Google Workspace and Entra ID, simulated as strictly as they are served.
//!
//! Each vendor is a state machine: a request, the time and the faults in force go in, a response comes
//! out ([`VendorSimulator`]). It owns no clock and no socket, so the same code serves real sockets
//! ([`server`]) and runs on virtual time. What may not enter this crate: anything of Groupcast's own
//! (it must not be possible for an engine's mistake to be repeated by the simulator that judges it),
//! and leniency: a simulator refuses what the vendor refuses.

pub mod catalogue;
pub mod contract;
pub mod entra;
pub mod faults;
pub mod google;
pub mod jumpcloud;
pub mod log;
pub mod organisation;
pub mod server;
pub mod vault;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Which vendor a request is for, a fault strikes, or a log line speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vendor {
    /// JumpCloud: console API v1 and v2, Directory Insights, the service accounts' token endpoint.
    Jumpcloud,
    /// Google: Directory API, batch endpoint, discovery document, the token endpoint.
    Google,
    /// Microsoft: Graph and the login (token) endpoint.
    Entra,
}

/// What a simulator is given beside the request.
pub struct Context<'a> {
    /// Milliseconds since the Unix epoch; real or virtual, never going backwards.
    pub now_ms: u64,
    /// The faults in force. A vendor asks them once for each request and once for each part of a batch.
    pub faults: &'a mut faults::Faults,
}

/// One vendor's whole observable behaviour as a state machine.
///
/// The request's URI holds path and query exactly as they came (percent-encoded); `host` is a header.
pub trait VendorSimulator: Send {
    /// Which vendor this is.
    fn vendor(&self) -> Vendor;
    /// Answers one request. Connection-level disruptions ride in the response's extensions
    /// ([`faults::Disruption`]); the server carries them out.
    fn handle(&mut self, request: &http::Request<Bytes>, context: &mut Context<'_>) -> http::Response<Bytes>;
    /// The whole state as JSON: a human reads it, and tests compare it.
    fn state(&self) -> serde_json::Value;
}
