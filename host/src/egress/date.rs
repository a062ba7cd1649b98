//! The vendors' clocks against this machine's, by the `Date` of their answers. Signed assertions and token lifetimes hang
//! on the clock, and what a wrong one leads to looks like a wrong credential.

use chrono::{DateTime, Utc};
use groupcast_guest::words::count;
use http::{HeaderMap, header};

/// Vendors put up with about this much, in seconds.
pub const TOLERATED: i64 = 300;

/// How many seconds the answer's `Date` is ahead of this machine's clock; none where it has none that can be read.
pub fn seconds_ahead(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    ahead_at(date, Utc::now())
}

fn ahead_at(date: &str, now: DateTime<Utc>) -> Option<i64> {
    // An HTTP date is an RFC 2822 date with the zone GMT.
    let theirs = DateTime::parse_from_rfc2822(date).ok()?;
    Some(
        theirs
            .with_timezone(&Utc)
            .signed_duration_since(now)
            .num_seconds(),
    )
}

/// The difference in words, where it is more than is tolerated.
pub fn difference(ahead: i64) -> Option<String> {
    if ahead.abs() <= TOLERATED {
        return None;
    }
    let side = if ahead > 0 { "behind" } else { "ahead of" };
    let by = ahead.unsigned_abs();
    let by = if by < 7_200 {
        count(by / 60, "minute", "minutes")
    } else {
        count(by / 3_600, "hour", "hours")
    };
    Some(format!("this machine's clock is {by} {side} the vendor's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_held_against_this_clock_and_small_differences_are_tolerated() {
        let now = DateTime::parse_from_rfc3339("2026-11-26T12:00:00Z")
            .unwrap()
            .to_utc();
        for (date, ahead, told) in [
            ("Thu, 26 Nov 2026 12:00:00 GMT", Some(0), None),
            ("Thu, 26 Nov 2026 12:05:00 GMT", Some(300), None),
            (
                "Thu, 26 Nov 2026 12:05:01 GMT",
                Some(301),
                Some("5 minutes behind"),
            ),
            (
                "Thu, 26 Nov 2026 11:30:00 GMT",
                Some(-1_800),
                Some("30 minutes ahead of"),
            ),
            (
                "Fri, 27 Nov 2026 12:00:00 GMT",
                Some(86_400),
                Some("24 hours behind"),
            ),
            ("yesterday", None, None),
        ] {
            let found = ahead_at(date, now);
            assert_eq!(found, ahead, "{date}");
            let words = found.and_then(difference);
            assert_eq!(words.is_some(), told.is_some(), "{date}: {words:?}");
            assert!(
                words.unwrap_or_default().contains(told.unwrap_or_default()),
                "{date}"
            );
        }
    }
}
