//! API tokens on the store itself: for the command line, and for the service, which asks first who may.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::token;
use crate::service::Principal;
use crate::store::StoreError;
use crate::store::service::{NewAuditEntry, Role, ServiceStore, TokenRecord};

/// Why no token was made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The name is none.
    #[error("a token's name has 1 to 100 characters, and no control characters")]
    Name,
    /// It would be good for nothing.
    #[error("a token that has expired already opens nothing; give a later time")]
    Expired,
    /// There is no such tenant.
    #[error("there is no tenant {0}; make it first, or leave --tenant out for the whole host")]
    NoTenant(String),
    /// There is no such token, or it was revoked before.
    #[error("there is no token {0} that could be revoked; `groupcast token list` lists them")]
    NoToken(String),
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// API tokens. Who may make and revoke them is asked elsewhere.
pub struct Tokens {
    store: Arc<dyn ServiceStore>,
    declared: Vec<String>,
}

impl Tokens {
    /// Over a store; `declared` are the tenants of the configuration file.
    pub fn new(store: Arc<dyn ServiceStore>, declared: Vec<String>) -> Self {
        Self { store, declared }
    }

    /// Makes a token. The secret is answered this once.
    ///
    /// # Errors
    /// Name or time are wrong, there is no such tenant, or the store.
    pub async fn create(
        &self,
        who: &Principal,
        name: &str,
        tenant: Option<&str>,
        role: Role,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(TokenRecord, SecretString), TokensError> {
        let name = name.trim();
        if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
            return Err(TokensError::Name);
        }
        let now = Utc::now();
        if expires_at.is_some_and(|expires| expires <= now) {
            return Err(TokensError::Expired);
        }
        if let Some(tenant) = tenant
            && !self.declared.iter().any(|declared| declared == tenant)
            && self.store.tenant(tenant).await?.is_none()
        {
            return Err(TokensError::NoTenant(tenant.to_owned()));
        }
        let secret = token::token();
        let record = TokenRecord {
            id: token::identifier(),
            name: name.to_owned(),
            hash: token::hash_of(&secret),
            tenant: tenant.map(str::to_owned),
            role,
            created_by: who.actor.subject.clone(),
            created_at: now,
            expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let mut entry = entry(who, tenant, "token.made", &record.id);
        entry.after = serde_json::to_value(&record).ok();
        self.store.put_token(&record, &entry).await?;
        Ok((record, secret))
    }

    /// Tokens of a tenant (none: all), the latest first.
    ///
    /// # Errors
    /// The store.
    pub async fn list(&self, tenant: Option<&str>) -> Result<Vec<TokenRecord>, TokensError> {
        Ok(self.store.tokens(tenant).await?)
    }

    /// Revokes a token, now.
    ///
    /// # Errors
    /// There is none that is not revoked.
    pub async fn revoke(&self, who: &Principal, id: &str) -> Result<(), TokensError> {
        let record = self.store.token(id).await?;
        let record = record.ok_or_else(|| TokensError::NoToken(id.to_owned()))?;
        let entry = entry(who, record.tenant.as_deref(), "token.revoked", id);
        if self.store.revoke_token(id, &entry).await? {
            Ok(())
        } else {
            Err(TokensError::NoToken(id.to_owned()))
        }
    }
}

fn entry(who: &Principal, tenant: Option<&str>, action: &str, subject: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: who.actor.clone(),
        tenant: tenant.map(str::to_owned),
        action: action.to_owned(),
        subject: subject.to_owned(),
        before: None,
        after: None,
        request: who.request.clone(),
    }
}
