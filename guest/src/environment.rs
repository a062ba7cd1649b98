//! Everything that the engine can observe or change, as traits: the component implements them over its
//! imports, tests over memory and simulators. Nothing here may know a vendor.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::failure::Failure;
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

/// A future of one thread: the component has no other.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Why no response came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The host's egress gate or write permit refused the request; it was not sent.
    #[error("the host refused the request: {0}")]
    Denied(String),
    /// No connection came to be (name, route, TLS); the request was not sent.
    #[error("no connection: {0}")]
    NotSent(String),
    /// The request was sent, or may have been, and no whole answer came: it may have taken effect.
    #[error("the answer was lost: {0}")]
    AnswerLost(String),
}

/// Sends requests. Absolute URLs; credentials are added by the host.
pub trait Transport {
    /// Sends one request and reads the whole answer.
    fn send(
        &self,
        request: ::http::Request<Bytes>,
    ) -> LocalFuture<'_, Result<::http::Response<Bytes>, TransportError>>;
}

/// Time, which only the imperative shell may look at.
pub trait Clock {
    /// Milliseconds since some fixed moment; never goes backwards.
    fn monotonic_ms(&self) -> u64;
    /// Seconds since the Unix epoch.
    fn unix_seconds(&self) -> u64;
    /// Waits.
    fn sleep_ms(&self, ms: u64) -> LocalFuture<'_, ()>;
}

/// The WIT interface `ledger`. Pages are walked by the implementation: answers are whole.
pub trait Ledger {
    /// All bindings of the directory, ascending by group.
    fn bindings(&self) -> Result<Vec<Binding>, Failure>;
    /// All memberships recorded for a source group, of all its targets.
    fn memberships(&self, group: &str) -> Result<Vec<Membership>, Failure>;
    /// Makes intents durable; answers their IDs in order.
    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure>;
    /// Settles intents with their effects, in one transaction.
    fn settle(&self, outcomes: &[Outcome]) -> Result<(), Failure>;
    /// Applies effects that no vendor write belongs to.
    fn amend(&self, effects: &[Effect]) -> Result<(), Failure>;
    /// Intents whose outcome is unknown.
    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure>;
}

/// The WIT interface `state`.
pub trait State {
    /// Value and version under a key.
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure>;
    /// Compare-and-set; `None` if somebody else wrote in between.
    fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<Option<u64>, Failure>;
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// For whoever watches.
    Info,
    /// Something to look at.
    Warn,
    /// Something failed.
    Error,
}

/// The WIT interface `progress`.
pub trait Progress {
    /// Reports a step: phase, done, to do, what is worked on.
    fn report(&self, phase: &str, done: u64, total: Option<u64>, message: &str);
    /// Writes a log line.
    fn log(&self, level: Level, message: &str);
}

/// The WIT interface `plan-sink`.
pub trait PlanSink {
    /// Takes the next part's canonical JSON.
    fn put(&self, part: &[u8]) -> Result<(), Failure>;
}

/// The WIT interface `plan-source`.
pub trait PlanSource {
    /// The next approved part's canonical JSON.
    fn next(&self) -> Result<Option<Vec<u8>>, Failure>;
}

/// What an export is given to work with.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// Requests.
    pub transport: &'a dyn Transport,
    /// Time.
    pub clock: &'a dyn Clock,
    /// The durable record.
    pub ledger: &'a dyn Ledger,
    /// Small durable values.
    pub state: &'a dyn State,
    /// What a person sees.
    pub progress: &'a dyn Progress,
    /// Where a plan goes.
    pub plan_sink: &'a dyn PlanSink,
    /// Where approved parts come from.
    pub plan_source: &'a dyn PlanSource,
}
