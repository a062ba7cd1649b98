//! *History*: what changed a directory, with the way back, and the audit log.

use askama::Template;

use super::runs::RunRow;
use crate::console::page::{Pages, Shell};
use crate::console::words::{Name, When};

/// An entry of the audit log.
#[derive(Debug)]
pub struct AuditRow {
    /// Its number.
    pub sequence: u64,
    /// When.
    pub at: When,
    /// Who.
    pub who: Name,
    /// What.
    pub action: String,
    /// To what.
    pub subject: Name,
    /// What was there before; empty for nothing.
    pub before: String,
    /// What is there now; empty for nothing.
    pub after: String,
}

/// The history of a directory.
#[derive(Debug, Template)]
#[template(path = "history.html")]
pub struct History {
    /// Around it.
    pub shell: Shell,
    /// Whether the reader may plan a way back.
    pub may_operate: bool,
    /// Runs that changed something.
    pub applies: Vec<RunRow>,
    /// The audit log about it.
    pub entries: Vec<AuditRow>,
    /// Where the page of the audit log stands.
    pub pages: Pages,
}

/// The audit log of a tenant, or of the host.
#[derive(Debug, Template)]
#[template(path = "audit.html")]
pub struct Audit {
    /// Around it.
    pub shell: Shell,
    /// The latest first.
    pub entries: Vec<AuditRow>,
    /// Where the page stands.
    pub pages: Pages,
}
