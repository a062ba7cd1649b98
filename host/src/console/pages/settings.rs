//! A tenant's settings: the JumpCloud connection, secrets (which only go in), tokens, who may do what.

use askama::Template;

use super::start::JumpCloudForm;
use crate::console::page::Shell;
use crate::console::words::{Badge, Name, When};

/// The JumpCloud connection.
#[derive(Debug, Template)]
#[template(path = "settings.html")]
pub struct Settings {
    /// Around it.
    pub shell: Shell,
    /// The settings' path.
    pub href: String,
    /// The tenant's version.
    pub version: u64,
    /// That it stands in the file.
    pub declared_in_file: Option<String>,
    /// Whether the reader may change it.
    pub may_change: bool,
    /// Whether its runs begin.
    pub enabled: bool,
    /// As it is.
    pub form: JumpCloudForm,
}

/// A secret: never its value.
#[derive(Debug)]
pub struct SecretRow {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: u64,
    /// When that was set.
    pub set_at: When,
    /// By whom.
    pub set_by: Name,
    /// When it expires.
    pub expires: Badge,
}

/// The secrets of a tenant.
#[derive(Debug, Template)]
#[template(path = "secrets.html")]
pub struct Secrets {
    /// Around it.
    pub shell: Shell,
    /// The page's path.
    pub href: String,
    /// Whether the reader may change them.
    pub may_change: bool,
    /// By name.
    pub rows: Vec<SecretRow>,
}

/// A token: never itself.
#[derive(Debug)]
pub struct TokenRow {
    /// Its ID.
    pub id: String,
    /// What it is called.
    pub name: Name,
    /// What it may do.
    pub role: &'static str,
    /// When it was made.
    pub made: When,
    /// When it was used last.
    pub used: Option<When>,
    /// When it expires, or that it is revoked.
    pub expires: Badge,
    /// Whether it is still good.
    pub usable: bool,
}

/// The tokens of a tenant, or of the host.
#[derive(Template)]
#[template(path = "tokens.html")]
pub struct Tokens {
    /// Around it.
    pub shell: Shell,
    /// The page's path.
    pub href: String,
    /// Whether the reader may make and revoke.
    pub may_change: bool,
    /// One that was just made, this once.
    pub made: Option<String>,
    /// The latest first.
    pub rows: Vec<TokenRow>,
}

/// A grant.
#[derive(Debug)]
pub struct GrantRow {
    /// To whom.
    pub subject: Name,
    /// What they may do.
    pub role: &'static str,
    /// Since when.
    pub since: When,
}

/// Who may do what.
#[derive(Debug, Template)]
#[template(path = "access.html")]
pub struct Access {
    /// Around it.
    pub shell: Shell,
    /// The page's path.
    pub href: String,
    /// Whether the reader may grant.
    pub may_change: bool,
    /// By subject.
    pub rows: Vec<GrantRow>,
}
