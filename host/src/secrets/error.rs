//! Why a secret cannot be had; never with the secret in it.

use std::path::PathBuf;

use super::Owner;
use crate::config::{KeySource, SecretSource};
use crate::store::StoreError;

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
    /// A tenant names what is the host's.
    #[error(
        "{source}: a tenant of the store cannot name the host's own places; set the secret for the tenant and name it as \
         {{ \"stored\": \"NAME\" }}", source = .0
    )]
    NotYours(SecretSource),
    /// A tenant names a path of Vault that is not below its own.
    #[error(
        "{path} in Vault is not {owner}'s; {owner} may name secrets below {allowed} of the mount that [secrets.vault] names"
    )]
    NotYourPath {
        /// Who named it.
        owner: Owner,
        /// The path.
        path: String,
        /// Where it may be.
        allowed: String,
    },
    /// Nothing is stored under the name for this tenant.
    #[error(
        "no secret of tenant {tenant} is stored under the name {name}; store it with `groupcast secrets set {name} --tenant {tenant}`, in the console or by the API"
    )]
    NotStoredFor {
        /// The tenant.
        tenant: String,
        /// The name.
        name: String,
    },
    /// Secrets of tenants need a store.
    #[error("the secret {0} of a tenant is in the store, which is not open here")]
    NoStore(String),
    /// The store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// What the store gave back does not open.
    #[error(
        "{what} in the store was changed or damaged: {why}; restore the store from a backup, or set the secret again"
    )]
    Broken {
        /// What was to be opened.
        what: String,
        /// What does not fit.
        why: &'static str,
    },
    /// None of the host's keys opens it.
    #[error(
        "{what} was sealed with the host's key {fingerprint}, which is not at hand; bring that key back (see `secrets.previous_key`), or set the tenant's secrets again"
    )]
    WrongHostKey {
        /// What was to be opened.
        what: String,
        /// Which key is missing.
        fingerprint: String,
    },
    /// Others kept changing the same secret.
    #[error("the secret {0} is being changed by others at the same time; nothing was stored, try again")]
    Contended(String),
    /// The kernel's keyring.
    #[error(
        "the kernel's keyring gives no key under the name {name}: {why}; put it there with `keyctl padd user keyring:{name}@groupcast @u`, or name another place as `secrets.key`"
    )]
    Keyring {
        /// The entry.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Not run by systemd, or without credentials.
    #[error(
        "systemd hands over no credential {0}: CREDENTIALS_DIRECTORY is not set; add `LoadCredentialEncrypted={0}:FILE` to the unit, or name another place as `secrets.key`"
    )]
    NoCredentials(String),
    /// The key is Vault's.
    #[error(
        "the host's key is in Vault's transit engine, which seals secrets of tenants in the store; the encrypted file needs a key on this machine: name one as `secrets.key`, or keep these secrets in Vault itself"
    )]
    KeyInVault,
    /// A key that only its owner can replace.
    #[error(
        "{0} cannot be written from here; put the new key there on the first line and the old one on the second, run `groupcast secrets rotate-key` again, and take the old one out when it is done"
    )]
    KeyNotOurs(KeySource),
    /// Vault is named and not configured.
    #[error("{0} cannot be had: there is no [secrets.vault] section that says how Vault is reached; add one")]
    NoVault(SecretSource),
    /// Vault gave nothing.
    #[error("{what} cannot be had: {why}")]
    Vault {
        /// What was asked for.
        what: String,
        /// What happened and what to do.
        why: String,
        /// Whether trying again may help with nobody doing anything.
        passing: bool,
    },
    /// A service that gives tokens.
    #[error("no token could be had from {url}: {why}")]
    Token {
        /// Whom was asked.
        url: String,
        /// What happened and what to do.
        why: String,
        /// Whether trying again may help with nobody doing anything.
        passing: bool,
    },
    /// The host is stopping.
    #[error("reading a secret was interrupted, since the host is stopping")]
    Interrupted,
}

impl SecretError {
    /// Whether trying again later may help with nobody doing anything: what was read before is still good then.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Vault { passing, .. } | Self::Token { passing, .. } => *passing,
            Self::Store(_) | Self::Contended(_) | Self::Interrupted => true,
            _ => false,
        }
    }
}
