//! Why a secret cannot be had; never with the secret in it.

use std::path::PathBuf;

use crate::config::SecretSource;

/// Why a secret cannot be had or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The variable is not set, or is no text.
    #[error("the environment variable {0} is not set; set it, or name another place in the configuration")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("the secret's file {path} cannot be read: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Nothing is stored under the name.
    #[error("no secret is stored under the name {0}; store it with `groupcast secrets set {0}`")]
    NotStored(String),
    /// What is there is empty.
    #[error("{0} is empty; it should hold a secret")]
    Empty(SecretSource),
    /// What is there is too long.
    #[error("{0} is longer than any secret (256 KiB)")]
    TooLong(SecretSource),
    /// What is there is no text.
    #[error("{0} is not text in UTF-8")]
    NoText(SecretSource),
    /// The name is none. It is not repeated: it may be the secret.
    #[error(
        "a secret's name has lower-case letters, digits, `.`, `_` and `-`, 64 at most; give the name first, and the value when asked"
    )]
    BadName,
    /// There is a store but no key.
    #[error("the stored secrets need their key: {path} is not there, and GROUPCAST_SECRETS_KEY is not set; bring the key back, or remove the secrets' file and set them again", path = .0.display())]
    NoKey(PathBuf),
    /// The key is no key.
    #[error("{0} holds no key; a key is 32 bytes in base64")]
    BadKey(String),
    /// Others can read the key.
    #[error("the key {path} can be read by others (mode {mode:o}); make it yours alone with `chmod 600`, and set the secrets anew if others had it", path = .path.display())]
    OpenKey {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key does not fit.
    #[error("the key does not fit the stored secrets in {path}: they were sealed with another one", path = .0.display())]
    WrongKey(PathBuf),
    /// The file was changed by something else.
    #[error("the stored secrets in {path} were changed or damaged ({what}); restore the file from a backup, or remove it and set them again", path = .path.display())]
    Tampered {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The file cannot be written.
    #[error("the stored secrets cannot be written to {path}: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The host is stopping.
    #[error("reading a secret was interrupted, since the host is stopping")]
    Interrupted,
}
