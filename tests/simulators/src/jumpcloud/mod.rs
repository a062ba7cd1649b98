//! JumpCloud as it is served: the console's API in both versions, Directory Insights, and the token
//! endpoint of service accounts.
//!
//! All live in one simulator and are told apart by path; in production they have hosts of their own.
//! What the vendor publishes is taken from its Swagger documents (checked by
//! `tests/jumpcloud_contract.rs`); where they are silent, the simulator takes the reading that a client
//! finds hardest, and the field or constant says so.
//!
//! Rooms: [`organisation`] is the published file format, `administration` changes it, `graph` reads
//! it; `endpoints` is the table of what is served, by `version1`, `version2`, `insights` and `access`.

mod access;
mod administration;
mod answer;
mod endpoints;
mod graph;
mod insights;
pub mod organisation;
mod paging;
mod query;
mod time;
mod version1;
mod version2;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use bytes::Bytes;
use http::{Method, Request, Response};

pub use administration::AdministrationError;
pub use endpoints::{Endpoint, endpoints};
pub use organisation::{
    Behaviour, Directory, DirectoryKind, Group, Organisation, ServiceAccount, ShortPages, User, UserState,
};

use crate::faults::{Fault, Faults};
use crate::{Context, Vendor, VendorSimulator};

/// The one read that is sent by POST.
const EVENTS: &str = "/insights/directory/v1/events";

/// A simulated JumpCloud with one organisation.
pub struct JumpcloudSimulator {
    organisation: Organisation,
    now_ms: u64,
    requests: u64,
    tokens: access::Tokens,
    events: insights::Events,
    // How often each collection was written: `users`, `groups`, or an object's identifier.
    versions: HashMap<String, u64>,
}

impl JumpcloudSimulator {
    /// Serves this organisation. Nothing is checked: see [`Organisation::problems`].
    pub fn new(organisation: Organisation) -> Self {
        Self {
            organisation,
            now_ms: 0,
            requests: 0,
            tokens: access::Tokens::default(),
            events: insights::Events::default(),
            versions: HashMap::new(),
        }
    }

    /// The organisation as it is now, in the file's format.
    pub fn organisation(&self) -> &Organisation {
        &self.organisation
    }

    /// Where the simulator leaves its defaults; may be changed at any time.
    pub fn behaviour_mut(&mut self) -> &mut Behaviour {
        &mut self.organisation.behaviour
    }

    /// Tells the time, in milliseconds since the Unix epoch; never goes back. Changes made after this
    /// happen at this time. A request tells its own.
    pub fn advance_to(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    fn touch(&mut self, collection: &str) {
        *self.versions.entry(collection.to_owned()).or_default() += 1;
    }

    fn version(&self, collection: &str) -> u64 {
        self.versions.get(collection).copied().unwrap_or(0)
    }

    fn serve(&mut self, request: &Request<Bytes>, fault: Option<&Fault>) -> Response<Bytes> {
        let dialect = answer::Dialect::of(request.uri().path());
        match self.route(request, fault) {
            Ok(response) => response,
            Err(refusal) => answer::refused(&refusal, dialect),
        }
    }
}

impl VendorSimulator for JumpcloudSimulator {
    fn vendor(&self) -> Vendor {
        Vendor::Jumpcloud
    }

    fn handle(&mut self, request: &Request<Bytes>, context: &mut Context<'_>) -> Response<Bytes> {
        context.now_ms = context.faults.clock(Vendor::Jumpcloud, context.now_ms);
        self.advance_to(context.now_ms);
        self.requests += 1;
        let request_id = format!("jc-{:016x}", self.requests);
        let uri = request.uri();
        let query = uri.query().unwrap_or("");
        let fault = context
            .faults
            .strike(Vendor::Jumpcloud, request.method(), uri.path(), query);
        let is_read = request.method() == Method::GET || uri.path() == EVENTS;
        let mut response = Faults::around(fault, context.now_ms, is_read, |fault| {
            if fault == Some(&Fault::RevokeTokens) {
                self.revoke_tokens();
            }
            self.serve(request, fault)
        });
        if !response.headers().contains_key("x-request-id") {
            answer::set_header(&mut response, "x-request-id", &request_id);
        }
        response
    }

    fn state(&self) -> serde_json::Value {
        serde_json::to_value(&self.organisation).unwrap_or_default()
    }
}
