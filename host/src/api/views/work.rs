//! Jobs and runs.

use super::word;
use crate::store::service::{JobRecord, JobState, Trigger, Work};
use crate::store::{OutcomeRecord, RunKind, RunRecord, RunResult};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a job does.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "work", rename_all = "kebab-case", deny_unknown_fields)]
#[schema(as = Work)]
pub enum ApiWork {
    /// Looks whether a sync could work.
    Check,
    /// Makes a plan.
    Plan,
    /// Plans, and applies what is within limits.
    Sync {
        /// Whether everything is read, or only what changed.
        #[serde(default)]
        full: bool,
    },
    /// Applies what was approved of a plan.
    Apply {
        /// The plan's hash.
        #[schema(pattern = "^[0-9a-f]{64}$")]
        plan: String,
        /// Source groups by ID; none is all.
        #[serde(default)]
        #[schema(max_items = 10000)]
        groups: Option<Vec<String>>,
        /// Whether what these groups hold back is released too.
        #[serde(default)]
        release_held: bool,
    },
    /// Plans the way back from a run.
    Undo {
        /// The run.
        #[schema(min_length = 1, max_length = 128)]
        run: String,
    },
}

impl From<ApiWork> for Work {
    fn from(work: ApiWork) -> Self {
        match work {
            ApiWork::Check => Self::Check,
            ApiWork::Plan => Self::Plan,
            ApiWork::Sync { full } => Self::Sync { full },
            ApiWork::Apply {
                plan,
                groups,
                release_held,
            } => Self::Apply {
                plan,
                groups,
                release_held,
            },
            ApiWork::Undo { run } => Self::Undo { run },
        }
    }
}

impl From<Work> for ApiWork {
    fn from(work: Work) -> Self {
        match work {
            Work::Check => Self::Check,
            Work::Plan => Self::Plan,
            Work::Sync { full } => Self::Sync { full },
            Work::Apply {
                plan,
                groups,
                release_held,
            } => Self::Apply {
                plan,
                groups,
                release_held,
            },
            Work::Undo { run } => Self::Undo { run },
        }
    }
}

/// How something ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct End {
    /// How.
    result: EndResult,
    /// What happened and what to do.
    message: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndResult {
    /// All that was to do is done.
    Done,
    /// Changes wait for approval or are held.
    ChangesPending,
    /// Refused before anything was written.
    Refused,
    /// Failed.
    Failed,
    /// Its host stopped before the next write; the same job goes on in the next process.
    HandedOver,
}

impl From<crate::store::RunEnd> for End {
    fn from(end: crate::store::RunEnd) -> Self {
        Self {
            result: match end.result {
                RunResult::Done => EndResult::Done,
                RunResult::ChangesPending => EndResult::ChangesPending,
                RunResult::Refused => EndResult::Refused,
                RunResult::Failed => EndResult::Failed,
                RunResult::HandedOver => EndResult::HandedOver,
            },
            message: end.message,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = JobState)]
pub enum ApiJobState {
    /// Waits for its turn.
    Queued,
    /// Is at work.
    Running,
    /// Ended; `end` says how.
    Ended,
}

/// Work that was asked for, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Job {
    /// Its ID; sortable by time.
    id: String,
    /// Of which tenant.
    tenant: String,
    /// Of which directory.
    directory: String,
    /// What it does.
    asked: ApiWork,
    /// Why it began: `schedule`, `event`, or the subject of whoever asked.
    cause: String,
    /// How far it is.
    state: ApiJobState,
    /// When it was asked for.
    queued_at: DateTime<Utc>,
    /// When it began.
    began_at: Option<DateTime<Utc>>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    end: Option<End>,
    /// The runs that it made.
    runs: Vec<String>,
    /// The plan that it made or applied.
    plan: Option<String>,
    /// How often a host that stopped handed it over, half done, to the next.
    handed_over: u32,
}

impl From<JobRecord> for Job {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id,
            tenant: job.connection.tenant,
            directory: job.connection.name,
            asked: job.work.into(),
            cause: match job.trigger {
                Trigger::Schedule => "schedule".to_owned(),
                Trigger::Event => "event".to_owned(),
                Trigger::Request { by } => by,
            },
            state: match job.state {
                JobState::Queued => ApiJobState::Queued,
                JobState::Running => ApiJobState::Running,
                JobState::Ended => ApiJobState::Ended,
            },
            queued_at: job.queued_at,
            began_at: job.began_at,
            ended_at: job.ended_at,
            end: job.end.map(Into::into),
            runs: job.runs,
            plan: job.plan,
            handed_over: job.handed_over,
        }
    }
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Run {
    /// Its ID.
    id: String,
    /// Of which tenant.
    tenant: String,
    /// Of which directory.
    directory: String,
    /// What for.
    kind: ApiRunKind,
    /// When it began.
    started_at: DateTime<Utc>,
    /// When it ended; none while it runs, and for good where its process died.
    ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    end: Option<End>,
    /// Counts, as the run reported them.
    counters: Value,
    /// The plan that it made or applied.
    plan: Option<String>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(as = RunKind)]
pub enum ApiRunKind {
    /// Makes a plan.
    Plan,
    /// Applies a plan.
    Apply,
    /// Plans and applies within limits.
    Sync,
    /// Plans the way back from a run.
    Undo,
    /// Looks whether a sync could work.
    Check,
}

impl From<RunRecord> for Run {
    fn from(run: RunRecord) -> Self {
        Self {
            id: run.id,
            tenant: run.connection.tenant,
            directory: run.connection.name,
            kind: match run.kind {
                RunKind::Plan => ApiRunKind::Plan,
                RunKind::Apply => ApiRunKind::Apply,
                RunKind::Sync => ApiRunKind::Sync,
                RunKind::Undo => ApiRunKind::Undo,
                RunKind::Check => ApiRunKind::Check,
            },
            started_at: run.started_at,
            ended_at: run.ended_at,
            end: run.end.map(Into::into),
            counters: run.counters,
            plan: run.plan,
        }
    }
}

/// An operation of a run, and what the vendor answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// The ledger's number of it.
    intent: u64,
    /// The run.
    run: String,
    /// Source group ID.
    group: String,
    /// The operation.
    operation: Value,
    /// When it was intended.
    intended_at: DateTime<Utc>,
    /// How it ended; none while it is open.
    settlement: Option<String>,
    /// The vendor's HTTP status.
    status: Option<u16>,
    /// The vendor's reason, or the component's.
    reason: Option<String>,
    /// The vendor's request ID.
    request_id: Option<String>,
    /// When it was settled.
    settled_at: Option<DateTime<Utc>>,
}

impl From<OutcomeRecord> for Outcome {
    fn from(outcome: OutcomeRecord) -> Self {
        Self {
            intent: outcome.intent,
            run: outcome.run,
            group: outcome.group,
            operation: serde_json::from_str(&outcome.operation).unwrap_or(Value::Null),
            intended_at: outcome.intended_at,
            settlement: outcome.settlement.map(word),
            status: outcome.status,
            reason: outcome.reason,
            request_id: outcome.request_id,
            settled_at: outcome.settled_at,
        }
    }
}
