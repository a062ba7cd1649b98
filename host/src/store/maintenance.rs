//! What is done with a store as a whole: looking at it, tidying it, carrying it elsewhere.

use std::path::Path;

use async_trait::async_trait;
use chrono::Duration;
use serde::Serialize;

use super::Result;
use super::portable::BackupSummary;
use super::service::NewAuditEntry;

/// The store as a whole.
#[async_trait]
pub trait MaintenanceStore: Send + Sync {
    /// What is in it.
    async fn status(&self) -> Result<StoreStatus>;

    /// Forgets what is older than the retention says, in small steps that keep nobody waiting. Never forgets bindings,
    /// memberships, open intents or the audit log, nor what `undo` and `why` need within the retention.
    async fn prune(&self, retention: &Retention) -> Result<Pruned>;

    /// Writes all of it into a new file, as it is at one moment, while others go on working.
    async fn backup(&self, to: &Path) -> Result<BackupSummary>;

    /// Fills the store from such a file, of either kind of database, in one transaction.
    async fn restore(
        &self,
        from: &Path,
        options: RestoreOptions,
        audit: &NewAuditEntry,
    ) -> Result<BackupSummary>;
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Runs with their operations, applied plans, jobs and samples.
    pub runs: Duration,
    /// Plans that expired and were never applied, after their end.
    pub plans: Duration,
}

impl Retention {
    /// Runs for so many days, and expired plans for 30 of them at most.
    pub fn days(runs: u32) -> Self {
        let runs = Duration::days(i64::from(runs));
        Self {
            runs,
            plans: runs.min(Duration::days(30)),
        }
    }
}

/// How many were forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Runs.
    pub runs: u64,
    /// Operations of these runs, all of them settled.
    pub operations: u64,
    /// Plans.
    pub plans: u64,
    /// Contents of parts that no plan has any more.
    pub contents: u64,
    /// Jobs that ended.
    pub jobs: u64,
    /// Answers to repeated requests.
    pub answers: u64,
    /// Sessions that expired.
    pub sessions: u64,
    /// Samples.
    pub samples: u64,
}

/// What a restore may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Whether what is in the store is thrown away.
    pub replace: bool,
    /// Whether connections may write at once where they could when the backup was made. Else all of them are plan-only
    /// (R44): since the backup, things went on without it.
    pub keep_modes: bool,
}

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// The file, or database and server.
    pub place: String,
    /// `sqlite` or `postgresql`.
    pub kind: &'static str,
    /// The schema's version.
    pub schema: i64,
    /// Size in bytes.
    pub bytes: u64,
    /// Tenants that are kept in it.
    pub tenants: u64,
    /// Their directories.
    pub directories: u64,
    /// Groups that are bound.
    pub bindings: u64,
    /// Memberships in the ledger.
    pub memberships: u64,
    /// Operations that were begun and whose end is not known yet.
    pub open_intents: u64,
    /// Leases that are held: hosts at work.
    pub leases: u64,
    /// Runs.
    pub runs: u64,
    /// Plans.
    pub plans: u64,
    /// Entries of the audit log.
    pub audit: u64,
    /// The first entry that does not fit; none where the log is as it was written.
    pub audit_broken_at: Option<u64>,
}
