//! The encrypted file: JSON with the names to be seen and one sealed box (XChaCha20-Poly1305) with all values.
//! The box is bound to the names, so that neither can be changed, dropped or swapped without the other noticing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::RngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SecretError;
use super::key::Key;

const FORMAT: &str = "groupcast-secrets/1";
const NONCE: usize = 24;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: String,
    key: String,
    names: Vec<String>,
    nonce: String,
    sealed: String,
}

impl Sealed {
    /// What the box is bound to besides the key.
    fn bound(format: &str, names: &[String]) -> String {
        // Names hold no line breaks.
        format!("{format}\n{}\n", names.join("\n"))
    }
}

pub(super) fn exists(file: &Path) -> bool {
    file.exists()
}

fn read(file: &Path) -> Result<Sealed, SecretError> {
    let text = std::fs::read_to_string(file).map_err(|source| SecretError::File {
        path: file.to_path_buf(),
        source,
    })?;
    let sealed: Sealed = serde_json::from_str(&text).map_err(|error| tampered(file, error.to_string()))?;
    if sealed.format != FORMAT {
        return Err(tampered(
            file,
            "its format is not known to this version".to_owned(),
        ));
    }
    Ok(sealed)
}

fn tampered(file: &Path, what: String) -> SecretError {
    SecretError::Tampered {
        path: file.to_path_buf(),
        what,
    }
}

pub(super) fn names(file: &Path) -> Result<Vec<String>, SecretError> {
    if !exists(file) {
        return Ok(Vec::new());
    }
    read(file).map(|sealed| sealed.names)
}

pub(super) fn open(file: &Path, key: &Key) -> Result<BTreeMap<String, Zeroizing<String>>, SecretError> {
    let sealed = read(file)?;
    if sealed.key != key.fingerprint() {
        return Err(SecretError::WrongKey(file.to_path_buf()));
    }
    let decoded = |text: &str, what: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| tampered(file, format!("its {what} is not base64")))
    };
    let nonce = <[u8; NONCE]>::try_from(decoded(&sealed.nonce, "nonce")?)
        .map_err(|_| tampered(file, "its nonce has another length".to_owned()))?;
    let box_bytes = decoded(&sealed.sealed, "box")?;
    let bound = Sealed::bound(&sealed.format, &sealed.names);
    let payload = Payload {
        msg: &box_bytes,
        aad: bound.as_bytes(),
    };
    let plain = XChaCha20Poly1305::new(key.0.as_slice().into())
        .decrypt(XNonce::from_slice(&nonce), payload)
        .map(Zeroizing::new)
        .map_err(|_| tampered(file, "its seal is broken".to_owned()))?;
    let values: BTreeMap<String, String> = serde_json::from_slice(&plain)
        .map_err(|_| tampered(file, "its content is of another format".to_owned()))?;
    Ok(values
        .into_iter()
        .map(|(name, value)| (name, Zeroizing::new(value)))
        .collect())
}

/// Writes a new file beside the old one and puts it in its place: a crash leaves the one or the other, whole.
pub(super) fn write(
    file: &Path,
    key: &Key,
    values: &BTreeMap<String, Zeroizing<String>>,
) -> Result<(), SecretError> {
    let failed = |source| SecretError::Write {
        path: file.to_path_buf(),
        source,
    };
    let names: Vec<String> = values.keys().cloned().collect();
    let borrowed: BTreeMap<&str, &str> = values
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let plain = Zeroizing::new(serde_json::to_vec(&borrowed).map_err(|error| failed(error.into()))?);
    let mut nonce = [0u8; NONCE];
    rand::rng().fill_bytes(&mut nonce);
    let bound = Sealed::bound(FORMAT, &names);
    let payload = Payload {
        msg: plain.as_slice(),
        aad: bound.as_bytes(),
    };
    let box_bytes = XChaCha20Poly1305::new(key.0.as_slice().into())
        .encrypt(XNonce::from_slice(&nonce), payload)
        .map_err(|_| failed(std::io::Error::other("the values could not be sealed")))?;
    let sealed = Sealed {
        format: FORMAT.to_owned(),
        key: key.fingerprint(),
        names,
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(box_bytes),
    };
    let text = serde_json::to_vec_pretty(&sealed).map_err(|error| failed(error.into()))?;
    let new = beside(file, "new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&new).map_err(failed)?;
    out.write_all(&text)
        .and_then(|()| out.sync_all())
        .map_err(failed)?;
    std::fs::rename(&new, file).map_err(failed)?;
    // The name is durable once its folder is.
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// Keeps two changes from losing one of them. Freed when dropped, and by the system if the process dies.
pub(super) fn lock(file: &Path) -> Result<File, SecretError> {
    let path = beside(file, "lock");
    let failed = |source| SecretError::Write {
        path: path.clone(),
        source,
    };
    let lock = File::create(&path).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ending);
    file.with_file_name(name)
}
