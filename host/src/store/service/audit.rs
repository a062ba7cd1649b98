//! Entries of the audit log.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// `token:ID`, `email:alice@example.com`, `command-line:user`, `schedule`, or `plugin:DIGEST`.
    pub subject: String,
    /// What they are called.
    pub name: String,
    /// The address that the request came from.
    pub address: Option<String>,
}

/// What is to be written down. Never holds a secret: a secret's change says that it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewAuditEntry {
    /// Who.
    pub actor: Actor,
    /// Of which tenant; none: of the host.
    pub tenant: Option<String>,
    /// What: `directory.changed`, `plan.approved`, `token.made`, …
    pub action: String,
    /// To what: a tenant, a connection, a plan, a token.
    pub subject: String,
    /// What was there before.
    pub before: Option<serde_json::Value>,
    /// What is there now.
    pub after: Option<serde_json::Value>,
    /// The request's ID, as in the log.
    pub request: Option<String>,
}

/// What was written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    #[serde(flatten)]
    pub entry: NewAuditEntry,
    /// SHA-256 over the hash before and this entry's canonical JSON, lower-case hexadecimal.
    pub hash: String,
}

impl AuditEntry {
    /// What the first entry's hash has in the place of one before it.
    pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    /// What the hash is over: the entry's JSON without `hash`, without blanks, the fields of each object ascending by
    /// name. An exported log can be verified with this rule and [`Self::chain`] alone.
    pub fn canonical(&self) -> String {
        // serde_json's objects are sorted maps.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("hash");
        }
        value.to_string()
    }

    /// The hash of an entry: SHA-256 over the hash before, a line feed, and the entry's canonical JSON.
    pub fn chain(before: &str, canonical: &str) -> String {
        groupcast_guest::plan::part::sha256_hex(format!("{before}\n{canonical}").as_bytes())
    }
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only of this tenant. A caller that serves one tenant always sets it.
    pub tenant: Option<String>,
    /// Only whose action begins so.
    pub action_prefix: Option<String>,
    /// Only about this subject.
    pub subject: Option<String>,
    /// Only with a greater number, ascending: for an export. Else the latest first.
    pub after: Option<u64>,
    /// Only with a lower number: for the next page of the latest.
    pub before: Option<u64>,
    /// At most this many; 0 and more than 1,000 mean 1,000.
    pub limit: u32,
}
