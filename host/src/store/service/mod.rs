//! What a host that serves many tenants keeps besides the ledger: who the tenants are, who may do what, what was done.
//!
//! Records and traits only, without any database in them. Each change of who or what is served is kept together with
//! its entry in the audit log, in one transaction: there is no change without an entry, and no entry without a change.
//! What may not enter: HTTP, a decision about who may do what, and any secret that is not sealed.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{ConnectionId, Page, Result};

mod audit;
mod history;
mod identity;
mod jobs;
mod sealed;
mod tenancy;

pub use audit::{Actor, AuditEntry, AuditQuery, NewAuditEntry};
pub use history::{ChangeCount, MembershipSample, NewSample};
pub use identity::{GrantRecord, Role, SessionRecord, TokenRecord};
pub use jobs::{JobRecord, JobState, Trigger, Work};
pub use sealed::{SealedKey, SealedSecret, SecretName};
pub use tenancy::{
    DirectoryRecord, DirectoryVendor, Pause, PluginRecord, Quarantine, RunState, RunStateChange, TenantRecord,
};

/// A record's number of changes: each change of a record makes it one greater, from 1. Whoever changes a record says
/// which version they saw, so that nobody overwrites what they never saw.
pub type Version = u64;

/// What a change with a condition gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// It was made; the record has this version now.
    Made(Version),
    /// The record is not of the version that the caller saw: somebody else changed, made or removed it. Nothing was
    /// kept.
    Conflict {
        /// The version that it has; none: there is no such record.
        current: Option<Version>,
    },
}

/// Tenants and their directories, as far as they are kept here and not in the configuration file.
#[async_trait]
pub trait TenancyStore: Send + Sync {
    /// Grows with each change of any tenant or directory, in any process on this store: whoever remembers it knows
    /// cheaply whether to look again.
    async fn tenancy_version(&self) -> Result<u64>;

    /// Tenants after the mark, ascending by name, at most `limit` (1 to 1,000).
    async fn tenants(&self, after: Option<&str>, limit: u32) -> Result<Page<TenantRecord>>;

    /// One tenant.
    async fn tenant(&self, name: &str) -> Result<Option<TenantRecord>>;

