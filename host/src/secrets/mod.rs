//! Secrets, from where the configuration says they are: a variable, a file, Vault, the encrypted file of the command
//! line, or the store, sealed with the tenant's own key.
//!
//! A secret leaves this room only as a [`SecretString`], which no log and no error can show. Nothing stored can be printed:
//! one sets it, lists the names, and removes it. What may not enter: vendors, HTTP handlers, and a decision about who may
//! set what.
//!
//! Where each is kept, and why:
//! - **The host's own** and those of tenants that the configuration file declares: variables, files, Vault, or the encrypted
//!   file. Whoever may write that file may read them anyway, and the command line works without a store or a service.
//! - **Those of tenants in the store**: in the store, so that every host on it has them, sealed with a data key for each
//!   tenant. The host's key wraps the data keys and lies elsewhere: a copy of the store, or a backup, opens nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::{SecretSource, SecretsSection};
use crate::store::service::{Changed, SealedSecret, SealedStore, SecretName, Version};

mod envelope;
#[cfg(test)]
mod envelope_tests;
mod error;
pub mod expiry;
mod handle;
mod host_key;
mod key;
mod owner;
mod place;
mod rotation;
mod sealed;
#[cfg(test)]
mod tests;
mod vault;
#[cfg(test)]
mod vault_tests;
pub mod web;

pub use envelope::{Author, Rewrapped};
pub use error::SecretError;
pub use expiry::{Expiring, Urgency};
pub use handle::{Current, SecretHandle};
pub use owner::Owner;
pub use rotation::Rotated;

use envelope::Envelope;
use host_key::HostKeys;
use place::KeyPlaces;
use sealed::Contents;
use vault::Vault;

/// The environment variable that goes before the key file: 32 bytes in base64.
pub const KEY_VARIABLE: &str = "GROUPCAST_SECRETS_KEY";
/// The longest secret, in bytes.
pub const LONGEST: usize = 256 << 10;

/// Whether a text can name a stored secret: lower-case letters, digits, `.`, `_` and `-`, 64 at most.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
}

/// All secrets of a host. Clones are the same.
#[derive(Clone)]
pub struct Secrets {
    file: PathBuf,
    keys: Arc<HostKeys>,
    vault: Option<Arc<Vault>>,
    envelope: Option<Arc<Envelope>>,
    environment: Environment,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Secrets")
            .field("file", &self.file)
            .field("vault", &self.vault)
            .finish_non_exhaustive()
    }
}

/// How variables are read; replaced in tests, since a process has only one environment.
#[derive(Clone, Copy)]
struct Environment(fn(&str) -> Option<String>);

impl Environment {
    fn get(self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Environment")
    }
}

/// A secret and what is known of it.
#[derive(Debug, Clone)]
pub struct Found {
    /// The value.
    pub value: SecretString,
    /// Its version, where its place counts them.
    pub version: Option<Version>,
    /// When what it opens expires, where that was said.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Secrets {
    /// Secrets with their encrypted file in `file`, its key in `key_file`. Nothing is read or made yet.
    pub fn new(file: &Path, key_file: &Path) -> Self {
        Self::of(&SecretsSection {
            file: file.to_path_buf(),
            key_file: key_file.to_path_buf(),
            ..SecretsSection::default()
        })
    }

    /// Secrets as the configuration has them; those of tenants in a store need [`Self::with_store`]. Nothing is read or
    /// made yet, and Vault is not asked.
    pub fn of(section: &SecretsSection) -> Self {
        Self::over(section, Environment(|name| std::env::var(name).ok()))
    }

    fn over(section: &SecretsSection, environment: Environment) -> Self {
        let vault = section.vault.clone().map(|vault| Vault::new(vault, environment));
        let places = KeyPlaces {
            named: section.key.clone(),
            previous: section.previous_key.clone(),
            file: section.key_file.clone(),
            environment,
        };
        Self {
            file: section.file.clone(),
            keys: Arc::new(HostKeys::new(places, vault.clone())),
            vault,
            envelope: None,
            environment,
        }
    }

