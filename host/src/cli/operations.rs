//! What the commands ask of the host, as a trait: the host's own façade implements it, tests implement it over fixed
//! answers. No command reaches past it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Explanation, Extent};
use tokio_util::sync::CancellationToken;

pub use crate::run::{
    ApplyOutcome, CheckReport, ConnectionName, Observer, OperationOutcome, PlanOutcome, RequestCounts,
    RunFailure, RunFailureKind, RunRef, Selection, StoredPlan, SyncOutcome, VendorCounts,
};

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
    /// Its host stopped; the same job goes on in the next process.
    HandedOver,
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
        read: Extent,
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
