//! Tokens, grants and sessions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What somebody may do, each more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees everything of a tenant but secrets and tokens.
    Viewer,
    /// Besides: plans, approves, applies, undoes, pauses, and chooses groups.
    Operator,
    /// Besides: connections, secrets, tokens, grants and plugins. Of the whole host: tenants.
    Admin,
}

/// An API token. The token itself is shown once and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its ID, which is no secret.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// SHA-256 of the token (256 random bits), lower-case hexadecimal.
    #[serde(skip_serializing)]
    pub hash: String,
    /// For which tenant; none: for the whole host.
    pub tenant: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Until when it is good; none: until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was used last, to a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What a person, or a group of the identity provider, may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// `email:alice@example.com` or `group:platform-admins`.
    pub subject: String,
    /// For which tenant; none: for the whole host.
    pub tenant: Option<String>,
    /// What.
    pub role: Role,
    /// When it was granted.
    pub created_at: DateTime<Utc>,
}

/// Somebody who is signed in to the console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// SHA-256 of the cookie's value, lower-case hexadecimal.
    pub hash: String,
    /// Who: `email:…` of a person, or `token:ID` of whoever signed in with a token.
    pub subject: String,
    /// What they are called.
    pub name: String,
    /// The groups that the identity provider named.
    pub groups: Vec<String>,
    /// What forms must send back (CSRF).
    pub csrf: String,
    /// When they signed in.
    pub created_at: DateTime<Utc>,
    /// When they did something last.
    pub seen_at: DateTime<Utc>,
    /// When the session ends at the latest.
    pub expires_at: DateTime<Utc>,
}
