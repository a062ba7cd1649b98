//! Tokens and grants: who may do what. No token is kept, only its hash; it is shown once, to whoever made it.

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::identity::{Tokens, TokensError};
use super::{Principal, Result, Service, ServiceError};
use crate::store::service::{GrantRecord, Role, TokenRecord};

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// What people call it.
    pub name: String,
    /// For which tenant; none: for the whole host.
    pub tenant: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Until when it is good.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Service {
    /// Tokens of a tenant (none: all), the latest first.
    ///
    /// # Errors
    /// Not an administrator there.
    pub async fn tokens(&self, who: &Principal, tenant: Option<&str>) -> Result<Vec<TokenRecord>> {
        self.require(who, tenant, Role::Admin)?;
        Ok(self.store.tokens(tenant).await?)
    }

    /// Makes a token. The secret is answered this once.
    ///
    /// # Errors
    /// Not an administrator there; the name or the time is wrong.
    pub async fn create_token(&self, who: &Principal, new: NewToken) -> Result<(TokenRecord, SecretString)> {
        self.require(who, new.tenant.as_deref(), Role::Admin)?;
        if let Some(tenant) = &new.tenant {
            self.tenant(who, tenant).await?;
        }
        Ok(self
            .api_tokens()
            .create(who, &new.name, new.tenant.as_deref(), new.role, new.expires_at)
            .await?)
    }

    fn api_tokens(&self) -> Tokens {
        let declared = self.config.tenants.iter().map(|tenant| tenant.name.clone());
        Tokens::new(self.store.clone(), declared.collect())
    }

    /// Revokes a token, now.
    ///
    /// # Errors
    /// There is none that the caller administers.
    pub async fn revoke_token(&self, who: &Principal, id: &str) -> Result<()> {
        let known = self.store.token(id).await?;
        if known.is_none_or(|token| !who.may(token.tenant.as_deref(), Role::Admin)) {
            return Err(ServiceError::not_found("token", id));
        }
        Ok(self.api_tokens().revoke(who, id).await?)
    }

    /// Grants of a tenant (none: all).
    ///
    /// # Errors
    /// Not an administrator there.
    pub async fn grants(&self, who: &Principal, tenant: Option<&str>) -> Result<Vec<GrantRecord>> {
        self.require(who, tenant, Role::Admin)?;
        Ok(self.store.grants(tenant).await?)
    }

    /// Grants a role.
    ///
    /// # Errors
    /// Not an administrator there; the subject is none.
    pub async fn put_grant(
        &self,
        who: &Principal,
        subject: &str,
        tenant: Option<&str>,
        role: Role,
    ) -> Result<GrantRecord> {
        self.require(who, tenant, Role::Admin)?;
        if let Some(tenant) = tenant {
            self.tenant(who, tenant).await?;
        }
        let named = subject
            .strip_prefix("email:")
            .filter(|email| email.contains('@'))
            .or_else(|| subject.strip_prefix("group:"));
        if named.is_none_or(|name| {
            name.trim().is_empty() || name.len() > 300 || name.chars().any(char::is_control)
        }) {
            return Err(ServiceError::invalid(
                "subject",
                "write `email:` and a person's address, or `group:` and a group of the identity provider",
            ));
        }
        let grant = GrantRecord {
            subject: subject.to_owned(),
            tenant: tenant.map(str::to_owned),
            role,
            created_at: self.now(),
        };
        let mut audit = Self::entry(who, tenant, "grant.made", subject);
        audit.after = serde_json::to_value(&grant).ok();
        self.store.put_grant(&grant, &audit).await?;
        Ok(grant)
    }

    /// Takes a grant away.
    ///
    /// # Errors
    /// Not an administrator there; there is none.
    pub async fn remove_grant(&self, who: &Principal, subject: &str, tenant: Option<&str>) -> Result<()> {
        self.require(who, tenant, Role::Admin)?;
        let audit = Self::entry(who, tenant, "grant.removed", subject);
        if self.store.remove_grant(subject, tenant, &audit).await? {
            Ok(())
        } else {
            Err(ServiceError::not_found("grant of", subject))
        }
    }
}

impl From<TokensError> for ServiceError {
    fn from(error: TokensError) -> Self {
        match error {
            TokensError::Name => Self::invalid("name", error.to_string()),
            TokensError::Expired => Self::invalid("expires_at", error.to_string()),
            TokensError::NoTenant(tenant) => Self::not_found("tenant", tenant),
            TokensError::NoToken(id) => Self::Refused(format!("token {id} was revoked before")),
            TokensError::Store(error) => error.into(),
        }
    }
}
