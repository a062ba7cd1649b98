//! *Runs*: what was done, what each write was answered, and live what is under way.

use askama::Template;

use crate::console::page::{Begin, Pages, Shell};
use crate::console::words::{Badge, Name, Tone, When};

/// A run in a list.
#[derive(Debug)]
pub struct RunRow {
    /// Its ID.
    pub id: String,
    /// Its page.
    pub href: String,
    /// What it was for.
    pub kind: &'static str,
    /// Of which directory.
    pub directory: Name,
    /// When it began.
    pub began: When,
    /// How long it took.
    pub took: String,
    /// How it ended.
    pub end: Badge,
    /// What it did.
    pub told: String,
    /// Why it ended badly.
    pub message: Option<String>,
}

/// Runs of a directory or of a tenant.
#[derive(Debug, Template)]
#[template(path = "runs.html")]
pub struct Runs {
    /// Around it.
    pub shell: Shell,
    /// What can be begun.
    pub begin: Option<Begin>,
    /// The latest first.
    pub runs: Vec<RunRow>,
    /// Where the page stands.
    pub pages: Pages,
}

/// A write and its answer.
#[derive(Debug)]
pub struct OutcomeRow {
    /// What was written.
    pub what: Name,
    /// Of which group.
    pub group: Name,
    /// How it ended.
    pub answer: Badge,
    /// The vendor's words.
    pub reason: Option<Name>,
    /// The vendor's request ID.
    pub request_id: Name,
    /// When it was answered.
    pub at: String,
}

/// A run.
#[derive(Debug, Template)]
#[template(path = "run.html")]
pub struct Run {
    /// Around it.
    pub shell: Shell,
    /// Where the way back is planned; none where nothing can be undone.
    pub undo: Option<String>,
    /// Its plan.
    pub plan: Option<String>,
    /// How it ended, for a person.
    pub message: Option<String>,
    /// How good that is.
    pub tone: Tone,
    /// Numbers: how many, of what.
    pub figures: Vec<(String, &'static str)>,
    /// When, what, more of it, tone.
    pub timeline: Vec<(String, &'static str, String, Tone)>,
    /// What is counted of requests.
    pub request_columns: Vec<&'static str>,
    /// Vendor, and a number for each of these.
    pub requests: Vec<(String, Vec<String>)>,
    /// Writes in the order of intent.
    pub outcomes: Vec<OutcomeRow>,
    /// How many.
    pub outcomes_told: String,
    /// Where the page stands.
    pub pages: Pages,
}

/// A phase of a run under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseLine {
    /// What it is.
    pub title: &'static str,
    /// What is being worked on.
    pub about: String,
    /// Whether it is over.
    pub done: bool,
}

/// How far a job is: what the live part of its page shows.
#[derive(Debug, Default, Template)]
#[template(path = "job_progress.html")]
pub struct Progress {
    /// How far.
    pub state: Badge,
    /// In words.
    pub told: String,
    /// Whether it is not over.
    pub running: bool,
    /// Done, of how many.
    pub share: Option<(u64, u64)>,
    /// Phases so far.
    pub phases: Vec<PhaseLine>,
    /// How it ended.
    pub message: Option<String>,
    /// Where to go from here.
    pub next: Vec<(String, String)>,
}

/// A job.
#[derive(Debug, Template)]
#[template(path = "job.html")]
pub struct Job {
    /// Around it.
    pub shell: Shell,
    /// Whether it is not over.
    pub running: bool,
    /// Where its progress is told.
    pub live: String,
    /// Where it is stopped.
    pub cancel: String,
    /// Whether the reader may.
    pub may_operate: bool,
    /// How far.
    pub state: Badge,
    /// In words.
    pub told: String,
    /// Done, of how many.
    pub share: Option<(u64, u64)>,
    /// Phases so far.
    pub phases: Vec<PhaseLine>,
    /// How it ended.
    pub message: Option<String>,
    /// Where to go from here.
    pub next: Vec<(String, String)>,
}
