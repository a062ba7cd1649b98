//! All tenants at a glance, and one tenant's home.

use askama::Template;

use super::runs::RunRow;
use crate::console::page::{Pages, Shell, Step};
use crate::console::words::{Badge, Name, When};

/// A tenant in the list.
#[derive(Debug)]
pub struct TenantRow {
    /// Its name.
    pub name: String,
    /// What people call it.
    pub title: Name,
    /// Its home.
    pub href: String,
    /// How it is, the worst of its directories.
    pub state: Badge,
    /// How many directories it has.
    pub directories: usize,
    /// The oldest last success of its directories.
    pub last_success: Option<When>,
    /// What waits for a person.
    pub waits: Vec<Badge>,
}

/// All tenants that the reader sees.
#[derive(Debug, Template)]
#[template(path = "tenants.html")]
pub struct Tenants {
    /// Around it.
    pub shell: Shell,
    /// What was searched for.
    pub search: String,
    /// Whether the reader may add one.
    pub may_create: bool,
    /// The page's tenants.
    pub rows: Vec<TenantRow>,
    /// Where the page stands.
    pub pages: Pages,
}

/// A directory on its tenant's home.
#[derive(Debug)]
pub struct DirectoryCard {
    /// Its name.
    pub name: Name,
    /// Its pages.
    pub href: String,
    /// Whose it is.
    pub vendor: &'static str,
    /// How it is.
    pub badges: Vec<Badge>,
    /// When a run last ended well.
    pub last_success: Option<When>,
    /// When the next one begins.
    pub next: Option<When>,
    /// What is wrong.
    pub trouble: Option<String>,
    /// What waits for the reader: where, and in words.
    pub waits: Option<(String, String)>,
}

/// A tenant's home.
#[derive(Debug, Template)]
#[template(path = "tenant.html")]
pub struct TenantHome {
    /// Around it.
    pub shell: Shell,
    /// Its path.
    pub href: String,
    /// Getting started, until that is done.
    pub steps: Vec<Step>,
    /// Whether the reader may connect a directory.
    pub may_add: bool,
    /// Its directories.
    pub directories: Vec<DirectoryCard>,
    /// Its latest runs.
    pub runs: Vec<RunRow>,
}
