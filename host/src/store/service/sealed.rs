//! Sealed secrets and wrapped keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Version;

/// A tenant's data key, wrapped by the host's key (envelope encryption).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// Whose; none: the host's own secrets.
    pub tenant: Option<String>,
    /// Grows with each data key of the tenant, from 1.
    pub generation: u64,
    /// Which of the host's keys wraps it: a fingerprint, not the key.
    pub wrapped_by: String,
    /// Nonce and wrapped key.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What names a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SecretName {
    /// Whose; none: the host's own.
    pub tenant: Option<String>,
    /// Lower-case letters, digits, `.`, `_` and `-`, 64 at most.
    pub name: String,
}

/// A sealed secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// What it is called.
    pub name: SecretName,
    /// See [`Version`]: a rotation is a new version.
    pub version: Version,
    /// The data key's generation.
    pub generation: u64,
    /// Nonce and sealed value, bound to tenant, name and version.
    pub sealed: Vec<u8>,
    /// When what it opens expires, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// When this version was set.
    pub set_at: DateTime<Utc>,
    /// By whom.
    pub set_by: String,
}
