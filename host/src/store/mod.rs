//! What must outlive a process: the ledger, the plugin's state, runs, plans, connections and leases.
//!
//! [`Store`] is the whole of it; [`SqliteStore`] is the embedded one, [`PostgresStore`] the one that many hosts share.
//! Their statements are written once (`sql`), and both pass the same test suite (`suite`). What is in here is durable
//! when the call returns, or was not done at all. No policy enters this room: whether a plan *should* be approved or a
//! run *should* start is decided elsewhere, and no secret is ever kept here but sealed.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Duration;

use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};

mod error;
mod location;
mod locks;
mod maintenance;
mod portable;
mod postgres;
mod records;
mod released;
pub mod service;
mod sqlite;
#[cfg(test)]
mod suite;
mod values;

pub use error::{Result, StoreError};
pub use location::{Location, Schema};
pub use maintenance::{MaintenanceStore, Pruned, RestoreOptions, Retention, StoreStatus};
pub use portable::BackupSummary;
pub use postgres::PostgresStore;
pub use records::*;
pub use service::ServiceStore;
pub use sqlite::SqliteStore;

/// The most items that one call of the ledger takes or gives (WIT `ledger`).
pub const PAGE: usize = 1_000;
/// The longest part of a plan, in bytes (WIT `plan-sink.put`).
pub const PART_BYTES: usize = 16 << 20;
/// The longest state value, in bytes (WIT `state.put`).
pub const STATE_VALUE_BYTES: usize = 1 << 20;
/// The longest state key, in bytes (WIT `state.put`).
pub const STATE_KEY_BYTES: usize = 256;
/// The longest notes on a binding, in bytes (WIT `ledger.binding`).
pub const DETAILS_BYTES: usize = 64 << 10;
/// How many days a plan can be approved and applied, where its maker says nothing else.
pub const PLAN_DAYS: i64 = 7;

/// Everything that is kept. A `dyn Store` has all the methods of its parts.
pub trait Store:
    LedgerStore
    + StateStore
    + RunStore
    + PlanStore
    + ConnectionStore
    + LeaseStore
    + ServiceStore
    + MaintenanceStore
{
}

impl<T> Store for T where
    T: LedgerStore
        + StateStore
        + RunStore
        + PlanStore
        + ConnectionStore
        + LeaseStore
        + ServiceStore
        + MaintenanceStore
{
}

/// The write-ahead ledger (WIT `ledger`), one a directory.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Bindings after the mark, ascending by group, at most [`PAGE`].
    async fn bindings(&self, directory: &DirectoryKey, after: Option<&str>) -> Result<Page<Binding>>;

    /// Memberships of a group after the mark, ascending by (target, principal), at most [`PAGE`].
    async fn memberships(
        &self,
        directory: &DirectoryKey,
        group: &str,
        after: Option<&str>,
    ) -> Result<Page<Membership>>;

    /// How much is exported, as the ledger knows it: counted where it lies, however large it is.
    async fn exported(&self, directory: &DirectoryKey) -> Result<Exported>;

    /// Makes intents durable and answers their IDs in the same order. The lease must be held still: a run that lost
    /// it can intend nothing more (R48).
    async fn intend(
        &self,
        directory: &DirectoryKey,
        run: &str,
        lease: &Lease,
        intents: &[Intent],
    ) -> Result<Vec<u64>>;

    /// Settles intents together with their effects in one transaction. Settling one twice is
    /// [`StoreError::NotOpen`], and nothing of the call is kept. Needs no lease: what happened, happened.
    async fn settle(&self, directory: &DirectoryKey, outcomes: &[Outcome]) -> Result<()>;

    /// Applies effects that no vendor write belongs to, in one transaction.
    async fn amend(&self, directory: &DirectoryKey, effects: &[Effect]) -> Result<()>;

    /// Open intents with an ID above the given one, ascending, at most [`PAGE`].
    async fn unsettled(&self, directory: &DirectoryKey, after: u64) -> Result<Vec<OpenIntent>>;

    /// What became of operations, at most [`PAGE`].
    async fn outcomes(&self, directory: &DirectoryKey, query: &OutcomeQuery) -> Result<Vec<OutcomeRecord>>;

    /// What `undo` turns round (R45): a run's operations that the vendor did (not those that were so
    /// already), with an intent ID above the given one, ascending, at most [`PAGE`].
    async fn applied_operations(
        &self,
        directory: &DirectoryKey,
        run: &str,
        after: u64,
    ) -> Result<Vec<OutcomeRecord>>;
}

/// The plugin's small durable values (WIT `state`), one set a directory.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// The value under a key.
    async fn state_get(&self, directory: &DirectoryKey, key: &str) -> Result<Option<StateEntry>>;

    /// Writes a value if the key's version is still `expected` (none: the key is absent). Answers the new
    /// version, or none if somebody else wrote in between.
    async fn state_put(
        &self,
        directory: &DirectoryKey,
        key: &str,
        value: &[u8],
        expected: Option<u64>,
    ) -> Result<Option<u64>>;
}

