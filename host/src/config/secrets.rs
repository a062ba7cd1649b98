//! `[secrets]`: where stored secrets are kept, where the host's key is, and how Vault is reached. Places, never values.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

use super::secret_source::{NOT_A_PLACE, SecretSource, VaultPlace, looks_like_secret};
use super::values::is_loopback;

/// Where stored secrets are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SecretsSection {
    /// The encrypted file that `groupcast secrets set` writes.
    pub file: PathBuf,
    /// The file with its key, readable for its owner alone; made at first use. The environment variable
    /// `GROUPCAST_SECRETS_KEY` goes before it. A file, a variable or a keyring may hold several keys, one a line: the
    /// first seals, all of them open.
    pub key_file: PathBuf,
    /// Where the host's key is, if not in `key_file`. It wraps the data key of each tenant in the store, and seals the
    /// encrypted file.
    pub key: Option<KeySource>,
    /// Where the key was before: it still opens what it sealed, until `groupcast secrets rotate-key` has sealed all of it
    /// again.
    pub previous_key: Option<KeySource>,
    /// How HashiCorp Vault or OpenBao is reached, for `{ vault = … }` and for a key in its transit engine.
    pub vault: Option<VaultSection>,
}

impl Default for SecretsSection {
    fn default() -> Self {
        Self {
            file: PathBuf::from("groupcast.secrets"),
            key_file: PathBuf::from("groupcast.key"),
            key: None,
            previous_key: None,
            vault: None,
        }
    }
}

/// Where the host's key is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// In a file that its owner alone can read.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
    /// In the kernel's keyring (Linux keyutils) under this name; it is gone when the machine restarts.
    Keyring(String),
    /// In a credential that systemd hands over (`LoadCredentialEncrypted=`), by its name.
    Systemd(String),
    /// In Vault's transit engine, which wraps and unwraps and never gives the key away.
    VaultTransit(TransitSection),
}

/// A key of Vault's transit engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransitSection {
    /// The key's name there.
    pub key: String,
    /// Where the engine is mounted.
    #[serde(default = "transit")]
    pub mount: String,
}

/// How Vault is reached. One of `token`, `app_role` and `kubernetes` says who asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultSection {
    /// Scheme, host and port.
    pub address: String,
    /// The namespace, where there are any.
    pub namespace: Option<String>,
    /// Where the key-value engine (version 2) is mounted.
    #[serde(default = "secret")]
    pub mount: String,
    /// More certificate authorities to trust for Vault, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Tenants of the store may name secrets at `TENANT_PREFIX/TENANT/…` and nowhere else; without it at none.
    pub tenant_prefix: Option<String>,
    /// Where a token is: a variable, or a file (such as the sink of Vault Agent).
    pub token: Option<SecretSource>,
    /// An AppRole.
    pub app_role: Option<AppRoleSection>,
    /// The service account of a Kubernetes pod.
    pub kubernetes: Option<KubernetesSection>,
    /// Seconds that one request may take.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: u32,
}

/// Sign-in by AppRole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppRoleSection {
    /// The role's ID.
    pub role_id: String,
    /// Where the secret ID is: a variable or a file.
    pub secret_id: SecretSource,
    /// Where the method is mounted.
    #[serde(default = "approle")]
    pub mount: String,
}

/// Sign-in by a Kubernetes service account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSection {
    /// The role in Vault.
    pub role: String,
    /// The pod's token.
    #[serde(default = "jwt_file")]
    pub jwt_file: PathBuf,
    /// Where the method is mounted.
    #[serde(default = "kubernetes")]
    pub mount: String,
}

fn transit() -> String {
    "transit".to_owned()
}

fn secret() -> String {
    "secret".to_owned()
}

fn approle() -> String {
    "approle".to_owned()
}

fn kubernetes() -> String {
    "kubernetes".to_owned()
}

fn jwt_file() -> PathBuf {
    PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/token")
}

fn ten() -> u32 {
    10
}

const HOW: &str = "name where the key is: { file = \"PATH\" }, { env = \"VARIABLE\" }, { keyring = \"NAME\" }, \
                   { systemd = \"NAME\" } or { vault_transit = { key = \"NAME\" } }";

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = KeySource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table that names where the key is")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<KeySource, E> {
        Err(E::custom(format!(
            "{NOT_A_PLACE}, and may be the key itself; {HOW}"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeySource, A::Error> {
        let refused = || A::Error::custom(format!("{NOT_A_PLACE}; {HOW}"));
        let kind = map.next_key::<String>()?.ok_or_else(refused)?;
        let found = if kind == "vault_transit" {
            KeySource::VaultTransit(map.next_value().map_err(|_| refused())?)
        } else {
            let value = map.next_value::<String>().map_err(|_| refused())?;
            match kind.as_str() {
                "file" => KeySource::File(PathBuf::from(value)),
                "env" => KeySource::Env(value),
                "keyring" => KeySource::Keyring(value),
                "systemd" => KeySource::Systemd(value),
                _ => return Err(refused()),
            }
        };
        if map.next_key::<String>()?.is_some() {
            return Err(A::Error::custom(format!(
                "{NOT_A_PLACE}: it names more than one; {HOW}"
            )));
        }
        Ok(found)
    }
}

impl<'de> Deserialize<'de> for KeySource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "the key file {}", path.display()),
            Self::Env(name) => write!(formatter, "the environment variable {name}"),
            Self::Keyring(name) => write!(formatter, "the kernel's keyring, entry {name}"),
            Self::Systemd(name) => write!(formatter, "the systemd credential {name}"),
            Self::VaultTransit(section) => {
                write!(
                    formatter,
                    "the transit key {}/{} of Vault",
                    section.mount, section.key
                )
            }
        }
    }
}