    /// The same, with the secrets of tenants in this store.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn SealedStore>) -> Self {
        Self {
            envelope: Some(Arc::new(Envelope::new(store, Arc::clone(&self.keys)))),
            ..self
        }
    }

    /// A secret's place, for whoever needs it again and again.
    pub fn handle(&self, owner: &Owner, source: &SecretSource) -> SecretHandle {
        SecretHandle::new(self.clone(), owner.clone(), source.clone())
    }

    /// Fetches one of the host's secrets from where it is. Line ends around it are cut off.
    ///
    /// # Errors
    /// It is not there, is empty, too long or no text; what holds it cannot be opened or reached.
    pub async fn get(&self, source: &SecretSource) -> Result<SecretString, SecretError> {
        self.get_for(&Owner::Host, source).await
    }

    /// The same of whoever names it.
    ///
    /// # Errors
    /// As [`Self::get`], and that the owner may not name such a place.
    pub async fn get_for(&self, owner: &Owner, source: &SecretSource) -> Result<SecretString, SecretError> {
        self.find(owner, source).await.map(|found| found.value)
    }

    /// The same with what is known of it.
    ///
    /// # Errors
    /// As [`Self::get_for`].
    pub async fn find(&self, owner: &Owner, source: &SecretSource) -> Result<Found, SecretError> {
        if !owner.may_name(source) {
            return Err(SecretError::NotYours(source.clone()));
        }
        let found = match (source, owner) {
            (SecretSource::Env(_) | SecretSource::File(_), _) => Found {
                value: read_near(self.environment, source).await?,
                version: None,
                expires_at: None,
            },
            (SecretSource::Stored(name), Owner::Tenant(tenant)) => {
                let name = SecretName {
                    tenant: Some(tenant.clone()),
                    name: name.clone(),
                };
                self.envelope(&name.name)?.get(&name).await?
            }
            (SecretSource::Stored(name), Owner::Host) => {
                let (this, wanted) = (self.clone(), name.clone());
                blocking(move || {
                    let mut all = this.open()?;
                    let value = all.values.remove(&wanted);
                    let expires_at = all.expires.get(&wanted).copied();
                    value
                        .map(|value| Found {
                            value: SecretString::from(value.as_str()),
                            version: None,
                            expires_at,
                        })
                        .ok_or(SecretError::NotStored(wanted))
                })
                .await?
            }
            (SecretSource::Vault(place), _) => {
                let vault = self
                    .vault
                    .as_ref()
                    .ok_or_else(|| SecretError::NoVault(source.clone()))?;
                if let Owner::Tenant(tenant) = owner {
                    // A mount of one's own choice would lead out of the prefix.
                    let prefix = vault.section().tenant_prefix.as_ref();
                    let allowed = prefix.map(|prefix| format!("{prefix}/{tenant}/"));
                    if place.mount.is_some()
                        || !allowed
                            .as_ref()
                            .is_some_and(|allowed| place.path.starts_with(allowed.as_str()))
                    {
                        return Err(SecretError::NotYourPath {
                            owner: owner.clone(),
                            path: place.path.clone(),
                            allowed: allowed.unwrap_or_else(|| {
                                "no path (secrets.vault.tenant_prefix is not set)".to_owned()
                            }),
                        });
                    }
                }
                vault.read(place).await?
            }
        };
        let value = Zeroizing::new(found.value.expose_secret().to_owned());
        Ok(Found {
            value: checked(source, value)?,
            ..found
        })
    }

    /// Stores one of the host's secrets under a name, in place of what was there. The key is made at the first.
    ///
    /// # Errors
    /// The name is none, the value is empty or too long, or the files cannot be read or written.
    pub async fn set(
        &self,
        name: &str,
        value: SecretString,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<(), SecretError> {
        let value = fit(name, &value)?;
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || {
            this.change(|all| {
                match expires_at {
                    Some(at) => all.expires.insert(name.clone(), at),
                    None => all.expires.remove(&name),
                };
                all.values.insert(name, value);
                Ok(())
            })
        })
        .await
    }

    /// Forgets one of the host's secrets.
    ///
    /// # Errors
    /// There is none of this name, or the files cannot be read or written.
    pub async fn remove(&self, name: &str) -> Result<(), SecretError> {
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || {
            this.change(|all| {
                all.expires.remove(&name);
                all.values
                    .remove(&name)
                    .map(drop)
                    .ok_or(SecretError::NotStored(name))
            })
        })
        .await
    }

    /// The names of the host's stored secrets, in order. Needs no key, since names are not secret; whether they were
    /// tampered with shows when a value is fetched.
    ///
    /// # Errors
    /// The file cannot be read or is none of ours.
    pub async fn list(&self) -> Result<Vec<String>, SecretError> {
        let file = self.file.clone();
        blocking(move || sealed::names(&file).map(|(names, _)| names)).await
    }

    /// The same with when what each opens expires, where that was said.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_with_ends(&self) -> Result<Vec<(String, Option<DateTime<Utc>>)>, SecretError> {
        let file = self.file.clone();
        let (names, expires) = blocking(move || sealed::names(&file)).await?;
        Ok(names
            .into_iter()
            .map(|name| {
                let at = expires.get(&name).copied();
                (name, at)
            })
            .collect())
    }

    /// Seals a new version of a tenant's secret. `expected` says which version the caller saw (`Some(None)`: there was
    /// none); none: whatever is there. The change is in the audit log, without the value.
    ///
    /// # Errors
    /// The name is none, the value is empty or too long, there is no store, or the key or the store fails.
    pub async fn set_for(
        &self,
        tenant: &str,
        name: &str,
        value: &SecretString,
        expires_at: Option<DateTime<Utc>>,
        expected: Option<Option<Version>>,
        by: &Author,
    ) -> Result<Changed, SecretError> {
        let value = fit(name, value)?;
        let name = of_tenant(tenant, name);
        self.envelope(&name.name)?
            .set(
                &name,
                &SecretString::from(value.as_str()),
                expires_at,
                expected,
                by,
            )
            .await
    }

    /// Forgets a tenant's secret; whether there was one.
    ///
    /// # Errors
    /// There is no store, or it fails.
    pub async fn remove_for(&self, tenant: &str, name: &str, by: &Author) -> Result<bool, SecretError> {
        let name = of_tenant(tenant, name);
        self.envelope(&name.name)?.remove(&name, by).await
    }

    /// A tenant's secrets, ascending by name: versions, times, and boxes that stay shut.
    ///
    /// # Errors
    /// There is no store, or it fails.
    pub async fn list_for(&self, tenant: &str) -> Result<Vec<SealedSecret>, SecretError> {
        let envelope = self.envelope(tenant)?;
        Ok(envelope.store().sealed_secrets(Some(tenant)).await?)
    }

    /// The secrets that expire within a time, or have: those of the host (`tenant` none) or of a tenant in the store, the
    /// nearest end first. For ends of certificates and of secrets elsewhere see [`crate::credentials::Facts`].
    ///
    /// # Errors
    /// The file or the store fails.
    pub async fn expiring(
        &self,
        tenant: Option<&str>,
        within: chrono::Duration,
    ) -> Result<Vec<Expiring>, SecretError> {
        let latest = Utc::now() + within;
        let mut found: Vec<Expiring> = match tenant {
            None => {
                let file = self.file.clone();
                let (_, expires) = blocking(move || sealed::names(&file)).await?;
                expires
                    .into_iter()
                    .map(|(name, expires_at)| Expiring {
                        owner: Owner::Host,
                        name,
                        expires_at,
                    })
                    .collect()
            }
            Some(tenant) => self
                .list_for(tenant)
                .await?
                .into_iter()
                .filter_map(|secret| {
                    Some(Expiring {
                        owner: Owner::Tenant(tenant.to_owned()),
                        name: secret.name.name,
                        expires_at: secret.expires_at?,
                    })
                })
                .collect(),
        };
        found.retain(|expiring| expiring.expires_at <= latest);
        found.sort_by_key(|expiring| expiring.expires_at);
        Ok(found)
    }

    fn envelope(&self, name: &str) -> Result<&Arc<Envelope>, SecretError> {
        self.envelope
            .as_ref()
            .ok_or_else(|| SecretError::NoStore(name.to_owned()))
    }

    fn open(&self) -> Result<Contents, SecretError> {
        if !sealed::exists(&self.file) {
            return Ok(Contents::default());
        }
        sealed::open(&self.file, &self.keys.places().read()?)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut Contents) -> Result<(), SecretError>,
    ) -> Result<(), SecretError> {
        let _lock = sealed::lock(&self.file)?;
        let exists = sealed::exists(&self.file);
        // A key is made only where nothing was sealed yet: a new one would open nothing.
        let ring = if exists {
            self.keys.places().read()?
        } else {
            self.keys.places().read_or_make()?
        };
        let mut all = if exists {
            sealed::open(&self.file, &ring)?
        } else {
            Contents::default()
        };
        change(&mut all)?;
        sealed::write(&self.file, &ring, &all)
    }
}

