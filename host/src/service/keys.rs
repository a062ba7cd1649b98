//! Tenants' secrets: their names, and that they were set. A value comes in and never out.

use chrono::{DateTime, Utc};

use super::{Principal, Result, Service};
use crate::store::service::Role;

/// A secret as it is shown: never its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// Its version: each setting is a new one.
    pub version: u64,
    /// When this version was set.
    pub set_at: DateTime<Utc>,
    /// By whom.
    pub set_by: String,
    /// When what it opens expires, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Service {
    /// Secrets of a tenant, by name.
    ///
    /// # Errors
    /// Not an administrator there.
    pub async fn secrets(&self, who: &Principal, tenant: &str) -> Result<Vec<SecretView>> {
        self.require(who, Some(tenant), Role::Admin)?;
        self.tenant(who, tenant).await?;
        let sealed = self.store.sealed_secrets(Some(tenant)).await?;
        Ok(sealed
            .into_iter()
            .map(|secret| SecretView {
                name: secret.name.name,
                version: secret.version,
                set_at: secret.set_at,
                set_by: secret.set_by,
                expires_at: secret.expires_at,
            })
            .collect())
    }
}
