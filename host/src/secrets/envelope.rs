//! Secrets of tenants, in the store: each sealed with its tenant's data key and bound to tenant, name and version; the
//! data key wrapped by the host's key. One tenant's key opens nothing of another's, and a record that was moved to
//! another tenant, name or version opens nowhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::host_key::HostKeys;
use super::key::Key;
use super::{Found, SecretError};
use crate::store::service::{
    Actor, Changed, NewAuditEntry, SealedKey, SealedSecret, SealedStore, SecretName, Version,
};

/// How often a change is tried again that others got before.
const ATTEMPTS: usize = 8;

/// Data keys by tenant and generation.
type OpenKeys = HashMap<(Option<String>, u64), Arc<Key>>;

/// Sealed secrets over a store.
pub(super) struct Envelope {
    store: Arc<dyn SealedStore>,
    keys: Arc<HostKeys>,
    /// Data keys that were unwrapped: a host of many tenants asks Vault or the keyring once for each.
    open: Mutex<OpenKeys>,
}

/// Who changes a secret, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// The request's ID, as in the log.
    pub request: Option<String>,
}

/// What became of the data keys at a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewrapped {
    /// How many are wrapped by the new key now.
    pub done: usize,
    /// How many were already.
    pub already: usize,
}

impl Envelope {
    pub(super) fn new(store: Arc<dyn SealedStore>, keys: Arc<HostKeys>) -> Self {
        Self {
            store,
            keys,
            open: Mutex::default(),
        }
    }

    pub(super) fn store(&self) -> &Arc<dyn SealedStore> {
        &self.store
    }

    /// Opens a secret.
    pub(super) async fn get(&self, name: &SecretName) -> Result<Found, SecretError> {
        let Some(record) = self.store.sealed_secret(name).await? else {
            return Err(match &name.tenant {
                Some(tenant) => SecretError::NotStoredFor {
                    tenant: tenant.clone(),
                    name: name.name.clone(),
                },
                None => SecretError::NotStored(name.name.clone()),
            });
        };
        let what = described(name);
        let bound = bound(name, record.version, record.generation);
        let tenant = name.tenant.as_deref();
        let known = self.known(tenant, record.generation);
        let plain = match known.and_then(|key| key.open(&record.sealed, &bound)) {
            Some(plain) => plain,
            // Not known yet; or the tenant was forgotten and made again, with another key under the same number.
            None => self
                .data_key(tenant, record.generation)
                .await?
                .ok_or_else(|| broken(&what, "the tenant's data key is gone"))?
                .open(&record.sealed, &bound)
                .ok_or_else(|| broken(&what, "its seal is broken"))?,
        };
        let text = std::str::from_utf8(&plain).map_err(|_| broken(&what, "it is no text"))?;
        Ok(Found {
            value: SecretString::from(text),
            version: Some(record.version),
            expires_at: record.expires_at,
        })
    }

    /// Seals a new version of a secret. `expected` says which version the caller saw; none: whatever is there.
    pub(super) async fn set(
        &self,
        name: &SecretName,
        value: &SecretString,
        expires_at: Option<DateTime<Utc>>,
        expected: Option<Option<Version>>,
        by: &Author,
    ) -> Result<Changed, SecretError> {
        for _ in 0..ATTEMPTS {
            let before = self.store.sealed_secret(name).await?;
            let current = before.as_ref().map(|record| record.version);
            if expected.is_some_and(|expected| expected != current) {
                return Ok(Changed::Conflict { current });
            }
            let version = current.map_or(1, |version| version + 1);
            let (key, generation) = self.data_key_or_make(name.tenant.as_deref()).await?;
            let sealed = key
                .seal(
                    value.expose_secret().as_bytes(),
                    &bound(name, version, generation),
                )
                .ok_or_else(|| broken(&described(name), "it could not be sealed"))?;
            let record = SealedSecret {
                name: name.clone(),
                version,
                generation,
                sealed,
                expires_at,
                set_at: Utc::now(),
                set_by: by.actor.name.clone(),
            };
            let mut audit = entry(by, name, "secret.set");
            audit.before = before.as_ref().map(shown);
            audit.after = Some(shown(&record));
            match self
                .store
                .put_sealed_secret(&record, current, Some(&audit))
                .await?
            {
                made @ Changed::Made(_) => return Ok(made),
                Changed::Conflict { .. } => {}
            }
        }
        Err(SecretError::Contended(name.name.clone()))
    }

    /// Forgets a secret; whether there was one.
    pub(super) async fn remove(&self, name: &SecretName, by: &Author) -> Result<bool, SecretError> {
        let audit = entry(by, name, "secret.removed");
        Ok(self.store.remove_sealed_secret(name, &audit).await?)
    }

