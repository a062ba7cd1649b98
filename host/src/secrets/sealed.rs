//! The encrypted file: JSON with the names to be seen and one sealed box (XChaCha20-Poly1305) with all values.
//! The box is bound to the names, so that neither can be changed, dropped or swapped without the other noticing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SecretError;
use super::key::KeyRing;

const FORMAT: &str = "groupcast-secrets/1";
const NONCE: usize = 24;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    format: String,
    key: String,
    names: Vec<String>,
    /// When what a secret opens expires, by name, where that was said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    expires: Expiries,
    nonce: String,
    sealed: String,
}

/// When what a secret opens expires, by name.
pub(super) type Expiries = BTreeMap<String, DateTime<Utc>>;

/// What the file holds, open.
#[derive(Default)]
pub(super) struct Contents {
    pub values: BTreeMap<String, Zeroizing<String>>,
    pub expires: Expiries,
}

impl Sealed {
    /// What the box is bound to besides the key.
    fn bound(format: &str, names: &[String], expires: &Expiries) -> String {
        // Names hold no line breaks.
        let mut bound = format!("{format}\n{}\n", names.join("\n"));
        for (name, at) in expires {
            bound.push_str(&format!("expires {name} {}\n", at.timestamp()));
        }
        bound
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

/// The names and what is known of their ends; needs no key.
pub(super) fn names(file: &Path) -> Result<(Vec<String>, Expiries), SecretError> {
    if !exists(file) {
        return Ok((Vec::new(), Expiries::new()));
    }
    read(file).map(|sealed| (sealed.names, sealed.expires))
}

/// Whether the ring's first key is the one that sealed the file.
pub(super) fn is_of_first(file: &Path, ring: &KeyRing) -> Result<bool, SecretError> {
    read(file).map(|sealed| sealed.key == ring.first().fingerprint())
}

pub(super) fn open(file: &Path, ring: &KeyRing) -> Result<Contents, SecretError> {
    let sealed = read(file)?;
    let key = ring
        .named(&sealed.key)
        .ok_or_else(|| SecretError::WrongKey(file.to_path_buf()))?;
    let decoded = |text: &str, what: &str| {
        STANDARD
            .decode(text)
            .map_err(|_| tampered(file, format!("its {what} is not base64")))
    };
    let nonce = decoded(&sealed.nonce, "nonce")?;
    if nonce.len() != NONCE {
        return Err(tampered(file, "its nonce has another length".to_owned()));
    }
    let boxed = [nonce, decoded(&sealed.sealed, "box")?].concat();
    let plain = key
        .open(
            &boxed,
            &Sealed::bound(&sealed.format, &sealed.names, &sealed.expires),
        )
        .ok_or_else(|| tampered(file, "its seal is broken".to_owned()))?;
    let values: BTreeMap<String, String> = serde_json::from_slice(&plain)
        .map_err(|_| tampered(file, "its content is of another format".to_owned()))?;
    Ok(Contents {
        values: values
            .into_iter()
            .map(|(name, value)| (name, Zeroizing::new(value)))
            .collect(),
        expires: sealed.expires,
    })
}

/// Writes a new file beside the old one and puts it in its place: a crash leaves the one or the other, whole.
pub(super) fn write(file: &Path, ring: &KeyRing, contents: &Contents) -> Result<(), SecretError> {
    let failed = |source| SecretError::Write {
        path: file.to_path_buf(),
        source,
    };
    let names: BTreeSet<&String> = contents.values.keys().collect();
    let expires: Expiries = contents
        .expires
        .iter()
        .filter(|(name, _)| names.contains(name))
        .map(|(name, at)| (name.clone(), *at))
        .collect();
    let names: Vec<String> = names.into_iter().cloned().collect();
    let borrowed: BTreeMap<&str, &str> = contents
        .values
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let plain = Zeroizing::new(serde_json::to_vec(&borrowed).map_err(|error| failed(error.into()))?);
    let boxed = ring
        .first()
        .seal(&plain, &Sealed::bound(FORMAT, &names, &expires))
        .ok_or_else(|| failed(std::io::Error::other("the values could not be sealed")))?;
    let (nonce, boxed) = boxed.split_at_checked(NONCE).unwrap_or_default();
    let sealed = Sealed {
        format: FORMAT.to_owned(),
        key: ring.first().fingerprint(),
        names,
        expires,
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(boxed),
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
