//! The service's records, watched as the rest of the store is: how long each call takes, what the audit log gains, and
//! when secrets expire.

use std::path::Path;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::store::{WatchedStore, watched};
use crate::store::service::{
    AuditEntry, AuditQuery, AuditStore, ChangeCount, Changed, DirectoryRecord, GrantRecord, HistoryStore,
    IdentityStore, JobRecord, JobStore, MembershipSample, NewAuditEntry, NewSample, PluginRecord, Repeated,
    RunState, RunStateChange, SealedKey, SealedSecret, SealedStore, SecretName, SessionRecord, TenancyStore,
    TenantRecord, TokenRecord, Version,
};
use crate::store::{
    BackupSummary, ConnectionId, MaintenanceStore, Page, Pruned, RestoreOptions, Result, Retention,
    StoreStatus,
};

impl WatchedStore {
    fn count_audit(&self, added: bool) {
        if added {
            self.telemetry.audited();
        }
    }
}

#[async_trait]
impl TenancyStore for WatchedStore {
    async fn tenancy_version(&self) -> Result<u64> {
        watched!(self, tenancy_version())
    }

    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Page<TenantRecord>> {
        watched!(self, tenants(after, limit))
    }

    async fn tenant(&self, name: &str) -> Result<Option<TenantRecord>> {
        watched!(self, tenant(name))
    }

    async fn put_tenant(
        &self,
        record: &TenantRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let result = watched!(self, put_tenant(record, expected, audit));
        self.count_audit(matches!(result, Ok(Changed::Made(_))));
        result
    }

    async fn remove_tenant(&self, name: &str, expected: Version, audit: &NewAuditEntry) -> Result<Changed> {
        let result = watched!(self, remove_tenant(name, expected, audit));
        self.count_audit(matches!(result, Ok(Changed::Made(_))));
        result
    }

    async fn directories(&self, tenant: Option<&str>) -> Result<Vec<DirectoryRecord>> {
        watched!(self, directories(tenant))
    }

    async fn directories_of(&self, tenants: &[String]) -> Result<Vec<DirectoryRecord>> {
        watched!(self, directories_of(tenants))
    }

    async fn directory(&self, id: &ConnectionId) -> Result<Option<DirectoryRecord>> {
        watched!(self, directory(id))
    }

    async fn put_directory(
        &self,
        record: &DirectoryRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let result = watched!(self, put_directory(record, expected, audit));
        self.count_audit(matches!(result, Ok(Changed::Made(_))));
        result
    }

    async fn remove_directory(
        &self,
        id: &ConnectionId,
        expected: Version,
        audit: &NewAuditEntry,
    ) -> Result<Changed> {
        let result = watched!(self, remove_directory(id, expected, audit));
        self.count_audit(matches!(result, Ok(Changed::Made(_))));
        result
    }

    async fn plugins(&self, tenant: Option<&str>) -> Result<Vec<PluginRecord>> {
        watched!(self, plugins(tenant))
    }

    async fn all_plugins(&self) -> Result<Vec<PluginRecord>> {
        watched!(self, all_plugins())
    }

    async fn put_plugin(&self, record: &PluginRecord, audit: &NewAuditEntry) -> Result<()> {
        let result = watched!(self, put_plugin(record, audit));
        self.count_audit(result.is_ok());
        result
    }

    async fn remove_plugin(&self, tenant: Option<&str>, digest: &str, audit: &NewAuditEntry) -> Result<bool> {
        let result = watched!(self, remove_plugin(tenant, digest, audit));
        self.count_audit(matches!(result, Ok(true)));
        result
    }

    async fn run_state(&self, id: &ConnectionId) -> Result<RunState> {
        watched!(self, run_state(id))
    }

    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>> {
        watched!(self, run_states())
    }

    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState> {
        let result = watched!(self, change_run_state(id, change, audit));
        self.count_audit(audit.is_some() && result.is_ok());
        if let Ok(state) = &result {
            self.telemetry.is_in_state(id, state.clone());
        }
        result
    }

    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool> {
        watched!(self, claim_due(id, due))
    }
}

#[async_trait]
impl IdentityStore for WatchedStore {
    async fn put_token(&self, token: &TokenRecord, audit: &NewAuditEntry) -> Result<()> {
        let result = watched!(self, put_token(token, audit));
        self.count_audit(result.is_ok());
        result
    }

