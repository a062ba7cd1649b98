//! Getting started: connecting JumpCloud and a directory, with what to click at the vendor beside it.

use askama::Template;

use crate::console::page::{Shell, Step};
use crate::console::words::Name;

/// What was entered about JumpCloud; never a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JumpCloudForm {
    /// What people call the organisation.
    pub title: String,
    /// The tenant's name.
    pub name: String,
    /// `service-account` or `api-key`.
    pub credential: String,
    /// Of the service account.
    pub client_id: String,
    /// Whether there is a secret already.
    pub secret_is_kept: bool,
    /// Another console than the usual.
    pub base_url: String,
    /// Another place for tokens than the usual.
    pub token_url: String,
    /// The organisation's ID.
    pub org_id: String,
}

impl JumpCloudForm {
    /// Whether what is rarely needed is shown at once.
    pub fn details_open(&self) -> bool {
        !(self.base_url.is_empty() && self.token_url.is_empty() && self.org_id.is_empty())
    }
}

/// A new tenant.
#[derive(Debug, Template)]
#[template(path = "tenant_new.html")]
pub struct NewTenantPage {
    /// Around it.
    pub shell: Shell,
    /// Where the reader is on the way.
    pub steps: Vec<Step>,
    /// What was entered.
    pub form: JumpCloudForm,
}

/// What was entered about a directory; never a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryForm {
    /// `google`, `entra`, or empty: not chosen yet.
    pub vendor: String,
    /// Its name.
    pub name: String,
    /// JumpCloud's ID of it.
    pub directory: String,
    /// Google: whom the service account acts for.
    pub admin: String,
    /// Google: the customer's ID.
    pub customer_id: String,
    /// Google: another address than the usual.
    pub base_url: String,
    /// Google: another place for tokens.
    pub token_url: String,
    /// Entra: the tenant's ID.
    pub tenant_id: String,
    /// Entra: the application's ID.
    pub client_id: String,
    /// Entra: another Graph.
    pub graph_url: String,
    /// Entra: another place to sign in.
    pub login_url: String,
}

impl DirectoryForm {
    /// Whether what is rarely needed is shown at once.
    pub fn details_open(&self) -> bool {
        [
            &self.customer_id,
            &self.base_url,
            &self.token_url,
            &self.graph_url,
            &self.login_url,
        ]
        .iter()
        .any(|one| !one.is_empty())
    }
}

/// A new directory.
#[derive(Debug, Template)]
#[template(path = "directory_new.html")]
pub struct NewDirectoryPage {
    /// Around it.
    pub shell: Shell,
    /// The form's path.
    pub href: String,
    /// Where the reader is on the way.
    pub steps: Vec<Step>,
    /// What was entered.
    pub form: DirectoryForm,
    /// Directories of this kind that JumpCloud lists, by ID; empty where they could not be read.
    pub choices: Vec<(String, Name)>,
}

/// The four steps of getting started, as far as they are done.
pub fn steps(tenant: Option<&str>, directory: Option<&str>, done: [bool; 4]) -> Vec<Step> {
    let of_tenant = |rest: &str| tenant.map(|tenant| format!("{tenant}{rest}"));
    let of_directory = |rest: &str| directory.map(|directory| format!("{directory}{rest}"));
    let all = [
        ("Connect JumpCloud", "A key that only reads, tried at once.", None),
        (
            "Connect a directory",
            "Google Workspace or Entra ID; the page says what to click there.",
            of_tenant("/directories/new"),
        ),
        (
            "Choose groups and switch on",
            "Addresses for Google, a selection for Entra; then management, after a look at who would be at risk.",
            of_directory("/groups"),
        ),
        (
            "Approve the first plan",
            "Every change is shown; nothing is written before.",
            of_directory("/plans"),
        ),
    ];
    let now = done.iter().position(|one| !one);
    all.into_iter()
        .zip(done)
        .enumerate()
        .map(|(place, ((title, about, href), done))| Step {
            number: place + 1,
            title,
            about,
            href: href.filter(|_| !done),
            done,
            now: now == Some(place),
        })
        .collect()
}
