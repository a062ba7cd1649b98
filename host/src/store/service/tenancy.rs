//! Tenants, their directories, and what the scheduler remembers.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Version;
use crate::store::ConnectionId;

/// A tenant that is kept in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Its name: lower-case letters, digits and `-`, 64 at most.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// The `[jumpcloud]` section of the configuration format, as JSON.
    pub jumpcloud: serde_json::Value,
    /// The plugin that its runs use, by digest (SHA-256, lower-case hexadecimal); none: the built-in one.
    pub plugin: Option<String>,
    /// Off: none of its runs begin.
    pub enabled: bool,
    /// See [`Version`].
    pub version: Version,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// Which vendor a directory is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryVendor {
    /// Google Workspace.
    Google,
    /// Microsoft 365 / Entra ID.
    Entra,
}

/// A directory that a tenant's groups go to: a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectoryRecord {
    /// Tenant and name.
    pub id: ConnectionId,
    /// Whose.
    pub vendor: DirectoryVendor,
    /// The `[google]` or `[entra]` section of the configuration format, as JSON; `name` in it is the record's own.
    pub section: serde_json::Value,
    /// See [`Version`].
    pub version: Version,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// A plugin that a tenant may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRecord {
    /// Whose; none: any tenant of this host may run it.
    pub tenant: Option<String>,
    /// SHA-256 of the component, lower-case hexadecimal.
    pub digest: String,
    /// Where it came from: a file's name or an OCI reference.
    pub origin: String,
    /// Name and version, as its manifest says.
    pub name: String,
    /// Size in bytes.
    pub size: u64,
    /// The egress rules that were granted to it, as JSON (the manifest's, or fewer).
    pub granted: serde_json::Value,
    /// When it was made known.
    pub added_at: DateTime<Utc>,
}

/// What the scheduler remembers of a connection from one process to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Somebody paused it: no run begins by itself until it is resumed.
    pub paused: Option<Pause>,
    /// Runs that failed one after the other, up to now.
    pub failures: u32,
    /// Not before this moment does the next run begin by itself (back-off).
    pub not_before: Option<DateTime<Utc>>,
    /// It failed so often that it no longer runs by itself until somebody releases it.
    pub quarantine: Option<Quarantine>,
    /// When its last scheduled run was due, done or missed: from here a host that was down knows what it missed.
    pub last_due: Option<DateTime<Utc>>,
    /// How the last run ended, in words for a person.
    pub last_message: Option<String>,
}

/// A change of what is remembered: it sees what is there, and knows nothing else that could have changed meanwhile.
pub type RunStateChange<'a> = dyn Fn(&mut RunState) + Send + Sync + 'a;

/// Who paused a connection, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, in their words.
    pub reason: String,
}

/// Why a connection no longer runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Since when.
    pub at: DateTime<Utc>,
    /// What kept failing.
    pub reason: String,
    /// What to do, for a person.
    pub way_out: String,
}
