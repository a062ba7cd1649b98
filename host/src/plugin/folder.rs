//! The folder that keeps components by digest. Its files are read as anybody's: what does not have the digest that it is
//! named for is not loaded.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::compiled::{create_private, require_own};
use super::error::PluginError;
use super::load::read_file;

/// A folder of components.
#[derive(Debug, Clone)]
pub struct PluginFolder {
    path: PathBuf,
}

/// Whether a text is a SHA-256 in lower-case hexadecimal.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl PluginFolder {
    /// The folder at a path; it is made when something is kept.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fault(&self, reason: impl std::fmt::Display) -> PluginError {
        PluginError::Folder {
            path: self.path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    fn file(&self, digest: &str) -> Result<PathBuf, PluginError> {
        // It becomes part of a path.
        if !is_digest(digest) {
            return Err(PluginError::NoDigest(digest.to_owned()));
        }
        Ok(self.path.join(format!("{digest}.wasm")))
    }

    /// Keeps a component; answers its digest.
    ///
    /// # Errors
    /// The folder cannot be written, or is not this user's own.
    pub fn keep(&self, bytes: &[u8]) -> Result<String, PluginError> {
        create_private(&self.path).map_err(|error| self.fault(error))?;
        require_own(&self.path).map_err(|reason| self.fault(reason))?;
        let digest = hex::encode(Sha256::digest(bytes));
        let whole = self.file(&digest)?;
        let half = self.path.join(format!(".{digest}.{}", std::process::id()));
        let written = private_file(&half)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| std::fs::rename(&half, &whole));
        if let Err(error) = written {
            let _removed = std::fs::remove_file(&half);
            return Err(self.fault(error));
        }
        Ok(digest)
    }

    /// The bytes of a component, which have this digest.
    ///
    /// # Errors
    /// It is not there, or is not what it is named for.
    pub fn read(&self, digest: &str) -> Result<Vec<u8>, PluginError> {
        let file = self.file(digest)?;
        if !file.exists() {
            return Err(PluginError::Unknown(digest.to_owned()));
        }
        let bytes = read_file(&file)?;
        let found = hex::encode(Sha256::digest(&bytes));
        if found != digest {
            return Err(PluginError::Tampered {
                path: file.display().to_string(),
                found,
            });
        }
        Ok(bytes)
    }

    /// Forgets a component; whether there was one.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn remove(&self, digest: &str) -> Result<bool, PluginError> {
        match std::fs::remove_file(self.file(digest)?) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    /// Digests and sizes, ascending.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Vec<(String, u64)>, PluginError> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.fault(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| self.fault(error))?;
            let name = entry.file_name();
            if let Some(digest) = name.to_str().and_then(|name| name.strip_suffix(".wasm"))
                && is_digest(digest)
            {
                let size = entry.metadata().map_err(|error| self.fault(error))?.len();
                found.push((digest.to_owned(), size));
            }
        }
        found.sort();
        Ok(found)
    }

    /// The digest that begins so.
    ///
    /// # Errors
    /// None does, or several do.
    pub fn find(&self, beginning: &str) -> Result<String, PluginError> {
        let mut found: Vec<String> = self.list()?.into_iter().map(|(digest, _)| digest).collect();
        found.retain(|digest| digest.starts_with(beginning));
        match (found.pop(), found.is_empty()) {
            (Some(digest), true) => Ok(digest),
            _ => Err(PluginError::Unknown(beginning.to_owned())),
        }
    }
}

fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_kept_is_private_and_comes_back_by_its_digest() {
        let place = tempfile::tempdir().unwrap();
        let folder = PluginFolder::new(place.path().join("plugins"));
        assert!(folder.list().unwrap().is_empty());
        let digest = folder.keep(b"component").unwrap();
        assert_eq!(folder.read(&digest).unwrap(), b"component");
        assert_eq!(folder.list().unwrap(), [(digest.clone(), 9)]);
        assert_eq!(folder.find(&digest[..8]).unwrap(), digest);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join(format!("{digest}.wasm"))), 0o600);
        assert!(folder.remove(&digest).unwrap());
        assert!(!folder.remove(&digest).unwrap());
        assert!(matches!(folder.read(&digest), Err(PluginError::Unknown(_))));
    }

    #[test]
    fn a_tampered_component_is_not_read() {
        let place = tempfile::tempdir().unwrap();
        let folder = PluginFolder::new(place.path());
        let digest = folder.keep(b"component").unwrap();
        std::fs::write(place.path().join(format!("{digest}.wasm")), b"another one").unwrap();
        assert!(matches!(folder.read(&digest), Err(PluginError::Tampered { .. })));
    }

    #[test]
    fn what_is_no_digest_names_no_file() {
        let folder = PluginFolder::new("/");
        for text in ["", "../../etc/passwd", &"A".repeat(64), &"a".repeat(63)] {
            assert!(
                matches!(folder.read(text), Err(PluginError::NoDigest(_))),
                "{text}"
            );
            assert!(
                matches!(folder.remove(text), Err(PluginError::NoDigest(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_keeps_nothing() {
        let place = tempfile::tempdir().unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let folder = PluginFolder::new(place.path());
        assert!(matches!(
            folder.keep(b"component"),
            Err(PluginError::Folder { .. })
        ));
    }
}