fn of_tenant(tenant: &str, name: &str) -> SecretName {
    SecretName {
        tenant: Some(tenant.to_owned()),
        name: name.to_owned(),
    }
}

/// A value that can be stored under a name.
fn fit(name: &str, value: &SecretString) -> Result<Zeroizing<String>, SecretError> {
    if !is_name(name) {
        return Err(SecretError::BadName);
    }
    let value = Zeroizing::new(value.expose_secret().to_owned());
    checked(&SecretSource::Stored(name.to_owned()), value.clone())?;
    Ok(value)
}

/// A secret in a variable or a file, as it is now: a file that was replaced, or a link that was turned to another, is read
/// as it is.
async fn read_near(environment: Environment, source: &SecretSource) -> Result<SecretString, SecretError> {
    let value = match source {
        SecretSource::Env(name) => Zeroizing::new(
            environment
                .get(name)
                .ok_or_else(|| SecretError::NoVariable(name.clone()))?,
        ),
        SecretSource::File(path) => {
            let path = path.clone();
            blocking(move || read_file(&path)).await?
        }
        SecretSource::Stored(_) | SecretSource::Vault(_) => {
            return Err(SecretError::NotYours(source.clone()));
        }
    };
    checked(source, value)
}

fn checked(source: &SecretSource, value: Zeroizing<String>) -> Result<SecretString, SecretError> {
    if value.len() > LONGEST {
        return Err(SecretError::TooLong(source.clone()));
    }
    let trimmed = value.trim_matches(['\r', '\n']);
    if trimmed.trim().is_empty() {
        return Err(SecretError::Empty(source.clone()));
    }
    if trimmed.contains('\0') {
        return Err(SecretError::NoText(source.clone()));
    }
    Ok(SecretString::from(trimmed.to_owned()))
}

fn read_file(path: &Path) -> Result<Zeroizing<String>, SecretError> {
    use std::io::Read;
    let unreadable = |source| SecretError::File {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(path = %path.display(), mode = format!("{mode:o}"), "others can read this secret; chmod 600 it");
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    file.take(LONGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(SecretError::NoText(SecretSource::File(path.to_path_buf()))),
    }
}

/// Files are read on a thread that may wait.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SecretError> + Send + 'static,
) -> Result<T, SecretError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| SecretError::Interrupted)?
}
