//! *Why* somebody is, or is not, in a group: the chain, link by link.

use askama::Template;

use crate::console::page::Shell;
use crate::console::words::Name;

/// A link of the chain.
#[derive(Debug)]
pub struct Link {
    /// Whether it holds.
    pub holds: bool,
    /// Whether it is the first that does not.
    pub cause: bool,
    /// What it says.
    pub message: Name,
}

/// The chain.
#[derive(Debug)]
pub struct Answer {
    /// In one sentence.
    pub conclusion: Name,
    /// In order.
    pub steps: Vec<Link>,
}

/// The question and its answer.
#[derive(Debug, Template)]
#[template(path = "why.html")]
pub struct Why {
    /// Around it.
    pub shell: Shell,
    /// The form's path.
    pub href: String,
    /// Who.
    pub person: String,
    /// In which group.
    pub group: String,
    /// The answer, once asked.
    pub answer: Option<Answer>,
}
