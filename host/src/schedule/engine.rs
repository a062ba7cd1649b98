//! What a scheduler and queue must be able to do, whoever does it.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::Schedule;
use crate::store::{ConnectionId, RunEnd, RunRecord, StoreError};

/// Why a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Its time came.
    Schedule,
    /// Somebody asked.
    Request,
}

/// What asking for a run gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerAnswer {
    /// It begins, or waits for its tenant's turn.
    Begun,
    /// One is under way; a connection never runs twice at once.
    AlreadyRunning,
}

/// What a connection is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// When the next run begins by itself.
    pub next: Option<DateTime<Utc>>,
    /// Since when one is under way, waiting for its tenant's turn included.
    pub running_since: Option<DateTime<Utc>>,
    /// Why it is under way.
    pub trigger: Option<Trigger>,
    /// How the last one ended, as far as this process has seen one.
    pub last: Option<RunEnd>,
}

/// How serving ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Runs that were under way at the stop and did not end before the deadline: they were dropped. What they
    /// had intended is settled by the next run (R47).
    pub dropped: Vec<ConnectionId>,
}

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No such connection.
    #[error("there is no connection {0}; the configuration names none of this name")]
    NoConnection(ConnectionId),
    /// The engine stops.
    #[error("the host is stopping; nothing new begins")]
    Stopping,
    /// The history could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The verbs of a scheduler and queue. Everything durable a run does goes through the store, so that an engine
/// may lose its memory at any moment: a run's resuming and checkpoints are the ledger's open intents and
/// the plugin's state, its cancellation is the token that it is given, and its write permit is the egress gate's.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Makes a connection known and sets when its runs begin; none: only when asked for. Again: replaces it.
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        schedule: Option<Schedule>,
    ) -> Result<(), EngineError>;

    /// Forgets a connection; a run under way is cancelled.
    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError>;

    /// Begins a run now.
    async fn trigger(&self, connection: &ConnectionId) -> Result<TriggerAnswer, EngineError>;

    /// Asks the run under way to end before its next write. Answers whether there was one.
    async fn cancel(&self, connection: &ConnectionId) -> Result<bool, EngineError>;

    /// What a connection is doing.
    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError>;

    /// A connection's runs, the latest first.
    async fn history(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<RunRecord>, EngineError>;

    /// Begins runs as their times come, until `stop`; then cancels what is under way and waits for it, but
    /// not for ever. Called once.
    async fn serve(&self, stop: CancellationToken) -> Served;
}

/// Does a run. An engine never calls it twice at once for one connection.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Does one run from beginning to end, records it in the store, and answers how it ended. Once `cancel` is
    /// cancelled it starts no further write and returns as soon as it can.
    async fn run(&self, connection: &ConnectionId, trigger: Trigger, cancel: CancellationToken) -> RunEnd;
}
