//! What the verbs answer.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Finding, PlanSummary, Report};
use groupcast_guest::failure::{Failure, FailureKind, VendorAnswer};
use groupcast_guest::plan::part::{GroupState, Operation, Part};

use crate::ledger::Settlement;
use crate::plugin::{RunError, Usage};
use crate::store::StoreError;

use super::recorder::RequestCounts;

/// What `check` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The run.
    pub run: String,
    /// The host's own findings (credentials) first, then the component's.
    pub findings: Vec<Finding>,
    /// What was asked of the vendors.
    pub requests: RequestCounts,
}

/// A plan as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Its hash (R44).
    pub hash: String,
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Until when it can be approved and applied.
    pub expires: DateTime<Utc>,
}

impl StoredPlan {
    /// Whether applying it would change anything: at the vendor, or in the ledger.
    pub fn has_work(&self) -> bool {
        self.parts.iter().any(Part::has_work)
    }

    /// Groups that are frozen: what could not be read whole, and so was left alone (R42).
    pub fn frozen(&self) -> usize {
        self.parts
            .iter()
            .filter(|part| part.state == GroupState::Frozen)
            .count()
    }

    /// Whether anything waits for approval that an approval can release.
    pub fn has_held(&self) -> bool {
        self.parts
            .iter()
            .any(|part| part.held.iter().any(|held| held.approvable))
    }
}

/// What `plan` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOutcome {
    /// The run that made it.
    pub run: String,
    /// The plan.
    pub plan: StoredPlan,
    /// Its totals.
    pub summary: PlanSummary,
    /// What was asked of the vendors.
    pub requests: RequestCounts,
    /// What the component used.
    pub usage: Usage,
}

/// Which parts of a plan are approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Source groups by ID or name; none is all.
    pub groups: Option<Vec<String>>,
    /// Whether what these groups hold back is released too.
    pub release_held: bool,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationOutcome {
    /// Source group ID.
    pub group: String,
    /// What.
    pub operation: Operation,
    /// How it ended; none where the run was cut short before it was known.
    pub settlement: Option<Settlement>,
    /// The vendor's HTTP status.
    pub status: Option<u16>,
    /// The vendor's reason.
    pub reason: Option<String>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
}

/// What `apply` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOutcome {
    /// The run.
    pub run: String,
    /// The plan that was applied: another than asked for where held operations were released.
    pub hash: String,
    /// Totals.
    pub report: Report,
    /// Each operation.
    pub outcomes: Vec<OperationOutcome>,
    /// What was asked of the vendors.
    pub requests: RequestCounts,
    /// What the component used.
    pub usage: Usage,
}

/// What `sync` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Source and target are in step.
    Nothing(PlanOutcome),
    /// There are changes, and they wait: the connection is plan-only, or all of them are held.
    Planned {
        /// The plan.
        plan: PlanOutcome,
        /// Why they wait, for a person.
        why: String,
    },
    /// Changes were made.
    Applied {
        /// The plan.
        plan: PlanOutcome,
        /// What became of it.
        apply: ApplyOutcome,
    },
}

/// Whether somebody said no, or something broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFailureKind {
    /// Refused before anything was done: a rule, a permit, a credential, a missing approval, an unsafe configuration
    /// (exit code 3).
    Refused,
    /// Failed on the way: a vendor, the network, the component; or stopped there (exit code 4).
    Failed,
}

/// Whether doing the same again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repetition {
    /// Nothing is wrong that a repetition could mend or not: it was stopped, another run has the directory, or what was
    /// asked for does not fit.
    NoMatter,
    /// It may pass by itself.
    MayHelp {
        /// How long the vendor asked to be left alone.
        pause: Option<Duration>,
    },
    /// Somebody has to mend something first: a credential, a scope, settings, rules.
    NeedsMending,
}

/// Why a verb did not do its work: what happened, to what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct RunFailure {
    /// Refused or failed.
    pub kind: RunFailureKind,
    /// Whether doing the same again may help.
    pub repetition: Repetition,
    /// For a person.
    pub message: String,
    /// The vendor's answer, where one is behind it.
    pub vendor: Option<VendorAnswer>,
}

impl fmt::Display for RunFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(answer) = &self.vendor {
            write!(f, " (the vendor answered {}", answer.status)?;
            if !answer.reason.is_empty() {
                write!(f, " {}", answer.reason)?;
            }
            if let Some(id) = &answer.request_id {
                write!(f, ", request {id}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl RunFailure {
    /// Somebody said no.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            kind: RunFailureKind::Refused,
            repetition: Repetition::NoMatter,
            message: message.into(),
            vendor: None,
        }
    }

    /// Something broke.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            kind: RunFailureKind::Failed,
            repetition: Repetition::MayHelp { pause: None },
            message: message.into(),
            vendor: None,
        }
    }

    pub(super) fn of_failure(failure: Failure) -> Self {
        let kind = match failure.kind {
            // A credential that the vendor refuses is refused before anything was done (R7); where it is refused on the
            // way, whoever knows what was done says so.
            FailureKind::Denied
            | FailureKind::Configuration
            | FailureKind::Cancelled
            | FailureKind::Unauthorized => RunFailureKind::Refused,
            FailureKind::Transient | FailureKind::Throttled(_) | FailureKind::Vendor | FailureKind::Host => {
                RunFailureKind::Failed
            }
        };
        let repetition = match failure.kind {
            FailureKind::Unauthorized | FailureKind::Denied | FailureKind::Configuration => {
                Repetition::NeedsMending
            }
            FailureKind::Cancelled => Repetition::NoMatter,
            FailureKind::Throttled(seconds) => Repetition::MayHelp {
                pause: seconds.map(Duration::from_secs),
            },
            FailureKind::Transient | FailureKind::Vendor | FailureKind::Host => {
                Repetition::MayHelp { pause: None }
            }
        };
        Self {
            kind,
            repetition,
            message: format!("{}: {}", failure.place, failure.message),
            vendor: failure.vendor,
        }
    }
}

impl From<RunError> for RunFailure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Failed(failure) => Self::of_failure(failure),
            other => Self::failed(other.to_string()),
        }
    }
}

impl From<StoreError> for RunFailure {
    fn from(error: StoreError) -> Self {
        match error {
            // What was asked for does not fit what is kept: nothing was done, and nothing broke.
            StoreError::NoRun(_)
            | StoreError::NoPlan(_)
            | StoreError::NoPart { .. }
            | StoreError::PlanExpired { .. }
            | StoreError::PlanApplied(_)
            | StoreError::NothingHeld { .. } => Self::refused(error.to_string()),
            _ => Self::failed(error.to_string()),
        }
    }
}