/// The runs of the past and the present.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Records that a run begins, now.
    async fn start_run(&self, run: &NewRun) -> Result<()>;

    /// Names the plan that the run made or applies.
    async fn set_run_plan(&self, run: &str, plan: &str) -> Result<()>;

    /// Records that a run ended, now. Once.
    async fn end_run(&self, run: &str, end: &RunEnd, counters: &serde_json::Value) -> Result<()>;

    /// One run.
    async fn run(&self, run: &str) -> Result<Option<RunRecord>>;

    /// Runs, the latest first.
    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>>;

    /// The latest run of each of these connections, ascending by connection; connections without one are left out. For
    /// lists: one question, however many they are.
    async fn latest_runs(&self, connections: &[ConnectionId]) -> Result<Vec<RunRecord>>;
}

/// Plans: their parts byte for byte, and who approved them (R44).
#[async_trait]
pub trait PlanStore: Send + Sync {
    /// Keeps parts of the plan that a run is making, from position `first` on. Ascending by group, each group
    /// once; a part that is none is [`StoreError::BadPart`].
    async fn stage_parts(&self, run: &str, first: u64, parts: &[Vec<u8>]) -> Result<()>;

    /// Drops what a run staged: its plan came to nothing.
    async fn drop_staged(&self, run: &str) -> Result<()>;

    /// Makes a plan of what the run staged, and answers it. Making the same plan again keeps its approvals
    /// and renews its life, unless it was applied or had expired: then it starts anew, unapproved.
    async fn seal_plan(&self, plan: &NewPlan) -> Result<PlanRecord>;

    /// One plan.
    async fn plan(&self, directory: &DirectoryKey, hash: &str) -> Result<Option<PlanRecord>>;

    /// Plans, the latest first.
    async fn plans(&self, query: &PlanQuery) -> Result<Vec<PlanRecord>>;

    /// The parts of a plan in order, without their bytes.
    async fn parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>>;

    /// Parts of a plan after this position (none: from the first), with their bytes as [`Self::part_bytes`] gives them, at
    /// most `limit` (1 to 1,000): for whoever reads many.
    async fn read_parts(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        after: Option<u64>,
        limit: u32,
    ) -> Result<Vec<(PartRecord, Vec<u8>)>>;

    /// A part's bytes, as the plugin gave them, checked against their hash.
    async fn part_bytes(&self, directory: &DirectoryKey, hash: &str, position: u64) -> Result<Vec<u8>>;

    /// Approves parts. What they hold back stays held: see [`Self::release_held`].
    async fn approve(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        parts: &Parts,
        approver: &str,
    ) -> Result<PlanRecord>;

    /// The approved parts in order: what `plan-source` gives. Refused for a plan that expired or was applied.
    async fn approved_parts(&self, directory: &DirectoryKey, hash: &str) -> Result<Vec<PartRecord>>;

    /// Makes a plan from this one in which what the groups hold back, and an approval can release, is among what
    /// apply may do. New parts, new hash, each recorded with what it was made from. Approvals of the
    /// untouched parts carry over; the new parts wait for one, so that what is approved was seen.
    async fn release_held(
        &self,
        directory: &DirectoryKey,
        hash: &str,
        groups: &[String],
    ) -> Result<PlanRecord>;

    /// Records that a run applied the plan, now.
    async fn mark_applied(&self, directory: &DirectoryKey, hash: &str, run: &str) -> Result<()>;

    /// Forgets plans that expired longer ago than this, and answers how many.
    async fn forget_expired(&self, longer_than: Duration) -> Result<u64>;
}

/// What is remembered of connections.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// One connection; one never seen is in its beginnings (plan-only, R44).
    async fn connection(&self, id: &ConnectionId) -> Result<ConnectionRecord>;

    /// The connections of these tenants of which something is remembered; all others are in their beginnings.
    async fn connections(&self, tenants: &[String]) -> Result<BTreeMap<ConnectionId, ConnectionRecord>>;

    /// Sets whether the connection may write without being asked.
    async fn set_mode(&self, id: &ConnectionId, mode: Mode) -> Result<()>;

    /// Records the configuration's `managed` and answers what it was before. Off to on puts the connection in
    /// plan-only mode in the same transaction (R38).
    async fn see_managed(&self, id: &ConnectionId, managed: bool) -> Result<Option<bool>>;

    /// Records that a run ended well, now.
    async fn record_success(&self, id: &ConnectionId) -> Result<()>;
}

/// Leases with fencing tokens (R48).
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Asks for a lease of the given life. `longest_request` is how long a write of this holder can still be
    /// on the wire after its lease ended: nobody else gets the lease before that, unless it is released.
    async fn acquire_lease(
        &self,
        directory: &DirectoryKey,
        holder: &str,
        life: Duration,
        longest_request: Duration,
    ) -> Result<LeaseAnswer>;

    /// Prolongs a lease that is still held; one that lapsed is [`StoreError::LeaseLost`], even where nobody took it.
    async fn renew_lease(&self, lease: &Lease, life: Duration, longest_request: Duration) -> Result<Lease>;

    /// Gives a lease back: only with no request on the wire. A lease that is lost already is no error.
    async fn release_lease(&self, lease: &Lease) -> Result<()>;
}
