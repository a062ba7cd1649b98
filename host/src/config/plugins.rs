//! `[plugins]`: where components other than the built-in one come from.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Components other than the built-in one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PluginsSection {
    /// The folder that keeps them, by digest. A relative path is relative to this file.
    pub folder: PathBuf,
}

impl Default for PluginsSection {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("groupcast.plugins"),
        }
    }
}

impl PluginsSection {
    /// What the types cannot say: key path below `[plugins]`, and what is wrong.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        Vec::new()
    }
}
