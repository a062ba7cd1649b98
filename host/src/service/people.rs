//! Tokens and grants: who may do what. No token is kept, only its hash; it is shown once, to whoever made it.

use chrono::{DateTime, Utc};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Principal, Result, Service, ServiceError};
use crate::store::service::{Actor, GrantRecord, Role, TokenRecord};

/// What every token begins with, so that scanners of source code find one that leaked.
pub const PREFIX: &str = "gc_";
/// Random bytes of a token.
const RANDOM: usize = 32;

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

/// The hash under which a token, or a session's cookie, is kept.
pub fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// A new secret of 256 random bits.
pub fn new_secret(prefix: &str) -> SecretString {
    let mut bytes = zeroize::Zeroizing::new([0u8; RANDOM]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    SecretString::from(format!("{prefix}{}", hex::encode(bytes.as_slice())))
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
        let name = new.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(ServiceError::invalid(
                "name",
                "a token's name has 1 to 100 characters, and no control characters",
            ));
        }
        if new.expires_at.is_some_and(|at| at <= self.now()) {
            return Err(ServiceError::invalid("expires_at", "this moment has passed"));
        }
        let secret = new_secret(PREFIX);
        let mut id = [0u8; 8];
        rand::rng().fill_bytes(&mut id);
        let token = TokenRecord {
            id: hex::encode(id),
            name,
            hash: hash_of(secret.expose_secret()),
            tenant: new.tenant,
            role: new.role,
            created_by: who.actor.subject.clone(),
            created_at: self.now(),
            expires_at: new.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let mut audit = Self::entry(who, token.tenant.as_deref(), "token.made", token.id.clone());
        audit.after = serde_json::to_value(&token).ok();
        self.store.put_token(&token, &audit).await?;
        Ok((token, secret))
    }

    /// Revokes a token, now.
    ///
    /// # Errors
    /// There is none that the caller administers.
    pub async fn revoke_token(&self, who: &Principal, id: &str) -> Result<()> {
        let all = self.store.tokens(None).await?;
        let token = all
            .into_iter()
            .find(|token| token.id == id && who.may(token.tenant.as_deref(), Role::Admin))
            .ok_or_else(|| ServiceError::not_found("token", id))?;
        let audit = Self::entry(who, token.tenant.as_deref(), "token.revoked", id);
        if self.store.revoke_token(id, &audit).await? {
            Ok(())
        } else {
            Err(ServiceError::Refused(format!("token {id} was revoked before")))
        }
    }

    /// Whose a token is; none: of nobody (unknown, revoked, expired: not told apart).
    ///
    /// # Errors
    /// The store.
    pub async fn principal_of_token(
        &self,
        token: &str,
        address: Option<String>,
    ) -> Result<Option<Principal>> {
        if !token.starts_with(PREFIX) || token.len() > 200 {
            return Ok(None);
        }
        let found = self.store.token_of_hash(&hash_of(token)).await?;
        let now = self.now();
        let Some(token) = found
            .filter(|token| token.revoked_at.is_none() && token.expires_at.is_none_or(|until| until > now))
        else {
            return Ok(None);
        };
        self.store.touch_token(&token.id).await?;
        let actor = Actor {
            subject: format!("token:{}", token.id),
            name: token.name,
            address,
        };
        Ok(Some(Principal::new(actor, vec![(token.tenant, token.role)])))
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

    /// What a person of the identity provider may do, by their own grants and their groups'.
    ///
    /// # Errors
    /// The store.
    pub async fn principal_of_person(
        &self,
        email: &str,
        name: &str,
        groups: &[String],
        address: Option<String>,
    ) -> Result<Principal> {
        let own = format!("email:{}", email.to_lowercase());
        let subjects: Vec<String> = groups
            .iter()
            .map(|group| format!("group:{group}"))
            .chain([own.clone()])
            .collect();
        let is_theirs = |subject: &str| {
            subjects
                .iter()
                .any(|one| one == subject || one.starts_with("email:") && subject.to_lowercase() == *one)
        };
        let mut grants: Vec<(Option<String>, Role)> = self
            .store
            .grants(None)
            .await?
            .into_iter()
            .filter(|grant| is_theirs(&grant.subject))
            .map(|grant| (grant.tenant, grant.role))
            .collect();
        let oidc = self
            .config
            .service
            .as_ref()
            .and_then(|service| service.oidc.as_ref());
        if oidc.is_some_and(|oidc| oidc.admins.iter().any(|subject| is_theirs(subject))) {
            grants.push((None, Role::Admin));
        }
        let actor = Actor {
            subject: own,
            name: name.to_owned(),
            address,
        };
        Ok(Principal::new(actor, grants))
    }
}