    /// Makes (`expected` none) or changes a tenant. `record.version` and its times are the store's to set.
    async fn put_tenant(
        &self,
        record: &TenantRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed>;

    /// Forgets a tenant with its directories, tokens, grants, plugins, sealed secrets, and what the scheduler remembers
    /// and whether its connections may write: whoever gets the name next begins anew, plan-only (R44). Ledger, plans and runs stay: they tell
    /// what was done.
    async fn remove_tenant(&self, name: &str, expected: Version, audit: &NewAuditEntry) -> Result<Changed>;

    /// Directories of a tenant (none: of all), ascending by (tenant, name).
    async fn directories(&self, tenant: Option<&str>) -> Result<Vec<DirectoryRecord>>;

    /// Directories of these tenants, ascending by (tenant, name).
    async fn directories_of(&self, tenants: &[String]) -> Result<Vec<DirectoryRecord>>;

    /// One directory.
    async fn directory(&self, id: &ConnectionId) -> Result<Option<DirectoryRecord>>;

    /// Makes (`expected` none) or changes a directory of a tenant that exists. One that is made begins plan-only, and
    /// without a memory of its namesakes (R44).
    async fn put_directory(
        &self,
        record: &DirectoryRecord,
        expected: Option<Version>,
        audit: &NewAuditEntry,
    ) -> Result<Changed>;

    /// Forgets a directory, what the scheduler remembers of it and whether it may write: one that is made under this
    /// name later begins plan-only (R44). Ledger, plans and runs stay.
    async fn remove_directory(
        &self,
        id: &ConnectionId,
        expected: Version,
        audit: &NewAuditEntry,
    ) -> Result<Changed>;

    /// The plugins that a tenant may run (none: those of the whole host), ascending by digest.
    async fn plugins(&self, tenant: Option<&str>) -> Result<Vec<PluginRecord>>;

    /// The plugins of the whole host and of every tenant, ascending by (digest, tenant), the host's first.
    async fn all_plugins(&self) -> Result<Vec<PluginRecord>>;

    /// Makes a plugin known to a tenant, or replaces what is known of it.
    async fn put_plugin(&self, record: &PluginRecord, audit: &NewAuditEntry) -> Result<()>;

    /// Forgets a plugin of a tenant; whether there was one.
    async fn remove_plugin(&self, tenant: Option<&str>, digest: &str, audit: &NewAuditEntry) -> Result<bool>;

    /// What the scheduler remembers of a connection; its beginnings where there is nothing.
    async fn run_state(&self, id: &ConnectionId) -> Result<RunState>;

    /// The same for all connections of which there is something, ascending.
    async fn run_states(&self) -> Result<Vec<(ConnectionId, RunState)>>;

    /// Changes it, and answers what is remembered then. What is there is read, changed and written with nobody in
    /// between: of a person who pauses it and a run that ends at one moment, neither undoes what the other did. With an
    /// audit entry where a person pauses, resumes or releases; without one where the scheduler itself counts failures or
    /// puts into quarantine. `last_due` never goes back.
    async fn change_run_state(
        &self,
        id: &ConnectionId,
        change: &RunStateChange<'_>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<RunState>;

    /// Takes a scheduled run: sets `last_due` to this moment if it is an earlier one, and answers whether it did. Of
    /// several hosts on one store, one takes it.
    async fn claim_due(&self, id: &ConnectionId, due: DateTime<Utc>) -> Result<bool>;
}

/// Who may do what.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// Keeps a token: its hash, never itself.
    async fn put_token(&self, token: &TokenRecord, audit: &NewAuditEntry) -> Result<()>;

    /// The token of this hash (SHA-256, lower-case hexadecimal), revoked and expired ones too.
    async fn token_of_hash(&self, hash: &str) -> Result<Option<TokenRecord>>;

    /// The token of this ID, revoked and expired ones too: a session that began with a token ends with it.
    async fn token(&self, id: &str) -> Result<Option<TokenRecord>>;

    /// Tokens of a tenant (none: all), the latest first.
    async fn tokens(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>>;

    /// Revokes a token, now; whether there was one that was not revoked.
    async fn revoke_token(&self, id: &str, audit: &NewAuditEntry) -> Result<bool>;

    /// Remembers that a token was used, now; at most once a minute and token, so that reading costs no writes.
    async fn touch_token(&self, id: &str) -> Result<()>;

    /// What people and groups of the identity provider may do, ascending by (subject, tenant).
    async fn grants(&self, tenant: Option<&str>) -> Result<Vec<GrantRecord>>;

    /// Grants a role; replaces the role that the subject had for the tenant.
    async fn put_grant(&self, grant: &GrantRecord, audit: &NewAuditEntry) -> Result<()>;

    /// Takes it away; whether there was one.
    async fn remove_grant(&self, subject: &str, tenant: Option<&str>, audit: &NewAuditEntry) -> Result<bool>;

    /// Keeps a session, or replaces it.
    async fn put_session(&self, session: &SessionRecord) -> Result<()>;

    /// The session of this hash, if it has not expired.
    async fn session(&self, hash: &str) -> Result<Option<SessionRecord>>;

    /// Ends a session.
    async fn remove_session(&self, hash: &str) -> Result<()>;

    /// Forgets sessions that expired, and answers how many.
    async fn forget_expired_sessions(&self) -> Result<u64>;
}

/// The audit log. Entries are only ever added; no method and no statement changes or removes one (the database itself
/// refuses to), and each carries the hash of the one before it, so that a gap or a change shows.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds an entry for what is not a change of this store's own records (a sign-in, an approval, a refused request, a
    /// plugin that broke its sandbox).
    async fn append_audit(&self, entry: &NewAuditEntry) -> Result<AuditEntry>;

    /// Entries, in the order of the query.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditEntry>>;

    /// Goes through the whole chain; the sequence number of the first entry that does not fit, or none.
    async fn verify_audit(&self) -> Result<Option<u64>>;
}

/// Work that was asked for, what became of it, and answers to repeated requests.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Keeps a job, or what became of it.
    async fn put_job(&self, job: &JobRecord) -> Result<()>;

