//! When a connection's runs begin by themselves: its cron pattern, and everything that keeps them from beginning.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::quiet::{QuietHours, quiet_until};
use super::{Schedule, ScheduleError};

/// What happens to runs that were due while no host was there, or in quiet hours.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// Nothing: the next one comes at its time.
    Skip,
}

/// What does not begin in quiet hours.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum QuietFor {
    /// Nothing begins by itself.
    #[default]
    Runs,
    /// Runs begin, but they only plan.
    Writes,
}

/// A connection's timetable.
#[derive(Debug, Clone)]
pub struct Timetable {
    /// The pattern.
    pub schedule: Schedule,
    /// Off: nothing begins by itself.
    pub enabled: bool,
    /// In which nothing begins by itself.
    pub quiet: Vec<QuietHours>,
    /// What is quiet.
    pub quiet_for: QuietFor,
    /// What becomes of missed runs.
    pub missed: Missed,
    /// How often, between runs of the pattern, it is looked whether anything changed.
    pub watch: Option<Duration>,
    /// After how many failures in a row nothing begins by itself until somebody releases it; 0 is never.
    pub quarantine_after: u32,
}

/// How long after the first failure it is tried again; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest of these pauses.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);
/// By how much of itself a pause is longer at most, so that connections that failed together do not come back together.
const SPREAD: f64 = 0.25;
/// How late a run may begin without being a missed one.
pub(super) const GRACE: TimeDelta = TimeDelta::seconds(60);

/// When something begins, and which moment of the timetable it is due for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beginning {
    /// When it begins: after jitter and quiet hours.
    pub at: DateTime<Utc>,
    /// The moment that it is due for, the same for all hosts on one store.
    pub due: DateTime<Utc>,
    /// Whether the pattern says so, and not the look in between.
    pub scheduled: bool,
}

impl Timetable {
    /// One with the pattern alone.
    ///
    /// # Errors
    /// As [`Schedule::parse`].
    pub fn of(pattern: &str, zone: &str, jitter: Duration) -> Result<Self, ScheduleError> {
        Ok(Self::from(Schedule::parse(pattern, zone, jitter)?))
    }

    /// What begins next by itself. `last_due`: the last moment of the timetable that was taken, by whichever host; none
    /// where there was none yet: then nothing was missed. `not_before`: the end of a pause after failures, at which it is
    /// tried again, whatever the pattern says.
    pub fn next(
        &self,
        now: DateTime<Utc>,
        last_due: Option<DateTime<Utc>>,
        not_before: Option<DateTime<Utc>>,
        seed: u64,
    ) -> Option<Beginning> {
        if !self.enabled {
            return None;
        }
        // One that was taken already is under way, or came to nothing with its process: the pattern goes on.
        if let Some(again) = not_before.filter(|again| last_due.is_none_or(|last| last < *again)) {
            let at = self.out_of_quiet(again.max(now));
            return Some(Beginning {
                at,
                due: again,
                scheduled: true,
            });
        }
        let scheduled = self.by_pattern(now, last_due, seed);
        let watched = self.watch.and_then(|every| self.look(now, every, seed));
        [scheduled, watched].into_iter().flatten().min()
    }

    fn by_pattern(
        &self,
        now: DateTime<Utc>,
        last_due: Option<DateTime<Utc>>,
        seed: u64,
    ) -> Option<Beginning> {
        let late = |due| self.schedule.late(due, seed);
        if let Some(last) = last_due
            && let Some(first) = self.schedule.occurrence_after(last)
            && first <= now
        {
            // The latest of those that were missed stands for all.
            let due = self.schedule.occurrence_until(now).unwrap_or(first);
            // Not missed yet, only not begun: jitter has it wait, or the clock was looked at a moment later.
            if due + late(due) + GRACE >= now || self.missed == Missed::Once {
                let at = self.out_of_quiet((due + late(due)).max(now));
                if at <= now + GRACE || self.missed == Missed::Once {
                    return Some(Beginning {
                        at,
                        due,
                        scheduled: true,
                    });
                }
            }
        }
        let mut due = self.schedule.occurrence_after(now)?;
        loop {
            let planned = due + late(due);
            let at = self.out_of_quiet(planned);
            if at == planned || self.missed == Missed::Once {
                return Some(Beginning {
                    at,
                    due,
                    scheduled: true,
                });
            }
            due = self.schedule.occurrence_after(at)?;
            // A week of quiet hours never ends.
            if due - now > TimeDelta::days(366) {
                return None;
            }
        }
    }

