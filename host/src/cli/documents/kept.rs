//! What is kept on this machine or in the store: secrets' names, tokens, components.

use serde::Serialize;

use super::ErrorEntry;
use crate::cli::problem::Problem;
use crate::plugin::{Manifest, Outside};
use crate::store::service::TokenRecord;

/// `groupcast/secrets/1`.
#[derive(Debug, Serialize)]
pub struct SecretsDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The names.
    pub names: Vec<String>,
    /// What is known of each.
    pub secrets: Vec<SecretDocument>,
}

/// One of [`SecretsDocument`].
#[derive(Debug, Serialize)]
pub struct SecretDocument {
    /// Its name.
    pub name: String,
    /// Its version, for a tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When what it opens expires, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// `groupcast/tokens/1`.
#[derive(Debug, Serialize)]
pub struct TokensDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The token that was made; shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What is kept of tokens.
    pub tokens: Vec<TokenRecord>,
}

/// `groupcast/plugins/1`.
#[derive(Debug, Serialize)]
pub struct KeptDocument {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The components, ascending by digest.
    pub plugins: Vec<KeptEntry>,
}

/// One component that is kept.
#[derive(Debug, Serialize)]
pub struct KeptEntry {
    /// Lower-case hexadecimal SHA-256.
    pub digest: String,
    /// Bytes.
    pub size: u64,
}

/// `groupcast/plugin/1`.
#[derive(Debug, Serialize)]
pub struct PluginDocument<'a> {
    /// Name and version of the shape.
    pub format: &'static str,
    /// The process's exit code.
    pub exit: u8,
    /// The file.
    pub file: String,
    /// Lower-case hexadecimal SHA-256.
    pub digest: &'a str,
    /// Bytes.
    pub size: u64,
    /// What it imports.
    pub imports: Vec<ImportEntry<'a>>,
    /// What it exports.
    pub exports: &'a [String],
    /// What it says of itself; null where it could not be asked.
    pub manifest: Option<&'a Manifest>,
    /// Why it could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorEntry>,
}

/// One import.
#[derive(Debug, Serialize)]
pub struct ImportEntry<'a> {
    /// The interface.
    pub name: &'a str,
    /// Whether Groupcast gives it to plugins.
    pub allowed: bool,
}

impl<'a> PluginDocument<'a> {
    /// The document.
    pub fn new(
        file: String,
        outside: &'a Outside,
        manifest: Option<&'a Manifest>,
        problem: Option<&Problem>,
    ) -> Self {
        Self {
            format: "groupcast/plugin/1",
            exit: problem.map_or(0, |problem| problem.exit.code()),
            file,
            digest: &outside.digest,
            size: outside.size,
            imports: outside
                .imports
                .iter()
                .map(|(name, allowed)| ImportEntry {
                    name,
                    allowed: *allowed,
                })
                .collect(),
            exports: &outside.exports,
            manifest,
            error: problem.map(ErrorEntry::from),
        }
    }
}
