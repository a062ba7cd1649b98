//! The key of the stored secrets.

use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngCore;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{KEY_VARIABLE, SecretError};

/// 32 bytes that are wiped when dropped.
pub(super) struct Key(pub(super) Zeroizing<[u8; 32]>);

impl Key {
    /// The key from the environment, or from its file.
    pub(super) fn find(variable: fn(&str) -> Option<String>, file: &Path) -> Result<Self, SecretError> {
        if let Some(text) = variable(KEY_VARIABLE) {
            return Self::parse(
                &Zeroizing::new(text),
                &format!("the environment variable {KEY_VARIABLE}"),
            );
        }
        let text = match std::fs::read_to_string(file) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(SecretError::NoKey(file.to_path_buf()));
            }
            Err(source) => {
                return Err(SecretError::File {
                    path: file.to_path_buf(),
                    source,
                });
            }
        };
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
        Self::parse(&text, &format!("the key file {}", file.display()))
    }

    /// The same, and makes the file where there is no key at all.
    pub(super) fn find_or_make(
        variable: fn(&str) -> Option<String>,
        file: &Path,
    ) -> Result<Self, SecretError> {
        match Self::find(variable, file) {
            Err(SecretError::NoKey(_)) => {}
            other => return other,
        }
        let mut bytes = Zeroizing::new([0u8; 32]);
        rand::rng().fill_bytes(bytes.as_mut_slice());
        let text = Zeroizing::new(STANDARD.encode(bytes.as_slice()) + "\n");
        let failed = |source| SecretError::Write {
            path: file.to_path_buf(),
            source,
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(file).map_err(failed)?;
        out.write_all(text.as_bytes())
            .and_then(|()| out.sync_all())
            .map_err(failed)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str, place: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).unwrap_or_default());
        let key =
            <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| SecretError::BadKey(place.to_owned()))?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// Tells keys apart without telling the key, so that a wrong key and a changed file are different errors.
    pub(super) fn fingerprint(&self) -> String {
        let digest = Sha256::new()
            .chain_update(b"groupcast-secrets-key/1\n")
            .chain_update(self.0.as_slice())
            .finalize();
        hex::encode(digest).chars().take(16).collect()
    }
}