    async fn token_of_hash(&self, hash: &str) -> Result<Option<TokenRecord>> {
        watched!(self, token_of_hash(hash))
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRecord>> {
        watched!(self, token(id))
    }

    async fn tokens(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>> {
        watched!(self, tokens(tenant))
    }

    async fn revoke_token(&self, id: &str, audit: &NewAuditEntry) -> Result<bool> {
        let result = watched!(self, revoke_token(id, audit));
        self.count_audit(matches!(result, Ok(true)));
        result
    }

    async fn touch_token(&self, id: &str) -> Result<()> {
        watched!(self, touch_token(id))
    }

    async fn grants(&self, tenant: Option<&str>) -> Result<Vec<GrantRecord>> {
        watched!(self, grants(tenant))
    }

    async fn put_grant(&self, grant: &GrantRecord, audit: &NewAuditEntry) -> Result<()> {
        let result = watched!(self, put_grant(grant, audit));
        self.count_audit(result.is_ok());
        result
    }

    async fn remove_grant(&self, subject: &str, tenant: Option<&str>, audit: &NewAuditEntry) -> Result<bool> {
        let result = watched!(self, remove_grant(subject, tenant, audit));
        self.count_audit(matches!(result, Ok(true)));
        result
    }

    async fn put_session(&self, session: &SessionRecord) -> Result<()> {
        watched!(self, put_session(session))
    }

    async fn session(&self, hash: &str) -> Result<Option<SessionRecord>> {
        watched!(self, session(hash))
    }

    async fn remove_session(&self, hash: &str) -> Result<()> {
        watched!(self, remove_session(hash))
    }

    async fn forget_expired_sessions(&self) -> Result<u64> {
        watched!(self, forget_expired_sessions())
    }
}

#[async_trait]
impl AuditStore for WatchedStore {
    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<AuditEntry> {
        let result = watched!(self, append_audit(entry));
        self.count_audit(result.is_ok());
        result
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>> {
        watched!(self, audit(query))
    }

    async fn verify_audit(&self) -> Result<Option<u64>> {
        watched!(self, verify_audit())
    }
}

#[async_trait]
impl JobStore for WatchedStore {
    async fn put_job(&self, job: &JobRecord) -> Result<()> {
        watched!(self, put_job(job))
    }

    async fn job(&self, id: &str) -> Result<Option<JobRecord>> {
        watched!(self, job(id))
    }

    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>> {
        watched!(self, jobs(connection, limit))
    }

    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>> {
        watched!(self, unfinished_jobs())
    }

    async fn ask_to_cancel(&self, id: &str) -> Result<bool> {
        watched!(self, ask_to_cancel(id))
    }

    async fn asked_to_cancel(&self) -> Result<Vec<String>> {
        watched!(self, asked_to_cancel())
    }

    async fn claim_answer(&self, key: &str, fingerprint: &str) -> Result<Repeated> {
        watched!(self, claim_answer(key, fingerprint))
    }

    async fn keep_answer(&self, key: &str, status: u16, headers: &str, body: &[u8]) -> Result<()> {
        watched!(self, keep_answer(key, status, headers, body))
    }

    async fn drop_answer(&self, key: &str) -> Result<()> {
        watched!(self, drop_answer(key))
    }
}

#[async_trait]
impl SealedStore for WatchedStore {
    async fn sealed_key(&self, tenant: Option<&str>) -> Result<Option<SealedKey>> {
        watched!(self, sealed_key(tenant))
    }

    async fn sealed_keys(&self) -> Result<Vec<SealedKey>> {
        watched!(self, sealed_keys())
    }

    async fn put_sealed_key(&self, key: &SealedKey, expected: Option<u64>) -> Result<bool> {
        watched!(self, put_sealed_key(key, expected))
    }

    async fn sealed_secret(&self, name: &SecretName) -> Result<Option<SealedSecret>> {
        watched!(self, sealed_secret(name))
    }

    async fn sealed_secrets(&self, tenant: Option<&str>) -> Result<Vec<SealedSecret>> {
        watched!(self, sealed_secrets(tenant))
    }

    async fn put_sealed_secret(
        &self,
        secret: &SealedSecret,
        expected: Option<Version>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<Changed> {
        let result = watched!(self, put_sealed_secret(secret, expected, audit));
        let made = matches!(result, Ok(Changed::Made(_)));
        self.count_audit(audit.is_some() && made);
        if made {
            let name = &secret.name;
            self.telemetry
                .secret_expires(name.tenant.as_deref(), &name.name, secret.expires_at);
        }
        result
    }

    async fn remove_sealed_secret(&self, name: &SecretName, audit: &NewAuditEntry) -> Result<bool> {
        let result = watched!(self, remove_sealed_secret(name, audit));
        self.count_audit(matches!(result, Ok(true)));
        if result.is_ok() {
            self.telemetry
                .secret_expires(name.tenant.as_deref(), &name.name, None);
        }
        result
    }
}

#[async_trait]
impl HistoryStore for WatchedStore {
    async fn put_sample(&self, sample: &NewSample) -> Result<()> {
        watched!(self, put_sample(sample))
    }

    async fn samples(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<MembershipSample>> {
        watched!(self, samples(id, since))
    }

    async fn changes_per_day(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<ChangeCount>> {
        watched!(self, changes_per_day(id, since))
    }
}

#[async_trait]
impl MaintenanceStore for WatchedStore {
    async fn status(&self) -> Result<StoreStatus> {
        watched!(self, status())
    }

    async fn prune(&self, retention: &Retention) -> Result<Pruned> {
        watched!(self, prune(retention))
    }

    async fn backup(&self, to: &Path) -> Result<BackupSummary> {
        watched!(self, backup(to))
    }

    async fn restore(
        &self,
        from: &Path,
        options: RestoreOptions,
        audit: &NewAuditEntry,
    ) -> Result<BackupSummary> {
        let result = watched!(self, restore(from, options, audit));
        self.count_audit(result.is_ok());
        result
    }
}