    /// One job.
    async fn job(&self, id: &str) -> Result<Option<JobRecord>>;

    /// Jobs of a connection, the latest first, at most `limit`.
    async fn jobs(&self, connection: &ConnectionId, limit: u32) -> Result<Vec<JobRecord>>;

    /// Jobs that have not ended, ascending by when they were asked for: what a host that starts takes over.
    async fn unfinished_jobs(&self) -> Result<Vec<JobRecord>>;

    /// Asks whichever process has a job to end it before its next write; whether the job had not ended yet.
    async fn ask_to_cancel(&self, id: &str) -> Result<bool>;

    /// Jobs that have not ended, and that somebody asked to end.
    async fn asked_to_cancel(&self) -> Result<Vec<String>>;

    /// Takes a repeated request's place: the first caller with a key gets [`Repeated::First`] and must call
    /// [`Self::keep_answer`] or [`Self::drop_answer`]; where it did neither for ten minutes, it died, and the next one
    /// is the first. `fingerprint` is the hash of who asked, what, and the body.
    async fn claim_answer(&self, key: &str, fingerprint: &str) -> Result<Repeated>;

    /// Keeps the answer under its key for a day.
    async fn keep_answer(&self, key: &str, status: u16, headers: &str, body: &[u8]) -> Result<()>;

    /// Gives the place back: the request failed in a way that may be tried again.
    async fn drop_answer(&self, key: &str) -> Result<()>;
}

/// What is known of a request with an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeated {
    /// It is new; do it.
    First,
    /// It is being done right now.
    UnderWay,
    /// The key was used for another request.
    Other,
    /// It was done; this was the answer.
    Done {
        /// HTTP status.
        status: u16,
        /// Headers that belong to the answer, as JSON.
        headers: String,
        /// Body.
        body: Vec<u8>,
    },
}

/// Secrets of tenants, sealed elsewhere: this store sees no key and no value.
#[async_trait]
pub trait SealedStore: Send + Sync {
    /// A tenant's data key, wrapped by the host's key; none where there is none yet. `tenant` none: the host's own.
    async fn sealed_key(&self, tenant: Option<&str>) -> Result<Option<SealedKey>>;

    /// All wrapped data keys: what a rotation of the host's key goes through.
    async fn sealed_keys(&self) -> Result<Vec<SealedKey>>;

    /// Keeps a wrapped data key in the place of one with the generation `expected` (none: there was none); whether it
    /// was so.
    async fn put_sealed_key(&self, key: &SealedKey, expected: Option<u64>) -> Result<bool>;

    /// One secret.
    async fn sealed_secret(&self, name: &SecretName) -> Result<Option<SealedSecret>>;

    /// Secrets of a tenant, ascending by name.
    async fn sealed_secrets(&self, tenant: Option<&str>) -> Result<Vec<SealedSecret>>;

    /// Keeps a secret in the place of one with the version `expected`.
    async fn put_sealed_secret(
        &self,
        secret: &SealedSecret,
        expected: Option<Version>,
        audit: Option<&NewAuditEntry>,
    ) -> Result<Changed>;

    /// Forgets a secret; whether there was one.
    async fn remove_sealed_secret(&self, name: &SecretName, audit: &NewAuditEntry) -> Result<bool>;
}

/// What charts are drawn of.
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Keeps a sample of a directory: one an hour, the latest of the hour wins.
    async fn put_sample(&self, sample: &NewSample) -> Result<()>;

    /// Samples of a connection since then, ascending, at most 1,000 (spread evenly where there are more).
    async fn samples(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<MembershipSample>>;

    /// Changes that the vendor did, per day (UTC) and kind of operation, since then, ascending. Counted from the
    /// ledger's outcomes.
    async fn changes_per_day(&self, id: &ConnectionId, since: DateTime<Utc>) -> Result<Vec<ChangeCount>>;
}

/// All of it.
pub trait ServiceStore:
    TenancyStore + IdentityStore + AuditStore + JobStore + SealedStore + HistoryStore
{
}

impl<T: TenancyStore + IdentityStore + AuditStore + JobStore + SealedStore + HistoryStore> ServiceStore
    for T
{
}
