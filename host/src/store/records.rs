//! What the store keeps besides the ledger: the plain records, without any database in them.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ledger::Settlement;

/// Tells the time. Injected, so that tests of leases and expiry need not wait.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The machine's own clock.
pub fn system_clock() -> Clock {
    Arc::new(Utc::now)
}

/// The identity of a target directory within a tenant: what the ledger, the state and the plans are keyed by.
/// It is the directory's own identity (Google customer ID, Entra tenant ID), so that renaming a connection
/// in the configuration loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct DirectoryKey {
    key: String,
    /// What is leased, where that is not in the key.
    leased: Option<String>,
}

impl DirectoryKey {
    /// The key of a directory. `tenant` and `vendor` are names without a slash; `identity` is the vendor's.
    pub fn new(tenant: &str, vendor: &str, identity: &str) -> Self {
        Self::stored(format!("{tenant}/{vendor}/{identity}"))
    }

    /// A key as it was stored.
    pub(super) fn stored(key: String) -> Self {
        Self { key, leased: None }
    }

    /// The same key, of a directory whose own identity is known besides: that is what is leased then.
    #[must_use]
    pub fn leased_as(&self, vendor: &str, identity: &str) -> Self {
        Self {
            key: self.key.clone(),
            leased: Some(format!("{vendor}/{identity}")),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// What is leased: the directory without the tenant, so that two tenants of one host which were both
    /// given the same directory do not write to it at once (R48).
    pub fn lease_key(&self) -> &str {
        self.leased
            .as_deref()
            .or_else(|| self.key.split_once('/').map(|(_, rest)| rest))
            .unwrap_or(&self.key)
    }
}

impl From<String> for DirectoryKey {
    fn from(key: String) -> Self {
        Self::stored(key)
    }
}

impl From<DirectoryKey> for String {
    fn from(key: DirectoryKey) -> Self {
        key.key
    }
}

impl fmt::Display for DirectoryKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.key)
    }
}

/// A connection: one source, one directory, as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The tenant's name; `default` where the configuration names none.
    pub tenant: String,
    /// The connection's name, unique within the tenant.
    pub name: String,
}

impl ConnectionId {
    /// A connection of a tenant.
    pub fn new(tenant: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.tenant, self.name)
    }
}

/// A page of a list; the last one has no `next`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most 1,000.
    pub items: Vec<T>,
    /// What to ask the following page with.
    pub next: Option<String>,
}

/// How much of a directory is exported, as the ledger knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Groups that are bound to one in the target.
    pub groups: u64,
    /// Memberships of these that are ours or adopted.
    pub memberships: u64,
}

/// An operation of the past, or one under way: what `why`, `runs` and `undo` read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRecord {
    /// The ledger's ID.
    pub intent: u64,
    /// The run that made it.
    pub run: String,
    /// Source group ID.
    pub group: String,
    /// The operation's canonical JSON.
    pub operation: String,
    /// When it was intended.
    pub intended_at: DateTime<Utc>,
    /// How it ended; none while it is open.
    pub settlement: Option<Settlement>,
    /// The vendor's HTTP status.
    pub status: Option<u16>,
    /// The vendor's reason, or the plugin's.
    pub reason: Option<String>,
    /// The vendor's request ID.
    pub request_id: Option<String>,
    /// When it was settled.
    pub settled_at: Option<DateTime<Utc>>,
}

/// Which outcomes to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutcomeQuery {
    /// All of a run, in the order of intent.
    OfRun {
        /// The run.
        run: String,
        /// Only those with a higher intent ID.
        after: u64,
    },
    /// All of a source group in one directory, the latest first.
    OfGroup {
        /// Source group ID.
        group: String,
        /// Only those with a lower intent ID.
        before: Option<u64>,
    },
}

/// A value of the plugin's state and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The value.
    pub value: Vec<u8>,
    /// Changes with each write.
    pub version: u64,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
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

/// How a run ended; the command line's exit codes follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// All that was to do is done (exit code 0).
    Done,
    /// Changes wait for approval or are held (exit code 2).
    ChangesPending,
    /// Refused: the lease, the mode, the plan or a policy did not allow it (exit code 3).
    Refused,
    /// Failed (exit code 4).
    Failed,
    /// Its host stopped before the next write, and the same job goes on in the next process.
    HandedOver,
}

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// How it ended.
    pub result: RunResult,
    /// For a person: what happened and what to do. Never holds a secret.
    pub message: String,
}

impl RunEnd {
    /// An end with its sentence.
    pub fn new(result: RunResult, message: impl Into<String>) -> Self {
        Self {
            result,
            message: message.into(),
        }
    }
}

