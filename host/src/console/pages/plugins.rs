//! Plugins: the components that may be run, which of them a tenant runs, and what was granted to each.

use askama::Template;

use crate::console::page::Shell;
use crate::console::words::{Badge, Name, When};

/// A component.
#[derive(Debug)]
pub struct PluginRow {
    /// Its name and version, as it says itself.
    pub name: Name,
    /// SHA-256; empty for the built-in one, as it is chosen.
    pub digest: String,
    /// Who may run it.
    pub whose: Name,
    /// Where it came from; none: it is built in.
    pub origin: Option<Name>,
    /// How large it is.
    pub size: Option<String>,
    /// The requests that were granted to it: how many, in words.
    pub granted: String,
    /// Each of them.
    pub rules: Vec<Name>,
    /// Since when it is known.
    pub added: Option<When>,
    /// Whether it is the one that runs.
    pub used: Option<Badge>,
}

/// The plugins of a tenant, or of the host.
#[derive(Debug, Template)]
#[template(path = "plugins.html")]
pub struct Plugins {
    /// Around it.
    pub shell: Shell,
    /// The page's path.
    pub href: String,
    /// The tenant's version, which a change names.
    pub version: u64,
    /// That the tenant stands in the file.
    pub declared_in_file: Option<String>,
    /// Whether the reader may choose.
    pub may_choose: bool,
    /// That the one that was chosen is not there.
    pub missing: Option<Name>,
    /// What there is.
    pub rows: Vec<PluginRow>,
}
