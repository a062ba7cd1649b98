//! A directory's limits: how much may change at once before it waits for a person (R43).

use askama::Template;

use crate::console::faults::Faults;
use crate::console::page::Shell;

/// One limit as it was entered; what is empty limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitRow {
    /// As the configuration has it.
    pub key: &'static str,
    /// Of what.
    pub title: &'static str,
    /// What it means, where the title does not say all.
    pub about: &'static str,
    /// At most so many.
    pub count: String,
    /// At most this share.
    pub percent: String,
    /// The share counts from this size on.
    pub minimum_size: String,
}

impl LimitRow {
    /// Its parts: as the configuration has them, in words, as entered.
    pub fn parts(&self) -> [(&'static str, &'static str, &str); 3] {
        [
            ("count", "At most", &self.count),
            ("percent", "Percent", &self.percent),
            ("minimum_size", "From size", &self.minimum_size),
        ]
    }

    /// The name of one of its fields.
    pub fn field(&self, part: &str) -> String {
        format!("{}_{part}", self.key)
    }
}

/// The page of a directory's limits.
#[derive(Debug, Template)]
#[template(path = "limits.html")]
pub struct Limits {
    /// Around it.
    pub shell: Shell,
    /// The directory's path.
    pub href: String,
    /// Its version, which every change names.
    pub version: u64,
    /// That it stands in the file.
    pub declared_in_file: Option<String>,
    /// Whether the reader may change them.
    pub may_change: bool,
    /// Each of them.
    pub rows: Vec<LimitRow>,
    /// How many times a removal counts where more is at stake.
    pub stake_weight: String,
    /// What is wrong.
    pub faults: Faults,
}
