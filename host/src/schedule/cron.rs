//! A cron pattern in a time zone.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use sha2::{Digest, Sha256};

/// The shortest time between two runs of one connection, in seconds.
const SHORTEST_GAP: i64 = 60;
/// How many occurrences are looked at for the shortest gap.
const LOOKED_AT: usize = 8;

/// When a connection's runs begin.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Tz,
    jitter: Duration,
}

/// Why a schedule is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a pattern.
    #[error(
        "`{pattern}` is no cron pattern ({why}); write minute, hour, day of month, month and day of week, such as `*/15 * * * *`"
    )]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A pattern that no day satisfies.
    #[error("`{0}` never comes: no day satisfies it")]
    Never(String),
    /// More often than a run can be worth.
    #[error("`{0}` comes more often than once a minute; the shortest time between two runs is 60 seconds")]
    TooOften(String),
    /// Not a time zone.
    #[error("`{given}` is no time zone of the IANA database{hint}", hint = .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    Zone {
        /// What was given.
        given: String,
        /// The nearest that exists.
        nearest: Option<String>,
    },
}

impl Schedule {
    /// A schedule of five fields, or six with seconds in front, in a zone of the IANA database. Each beginning is
    /// late by up to `jitter`, so that many connections do not begin on the same second.
    ///
    /// # Errors
    /// The pattern or the zone is none, the pattern never comes, or it comes more often than once a minute.
    pub fn parse(pattern: &str, zone: &str, jitter: Duration) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(pattern).map_err(|error| ScheduleError::Pattern {
            pattern: pattern.to_owned(),
            why: error.to_string(),
        })?;
        let zone = Self::zone(zone)?;
        let schedule = Self { cron, zone, jitter };
        let mut last = reference();
        let mut first = true;
        for _ in 0..LOOKED_AT {
            let next = schedule
                .occurrence_after(last)
                .ok_or_else(|| ScheduleError::Never(pattern.to_owned()))?;
            if !first && (next - last).num_seconds() < SHORTEST_GAP {
                return Err(ScheduleError::TooOften(pattern.to_owned()));
            }
            (last, first) = (next, false);
        }
        Ok(schedule)
    }

    /// A time zone of the IANA database.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn zone(name: &str) -> Result<Tz, ScheduleError> {
        name.parse::<Tz>().map_err(|_| ScheduleError::Zone {
            given: name.to_owned(),
            nearest: nearest_zone(name),
        })
    }

    /// By how much the beginning of an occurrence is late. The same seed gives the same for the same occurrence, whichever
    /// machine asks.
    pub(super) fn late(&self, occurrence: DateTime<Utc>, seed: u64) -> TimeDelta {
        let span = self.jitter.as_secs();
        if span == 0 {
            return TimeDelta::zero();
        }
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(occurrence.timestamp().to_le_bytes())
            .finalize();
        let number = digest
            .iter()
            .take(8)
            .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
        TimeDelta::seconds(i64::try_from(number % (span + 1)).unwrap_or(0))
    }

    /// The next beginning after a moment, jitter included. The same seed gives the same jitter for the same
    /// occurrence, whichever machine asks.
    pub fn next_after(&self, after: DateTime<Utc>, seed: u64) -> Option<DateTime<Utc>> {
        let occurrence = self.occurrence_after(after)?;
        Some(occurrence + self.late(occurrence, seed))
    }

    /// The next occurrence after a moment, without jitter.
    pub(super) fn occurrence_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.zone.from_utc_datetime(&after.naive_utc());
        self.cron
            .find_next_occurrence(&local, false)
            .ok()
            .map(|next| next.with_timezone(&Utc))
    }

    /// The last occurrence at or before a moment, without jitter.
    pub(super) fn occurrence_until(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.zone.from_utc_datetime(&until.naive_utc());
        self.cron
            .find_previous_occurrence(&local, true)
            .ok()
            .map(|last| last.with_timezone(&Utc))
    }
}

/// A fixed moment to judge patterns from, so that a configuration is not right on one day and wrong on another.
fn reference() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default()
}

