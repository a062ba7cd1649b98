//! Quiet hours: windows of the week, on a clock of a time zone, in which nothing begins by itself.

use chrono::{DateTime, Datelike, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;

/// A window of the day, on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietHours {
    /// Days on which it begins; none is every day.
    pub days: Vec<Weekday>,
    /// When it begins.
    pub from: NaiveTime,
    /// When it ends; at or before `from`: on the next day.
    pub until: NaiveTime,
    /// On whose clock.
    pub zone: Tz,
}

impl QuietHours {
    /// The end of the window that a moment is in; none where it is in none.
    ///
    /// Where clocks are put forward over a beginning or an end, the first moment after the gap stands for it; where they
    /// are put back, a window begins at the first and ends at the last moment of that name: rather longer than shorter.
    pub fn end_of(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = self.zone.from_utc_datetime(&at.naive_utc()).date_naive();
        // A window that began yesterday may go on.
        let days = [today.pred_opt(), Some(today)];
        let windows = days.into_iter().flatten().filter_map(|day| {
            if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
                return None;
            }
            let last = if self.until <= self.from {
                day.succ_opt()?
            } else {
                day
            };
            let begin = moment(self.zone, day.and_time(self.from), false)?;
            let end = moment(self.zone, last.and_time(self.until), true)?;
            (begin <= at && at < end).then_some(end)
        });
        windows.max()
    }
}

/// The moment at which a clock of the zone shows this.
fn moment(zone: Tz, shown: chrono::NaiveDateTime, latest: bool) -> Option<DateTime<Utc>> {
    // No gap is longer than a day; they end on a quarter of an hour.
    (0..=96).find_map(|quarter| {
        let shown = shown + TimeDelta::minutes(15 * quarter);
        let found = zone.from_local_datetime(&shown);
        let found = if latest { found.latest() } else { found.earliest() };
        found.map(|found| found.with_timezone(&Utc))
    })
}

/// The end of the quiet time that a moment is in, windows that follow each other taken together; none where it is in
/// none.
pub fn quiet_until(windows: &[QuietHours], at: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let mut until = at;
    // Windows that cover the whole week never end; a week is as good as that.
    while let Some(end) = windows.iter().filter_map(|window| window.end_of(until)).max() {
        until = end;
        if until - at > TimeDelta::days(7) {
            break;
        }
    }
    (until > at).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M").unwrap()
    }

    fn window(days: &[Weekday], from: &str, until: &str, zone: &str) -> QuietHours {
        QuietHours {
            days: days.to_vec(),
            from: time(from),
            until: time(until),
            zone: zone.parse().unwrap(),
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let nights = window(&[Weekday::Fri], "22:00", "06:00", "Europe/Paris");
        // 6 March 2026 is a Friday; Paris is an hour ahead of UTC.
        assert_eq!(nights.end_of(at("2026-03-06T20:59:00Z")), None);
        assert_eq!(
            nights.end_of(at("2026-03-06T21:00:00Z")),
            Some(at("2026-03-07T05:00:00Z"))
        );
        assert_eq!(
            nights.end_of(at("2026-03-07T04:59:59Z")),
            Some(at("2026-03-07T05:00:00Z"))
        );
        assert_eq!(nights.end_of(at("2026-03-07T05:00:00Z")), None);
        assert_eq!(nights.end_of(at("2026-03-07T22:00:00Z")), None, "not on Saturday");
    }

    #[test]
    fn windows_follow_the_clock_through_both_changes() {
        let nights = window(&[], "01:00", "02:30", "Europe/Paris");
        // On 29 March 2026 there is no 02:30 in Paris: it ends at 03:00, which is 01:00 in UTC.
        assert_eq!(
            nights.end_of(at("2026-03-29T00:30:00Z")),
            Some(at("2026-03-29T01:00:00Z"))
        );
        // On 25 October 2026 there are two: it ends at the later one.
        assert_eq!(
            nights.end_of(at("2026-10-25T00:45:00Z")),
            Some(at("2026-10-25T01:30:00Z"))
        );
    }

    #[test]
    fn windows_that_follow_each_other_are_one_and_a_whole_week_ends_somewhere() {
        let windows = [
            window(&[], "08:00", "12:00", "UTC"),
            window(&[], "12:00", "18:00", "UTC"),
        ];
        assert_eq!(
            quiet_until(&windows, at("2026-03-06T09:00:00Z")),
            Some(at("2026-03-06T18:00:00Z"))
        );
        assert_eq!(quiet_until(&windows, at("2026-03-06T18:00:00Z")), None);
        let always = [window(&[], "00:00", "00:00", "UTC")];
        assert!(quiet_until(&always, at("2026-03-06T18:00:00Z")).is_some());
    }
}
