//! Who somebody is: API tokens, people of an identity provider, and their sessions.
//!
//! There is no password and no sign-up. The first administrator comes in by a token that was made on the machine
//! (`groupcast token create`), or because the configuration names them. What may not enter: HTTP, the identity
//! provider's protocol (`api::oidc`), and what somebody may do with a role, which is the service's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret as _, SecretString};

use super::Principal;
use crate::config::ServiceSection;
use crate::store::StoreError;
use crate::store::service::{Actor, NewAuditEntry, Role, ServiceStore, SessionRecord, TokenRecord};

mod refusals;
pub mod token;
mod tokens;

use refusals::Refusals;
pub use tokens::{Tokens, TokensError};

/// How often a session's last use is written down, so that reading costs no writes.
const SEEN_EVERY: Duration = Duration::minutes(1);
/// The longest list of groups that is taken from an identity provider.
const MOST_GROUPS: usize = 1_000;

/// Why nobody was let in. Which of the reasons it was is not said to whoever tries, only to the audit log.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No token, an unknown, a revoked or an expired one.
    #[error(
        "this token is not known, was revoked or has expired; make one with `groupcast token create` or ask an \
         administrator for one"
    )]
    Unknown,
    /// Known to the identity provider, but nobody granted them anything.
    #[error(
        "{subject} may do nothing here; ask an administrator for a grant to {subject}, then sign in again"
    )]
    NoGrant {
        /// Who.
        subject: String,
    },
    /// The store.
    #[error("who this is could not be looked up: {0}")]
    Store(#[from] StoreError),
}

/// A person, as an identity provider vouched for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their address.
    pub email: String,
    /// What they are called.
    pub name: String,
    /// Their groups there.
    pub groups: Vec<String>,
}

/// Tells who somebody is.
pub struct Identity {
    store: Arc<dyn ServiceStore>,
    admins: BTreeSet<String>,
    lifetime: Duration,
    idle: Duration,
    refusals: Mutex<Refusals>,
}

impl Identity {
    /// Over a store, with the rules of a configuration.
    pub fn new(store: Arc<dyn ServiceStore>, section: &ServiceSection) -> Self {
        let admins = section.oidc.iter().flat_map(|oidc| &oidc.admins);
        Self {
            store,
            admins: admins.map(|subject| comparable(subject)).collect(),
            lifetime: Duration::hours(i64::from(section.session_hours)),
            idle: Duration::minutes(i64::from(section.idle_minutes)),
            refusals: Mutex::new(Refusals::new(Instant::now())),
        }
    }

    /// The store that it looks in.
    pub fn store(&self) -> &Arc<dyn ServiceStore> {
        &self.store
    }

    /// Whose token this is. `address` is where the request came from.
    ///
    /// # Errors
    /// [`IdentityError::Unknown`] where it opens nothing; the refusal is in the audit log (bounded).
    pub async fn authenticate_token(
        &self,
        given: &str,
        address: Option<&str>,
    ) -> Result<Principal, IdentityError> {
        let record = self.token(given, address).await?;
        Ok(of_token(&record, address))
    }

    async fn token(&self, given: &str, address: Option<&str>) -> Result<TokenRecord, IdentityError> {
        let known = if token::is_token(given) {
            self.store.token_of_hash(&token::hash(given)).await?
        } else {
            None
        };
        let Some(record) = known else {
            self.refused("nobody", "an unknown token", address).await;
            return Err(IdentityError::Unknown);
        };
        if !is_good(&record, Utc::now()) {
            let why = if record.revoked_at.is_some() {
                "a revoked token"
            } else {
                "an expired token"
            };
            self.refused(&format!("token:{}", record.id), why, address).await;
            return Err(IdentityError::Unknown);
        }
        self.store.touch_token(&record.id).await?;
        Ok(record)
    }

    /// Begins a session for whoever has a token; `before` is the cookie that they came with, whose session ends.
    ///
    /// # Errors
    /// See [`Self::authenticate_token`].
    pub async fn sign_in_with_token(
        &self,
        given: &str,
        before: Option<&str>,
        address: Option<&str>,
    ) -> Result<(SecretString, SessionRecord), IdentityError> {
        let record = self.token(given, address).await?;
        let until = record.expires_at;
        let subject = format!("token:{}", record.id);
        self.begin(subject, record.name, Vec::new(), until, before, address)
            .await
    }

    /// Begins a session for a person that an identity provider vouched for.
    ///
    /// # Errors
    /// [`IdentityError::NoGrant`] where nobody granted them anything.
    pub async fn sign_in_person(
        &self,
        person: Person,
        before: Option<&str>,
        address: Option<&str>,
    ) -> Result<(SecretString, SessionRecord), IdentityError> {
        let subject = comparable(&format!("email:{}", person.email));
        let mut groups = person.groups;
        groups.truncate(MOST_GROUPS);
        if self.grants_of(&subject, &groups).await?.is_empty() {
            self.refused(&subject, "nothing is granted to them", address)
                .await;
            return Err(IdentityError::NoGrant { subject });
        }
        self.begin(subject, person.name, groups, None, before, address)
            .await
    }