/// A run as it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun {
    /// Unique among all runs of the host.
    pub id: String,
    /// Whose.
    pub connection: ConnectionId,
    /// What for.
    pub kind: RunKind,
    /// The plan that it applies, where it applies one.
    pub plan: Option<String>,
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRecord {
    /// Unique among all runs of the host.
    pub id: String,
    /// Whose.
    pub connection: ConnectionId,
    /// What for.
    pub kind: RunKind,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended; none while it runs, and for good where its process died.
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub end: Option<RunEnd>,
    /// Counts, as the run reported them.
    pub counters: serde_json::Value,
    /// The plan that it made or applied.
    pub plan: Option<String>,
}

/// A place in a list of runs: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMark {
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Its ID, since several may begin in one moment.
    pub id: String,
}

impl RunMark {
    /// Behind this run.
    pub fn behind(run: &RunRecord) -> Self {
        Self {
            started_at: run.started_at,
            id: run.id.clone(),
        }
    }

    /// What [`Self::to_string`] wrote; none where it is no mark.
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once('/').filter(|(_, id)| !id.is_empty())?;
        Some(Self {
            started_at: DateTime::from_timestamp_millis(at.parse().ok()?)?,
            id: id.to_owned(),
        })
    }
}

/// As a cursor holds it.
impl fmt::Display for RunMark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.started_at.timestamp_millis(), self.id)
    }
}

/// Which runs to list; the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunQuery {
    /// Only of this tenant. A caller that serves one tenant always sets it.
    pub tenant: Option<String>,
    /// Only of this connection of the tenant.
    pub connection: Option<String>,
    /// Only those that have not ended.
    pub unfinished: bool,
    /// Only those that come behind this one: the page that follows.
    pub after: Option<RunMark>,
    /// At most this many; 0 and more than 1,000 mean 1,000.
    pub limit: u32,
}

/// What a plan is made for, at its sealing.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPlan {
    /// The run whose staged parts it is made of.
    pub run: String,
    /// Whose.
    pub connection: ConnectionId,
    /// For which directory.
    pub directory: DirectoryKey,
    /// Totals, as the plugin reported them; shown, never trusted.
    pub summary: serde_json::Value,
    /// How long it can be approved and applied; none: 7 days.
    pub lifetime: Option<chrono::Duration>,
}

/// What may be done with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum PlanStatus {
    /// Kept; nothing of it is approved.
    Stored,
    /// Some or all parts are approved.
    Approved {
        /// How many.
        parts: u64,
    },
    /// Applied.
    Applied {
        /// When.
        at: DateTime<Utc>,
        /// By which run.
        run: String,
    },
    /// Too old.
    Expired,
}

/// A plan without its parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanRecord {
    /// Root hash over the parts.
    pub hash: String,
    /// For which directory.
    pub directory: DirectoryKey,
    /// Whose.
    pub connection: ConnectionId,
    /// The run that made it.
    pub run: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// What may be done with it.
    #[serde(flatten)]
    pub status: PlanStatus,
    /// The plan that it was made from by releasing held operations.
    pub derived_from: Option<String>,
    /// Totals as the plugin reported them.
    pub summary: serde_json::Value,
    /// How many parts it has.
    pub parts: u64,
}

/// Which plans to list; the latest first, at most 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanQuery {
    /// Only of this tenant. A caller that serves one tenant always sets it.
    pub tenant: Option<String>,
    /// Only of this connection of the tenant.
    pub connection: Option<String>,
    /// Only those whose hash starts so; people type the beginning.
    pub hash_prefix: Option<String>,
    /// At most this many; 0 and more than 1,000 mean 1,000.
    pub limit: u32,
}

/// A part of a plan without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartRecord {
    /// Position in the plan, from 0.
    pub position: u64,
    /// Source group ID.
    pub group: String,
    /// SHA-256 of its bytes, lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of the part that it was made from by releasing held operations.
    pub derived_from: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it was approved.
    pub approved_at: Option<DateTime<Utc>>,
}

/// Which parts are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parts {
    /// All of them.
    All,
    /// Those of these source groups.
    Groups(Vec<String>),
}

/// Whether a connection may write without being asked (R44).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Plans are made and wait for approval. New connections, enabled again ones (R38) and those after an
    /// undo (R45) are in this mode.
    #[default]
    PlanOnly,
    /// Plans within limits are applied.
    Active,
}

/// What is remembered of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ConnectionRecord {
    /// Whether it may write without being asked.
    pub mode: Mode,
    /// The configuration's `managed` when last seen: a change from off to on asks for approval (R38).
    pub managed: Option<bool>,
    /// When a run last ended well; its age is a metric.
    pub last_success: Option<DateTime<Utc>>,
}

/// A lease on a directory (R48).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What is leased.
    pub key: String,
    /// Fencing token: greater with each new holder, never reused.
    pub token: u64,
    /// Who holds it; a run's ID.
    pub holder: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// What asking for a lease gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// It is ours.
    Granted(Lease),
    /// Somebody else has it, or had it so lately that a request of theirs can still be on the wire.
    Held {
        /// Who.
        holder: String,
        /// When it can be had at the latest, unless it is renewed.
        free_at: DateTime<Utc>,
    },
}
