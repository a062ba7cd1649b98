//! What a scheduler and queue must be able to do, whoever does it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{JobControl, Timetable};
use crate::store::service::{JobRecord, NewAuditEntry, Pause, RunState, Trigger, Work};
use crate::store::{ConnectionId, RunEnd, StoreError};

/// What asking for work gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerAnswer {
    /// It begins, or waits for its turn.
    Begun {
        /// The job's ID.
        job: String,
    },
    /// Something is under way; a connection never does two things at once.
    AlreadyRunning {
        /// The ID of the job that is.
        job: String,
    },
}

/// What a connection is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// When the next run begins by itself.
    pub next: Option<DateTime<Utc>>,
    /// The job that waits for its turn or is at work, in this process.
    pub job: Option<JobRecord>,
    /// How the last one ended, as far as this process has seen one.
    pub last: Option<RunEnd>,
    /// What is remembered: pause, failures, back-off, quarantine.
    pub state: RunState,
    /// Why nothing begins by itself, or not when the schedule says; none: it begins as scheduled.
    pub why: Option<String>,
}

/// How much an engine has to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs that wait for a place.
    pub queued: usize,
    /// Jobs at work.
    pub running: usize,
    /// Of these, such as take long.
    pub long: usize,
    /// How many may be at work at once, long and short ones together.
    pub places: usize,
}

/// How serving ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Connections whose job was under way at the stop and did not end before the deadline: it was dropped. What it
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
    /// No such job under way.
    #[error(
        "there is no job {0} under way in this process; it has ended, or another host on this store has it"
    )]
    NoJob(String),
    /// The engine stops.
    #[error("the host is stopping; nothing new begins")]
    Stopping,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What went wrong with a job, as far as the schedule is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It may pass by itself: a vendor, the network. Tried again with growing pauses.
    Passing {
        /// How long the vendor asked to be left alone.
        pause: Option<Duration>,
    },
    /// No repetition mends it: a credential is refused, a scope is missing, settings are wrong.
    Lasting {
        /// What to do, for a person.
        way_out: String,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// The end.
    pub end: RunEnd,
    /// The runs that it made, in order.
    pub runs: Vec<String>,
    /// The plan that it made or applied.
    pub plan: Option<String>,
    /// What went wrong. None also where nothing is wrong with the connection though nothing was done: it was stopped,
    /// or another run has the directory.
    pub trouble: Option<Trouble>,
}

/// Is told of each job whenever it begins to wait, begins, and ends. Must not block.
pub trait JobWatcher: Send + Sync {
    /// A job as it is now.
    fn job(&self, job: &JobRecord);
}

/// The verbs of a scheduler and queue. Everything durable goes through the store, so that an engine may lose its memory
/// at any moment: a run's resuming and checkpoints are the ledger's open intents and the plugin's state, its
/// cancellation is the token that it is given, and its write permit is the egress gate's.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Makes a connection known and sets when its runs begin; none: only when asked for. Again: replaces it.
    async fn put_schedule(
        &self,
        connection: &ConnectionId,
        timetable: Option<Timetable>,
    ) -> Result<(), EngineError>;

    /// Something that the connection depends on was changed (its section, a secret): back-off and quarantine end, since
    /// what they were for may be mended.
    async fn changed(&self, connection: &ConnectionId) -> Result<(), EngineError>;

    /// Forgets a connection; a job under way is cancelled.
    async fn remove(&self, connection: &ConnectionId) -> Result<(), EngineError>;

    /// Begins work now, or as soon as it is its turn. What a person asks for takes the place of a scheduled job that has
    /// not begun.
    async fn trigger(
        &self,
        connection: &ConnectionId,
        work: Work,
        trigger: Trigger,
    ) -> Result<TriggerAnswer, EngineError>;

    /// Asks a job to end before its next write.
    async fn cancel(&self, job: &str) -> Result<(), EngineError>;

    /// Lets nothing begin by itself until [`Self::resume`]; what is asked for begins all the same, and what is under way
    /// goes on.
    async fn pause(
        &self,
        connection: &ConnectionId,
        pause: Pause,
        audit: &NewAuditEntry,
    ) -> Result<(), EngineError>;

    /// Ends a pause. What came due meanwhile is not made up for.
    async fn resume(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError>;

    /// Ends quarantine and back-off: runs begin as scheduled again, and what was missed is made up for as the timetable
    /// says.
    async fn release(&self, connection: &ConnectionId, audit: &NewAuditEntry) -> Result<(), EngineError>;

    /// What a connection is doing.
    async fn status(&self, connection: &ConnectionId) -> Result<Status, EngineError>;

    /// What connections are doing, in their order; one that is not known is in its beginnings. For lists: one question
    /// to the store, however many they are.
    async fn statuses(&self, connections: &[ConnectionId]) -> Result<Vec<Status>, EngineError>;

    /// A connection's jobs, the latest first.
    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>, EngineError>;

    /// How much there is to do.
    fn load(&self) -> Load;

    /// Begins runs as their times come, until `stop`; then cancels what is under way and waits for it, but not for ever.
    /// Called once.
    async fn serve(&self, stop: CancellationToken) -> Served;
}

/// Does jobs. An engine never calls it twice at once for one connection.
#[async_trait]
pub trait Runner: Send + Sync + 'static {
    /// Does one job from beginning to end, records its runs in the store, and answers how it ended. Once `control` says
    /// that it is to end, it starts no further write and returns as soon as it can.
    async fn run(&self, job: &JobRecord, control: JobControl) -> JobEnd;
}