    /// Wraps all data keys by the host's first key, while others go on using them.
    pub(super) async fn rewrap(&self) -> Result<Rewrapped, SecretError> {
        let current = self.keys.current().await?;
        let mut told = Rewrapped::default();
        for record in self.store.sealed_keys().await? {
            // Vault's key has versions of its own, which its name does not tell: wrapped again, it is of the latest.
            if record.wrapped_by == current && !current.starts_with("vault:") {
                told.already += 1;
                continue;
            }
            let key = self.unwrapped(&record).await?;
            let wrapped = self
                .wrapped(record.tenant.as_deref(), record.generation, &key, false)
                .await?;
            // Where it is another generation by now, it was made with the new key.
            if self
                .store
                .put_sealed_key(&wrapped, Some(record.generation))
                .await?
            {
                told.done += 1;
            }
        }
        Ok(told)
    }

    fn known(&self, tenant: Option<&str>, generation: u64) -> Option<Arc<Key>> {
        let at = (tenant.map(str::to_owned), generation);
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&at).map(Arc::clone)
    }

    fn remember(&self, tenant: Option<&str>, generation: u64, key: Key) -> Arc<Key> {
        let key = Arc::new(key);
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((tenant.map(str::to_owned), generation), Arc::clone(&key));
        key
    }

    /// The data key, from the store.
    async fn data_key(&self, tenant: Option<&str>, generation: u64) -> Result<Option<Arc<Key>>, SecretError> {
        match self.store.sealed_key(tenant).await? {
            Some(record) if record.generation == generation => {
                let key = self.unwrapped(&record).await?;
                Ok(Some(self.remember(tenant, generation, key)))
            }
            _ => Ok(None),
        }
    }

    async fn data_key_or_make(&self, tenant: Option<&str>) -> Result<(Arc<Key>, u64), SecretError> {
        for _ in 0..ATTEMPTS {
            if let Some(record) = self.store.sealed_key(tenant).await? {
                let key = self.unwrapped(&record).await?;
                return Ok((self.remember(tenant, record.generation, key), record.generation));
            }
            let nothing_sealed = self.store.sealed_keys().await?.is_empty();
            let record = self.wrapped(tenant, 1, &Key::generate(), nothing_sealed).await?;
            // Where another was first, its key is taken: the next round finds it.
            if self.store.put_sealed_key(&record, None).await?
                && self.keys.current().await? != record.wrapped_by
            {
                // A rotation that went by in between did not see this one.
                self.rewrap().await?;
            }
        }
        Err(SecretError::Contended(tenant.unwrap_or("the host").to_owned()))
    }

    async fn unwrapped(&self, record: &SealedKey) -> Result<Key, SecretError> {
        let tenant = record.tenant.as_deref();
        let what = format!("the data key of {}", tenant.unwrap_or("the host"));
        self.keys
            .unwrap(
                &record.wrapped_by,
                &record.wrapped,
                &bound_key(tenant, record.generation),
                &what,
            )
            .await
    }

    async fn wrapped(
        &self,
        tenant: Option<&str>,
        generation: u64,
        key: &Key,
        make: bool,
    ) -> Result<SealedKey, SecretError> {
        let (wrapped_by, wrapped) = self.keys.wrap(key, &bound_key(tenant, generation), make).await?;
        Ok(SealedKey {
            tenant: tenant.map(str::to_owned),
            generation,
            wrapped_by,
            wrapped,
            created_at: Utc::now(),
        })
    }
}

/// What a data key is bound to. Names have no line breaks; a tenant cannot be called so that it looks like the host.
fn bound_key(tenant: Option<&str>, generation: u64) -> String {
    format!("groupcast-data-key/1\n{}\n{generation}\n", whose(tenant))
}

/// What a secret is bound to.
fn bound(name: &SecretName, version: Version, generation: u64) -> String {
    format!(
        "groupcast-secret/1\n{}\n{}\n{version}\n{generation}\n",
        whose(name.tenant.as_deref()),
        name.name
    )
}

fn whose(tenant: Option<&str>) -> String {
    tenant.map_or_else(|| "host".to_owned(), |tenant| format!("tenant {tenant}"))
}

fn described(name: &SecretName) -> String {
    match &name.tenant {
        Some(tenant) => format!("the secret {} of tenant {tenant}", name.name),
        None => format!("the host's secret {}", name.name),
    }
}

fn broken(what: &str, why: &'static str) -> SecretError {
    SecretError::Broken {
        what: what.to_owned(),
        why,
    }
}

/// What the audit log shows of a secret: never its value, sealed or not.
fn shown(record: &SealedSecret) -> serde_json::Value {
    serde_json::json!({ "version": record.version, "expires_at": record.expires_at })
}

fn entry(by: &Author, name: &SecretName, action: &str) -> NewAuditEntry {
    NewAuditEntry {
        actor: by.actor.clone(),
        tenant: name.tenant.clone(),
        action: action.to_owned(),
        subject: name.name.clone(),
        before: None,
        after: None,
        request: by.request.clone(),
    }
}
