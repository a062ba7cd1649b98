//! A directory's schedule: when runs begin by themselves, and when they do not.

use askama::Template;

use crate::console::faults::Faults;
use crate::console::page::Shell;

/// Hours in which nothing begins by itself, as they were entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuietRow {
    /// Its place, from 0.
    pub number: usize,
    /// When they begin.
    pub from: String,
    /// When they end.
    pub until: String,
    /// On which days, as the configuration has them; none is every day.
    pub days: Vec<&'static str>,
    /// On whose clock; empty for the schedule's.
    pub timezone: String,
}

impl QuietRow {
    /// Whether nothing was entered: days alone are no hours.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty() && self.until.is_empty()
    }

    /// The name of one of its fields.
    pub fn field(&self, part: &str) -> String {
        format!("quiet_{}_{part}", self.number)
    }

    /// Whether it begins on this day.
    pub fn has(&self, day: &str) -> bool {
        self.days.contains(&day)
    }
}

/// Days of the week: as the configuration has them, and in words.
pub const DAYS: &[(&str, &str)] = &[
    ("mon", "Monday"),
    ("tue", "Tuesday"),
    ("wed", "Wednesday"),
    ("thu", "Thursday"),
    ("fri", "Friday"),
    ("sat", "Saturday"),
    ("sun", "Sunday"),
];

/// What was entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleForm {
    /// The pattern; empty for none.
    pub cron: String,
    /// The time zone.
    pub timezone: String,
    /// Whether runs begin by themselves.
    pub enabled: bool,
    /// Up to how many seconds late a run begins.
    pub jitter_seconds: String,
    /// Each how many seconds it is looked whether anything changed.
    pub watch_seconds: String,
    /// `once` or `skip`.
    pub missed: String,
    /// After how many failures it is put aside.
    pub quarantine_after: String,
    /// `runs` or `writes`.
    pub quiet_for: String,
    /// Quiet hours; the last row is there to be filled.
    pub quiet: Vec<QuietRow>,
}

/// The page of a directory's schedule.
#[derive(Debug, Template)]
#[template(path = "schedule.html")]
pub struct Schedule {
    /// Around it.
    pub shell: Shell,
    /// The directory's path.
    pub href: String,
    /// Its version, which every change names.
    pub version: u64,
    /// That it stands in the file.
    pub declared_in_file: Option<String>,
    /// Whether the reader may change it.
    pub may_change: bool,
    /// What it is, for whoever may not.
    pub facts: Vec<(&'static str, String)>,
    /// What was entered.
    pub form: ScheduleForm,
    /// What is wrong with it.
    pub faults: Faults,
    /// The days to choose from.
    pub days: &'static [(&'static str, &'static str)],
}
