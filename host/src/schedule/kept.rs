//! What an engine keeps from one process to the next: jobs, what it remembers of connections, and which processes live.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::judge::released;
use crate::store::service::{JobRecord, NewAuditEntry, RunState, RunStateChange};
use crate::store::{ConnectionId, DirectoryKey, Lease, LeaseAnswer, Result, Store};

/// The part of the store that an engine uses.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// As [`crate::store::service::JobStore::put_job`].
    async fn put_job(&self, job: &JobRecord) -> Result<()>;
    /// As [`crate::store::service::JobStore::jobs`].
    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>>;
    /// As [`crate::store::service::JobStore::unfinished_jobs`].
    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>>;
    /// As [`crate::store::service::TenancyStore::run_state`].
    async fn run_state(&self, id: &ConnectionId) -> Result<RunState>;
    /// As [`crate::store::service::TenancyStore::run_states`].
    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>>;
    /// As [`crate::store::service::TenancyStore::change_run_state`].
    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState>;
    /// As [`crate::store::service::JobStore::asked_to_cancel`].
    async fn asked_to_cancel(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// As [`crate::store::service::AuditStore::append_audit`].
    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<()>;
    /// Since when a tenant of the store is suspended at the earliest; none where it is not.
    async fn suspended_since(&self, _tenant: &str) -> Result<Option<DateTime<Utc>>> {
        Ok(None)
    }
    /// As [`crate::store::service::TenancyStore::claim_due`].
    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool>;
    /// Takes the place of a process: its own at its start, and that of one that may have died. None while somebody
    /// holds it, which a process does for as long as it lives.
    async fn take_place(&self, process: &str, life: chrono::Duration) -> Result<Option<Lease>>;
    /// Says that the process still lives.
    async fn keep_place(&self, lease: &Lease, life: chrono::Duration) -> Result<Lease>;
    /// Gives the place back.
    async fn leave_place(&self, lease: &Lease) -> Result<()>;
}

/// A store, as engines use it.
pub struct Kept(pub Arc<dyn Store>);

/// Ends back-off and quarantine of a stored tenant's connections: something that they depend on was changed by a process
/// that does not serve them. Those that do see it when they next look at the store.
///
/// # Errors
/// The store fails.
pub async fn mended(store: &dyn Store, tenant: &str) -> Result<()> {
    for directory in store.directories(Some(tenant)).await? {
        let state = store.run_state(&directory.id).await?;
        if state.quarantine.is_some() || state.not_before.is_some() {
            store.change_run_state(&directory.id, &released, None).await?;
        }
    }
    Ok(())
}

/// Processes are leased like directories, under a vendor that none is.
fn place(process: &str) -> DirectoryKey {
    DirectoryKey::new("host", "process", process)
}

#[async_trait]
impl ScheduleStore for Kept {
    async fn put_job(&self, job: &JobRecord) -> Result<()> {
        self.0.put_job(job).await
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>> {
        self.0.jobs(connection, limit).await
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>> {
        self.0.unfinished_jobs().await
    }

    async fn asked_to_cancel(&self) -> Result<Vec<String>> {
        self.0.asked_to_cancel().await
    }

    async fn run_state(&self, id: &ConnectionId) -> Result<RunState> {
        self.0.run_state(id).await
    }

    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>> {
        self.0.run_states().await
    }

    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState> {
        self.0.change_run_state(id, change, audit).await
    }

    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<()> {
        self.0.append_audit(entry).await.map(|_| ())
    }

    async fn suspended_since(&self, tenant: &str) -> Result<Option<DateTime<Utc>>> {
        let tenant = self.0.tenant(tenant).await?;
        Ok(tenant
            .filter(|tenant| !tenant.enabled)
            .map(|tenant| tenant.updated_at))
    }

    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool> {
        self.0.claim_due(id, due).await
    }

    async fn take_place(&self, process: &str, life: chrono::Duration) -> Result<Option<Lease>> {
        let answer = self
            .0
            .acquire_lease(&place(process), process, life, chrono::Duration::zero())
            .await?;
        Ok(match answer {
            LeaseAnswer::Granted(lease) => Some(lease),
            LeaseAnswer::Held { .. } => None,
        })
    }

    async fn keep_place(&self, lease: &Lease, life: chrono::Duration) -> Result<Lease> {
        self.0.renew_lease(lease, life, chrono::Duration::zero()).await
    }

    async fn leave_place(&self, lease: &Lease) -> Result<()> {
        self.0.release_lease(lease).await
    }
}
