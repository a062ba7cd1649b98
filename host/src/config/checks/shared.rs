//! What all directories have in common: limits, schedules, quiet hours.

use std::time::Duration;

use groupcast_guest::settings::{Limits, Settings};

use super::{Check, at};
use crate::config::{QuietSection, ScheduleSection};
use crate::schedule::{QuietHours, Schedule, ScheduleError, Timetable};

impl Check<'_> {
    pub(super) fn common(
        &mut self,
        place: &[String],
        settings: &Settings,
        schedule: Option<&ScheduleSection>,
    ) -> Option<Timetable> {
        for (number, group) in settings.bound.iter().flatten().enumerate() {
            // A group's name may have blanks around it, which count (R24); it may not be nothing.
            if group.is_empty() {
                self.refuse(
                    &at(&at(place, "bound"), &number.to_string()),
                    "this must not be empty",
                    None,
                );
            }
        }
        let Limits {
            group_adds,
            group_removals,
            run_adds,
            run_removals,
            takeover_adds,
            takeover_removals,
            run_takeover_adds,
            stake_weight,
        } = &settings.limits;
        self.range(
            &at(&at(place, "limits"), "stake_weight"),
            u64::from(*stake_weight),
            1,
            1_000,
        );
        for (key, limit) in [
            ("group_adds", group_adds),
            ("group_removals", group_removals),
            ("run_adds", run_adds),
            ("run_removals", run_removals),
            ("takeover_adds", takeover_adds),
            ("takeover_removals", takeover_removals),
            ("run_takeover_adds", run_takeover_adds),
        ] {
            if let Some(percent) = limit.percent {
                let place = at(&at(&at(place, "limits"), key), "percent");
                self.range(&place, u64::from(percent), 0, 100);
            }
        }
        self.range(
            &at(place, "verify_every_minutes"),
            u64::from(settings.verify_every_minutes),
            0,
            10_080,
        );
        let section = schedule?;
        let place = at(place, "schedule");
        self.range(
            &at(&place, "jitter_seconds"),
            u64::from(section.jitter_seconds),
            0,
            3_600,
        );
        if let Some(seconds) = section.watch_seconds {
            self.range(&at(&place, "watch_seconds"), u64::from(seconds), 10, 3_600);
        }
        self.range(
            &at(&place, "quarantine_after"),
            u64::from(section.quarantine_after),
            0,
            1_000,
        );
        let quiet = section
            .quiet
            .iter()
            .enumerate()
            .filter_map(|(number, quiet)| {
                let place = at(&at(&place, "quiet"), &number.to_string());
                self.quiet(&place, quiet, &section.timezone)
            })
            .collect();
        let jitter = Duration::from_secs(u64::from(section.jitter_seconds));
        match Schedule::parse(&section.cron, &section.timezone, jitter) {
            Ok(schedule) => Some(Timetable {
                schedule,
                enabled: section.enabled,
                quiet,
                quiet_for: section.quiet_for,
                missed: section.missed,
                watch: section
                    .watch_seconds
                    .map(|seconds| Duration::from_secs(seconds.into())),
                quarantine_after: section.quarantine_after,
            }),
            Err(error) => {
                let key = match error {
                    ScheduleError::Zone { .. } => "timezone",
                    _ => "cron",
                };
                self.refuse(&at(&place, key), error.to_string(), None);
                // All that is wrong is told at once.
                if key == "cron"
                    && let Err(error) = Schedule::zone(&section.timezone)
                {
                    self.refuse(&at(&place, "timezone"), error.to_string(), None);
                }
                None
            }
        }
    }

    pub(super) fn quiet(
        &mut self,
        place: &[String],
        section: &QuietSection,
        zone: &str,
    ) -> Option<QuietHours> {
        let mut time = |key: &str, text: &str| {
            let time = chrono::NaiveTime::parse_from_str(text, "%H:%M").ok();
            if time.is_none() || text.len() != 5 {
                let help = "write hours and minutes, such as 08:00";
                self.refuse(&at(place, key), "this is no time of the day", Some(help));
            }
            time
        };
        let (from, until) = (time("from", &section.from), time("until", &section.until));
        let zone = match (
            Schedule::zone(section.timezone.as_deref().unwrap_or(zone)),
            &section.timezone,
        ) {
            (Ok(zone), _) => Some(zone),
            (Err(error), Some(_)) => {
                self.refuse(&at(place, "timezone"), error.to_string(), None);
                None
            }
            // The schedule's own is refused where it stands.
            (Err(_), None) => None,
        };
        Some(QuietHours {
            days: section.days.iter().copied().map(Into::into).collect(),
            from: from?,
            until: until?,
            zone: zone?,
        })
    }
}
