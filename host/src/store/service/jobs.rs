//! Work that was asked for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::store::{ConnectionId, RunEnd};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    /// Looks whether a sync could work.
    Check,
    /// Makes a plan.
    Plan,
    /// Plans, and applies what is within limits.
    Sync {
        /// Whether everything is read, or only what changed.
        full: bool,
    },
    /// Applies what was approved of a plan.
    Apply {
        /// The plan's hash.
        plan: String,
        /// Source groups by ID; none is all.
        groups: Option<Vec<String>>,
        /// Whether what these groups hold back is released too.
        release_held: bool,
    },
    /// Plans the way back from a run (R45).
    Undo {
        /// The run.
        run: String,
    },
}

impl Work {
    /// What it is, in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Plan => "plan",
            Self::Sync { .. } => "sync",
            Self::Apply { .. } => "apply",
            Self::Undo { .. } => "undo",
        }
    }
}

/// Why a job begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "trigger", rename_all = "kebab-case")]
pub enum Trigger {
    /// Its time came.
    Schedule,
    /// The source said that something changed.
    Event,
    /// Somebody asked.
    Request {
        /// Who: an actor's subject.
        by: String,
    },
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobState {
    /// Waits for its turn.
    Queued,
    /// Is at work.
    Running,
    /// Ended; `end` says how.
    Ended,
}

/// A job and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its ID; sortable by time.
    pub id: String,
    /// Of which connection.
    pub connection: ConnectionId,
    /// What it does.
    #[serde(flatten)]
    pub work: Work,
    /// Why it began.
    #[serde(flatten)]
    pub trigger: Trigger,
    /// How far it is.
    pub state: JobState,
    /// When it was asked for.
    pub queued_at: DateTime<Utc>,
    /// When it began.
    pub began_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// The runs that it made: a sync makes a plan, then an apply.
    pub runs: Vec<String>,
    /// The plan that it made or applied. In JSON it has a name of its own, since `work` brings its fields along, and
    /// one of them is `plan`.
    #[serde(rename = "result_plan")]
    pub plan: Option<String>,
    /// How often a process that stopped handed it over, half done, to the next.
    #[serde(default)]
    pub handed_over: u32,
    /// The process that has it: where it no longer lives, another takes over.
    pub host: String,
}

impl JobRecord {
    /// How often an apply is handed over, half done: often enough for a host that is started anew a few times in a row,
    /// and no loop.
    pub const MOST_HAND_OVERS: u32 = 3;

    /// Whether a process that stops in the middle of it may leave it to the next. A sync that was cut off is begun anew,
    /// however often, since it makes a plan of its own.
    pub fn can_be_handed_over(&self) -> bool {
        matches!(self.work, Work::Apply { .. }) && self.handed_over < Self::MOST_HAND_OVERS
    }
}
