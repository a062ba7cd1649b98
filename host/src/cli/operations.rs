//! What the commands ask of the host, as a trait: the host's own façade implements it, tests implement it over fixed
//! answers. No command reaches past it.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Explanation, Finding, PlanSummary, Report};
use groupcast_guest::failure::VendorAnswer;
use groupcast_guest::ledger::Settlement;
use groupcast_guest::plan::part::{Operation, Part};
use tokio_util::sync::CancellationToken;

use crate::plugin::{Event, LogLevel, Usage};

/// One source and one directory, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionName {
    /// The tenant; `default` where the configuration names none.
    pub tenant: String,
    /// The directory's name within it.
    pub connection: String,
}

impl ConnectionName {
    /// A name of two parts.
    pub fn new(tenant: impl Into<String>, connection: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            connection: connection.into(),
        }
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.tenant, self.connection)
    }
}

/// Whether a run was refused before it did anything, or failed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunFailureKind {
    /// Nothing was done.
    Refused,
    /// Something went wrong on the way.
    Failed,
}

/// Why a run ended badly, for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RunFailure {
    /// Refused or failed.
    pub kind: RunFailureKind,
    /// What happened, to what, what to do.
    pub message: String,
    /// The vendor's answer, where there was one.
    pub vendor: Option<VendorAnswer>,
}

/// A plan as the host keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Root hash: lower-case hexadecimal SHA-256.
    pub hash: String,
    /// One part a group, in the plan's order.
    pub parts: Vec<Part>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Until when it can be applied.
    pub expires: DateTime<Utc>,
}

/// What `plan` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanOutcome {
    /// The run.
    pub run: String,
    /// The plan.
    pub plan: StoredPlan,
    /// Its totals.
    pub summary: PlanSummary,
    /// What the run used.
    pub usage: Usage,
}

/// What `check` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// The run.
    pub run: String,
    /// What was found, most important first.
    pub findings: Vec<Finding>,
}

/// What of a plan is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Groups by ID or name; none for all.
    pub groups: Option<Vec<String>>,
    /// Whether the held operations of these groups are approved too.
    pub release_held: bool,
}

/// What became of one approved operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationOutcome {
    /// Source group ID.
    pub group: String,
    /// The operation.
    pub operation: Operation,
    /// How it ended; none where the run was cut short before it was known.
    pub settlement: Option<Settlement>,
    /// The vendor's HTTP status.
    pub status: Option<u16>,
    /// The vendor's reason, or ours.
    pub reason: Option<String>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
}

/// What one vendor was asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VendorCounts {
    /// Requests, batches counted once.
    pub requests: u64,
    /// Of these, batches.
    pub batches: u64,
    /// Parts of batches.
    pub parts: u64,
    /// Operations carried by requests and parts: what changed something, or tried to.
    pub writes: u64,
    /// Answers that asked for a pause.
    pub throttled: u64,
}

/// What each vendor was asked, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// `jumpcloud`, `google`, `entra`.
    pub vendors: BTreeMap<String, VendorCounts>,
}

/// What `apply` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyOutcome {
    /// The run.
    pub run: String,
    /// The plan that was applied.
    pub hash: String,
    /// Totals.
    pub report: Report,
    /// One for each operation, in the order they were done.
    pub outcomes: Vec<OperationOutcome>,
    /// What was asked of the vendors.
    pub requests: RequestCounts,
    /// What the run used.
    pub usage: Usage,
}

/// What `sync` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOutcome {
    /// Planned only: the connection is plan-only, or only held work is there.
    Planned {
        /// The plan.
        plan: PlanOutcome,
        /// Why it waits, for a person.
        why: String,
    },
    /// Planned and applied.
    Applied {
        /// The plan.
        plan: PlanOutcome,
        /// What became of it.
        apply: ApplyOutcome,
    },
    /// Everything is in step.
    Nothing(PlanOutcome),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// Done.
    Done,
    /// Changes are pending or held.
    Pending,
    /// Refused.
    Refused,
    /// Failed.
    Failed,
}

/// A run as the host remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its ID.
    pub id: String,
    /// Of which connection.
    pub connection: ConnectionName,
    /// `check`, `plan`, `apply`, `sync` or `undo`.
    pub kind: String,
    /// When it started.
    pub started: DateTime<Utc>,
    /// When it ended; none while it runs, or where the process was killed.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// Why, where it ended badly.
    pub message: Option<String>,
    /// Totals by name, such as `adds`, `removals`, `applied`, `failed`, `held`.
    pub counters: BTreeMap<String, u64>,
    /// The hash of the plan that it made or applied.
    pub plan: Option<String>,
}

/// Whoever watches runs.
pub trait Observer: Send + Sync {
    /// A step of a run.
    fn event(&self, connection: &ConnectionName, event: &Event);
    /// A log line of a run.
    fn log(&self, connection: &ConnectionName, level: LogLevel, message: &str);
}

/// Everything opened, and what can be done with it.
#[async_trait]
pub trait Operations: Send + Sync {
    /// All connections, in the configuration's order.
    fn connections(&self) -> Vec<ConnectionName>;
    /// The connections that a name means; none means all. The error is for a person.
    fn resolve(&self, name: Option<&str>) -> Result<Vec<ConnectionName>, String>;
    /// Looks whether a sync can work; never writes.
    async fn check(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<CheckReport, RunFailure>;
    /// Makes and stores a plan; never writes to a vendor.
    async fn plan(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<PlanOutcome, RunFailure>;
    /// A stored plan by its full hash; none where it is not known.
    async fn stored_plan(&self, hash: &str) -> Result<Option<StoredPlan>, RunFailure>;
    /// Applies what is selected of a stored plan.
    async fn apply(
        &self,
        connection: &ConnectionName,
        hash: &str,
        selection: Selection,
        cancel: &CancellationToken,
    ) -> Result<ApplyOutcome, RunFailure>;
    /// Plans and applies within the limits.
    async fn sync(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<SyncOutcome, RunFailure>;
    /// Makes and stores the plan that undoes a run (R45).
    async fn undo(&self, run: &str, cancel: &CancellationToken) -> Result<PlanOutcome, RunFailure>;
    /// Explains one person in one group, or the group alone.
    async fn why(
        &self,
        connection: &ConnectionName,
        person: Option<&str>,
        group: &str,
        cancel: &CancellationToken,
    ) -> Result<Explanation, RunFailure>;
    /// The latest runs, newest first.
    async fn runs(&self, limit: usize) -> Result<Vec<RunRecord>, RunFailure>;
}