    /// Looks in between fall on the same moments for all hosts on one store.
    fn look(&self, now: DateTime<Utc>, every: Duration, seed: u64) -> Option<Beginning> {
        let every = i64::try_from(every.as_secs().max(1)).ok()?;
        let offset = i64::try_from(seed % every.unsigned_abs()).ok()?;
        let seconds = (now.timestamp() - offset).div_euclid(every) + 1;
        let due = DateTime::from_timestamp(seconds * every + offset, 0)?;
        (self.out_of_quiet(due) == due).then_some(Beginning {
            at: due,
            due,
            scheduled: false,
        })
    }

    fn out_of_quiet(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        match self.quiet_for {
            QuietFor::Writes => at,
            QuietFor::Runs => quiet_until(&self.quiet, at).unwrap_or(at),
        }
    }

    /// Whether a run that begins by itself now may only plan.
    pub fn only_plans(&self, now: DateTime<Utc>) -> bool {
        self.quiet_for == QuietFor::Writes && quiet_until(&self.quiet, now).is_some()
    }

    /// The end of the quiet hours that a moment is in.
    pub fn quiet_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        quiet_until(&self.quiet, now)
    }
}

impl From<Schedule> for Timetable {
    fn from(schedule: Schedule) -> Self {
        Self {
            schedule,
            enabled: true,
            quiet: Vec::new(),
            quiet_for: QuietFor::default(),
            missed: Missed::default(),
            watch: None,
            quarantine_after: QUARANTINE_AFTER,
        }
    }
}

/// Failures in a row after which a connection is put in quarantine, where nothing else is said: with these pauses, over
/// two days.
pub const QUARANTINE_AFTER: u32 = 16;

