//! Tenants' secrets: their names, and that they were set. A value comes in and never out.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{Principal, Result, Service, ServiceError};
use crate::schedule::EngineError;
use crate::secrets::{Author, Expiring, SecretError};
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

    /// Stores a new version of a tenant's secret. It is used from the next token exchange on, and at once where the old one
    /// is refused; nothing restarts. Connections of the tenant that were put aside are tried again.
    ///
    /// # Errors
    /// Not an administrator there; the file declares the tenant; the name or the value is none; the host's key is not at
    /// hand.
    pub async fn set_secret(
        &self,
        who: &Principal,
        tenant: &str,
        name: &str,
        value: SecretString,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<()> {
        self.require(who, Some(tenant), Role::Admin)?;
        self.stored_tenant(tenant).await?;
        self.secrets
            .set_for(tenant, name, &value, expires_at, None, &author(who))
            .await
            .map_err(told)?;
        // The secret is set, whatever becomes of this.
        if let Err(error) = self.mended(tenant).await {
            tracing::warn!(tenant, %error, "connections that were put aside could not be released; release them by hand");
        }
        Ok(())
    }

    /// What a tenant's connections were put aside for may be mended: they are tried again.
    async fn mended(&self, tenant: &str) -> Result<()> {
        for directory in self.store.directories(Some(tenant)).await? {
            match self.engine.changed(&directory.id).await {
                // One that could not be taken up is tried when it is.
                Ok(()) | Err(EngineError::NoConnection(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Forgets a tenant's secret.
    ///
    /// # Errors
    /// Not an administrator there; there is none.
    pub async fn remove_secret(&self, who: &Principal, tenant: &str, name: &str) -> Result<()> {
        self.require(who, Some(tenant), Role::Admin)?;
        self.stored_tenant(tenant).await?;
        let was_there = self
            .secrets
            .remove_for(tenant, name, &author(who))
            .await
            .map_err(told)?;
        if was_there {
            Ok(())
        } else {
            Err(ServiceError::not_found("secret", name))
        }
    }

    /// Secrets that expire within a time, or have: of a tenant, or of the host itself. The nearest end first.
    ///
    /// # Errors
    /// Not an administrator there; the store.
    pub async fn expiring(
        &self,
        who: &Principal,
        tenant: Option<&str>,
        within: chrono::Duration,
    ) -> Result<Vec<Expiring>> {
        self.require(who, tenant, Role::Admin)?;
        self.secrets.expiring(tenant, within).await.map_err(told)
    }
}

fn author(who: &Principal) -> Author {
    Author {
        actor: who.actor.clone(),
        request: who.request.clone(),
    }
}

fn told(error: SecretError) -> ServiceError {
    match error {
        SecretError::BadName => ServiceError::invalid("name", error.to_string()),
        SecretError::Empty(_) | SecretError::TooLong(_) | SecretError::NoText(_) => {
            ServiceError::invalid("value", error.to_string())
        }
        SecretError::Contended(_) => ServiceError::Busy(error.to_string()),
        other => ServiceError::Failed(other.to_string()),
    }
}
