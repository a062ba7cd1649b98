//! Where a secret is: never the secret itself.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::secrets::is_vault_path;

/// Where a secret is kept. The configuration names it; the secret itself never stands in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// In an environment variable of this name.
    Env(String),
    /// In a file; a relative path is relative to the configuration file.
    File(PathBuf),
    /// In the encrypted store of `groupcast secrets set`, under this name.
    Stored(String),
    /// In HashiCorp Vault or OpenBao; `[secrets.vault]` says how it is reached.
    Vault(VaultPlace),
}

/// A field of a secret in Vault's key-value engine, version 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VaultPlace {
    /// The secret's path below the engine's mount, such as `groupcast/jumpcloud`.
    pub path: String,
    /// The field of it.
    #[serde(default = "value")]
    pub field: String,
    /// Where the engine is mounted, if elsewhere than `secrets.vault.mount` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<String>,
}

fn value() -> String {
    "value".to_owned()
}

impl fmt::Display for SecretSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(formatter, "the environment variable {name}"),
            Self::File(path) => write!(formatter, "the file {}", path.display()),
            Self::Stored(name) => write!(formatter, "the stored secret {name}"),
            Self::Vault(place) => write!(formatter, "the field {} of {} in Vault", place.field, place.path),
        }
    }
}

/// What every refusal says; none repeats what was given, since that may be the secret.
pub(super) const HOW: &str = "name where the secret is: { env = \"VARIABLE\" }, { file = \"PATH\" }, \
                              { stored = \"NAME\" } or { vault = { path = \"PATH\", field = \"FIELD\" } }";
/// How a refusal begins that must not show its line.
pub(super) const NOT_A_PLACE: &str = "this is not a place to find a secret in";

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table that names where the secret is")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(format!(
            "{NOT_A_PLACE}, and may be the secret itself; {HOW}"
        )))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let refused = || A::Error::custom(format!("{NOT_A_PLACE}; {HOW}"));
        let Some(kind) = map.next_key::<String>()? else {
            return Err(refused());
        };
        let found = if kind == "vault" {
            SecretSource::Vault(map.next_value().map_err(|_| refused())?)
        } else {
            let value = map.next_value::<String>().map_err(|_| refused())?;
            match kind.as_str() {
                "env" => SecretSource::Env(value),
                "file" => SecretSource::File(PathBuf::from(value)),
                "stored" => SecretSource::Stored(value),
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

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

impl SecretSource {
    /// What is wrong with the name; never repeats it.
    pub(super) fn fault(&self) -> Option<String> {
        let (given, fits) = match self {
            Self::Env(name) => {
                let first = name
                    .chars()
                    .next()
                    .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
                (
                    name.as_str(),
                    first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                )
            }
            Self::Stored(name) => (name.as_str(), crate::secrets::is_name(name)),
            Self::File(path) => {
                let text = path.to_str().unwrap_or_default();
                (text, !text.is_empty() && !text.contains(['\n', '\r']))
            }
            Self::Vault(place) => (
                place.path.as_str(),
                is_vault_path(&place.path)
                    && place.mount.as_deref().is_none_or(is_vault_path)
                    && (1..=128).contains(&place.field.len())
                    && !place.field.chars().any(char::is_control)
                    && !looks_like_secret(&place.field),
            ),
        };
        // A path may hold anything, so only what cannot be one is taken for a secret.
        let pasted = given.contains("-----BEGIN")
            || given.trim_start().starts_with('{')
            || !matches!(self, Self::File(_)) && looks_like_secret(given);
        if pasted {
            return Some(format!(
                "{NOT_A_PLACE}: it looks like the secret itself; {HOW}, and change the secret if others can read this file"
            ));
        }
        (!fits).then(|| match self {
            Self::Env(_) => format!("{NOT_A_PLACE}: a variable's name has letters, digits and `_`, and begins with no digit"),
            Self::Stored(_) => format!("{NOT_A_PLACE}: a stored secret's name has lower-case letters, digits, `.`, `_` and `-`, 64 at most"),
            Self::File(_) => format!("{NOT_A_PLACE}: a path is not empty and has no line break"),
            Self::Vault(_) => format!("{NOT_A_PLACE}: a path in Vault is names of letters, digits, `.`, `_`, `-` and `@` joined by `/`, and a field is not empty"),
        })
    }
}

/// Whether a text has the look of a key or token: a long run of letters and digits mixed, as no word has.
pub(super) fn looks_like_secret(text: &str) -> bool {
    text.contains("-----BEGIN")
        || text
            .split(|c: char| !c.is_ascii_alphanumeric() && !"+/=~".contains(c))
            .any(|run| {
                let digits = run.chars().filter(char::is_ascii_digit).count();
                let letters = run.chars().filter(char::is_ascii_alphabetic).count();
                run.len() >= 20 && digits >= 2 && letters >= 2
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_like_secrets_and_names_do_not() {
        for secret in [
            "3f9a1c0d7be24680a1b2c3d4e5f60718293a4b5c",
            "-----BEGIN PRIVATE KEY-----",
            "jca_0aBcD1eFgH2iJkL3mNoP4qRsT5uVwX6",
            "abc8Q~0dEfGhIjKlMnOpQrStUvWxYz12345",
        ] {
            assert!(looks_like_secret(secret), "{secret}");
        }
        for name in [
            "JUMPCLOUD_API_KEY",
            "GROUPCAST_JUMPCLOUD_API_KEY_2026_PRODUCTION",
            "google-service-account",
            "acme.entra.client-secret-2",
        ] {
            assert!(!looks_like_secret(name), "{name}");
        }
    }
}
