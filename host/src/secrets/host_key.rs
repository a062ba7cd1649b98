//! The host's key, wherever it is: it wraps the data keys of tenants and never touches a secret itself.

use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::key::{Key, KeyRing};
use super::place::KeyPlaces;
use super::vault::Vault;
use super::{SecretError, blocking};
use crate::config::{KeySource, TransitSection};

/// The host's keys, on this machine or in Vault's transit engine.
pub(super) struct HostKeys {
    places: KeyPlaces,
    vault: Option<Arc<Vault>>,
    /// Read once, and again where something was wrapped by a key that is not among them.
    known: RwLock<Option<KeyRing>>,
}

impl HostKeys {
    pub(super) fn new(places: KeyPlaces, vault: Option<Arc<Vault>>) -> Self {
        Self {
            places,
            vault,
            known: RwLock::default(),
        }
    }

    pub(super) fn places(&self) -> &KeyPlaces {
        &self.places
    }

    /// Which key wraps now: a fingerprint, or the name of Vault's key.
    pub(super) async fn current(&self) -> Result<String, SecretError> {
        match self.places.place() {
            KeySource::VaultTransit(section) => Ok(label(&section)),
            _ => Ok(self.read(false).await?.first().fingerprint()),
        }
    }

    /// Wraps a data key; with it the name of the key that did. The key is read anew, so that a rotation elsewhere is
    /// noticed. `make`: nothing was ever sealed, so a key may be made.
    pub(super) async fn wrap(
        &self,
        key: &Key,
        bound: &str,
        make: bool,
    ) -> Result<(String, Vec<u8>), SecretError> {
        if let KeySource::VaultTransit(section) = self.places.place() {
            let wrapped = self.vault(&section)?.wrap(&section, key.bytes(), bound).await?;
            return Ok((label(&section), wrapped.into_bytes()));
        }
        let ring = self.read(make).await?;
        let wrapped = ring.first().seal(key.bytes(), bound).ok_or(SecretError::Broken {
            what: "a data key".to_owned(),
            why: "it could not be wrapped",
        })?;
        Ok((ring.first().fingerprint(), wrapped))
    }

    /// Unwraps a data key that the key `by` wrapped. `what` is named in errors.
    pub(super) async fn unwrap(
        &self,
        by: &str,
        wrapped: &[u8],
        bound: &str,
        what: &str,
    ) -> Result<Key, SecretError> {
        let plain = match self.transit_named(by) {
            Some(section) => {
                let text =
                    std::str::from_utf8(wrapped).map_err(|_| broken(what, "it is no text of Vault's"))?;
                self.vault(&section)?.unwrap(&section, text, bound).await?
            }
            None => self
                .named(by)
                .await?
                .ok_or_else(|| SecretError::WrongHostKey {
                    what: what.to_owned(),
                    fingerprint: by.to_owned(),
                })?
                .open(wrapped, bound)
                .ok_or_else(|| broken(what, "its seal is broken"))?,
        };
        Key::of_bytes(&plain).ok_or_else(|| broken(what, "it has another length"))
    }

    /// The keys of this machine, read anew.
    pub(super) async fn read(&self, make: bool) -> Result<KeyRing, SecretError> {
        let places = self.places.clone();
        let ring = blocking(move || {
            if make {
                places.read_or_make()
            } else {
                places.read()
            }
        })
        .await?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(ring.clone());
        Ok(ring)
    }

    async fn named(&self, fingerprint: &str) -> Result<Option<Arc<Key>>, SecretError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(key) = known.and_then(|ring| ring.named(fingerprint).cloned()) {
            return Ok(Some(key));
        }
        if matches!(self.places.place(), KeySource::VaultTransit(_)) {
            let places = self.places.clone();
            let previous = blocking(move || places.read_previous()).await?;
            return Ok(previous.and_then(|ring| ring.named(fingerprint).cloned()));
        }
        Ok(self.read(false).await?.named(fingerprint).cloned())
    }

    fn transit_named(&self, by: &str) -> Option<TransitSection> {
        [Some(self.places.place()), self.places.previous.clone()]
            .into_iter()
            .flatten()
            .find_map(|place| match place {
                KeySource::VaultTransit(section) if label(&section) == by => Some(section),
                _ => None,
            })
    }

    fn vault(&self, section: &TransitSection) -> Result<&Arc<Vault>, SecretError> {
        self.vault.as_ref().ok_or_else(|| SecretError::Vault {
            what: KeySource::VaultTransit(section.clone()).to_string(),
            why: "there is no [secrets.vault] section that says how Vault is reached; add one".to_owned(),
            passing: false,
        })
    }
}

fn label(section: &TransitSection) -> String {
    format!("vault:{}/{}", section.mount, section.key)
}

fn broken(what: &str, why: &'static str) -> SecretError {
    SecretError::Broken {
        what: what.to_owned(),
        why,
    }
}

/// Bytes that are wiped when dropped.
pub(super) type Plain = Zeroizing<Vec<u8>>;
