//! What a run needs of the host, as a trait: the runner implements it over the store and the egress gate, tests over
//! memory. The sandbox knows nothing else of the host.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use groupcast_guest::failure::Failure;
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::violation::Violation;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// A page and the mark of the next.
pub type Page<T> = (Vec<T>, Option<String>);

/// A step of the run (WIT `progress.event`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// `reading-source`, `reading-target`, `planning`, `writing`, `verifying`.
    pub phase: String,
    /// Done.
    pub done: u64,
    /// To do, where known.
    pub total: Option<u64>,
    /// What is being worked on.
    pub message: String,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// For whoever looks for a fault.
    Debug,
    /// For whoever watches.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// Why a request got no answer, in the words that wasi:http has for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoAnswer {
    /// The gate or the permit refused it; the host has reported the reason itself.
    Denied,
    /// The address is one that plugins may not reach.
    AddressProhibited,
    /// The name does not resolve.
    Dns,
    /// No connection.
    ConnectionRefused,
    /// No connection in time.
    ConnectionTimeout,
    /// TLS failed: certificate or protocol.
    Tls,
    /// The connection broke after the request may have been sent.
    ConnectionTerminated,
    /// No answer in time.
    ResponseTimeout,
    /// The answer is larger than a run may read.
    ResponseTooLarge(u64),
    /// The request is larger than a run may send.
    RequestTooLarge(u64),
    /// The run's requests are used up.
    RequestLimit,
    /// The answer broke off or was no HTTP.
    Protocol(String),
}

/// The host's side of one run.
#[async_trait]
pub trait RunServices: Send + Sync + 'static {
    /// Who notes what the run observes, or answers it from such notes; nobody, unless somebody wraps the services.
    fn journal(&self) -> Option<Arc<dyn Journal>> {
        None
    }
    /// Whether a request can change anything at its vendor, as far as can be told before it is sent.
    fn may_write(&self, request: &http::Request<Bytes>) -> bool {
        !matches!(*request.method(), http::Method::GET | http::Method::HEAD)
    }
    /// Sends one request through the egress gate. Both bodies are whole.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer>;
    /// WIT `plan-sink.put`.
    async fn put_part(&self, part: Vec<u8>) -> Result<(), Failure>;
    /// WIT `plan-source.next`.
    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure>;
    /// WIT `ledger.bindings`.
    async fn bindings(&self, after: Option<&str>) -> Result<Page<Binding>, Failure>;
    /// WIT `ledger.memberships`.
    async fn memberships(&self, group: &str, after: Option<&str>) -> Result<Page<Membership>, Failure>;
    /// WIT `ledger.intend`.
    async fn intend(&self, intents: Vec<Intent>) -> Result<Vec<u64>, Failure>;
    /// WIT `ledger.settle`.
    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<(), Failure>;
    /// WIT `ledger.amend`.
    async fn amend(&self, effects: Vec<Effect>) -> Result<(), Failure>;
    /// WIT `ledger.unsettled`.
    async fn unsettled(&self, after: u64) -> Result<Vec<OpenIntent>, Failure>;
    /// WIT `state.get`.
    async fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure>;
    /// WIT `state.put`.
    async fn state_put(
        &self,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, Failure>;
    /// WIT `progress.report`.
    fn report(&self, event: Event);
    /// WIT `progress.log`.
    fn log(&self, level: LogLevel, message: &str);
    /// The plugin broke its bounds. It may be the end of the run or not; called once for each breach.
    fn violated(&self, _violation: &Violation) {}
}