/// How long a connection is left alone after so many failures in a row; never shorter than the vendor asked for.
pub fn pause_after(failures: u32, asked: Option<Duration>, seed: u64) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let pause = doubled.min(LONGEST_PAUSE).max(asked.unwrap_or_default());
    let digest = Sha256::new()
        .chain_update(seed.to_le_bytes())
        .chain_update(failures.to_le_bytes())
        .finalize();
    let share = f64::from(digest.first().copied().unwrap_or(0)) / 255.0;
    pause.saturating_add(pause.min(LONGEST_PAUSE).mul_f64(share * SPREAD))
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn quarterly() -> Timetable {
        Timetable::of("*/15 * * * *", "UTC", Duration::ZERO).unwrap()
    }

    fn office_hours() -> QuietHours {
        QuietHours {
            days: Vec::new(),
            from: NaiveTime::from_hms_opt(9, 0, 0).unwrap(),
            until: NaiveTime::from_hms_opt(17, 0, 0).unwrap(),
            zone: chrono_tz::UTC,
        }
    }

    fn begins(timetable: &Timetable, now: &str, last: Option<&str>) -> (DateTime<Utc>, DateTime<Utc>) {
        let next = timetable.next(at(now), last.map(at), None, 7).unwrap();
        (next.at, next.due)
    }

    #[test]
    fn what_was_missed_is_made_up_for_once_or_not_at_all() {
        let mut timetable = quarterly();
        let (now, last) = ("2026-03-01T12:07:00Z", Some("2026-03-01T02:00:00Z"));
        assert_eq!(
            begins(&timetable, now, last),
            (at(now), at("2026-03-01T12:00:00Z"))
        );
        timetable.missed = Missed::Skip;
        let next = at("2026-03-01T12:15:00Z");
        assert_eq!(begins(&timetable, now, last), (next, next));
        // Seven seconds late is not missed.
        let due = at("2026-03-01T12:15:00Z");
        assert_eq!(
            begins(&timetable, "2026-03-01T12:15:07Z", Some("2026-03-01T12:00:00Z")),
            (at("2026-03-01T12:15:07Z"), due)
        );
        // Nothing was missed before it was ever there.
        assert_eq!(begins(&quarterly(), now, None).1, next);
    }

    #[test]
    fn quiet_hours_put_a_run_off_or_leave_it_out() {
        let mut timetable = quarterly();
        timetable.quiet = vec![office_hours()];
        let (now, last) = ("2026-03-01T08:50:00Z", Some("2026-03-01T08:45:00Z"));
        assert_eq!(
            begins(&timetable, now, last),
            (at("2026-03-01T17:00:00Z"), at("2026-03-01T09:00:00Z"))
        );
        timetable.missed = Missed::Skip;
        assert_eq!(begins(&timetable, now, last).0, at("2026-03-01T17:15:00Z"));
        timetable.quiet_for = QuietFor::Writes;
        assert_eq!(begins(&timetable, now, last).0, at("2026-03-01T09:00:00Z"));
        assert!(timetable.only_plans(at("2026-03-01T09:00:00Z")));
        assert!(!timetable.only_plans(at("2026-03-01T17:00:00Z")));
    }

    #[test]
    fn quiet_hours_that_never_end_let_nothing_begin() {
        let mut timetable = quarterly();
        timetable.missed = Missed::Skip;
        timetable.quiet = vec![QuietHours {
            from: NaiveTime::MIN,
            until: NaiveTime::MIN,
            ..office_hours()
        }];
        assert_eq!(timetable.next(at("2026-03-01T08:50:00Z"), None, None, 7), None);
    }

    #[test]
    fn looks_in_between_fall_on_the_same_moments_for_every_host() {
        let mut timetable = Timetable::of("0 * * * *", "UTC", Duration::ZERO).unwrap();
        timetable.watch = Some(Duration::from_secs(30));
        let one = timetable.next(at("2026-03-01T12:07:01Z"), None, None, 7).unwrap();
        let other = timetable.next(at("2026-03-01T12:07:04Z"), None, None, 7).unwrap();
        assert_eq!((one, one.scheduled), (other, false));
        assert!((one.at - at("2026-03-01T12:07:04Z")).num_seconds() <= 30);
    }

    #[test]
    fn pauses_grow_with_failures_and_respect_what_the_vendor_asks() {
        let pauses: Vec<u64> = (1..=12)
            .map(|failures| pause_after(failures, None, 3).as_secs())
            .collect();
        for (number, pause) in pauses.iter().enumerate() {
            let least = 60u64.saturating_mul(1 << number).min(21_600);
            assert!((least..=least + least / 4 + 1).contains(pause), "{pauses:?}");
        }
        let asked = Duration::from_secs(86_400);
        assert!(pause_after(1, Some(asked), 3) >= asked);
        assert!(pause_after(u32::MAX, None, 3) >= LONGEST_PAUSE);
    }

    #[test]
    fn a_pause_goes_before_the_pattern_and_quiet_hours_before_the_pause() {
        let mut timetable = quarterly();
        let again = at("2026-03-01T08:52:00Z");
        let next = timetable
            .next(at("2026-03-01T08:50:00Z"), None, Some(again), 7)
            .unwrap();
        assert_eq!((next.at, next.due), (again, again));
        // Taken once, it does not come again.
        let next = timetable
            .next(at("2026-03-01T08:53:00Z"), Some(again), Some(again), 7)
            .unwrap();
        assert_eq!(next.at, at("2026-03-01T09:00:00Z"));
        timetable.quiet = vec![office_hours()];
        let next = timetable
            .next(
                at("2026-03-01T08:50:00Z"),
                None,
                Some(at("2026-03-01T10:00:00Z")),
                7,
            )
            .unwrap();
        assert_eq!(next.at, at("2026-03-01T17:00:00Z"));
    }
}