    async fn begin(
        &self,
        subject: String,
        name: String,
        groups: Vec<String>,
        until: Option<DateTime<Utc>>,
        before: Option<&str>,
        address: Option<&str>,
    ) -> Result<(SecretString, SessionRecord), IdentityError> {
        // Never the value that somebody came with (session fixation).
        if let Some(before) = before {
            self.store.remove_session(&token::hash(before)).await?;
        }
        let now = Utc::now();
        let latest = now + self.lifetime;
        let cookie = token::random();
        let session = SessionRecord {
            hash: token::hash_of(&cookie),
            subject,
            name,
            groups,
            csrf: token::random().expose_secret().to_owned(),
            created_at: now,
            seen_at: now,
            expires_at: until.map_or(latest, |until| until.min(latest)),
        };
        self.store.put_session(&session).await?;
        let actor = actor_of(&session, address);
        self.note(actor, "session.began", &session.subject, None).await?;
        Ok((cookie, session))
    }

    /// Whose session a cookie is of; none where it has ended, or may do nothing any more.
    ///
    /// # Errors
    /// The store.
    pub async fn session(
        &self,
        cookie: &str,
        address: Option<&str>,
    ) -> Result<Option<(Principal, SessionRecord)>, IdentityError> {
        let hash = token::hash(cookie);
        let Some(mut session) = self.store.session(&hash).await? else {
            return Ok(None);
        };
        let now = Utc::now();
        if now >= session.expires_at || now - session.seen_at >= self.idle {
            self.store.remove_session(&hash).await?;
            return Ok(None);
        }
        let grants = match session.subject.strip_prefix("token:") {
            // A revoked token's sessions end with it.
            Some(id) => match self.store.token(id).await? {
                Some(record) if is_good(&record, now) => vec![(record.tenant, record.role)],
                _ => Vec::new(),
            },
            None => self.grants_of(&session.subject, &session.groups).await?,
        };
        if grants.is_empty() {
            self.store.remove_session(&hash).await?;
            return Ok(None);
        }
        if now - session.seen_at >= SEEN_EVERY {
            session.seen_at = now;
            self.store.put_session(&session).await?;
        }
        let principal = Principal::new(actor_of(&session, address), grants);
        Ok(Some((principal, session)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// The store.
    pub async fn sign_out(&self, cookie: &str, address: Option<&str>) -> Result<(), IdentityError> {
        let hash = token::hash(cookie);
        if let Some(session) = self.store.session(&hash).await? {
            self.store.remove_session(&hash).await?;
            let actor = actor_of(&session, address);
            self.note(actor, "session.ended", &session.subject, None).await?;
        }
        Ok(())
    }

    async fn grants_of(
        &self,
        subject: &str,
        groups: &[String],
    ) -> Result<Vec<(Option<String>, Role)>, StoreError> {
        let mut subjects: BTreeSet<String> = groups.iter().map(|group| format!("group:{group}")).collect();
        subjects.insert(comparable(subject));
        let mut grants: Vec<(Option<String>, Role)> = self
            .store
            .grants(None)
            .await?
            .into_iter()
            .filter(|grant| subjects.contains(&comparable(&grant.subject)))
            .map(|grant| (grant.tenant, grant.role))
            .collect();
        if !self.admins.is_disjoint(&subjects) {
            grants.push((None, Role::Admin));
        }
        Ok(grants)
    }

    /// Writes down that somebody was refused, as far as there are not too many.
    pub async fn refused(&self, subject: &str, why: &str, address: Option<&str>) {
        let admitted = self
            .refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .admit(address.unwrap_or_default(), Instant::now());
        tracing::warn!(subject, why, address, "refused");
        let Some(left_out) = admitted else { return };
        let actor = Actor {
            subject: subject.to_owned(),
            name: subject.to_owned(),
            address: address.map(str::to_owned),
        };
        let after = serde_json::json!({ "why": why, "not_written_down_before": left_out });
        if let Err(error) = self.note(actor, "sign-in.refused", subject, Some(after)).await {
            tracing::error!(%error, "a refusal could not be written to the audit log");
        }
    }

    async fn note(
        &self,
        actor: Actor,
        action: &str,
        subject: &str,
        after: Option<serde_json::Value>,
    ) -> Result<(), StoreError> {
        let entry = NewAuditEntry {
            actor,
            tenant: None,
            action: action.to_owned(),
            subject: subject.to_owned(),
            before: None,
            after,
            request: None,
        };
        self.store.append_audit(&entry).await.map(|_| ())
    }
}

/// Whether a token still opens anything.
fn is_good(record: &TokenRecord, now: DateTime<Utc>) -> bool {
    record.revoked_at.is_none() && record.expires_at.is_none_or(|expires| now < expires)
}

fn of_token(record: &TokenRecord, address: Option<&str>) -> Principal {
    let actor = Actor {
        subject: format!("token:{}", record.id),
        name: record.name.clone(),
        address: address.map(str::to_owned),
    };
    Principal::new(actor, vec![(record.tenant.clone(), record.role)])
}

fn actor_of(session: &SessionRecord, address: Option<&str>) -> Actor {
    Actor {
        subject: session.subject.clone(),
        name: session.name.clone(),
        address: address.map(str::to_owned),
    }
}

/// Addresses are compared without regard to case; the names of groups are as they are.
fn comparable(subject: &str) -> String {
    if subject.starts_with("email:") {
        subject.trim().to_lowercase()
    } else {
        subject.trim().to_owned()
    }
}

#[cfg(test)]
mod tests;
