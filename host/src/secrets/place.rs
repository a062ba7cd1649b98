//! Where the host's keys are on this machine: a file, a variable, the kernel's keyring, a credential of systemd. Each may
//! hold several keys, one a line. What may not enter: a key that another machine holds (see `transit`).

use std::io::Write;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::{Key, KeyRing};
use super::{Environment, KEY_VARIABLE, SecretError};
use crate::config::KeySource;

/// What systemd calls the folder with a service's credentials (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The service under which keys stand in the kernel's keyring.
#[cfg(target_os = "linux")]
const SERVICE: &str = "groupcast";

/// The places of the host's keys, as the configuration has them.
#[derive(Debug, Clone)]
pub(super) struct KeyPlaces {
    /// Where the configuration says; none: the variable, or else `file`.
    pub named: Option<KeySource>,
    /// Where the key was before.
    pub previous: Option<KeySource>,
    /// The key file where nothing else is said.
    pub file: PathBuf,
    /// How variables are read.
    pub environment: Environment,
}

impl KeyPlaces {
    /// The place that is in force.
    pub(super) fn place(&self) -> KeySource {
        match &self.named {
            Some(place) => place.clone(),
            None if self.environment.get(KEY_VARIABLE).is_some() => KeySource::Env(KEY_VARIABLE.to_owned()),
            None => KeySource::File(self.file.clone()),
        }
    }

    /// The keys, read anew, the previous place's too. Blocks.
    pub(super) fn read(&self) -> Result<KeyRing, SecretError> {
        let ring = self.read_place(&self.place())?;
        match &self.previous {
            None | Some(KeySource::VaultTransit(_)) => Ok(ring),
            Some(previous) => Ok(ring.and(&self.read_place(previous)?)),
        }
    }

    /// The same, and makes the key file where that is the place and there is none. Blocks.
    pub(super) fn read_or_make(&self) -> Result<KeyRing, SecretError> {
        match (self.read(), self.place()) {
            (Err(SecretError::NoKey(_)), KeySource::File(path)) => {
                let ring = KeyRing::of(Key::generate());
                make_file(&path, &ring.text())?;
                Ok(ring)
            }
            (other, _) => other,
        }
    }

    /// The keys of the place where the key was before, if that is on this machine. Blocks.
    pub(super) fn read_previous(&self) -> Result<Option<KeyRing>, SecretError> {
        match &self.previous {
            None | Some(KeySource::VaultTransit(_)) => Ok(None),
            Some(previous) => self.read_place(previous).map(Some),
        }
    }

    /// Puts keys in place of what is there, where that can be done from here: a file or the keyring. Blocks.
    pub(super) fn write(&self, ring: &KeyRing) -> Result<(), SecretError> {
        match self.place() {
            KeySource::File(path) => replace_file(&path, &ring.text()),
            KeySource::Keyring(name) => keyring_set(&name, &ring.text()),
            other => Err(SecretError::KeyNotOurs(other)),
        }
    }

    fn read_place(&self, place: &KeySource) -> Result<KeyRing, SecretError> {
        let text = match place {
            KeySource::File(path) => read_file(path)?,
            KeySource::Env(name) => Zeroizing::new(
                self.environment
                    .get(name)
                    .ok_or_else(|| SecretError::NoVariable(name.clone()))?,
            ),
            KeySource::Systemd(name) => {
                let folder = self
                    .environment
                    .get(CREDENTIALS_DIRECTORY)
                    .ok_or_else(|| SecretError::NoCredentials(name.clone()))?;
                // The folder is the service's alone already; systemd gives its files mode 0400.
                read_text(&Path::new(&folder).join(name))?
            }
            KeySource::Keyring(name) => keyring_get(name)?,
            KeySource::VaultTransit(_) => return Err(SecretError::KeyInVault),
        };
        KeyRing::parse(&text, &place.to_string())
    }
}

fn read_text(file: &Path) -> Result<Zeroizing<String>, SecretError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(SecretError::NoKey(file.to_path_buf()))
        }
        Err(source) => Err(SecretError::File {
            path: file.to_path_buf(),
            source,
        }),
    }
}

