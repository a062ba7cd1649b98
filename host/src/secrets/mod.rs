//! Secrets, from where the configuration says they are: an environment variable, a file, or the encrypted store.
//!
//! A secret leaves this room only as a [`SecretString`], which no log and no error can show. The encrypted store
//! has no way to print a value: one sets it, lists the names, and removes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::config::SecretSource;

mod error;
mod key;
mod sealed;
#[cfg(test)]
mod tests;

pub use error::SecretError;

use key::Key;

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

/// All secrets of a host.
#[derive(Debug, Clone)]
pub struct Secrets {
    file: PathBuf,
    key_file: PathBuf,
    environment: Environment,
}

/// How variables are read; replaced in tests, since a process has only one environment.
#[derive(Clone, Copy)]
struct Environment(fn(&str) -> Option<String>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Environment")
    }
}

impl Secrets {
    /// Secrets with their encrypted store in `file`, its key in `key_file`. Nothing is read or made yet.
    pub fn new(file: &Path, key_file: &Path) -> Self {
        Self {
            file: file.to_path_buf(),
            key_file: key_file.to_path_buf(),
            environment: Environment(|name| std::env::var(name).ok()),
        }
    }

    /// Fetches a secret from where it is. Line ends around it are cut off.
    ///
    /// # Errors
    /// It is not there, is empty, too long or no text, or the encrypted store cannot be opened.
    pub async fn get(&self, source: &SecretSource) -> Result<SecretString, SecretError> {
        match source {
            SecretSource::Env(name) => {
                let value =
                    (self.environment.0)(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?;
                checked(source, Zeroizing::new(value))
            }
            SecretSource::File(path) => {
                let path = path.clone();
                let value = blocking(move || read_file(&path)).await?;
                checked(source, value)
            }
            SecretSource::Stored(name) => {
                let (this, wanted) = (self.clone(), name.clone());
                let value = blocking(move || {
                    let mut all = this.open()?;
                    all.remove(&wanted).ok_or(SecretError::NotStored(wanted))
                })
                .await?;
                checked(source, value)
            }
        }
    }

    /// Stores a secret under a name, in place of what was there. The key is made at the first.
    ///
    /// # Errors
    /// The name is none, the value is empty or too long, or the files cannot be read or written.
    pub async fn set(&self, name: &str, value: SecretString) -> Result<(), SecretError> {
        if !is_name(name) {
            return Err(SecretError::BadName);
        }
        let value = Zeroizing::new(secrecy::ExposeSecret::expose_secret(&value).to_owned());
        checked(&SecretSource::Stored(name.to_owned()), value.clone())?;
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || {
            this.change(|all| {
                all.insert(name, value);
                Ok(())
            })
        })
        .await
    }

    /// Forgets a stored secret.
    ///
    /// # Errors
    /// There is none of this name, or the files cannot be read or written.
    pub async fn remove(&self, name: &str) -> Result<(), SecretError> {
        let (this, name) = (self.clone(), name.to_owned());
        blocking(move || this.change(|all| all.remove(&name).map(drop).ok_or(SecretError::NotStored(name))))
            .await
    }

    /// The names of what is stored, in order. Needs no key, since names are not secret; whether they were
    /// tampered with shows when a value is fetched.
    ///
    /// # Errors
    /// The file cannot be read or is none of ours.
    pub async fn list(&self) -> Result<Vec<String>, SecretError> {
        let file = self.file.clone();
        blocking(move || sealed::names(&file)).await
    }

    fn open(&self) -> Result<BTreeMap<String, Zeroizing<String>>, SecretError> {
        if !sealed::exists(&self.file) {
            return Ok(BTreeMap::new());
        }
        sealed::open(&self.file, &Key::find(self.environment.0, &self.key_file)?)
    }

    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Zeroizing<String>>) -> Result<(), SecretError>,
    ) -> Result<(), SecretError> {
        let _lock = sealed::lock(&self.file)?;
        let exists = sealed::exists(&self.file);
        // A key is made only where nothing was sealed yet: a new one would open nothing.
        let key = if exists {
            Key::find(self.environment.0, &self.key_file)?
        } else {
            Key::find_or_make(self.environment.0, &self.key_file)?
        };
        let mut all = if exists {
            sealed::open(&self.file, &key)?
        } else {
            BTreeMap::new()
        };
        change(&mut all)?;
        sealed::write(&self.file, &key, &all)
    }
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
