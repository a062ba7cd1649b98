//! A directory's *Details*: its switch with what was found before it is moved, schedule, policy, limits, identity.

use askama::Template;

use super::limits::LimitRow;
use crate::console::page::{Begin, Shell};
use crate::console::words::{Name, Tone, When};

/// Why it no longer runs by itself.
#[derive(Debug)]
pub struct QuarantineNote {
    /// Since when.
    pub since: When,
    /// What kept failing.
    pub reason: String,
    /// What to do.
    pub way_out: String,
}

/// Who paused it.
#[derive(Debug)]
pub struct PauseNote {
    /// When.
    pub at: When,
    /// Who.
    pub by: Name,
    /// Why.
    pub reason: Name,
}

/// The *Details* of a directory.
#[derive(Debug, Template)]
#[template(path = "directory.html")]
pub struct Details {
    /// Around it.
    pub shell: Shell,
    /// What can be begun.
    pub begin: Option<Begin>,
    /// Its path.
    pub href: String,
    /// Its version, which every change names.
    pub version: u64,
    /// Whether it is of Google.
    pub google: bool,
    /// Why it cannot run.
    pub unusable: Option<String>,
    /// What is under way: where, and in words.
    pub running: Option<(String, String)>,
    /// Whether it failed too often.
    pub quarantine: Option<QuarantineNote>,
    /// Whether it was switched on although users are at risk (R34).
    pub at_risk: bool,
    /// Whether management is on.
    pub managed: bool,
    /// That it stands in the file.
    pub declared_in_file: Option<String>,
    /// Whether the reader may switch, pause, begin.
    pub may_operate: bool,
    /// Whether the reader may change the settings.
    pub may_change: bool,
    /// Whether it writes without being asked.
    pub mode: &'static str,
    /// When a run last ended well.
    pub last_success: Option<When>,
    /// When the next one begins.
    pub next: Option<When>,
    /// Numbers: what, of what.
    pub figures: Vec<(String, &'static str)>,
    /// Whether it is paused.
    pub paused: Option<PauseNote>,
    /// When runs begin, in words.
    pub schedule: Vec<(&'static str, String)>,
    /// The choices of a drift policy: value, words.
    pub policies: &'static [(&'static str, &'static str)],
    /// The one that it has.
    pub policy: &'static str,
    /// `keep` or `remove`.
    pub suspended: &'static str,
    /// `move` or `rename` (Google), `create` or `hold` (Entra).
    pub on_change: &'static str,
    /// The policy in words, for whoever may not change it.
    pub policy_facts: Vec<(&'static str, String)>,
    /// The limits.
    pub limits: Vec<LimitRow>,
    /// What identifies it.
    pub identity: Vec<(&'static str, Name)>,
}

/// The drift policies, in words (R10).
pub const POLICIES: &[(&str, &str)] = &[
    ("managed", "managed: they stay; what is ours is put back"),
    ("authoritative", "authoritative: plain members are removed"),
    ("additive", "additive: nobody is ever removed"),
];

/// Something that was found before management is switched on.
#[derive(Debug)]
pub struct FindingNote {
    /// How much it matters.
    pub tone: Tone,
    /// What it is about.
    pub place: Name,
    /// Its stable name.
    pub code: String,
    /// What was found and what to do.
    pub message: String,
}

/// What switching on would mean (R33 to R35).
#[derive(Debug, Template)]
#[template(path = "enable.html")]
pub struct Enable {
    /// Around it.
    pub shell: Shell,
    /// The directory's path.
    pub href: String,
    /// The version that was looked at.
    pub version: u64,
    /// In a few words.
    pub summary: String,
    /// All that was found, problems first.
    pub findings: Vec<FindingNote>,
    /// Whether it may only be switched on by accepting what was found.
    pub needs_acknowledgement: bool,
    /// Whether it was on before (R38).
    pub was_managed: bool,
}
