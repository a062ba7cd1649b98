//! `schedule` of a directory: when its runs begin. The comments are the descriptions in the published JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schedule::{Missed, QuietFor};

/// When runs begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// A cron pattern: minute, hour, day of month, month, day of week; seconds may stand before them.
    pub cron: String,
    /// A time zone of the IANA database, such as `Europe/Paris`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Up to how many seconds late a run begins, so that many do not begin at once.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600))]
    pub jitter_seconds: u32,
    /// Whether runs begin by themselves at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Hours in which nothing begins by itself; what somebody asks for does.
    #[serde(default)]
    pub quiet: Vec<QuietSection>,
    /// What is quiet then: `runs`, or only `writes`: runs begin, but do no more than plan.
    #[serde(default)]
    pub quiet_for: QuietFor,
    /// What becomes of runs that were missed, since no host was there or it was quiet: `once` makes up for all of them
    /// with one run, `skip` waits for the next.
    #[serde(default)]
    pub missed: Missed,
    /// Between these runs, look whether anything changed, each so many seconds: an event in JumpCloud is exported then
    /// without waiting for the next run. Each look costs JumpCloud a request.
    #[schemars(range(min = 10, max = 3_600))]
    pub watch_seconds: Option<u32>,
    /// After how many runs in a row that failed it no longer runs by itself, until somebody releases it; 0 is never. The
    /// pauses between them grow from a minute to six hours. What no repetition mends, such as a refused credential, is
    /// put aside at once.
    #[serde(default = "quarantine_after")]
    #[schemars(range(min = 0, max = 1_000))]
    pub quarantine_after: u32,
}

/// Hours of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietSection {
    /// When they begin, such as `08:00`.
    pub from: String,
    /// When they end; at or before `from`: on the next day.
    pub until: String,
    /// Days of the week on which they begin; none is every day.
    #[serde(default)]
    pub days: Vec<Day>,
    /// On whose clock; by itself on that of the schedule.
    pub timezone: Option<String>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl From<Day> for chrono::Weekday {
    fn from(day: Day) -> Self {
        match day {
            Day::Mon => Self::Mon,
            Day::Tue => Self::Tue,
            Day::Wed => Self::Wed,
            Day::Thu => Self::Thu,
            Day::Fri => Self::Fri,
            Day::Sat => Self::Sat,
            Day::Sun => Self::Sun,
        }
    }
}

fn quarantine_after() -> u32 {
    crate::schedule::QUARANTINE_AFTER
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}
