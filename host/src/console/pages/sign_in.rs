//! Signing in, and what is shown instead of a page that there is not.

use askama::Template;

use crate::console::page::Shell;

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderLink {
    /// Where signing in by it begins.
    pub href: String,
    /// What it is called: its host.
    pub name: String,
}

/// The page that everybody may see.
#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
pub struct SignIn {
    /// Around it.
    pub shell: Shell,
    /// The identity provider, where there is one.
    pub provider: Option<ProviderLink>,
    /// Where to go afterwards: a path of this host.
    pub next: String,
}

/// A page that there is not, or not for this reader.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct Problem {
    /// Around it; its notice says what happened.
    pub shell: Shell,
    /// Where to go from here.
    pub back: String,
}