fn nearest_zone(given: &str) -> Option<String> {
    chrono_tz::TZ_VARIANTS
        .iter()
        .map(|zone| {
            (
                strsim::jaro_winkler(&given.to_lowercase(), &zone.name().to_lowercase()),
                zone.name(),
            )
        })
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .filter(|(likeness, _)| *likeness > 0.8)
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(pattern: &str, zone: &str) -> Schedule {
        Schedule::parse(pattern, zone, Duration::ZERO).unwrap()
    }

    fn beginnings(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
        let mut at: DateTime<Utc> = after.parse().unwrap();
        (0..count)
            .map(|_| {
                at = schedule.occurrence_after(at).unwrap();
                at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
            })
            .collect()
    }

    #[test]
    fn five_fields_and_six_and_nicknames_are_understood() {
        let after = "2026-03-01T10:07:00Z";
        assert_eq!(
            beginnings(&schedule("*/15 * * * *", "UTC"), after, 2),
            ["2026-03-01T10:15:00Z", "2026-03-01T10:30:00Z"]
        );
        assert_eq!(
            beginnings(&schedule("30 */15 * * * *", "UTC"), after, 1),
            ["2026-03-01T10:15:30Z"]
        );
        assert_eq!(
            beginnings(&schedule("@daily", "UTC"), after, 1),
            ["2026-03-02T00:00:00Z"]
        );
        assert_eq!(
            beginnings(&schedule("0 9 * * MON", "Europe/Paris"), after, 1),
            ["2026-03-02T08:00:00Z"]
        );
    }

    #[test]
    fn the_next_beginning_is_strictly_later() {
        let hourly = schedule("0 * * * *", "UTC");
        assert_eq!(
            beginnings(&hourly, "2026-03-01T10:00:00Z", 1),
            ["2026-03-01T11:00:00Z"]
        );
    }

    #[test]
    fn a_time_that_the_spring_gap_skips_comes_once_that_day() {
        // On 29 March 2026 clocks in Paris go from 02:00 to 03:00: there is no 02:30.
        let nightly = schedule("30 2 * * *", "Europe/Paris");
        let found = beginnings(&nightly, "2026-03-27T12:00:00Z", 4);
        assert_eq!(found.first().unwrap(), "2026-03-28T01:30:00Z");
        assert!(found[1].starts_with("2026-03-29T01:"), "{found:?}");
        assert_eq!(&found[2..], ["2026-03-30T00:30:00Z", "2026-03-31T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_the_autumn_overlap_repeats_comes_once() {
        // On 25 October 2026 clocks in Paris show 02:30 twice.
        let nightly = schedule("30 2 * * *", "Europe/Paris");
        assert_eq!(
            beginnings(&nightly, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
    }

    #[test]
    fn intervals_go_on_through_both_changes() {
        for (after, hours) in [("2026-03-29T00:00:00Z", 4), ("2026-10-25T00:00:00Z", 4)] {
            let quarterly = schedule("*/15 * * * *", "Europe/Paris");
            let found = beginnings(&quarterly, after, hours * 4);
            let mut last: DateTime<Utc> = after.parse().unwrap();
            for moment in found {
                let moment: DateTime<Utc> = moment.parse().unwrap();
                assert_eq!(moment - last, TimeDelta::minutes(15), "at {moment}");
                last = moment;
            }
        }
    }

    #[test]
    fn the_last_occurrence_and_the_next_one_agree_through_both_changes() {
        for (pattern, day) in [
            ("30 2 * * *", "2026-03-28T00:00:00Z"),
            ("30 2 * * *", "2026-10-24T00:00:00Z"),
            ("*/15 * * * *", "2026-03-29T00:00:00Z"),
            ("*/15 * * * *", "2026-10-25T00:00:00Z"),
        ] {
            let schedule = schedule(pattern, "Europe/Paris");
            let mut at: DateTime<Utc> = day.parse().unwrap();
            for _ in 0..3 {
                let next = schedule.occurrence_after(at).unwrap();
                let between = next - TimeDelta::seconds(1);
                let last = schedule.occurrence_until(between).unwrap();
                assert!(
                    last <= at || schedule.occurrence_after(last) == Some(next),
                    "{pattern}: {last}, {next}"
                );
                assert_eq!(schedule.occurrence_until(next), Some(next), "{pattern} at {next}");
                at = next;
            }
        }
    }

    #[test]
    fn what_never_comes_is_refused() {
        for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
            assert_eq!(
                Schedule::parse(never, "UTC", Duration::ZERO).unwrap_err(),
                ScheduleError::Never(never.to_owned())
            );
        }
        schedule("0 0 29 2 *", "UTC");
    }

    #[test]
    fn what_comes_more_often_than_once_a_minute_is_refused() {
        for often in ["* * * * * *", "0,30 0 9 * * *", "*/59 * * * * *"] {
            assert_eq!(
                Schedule::parse(often, "UTC", Duration::ZERO).unwrap_err(),
                ScheduleError::TooOften(often.to_owned())
            );
        }
        schedule("* * * * *", "UTC");
    }

    #[test]
    fn what_is_no_pattern_and_no_zone_is_refused_with_the_right_word() {
        for wrong in [
            "",
            "* * * *",
            "61 * * * *",
            "every day",
            "* * * * * * 2027",
            "-1 * * * *",
        ] {
            let error = Schedule::parse(wrong, "UTC", Duration::ZERO).unwrap_err();
            assert!(matches!(error, ScheduleError::Pattern { .. }), "{wrong}: {error}");
        }
        let error = Schedule::parse("0 0 * * *", "Europe/Pariss", Duration::ZERO).unwrap_err();
        assert_eq!(
            error,
            ScheduleError::Zone {
                given: "Europe/Pariss".to_owned(),
                nearest: Some("Europe/Paris".to_owned())
            }
        );
    }

    #[test]
    fn jitter_comes_from_the_seed_and_stays_within_its_bound() {
        let spread = Schedule::parse("0 * * * *", "UTC", Duration::from_secs(300)).unwrap();
        let after: DateTime<Utc> = "2026-03-01T10:07:00Z".parse().unwrap();
        let plain: DateTime<Utc> = "2026-03-01T11:00:00Z".parse().unwrap();
        assert_eq!(spread.occurrence_after(after), Some(plain));
        let late: Vec<i64> = (0..200)
            .map(|seed| spread.late(plain, seed).num_seconds())
            .collect();
        assert!(late.iter().all(|late| (0..=300).contains(late)));
        assert!(late.iter().max() > Some(&200) && late.iter().min() < Some(&100));
        assert_eq!(spread.late(plain, 7), spread.late(plain, 7));
    }
}