fn read_file(file: &Path) -> Result<Zeroizing<String>, SecretError> {
    let text = read_text(file)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta = std::fs::metadata(file).map_err(|source| SecretError::File {
            path: file.to_path_buf(),
            source,
        })?;
        let mode = meta.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretError::OpenKey {
                path: file.to_path_buf(),
                mode,
            });
        }
    }
    Ok(text)
}

/// Makes the file; never over another, which may be the only key to something.
fn make_file(file: &Path, text: &str) -> Result<(), SecretError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    write_private(options, file, text)
}

/// Writes beside the file and puts that in its place: a crash leaves the one or the other, whole.
fn replace_file(file: &Path, text: &str) -> Result<(), SecretError> {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let new = file.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    write_private(options, &new, text)?;
    std::fs::rename(&new, file).map_err(|source| SecretError::Write {
        path: file.to_path_buf(),
        source,
    })
}

fn write_private(mut options: std::fs::OpenOptions, file: &Path, text: &str) -> Result<(), SecretError> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)
        .and_then(|mut out| out.write_all(text.as_bytes()).and_then(|()| out.sync_all()))
        .map_err(|source| SecretError::Write {
            path: file.to_path_buf(),
            source,
        })
}

#[cfg(target_os = "linux")]
fn keyring_entry(name: &str) -> Result<keyring_core::Entry, SecretError> {
    let store: std::sync::Arc<keyring_core::CredentialStore> =
        linux_keyutils_keyring_store::Store::new().map_err(|error| keyring_error(name, &error))?;
    keyring_core::Entry::new_in_store(&store, SERVICE, name).map_err(|error| keyring_error(name, &error))
}

#[cfg(target_os = "linux")]
fn keyring_error(name: &str, error: &keyring_core::Error) -> SecretError {
    // Some of that library's errors carry what was read; only their kind is told.
    let why = match error {
        keyring_core::Error::NoEntry => "there is no such entry",
        keyring_core::Error::NoStorageAccess(_) => "the kernel gives no access to it",
        keyring_core::Error::PlatformFailure(_) => "the kernel refused",
        _ => "what is there is no text",
    };
    SecretError::Keyring {
        name: name.to_owned(),
        why,
    }
}

#[cfg(target_os = "linux")]
fn keyring_get(name: &str) -> Result<Zeroizing<String>, SecretError> {
    keyring_entry(name)?
        .get_password()
        .map(Zeroizing::new)
        .map_err(|error| keyring_error(name, &error))
}

#[cfg(target_os = "linux")]
fn keyring_set(name: &str, text: &str) -> Result<(), SecretError> {
    keyring_entry(name)?
        .set_password(text)
        .map_err(|error| keyring_error(name, &error))
}

#[cfg(not(target_os = "linux"))]
fn keyring_get(name: &str) -> Result<Zeroizing<String>, SecretError> {
    Err(SecretError::Keyring {
        name: name.to_owned(),
        why: "only Linux has one",
    })
}

#[cfg(not(target_os = "linux"))]
fn keyring_set(name: &str, _: &str) -> Result<(), SecretError> {
    Err(SecretError::Keyring {
        name: name.to_owned(),
        why: "only Linux has one",
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_key_may_be_in_the_kernels_keyring_where_there_is_one() {
        let name = format!("test-{}", std::process::id());
        let places = KeyPlaces {
            named: Some(KeySource::Keyring(name.clone())),
            previous: None,
            file: PathBuf::from("nowhere"),
            environment: Environment(|_| None),
        };
        let error = places.read().map(|_| ()).unwrap_err();
        assert!(matches!(&error, SecretError::Keyring { .. }), "{error}");
        let ring = KeyRing::of(Key::generate());
        if let Err(error) = places.write(&ring) {
            eprintln!("skipped: a container without a keyring ({error})");
            return;
        }
        let read = places.read().unwrap();
        keyring_entry(&name).unwrap().delete_credential().unwrap();
        assert_eq!(read.first().fingerprint(), ring.first().fingerprint());
        assert!(places.read().is_err());
    }
}
