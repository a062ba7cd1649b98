//! `[plugins]`: where components other than the built-in one come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::secret_source::SecretSource;

/// Components other than the built-in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginsSection {
    /// The folder that keeps them, by digest. A relative path is relative to this file.
    pub folder: PathBuf,
    /// Digests (SHA-256, hexadecimal) of components whose plans within the limits are applied on schedule without
    /// anybody's approval, as the built-in one's are. What another component plans waits for approval.
    pub trusted: Vec<String>,
    /// OCI registries that want a name and a password.
    pub registries: Vec<RegistrySection>,
}

/// How to sign in at an OCI registry.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrySection {
    /// Host and port, as in references: `ghcr.io`.
    pub host: String,
    /// The name.
    pub username: String,
    /// Where the password or access token is.
    pub password: SecretSource,
    /// Another host that may be given the password: where the registry's tokens come from, if not from itself.
    pub token_host: Option<String>,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("groupcast.plugins"),
            trusted: Vec::new(),
            registries: Vec::new(),
        }
    }
}

impl PluginsSection {
    /// What the types cannot say: key path below `[plugins]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut faults = Vec::new();
        for digest in self
            .trusted
            .iter()
            .filter(|digest| !crate::plugin::is_digest(digest))
        {
            faults.push((
                vec!["trusted"],
                format!("`{digest}` is no digest; write the SHA-256 that `groupcast plugin inspect` shows"),
            ));
        }
        for registry in &self.registries {
            if registry.host.is_empty() || registry.host.contains('/') {
                faults.push((
                    vec!["registries", "host"],
                    format!(
                        "`{}` is no host; write it as in references, such as `ghcr.io`",
                        registry.host
                    ),
                ));
            }
        }
        faults
    }
}