/// A path of Vault: names joined by `/`, none of them empty, `.` or `..`.
pub(super) fn is_vault_path(text: &str) -> bool {
    text.len() <= 512
        && text.split('/').all(|name| {
            !name.is_empty()
                && name != "."
                && name != ".."
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte))
        })
}

/// A fault: the key path below `[secrets]`, and what is wrong.
type Fault = (Vec<&'static str>, String);

impl SecretsSection {
    /// What the types cannot say.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (at, key) in [("key", &self.key), ("previous_key", &self.previous_key)] {
            match key {
                Some(KeySource::Env(name)) => faults.extend(
                    SecretSource::Env(name.clone())
                        .fault()
                        .map(|fault| (vec![at], fault)),
                ),
                Some(KeySource::Keyring(name) | KeySource::Systemd(name))
                    if !crate::secrets::is_name(name) || looks_like_secret(name) =>
                {
                    let message = "a name has lower-case letters, digits, `.`, `_` and `-`, 64 at most";
                    faults.push((vec![at], format!("{NOT_A_PLACE}: {message}")));
                }
                Some(KeySource::VaultTransit(section)) => {
                    if self.vault.is_none() {
                        let message = "a transit key needs [secrets.vault], which says how Vault is reached";
                        faults.push((vec![at], message.to_owned()));
                    }
                    if !is_vault_path(&section.mount) || !is_vault_path(&section.key) {
                        let message = "mount and key have letters, digits, `.`, `_` and `-`";
                        faults.push((vec![at], message.to_owned()));
                    }
                }
                _ => {}
            }
        }
        faults.extend(self.vault.iter().flat_map(VaultSection::faults));
        faults
    }
}

impl VaultSection {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |keys: &[&'static str], message: String| {
            faults.push(([&["vault"], keys].concat(), message));
        };
        match Url::parse(&self.address) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                fault(
                    &["address"],
                    "the address has credentials in it; take them out".to_owned(),
                );
            }
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url) => {
                if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
                    fault(&["address"], "only scheme, host and port belong here".to_owned());
                }
            }
            Ok(_) => fault(
                &["address"],
                "secrets would go over the network unencrypted; use https".to_owned(),
            ),
            Err(error) => fault(&["address"], format!("this is no URL: {error}")),
        }
        let paths: [(&[&'static str], Option<&str>); 5] = [
            (&["mount"], Some(&self.mount)),
            (&["namespace"], self.namespace.as_deref()),
            (&["tenant_prefix"], self.tenant_prefix.as_deref()),
            (
                &["app_role", "mount"],
                self.app_role.as_ref().map(|role| role.mount.as_str()),
            ),
            (
                &["kubernetes", "mount"],
                self.kubernetes.as_ref().map(|role| role.mount.as_str()),
            ),
        ];
        for (keys, path) in paths {
            if path.is_some_and(|path| !is_vault_path(path)) {
                let message =
                    "names of letters, digits, `.`, `_`, `-` and `@`, joined by `/`, with none at the ends";
                fault(keys, message.to_owned());
            }
        }
        if !(1..=60).contains(&self.timeout_seconds) {
            let message = format!("{} is out of range; it goes from 1 to 60", self.timeout_seconds);
            fault(&["timeout_seconds"], message);
        }
        let ways = [
            self.token.is_some(),
            self.app_role.is_some(),
            self.kubernetes.is_some(),
        ];
        if ways.into_iter().filter(|way| *way).count() != 1 {
            let message = "say who asks by exactly one of `token`, `app_role` and `kubernetes`";
            fault(&[], message.to_owned());
        }
        let own: [(&[&'static str], Option<&SecretSource>); 2] = [
            (&["token"], self.token.as_ref()),
            (
                &["app_role", "secret_id"],
                self.app_role.as_ref().map(|role| &role.secret_id),
            ),
        ];
        for (keys, source) in own {
            match source {
                Some(SecretSource::Stored(_) | SecretSource::Vault(VaultPlace { .. })) => {
                    let message = "what opens Vault is in a variable or a file: { env = \"VARIABLE\" } or { file = \"PATH\" }";
                    fault(keys, message.to_owned());
                }
                Some(source) => {
                    if let Some(message) = source.fault() {
                        fault(keys, message);
                    }
                }
                None => {}
            }
        }
        faults
    }
}
