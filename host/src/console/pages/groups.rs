//! *User Groups*: which groups go to a directory, under which address, and the state of each with its reason.

use askama::Template;

use crate::console::page::{Pages, Shell};
use crate::console::words::{Badge, Name};

/// A button of a group's row: what it sends and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The form's field: `bound` or `selected`.
    pub field: &'static str,
    /// `yes` or `no`.
    pub value: &'static str,
    /// The button's words.
    pub label: &'static str,
    /// Whether it switches on.
    pub on: bool,
}

/// A group in the list.
#[derive(Debug)]
pub struct GroupRow {
    /// JumpCloud's ID: hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: Name,
    /// Its page, which is also where its form goes.
    pub href: String,
    /// Whether it is bound.
    pub bound: bool,
    /// Whether by the list on our side.
    pub bound_by_us: bool,
    /// Users, nested ones included.
    pub members: Option<String>,
    /// Its address, or its name in Entra.
    pub address: Option<Name>,
    /// Whether that is entered here.
    pub is_override: bool,
    /// Whether it is exported, as far as it is for the reader to say.
    pub selected: bool,
    /// Its state.
    pub state: Badge,
    /// Why.
    pub reason: Option<String>,
    /// What the reader may do with one click.
    pub action: Option<Action>,
}

/// The groups of a directory.
#[derive(Debug, Template)]
#[template(path = "groups.html")]
pub struct Groups {
    /// Around it.
    pub shell: Shell,
    /// The list's path.
    pub href: String,
    /// Whether it is of Google.
    pub google: bool,
    /// The directory's version.
    pub version: u64,
    /// What was searched for.
    pub search: String,
    /// Which are shown.
    pub only: &'static str,
    /// Which can be: value, words.
    pub filters: &'static [(&'static str, &'static str)],
    /// That the directory stands in the file.
    pub declared_in_file: Option<String>,
    /// The page's groups.
    pub rows: Vec<GroupRow>,
    /// Where the page stands.
    pub pages: Pages,
}

/// What can be shown of the list.
pub const FILTERS: &[(&str, &str)] = &[
    ("all", "All groups"),
    ("bound", "Bound here"),
    ("exported", "Exported"),
    ("trouble", "Needs a look"),
];

/// One group.
#[derive(Debug, Template)]
#[template(path = "group.html")]
pub struct Group {
    /// Around it.
    pub shell: Shell,
    /// Whether the directory is of Google.
    pub google: bool,
    /// The directory's version.
    pub version: u64,
    /// As in the list.
    pub row: GroupRow,
    /// Its own email in JumpCloud.
    pub email: Option<Name>,
    /// What else is known.
    pub facts: Vec<(&'static str, Name)>,
    /// Where to ask why.
    pub why: String,
    /// Whether the reader may change it.
    pub may_change: bool,
    /// Entra: binding, which is another button than selecting.
    pub bind: Option<Action>,
    /// The choices of a drift policy.
    pub policies: &'static [(&'static str, &'static str)],
    /// Its own; empty: the directory's.
    pub policy: &'static str,
}
