//! How much is left of each vendor's quota: the tightest moment of the last minute, by what the gate counted of each
//! request and what the vendors said themselves.
//!
//! What the budgets are: Google's and Microsoft's published limits; for JumpCloud, which publishes none, what this host
//! gives a run (`limits.requests_in_flight` requests at once, all the time). What may not enter: anything of a request but
//! what it took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::egress::origin::Vendor;
use crate::egress::quota::Taken;
use crate::egress::recorder::Sent;

/// For how long the tightest moment is told: longer than those who watch usually wait between two looks.
const TOLD_FOR: Duration = Duration::from_secs(60);
/// Into how many pieces a span of time is cut: so many numbers are kept at most, and by so much a span is too long.
const PIECES: u32 = 20;
/// Below this share of the units Microsoft Graph does not speak of them.
const GRAPH_IS_SILENT_UP_TO: f64 = 0.8;

/// Something that is counted over a span of time.
#[derive(Debug)]
struct Budget {
    what: fn(&Taken) -> f64,
    span: Duration,
    most: f64,
    /// Whether a vendor that says nothing of it says by that how much is used at most.
    silent_up_to: Option<f64>,
    taken: VecDeque<(Instant, f64)>,
}

/// A vendor's quota in the eyes of one connection.
#[derive(Debug)]
pub(super) struct Quota {
    budgets: Vec<Budget>,
    /// Shares in use, of the last minute.
    used: VecDeque<(Instant, f64)>,
}

fn budget(what: fn(&Taken) -> f64, seconds: u64, most: f64, silent_up_to: Option<f64>) -> Budget {
    Budget {
        what,
        span: Duration::from_secs(seconds),
        most,
        silent_up_to,
        taken: VecDeque::new(),
    }
}

/// Forgets what is older than a span.
fn forget(kept: &mut VecDeque<(Instant, f64)>, span: Duration, now: Instant) {
    let piece = span / PIECES;
    while kept
        .front()
        .is_some_and(|(at, _)| now.saturating_duration_since(*at) > span + piece)
    {
        kept.pop_front();
    }
}

/// Adds to the youngest piece of a span, or begins another one.
fn add(
    kept: &mut VecDeque<(Instant, f64)>,
    span: Duration,
    now: Instant,
    value: f64,
    with: fn(f64, f64) -> f64,
) {
    match kept.back_mut() {
        Some((at, there)) if now.saturating_duration_since(*at) < span / PIECES => {
            *there = with(*there, value);
        }
        _ => kept.push_back((now, value)),
    }
}

impl Budget {
    /// Which share is used, this included.
    fn used(&mut self, taken: &Taken, now: Instant) -> f64 {
        forget(&mut self.taken, self.span, now);
        add(
            &mut self.taken,
            self.span,
            now,
            (self.what)(taken),
            |sum, more| sum + more,
        );
        let sum: f64 = self.taken.iter().map(|(_, taken)| taken).sum();
        let share = sum / self.most;
        match (self.silent_up_to, taken.used) {
            (Some(most), None) => share.min(most),
            _ => share,
        }
    }
}

impl Quota {
    /// Nothing is used yet.
    pub(super) fn of(vendor: Vendor) -> Self {
        let calls: fn(&Taken) -> f64 = |taken| f64::from(taken.calls);
        let writes: fn(&Taken) -> f64 = |taken| f64::from(taken.writes);
        let budgets = match vendor {
            // Queries a minute, user and project (Directory API, "Limits and quotas").
            Vendor::Google => vec![budget(calls, 60, 2_400.0, None)],
            // An application's in one tenant. The units are those of the smallest tenants, up to 50 people: of larger
            // ones it is 5,000 and 8,000, and what is used of them more than we count shows by Graph's own word.
            Vendor::Entra => vec![
                budget(|taken| taken.units, 10, 3_500.0, Some(GRAPH_IS_SILENT_UP_TO)),
                budget(writes, 150, 3_000.0, None),
            ],
            Vendor::Jumpcloud => vec![budget(|taken| taken.occupied.as_secs_f64(), 60, 60.0, None)],
        };
        Self {
            budgets,
            used: VecDeque::new(),
        }
    }

    /// A request was answered, or not.
    pub(super) fn note(&mut self, sent: &Sent, now: Instant) {
        let taken = &sent.quota;
        let said = if taken.throttled {
            1.0
        } else {
            taken.used.unwrap_or(0.0)
        };
        let used = self
            .budgets
            .iter_mut()
            .map(|budget| budget.used(taken, now))
            .fold(said, f64::max);
        forget(&mut self.used, TOLD_FOR, now);
        add(&mut self.used, TOLD_FOR, now, used, f64::max);
    }

    /// What was left of it at the tightest moment of the last minute, from 0 to 1.
    pub(super) fn headroom(&mut self, now: Instant) -> f64 {
        forget(&mut self.used, TOLD_FOR, now);
        let used = self.used.iter().map(|(_, used)| *used).fold(0.0, f64::max);
        (1.0 - used).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(vendor: Vendor, quota: Taken) -> Sent {
        Sent {
            vendor,
            method: "GET".to_owned(),
            url: String::new(),
            attempt: 1,
            parts: Vec::new(),
            operations: Vec::new(),
            status: Some(200),
            request_id: None,
            failure: None,
            duration: Duration::ZERO,
            bytes_out: 0,
            bytes_in: 0,
            echoed_secret: false,
            clock_ahead: None,
            content_type: None,
            quota,
        }
    }

    /// What is left after requests, each with the second at which it was.
    fn left(vendor: Vendor, requests: &[(u64, Taken)], at: u64) -> f64 {
        let start = Instant::now();
        let mut quota = Quota::of(vendor);
        for (second, taken) in requests {
            quota.note(&sent(vendor, *taken), start + Duration::from_secs(*second));
        }
        let left = quota.headroom(start + Duration::from_secs(at));
        (left * 1_000.0).round() / 1_000.0
    }

    fn calls(calls: u32) -> Taken {
        Taken {
            calls,
            ..Taken::default()
        }
    }

    fn units(units: f64) -> Taken {
        Taken {
            calls: 1,
            units,
            ..Taken::default()
        }
    }

    #[test]
    fn google_counts_each_part_of_a_batch_over_a_minute() {
        assert_eq!(left(Vendor::Google, &[], 0), 1.0);
        assert_eq!(
            left(Vendor::Google, &[(0, calls(1_000)), (30, calls(200))], 30),
            0.5
        );
        assert_eq!(
            left(Vendor::Google, &[(0, calls(1_000)), (70, calls(240))], 130),
            0.9
        );
        assert_eq!(left(Vendor::Google, &[(0, calls(9_000))], 0), 0.0);
    }

    #[test]
    fn graphs_units_are_counted_over_ten_seconds_and_its_writes_over_two_minutes_and_a_half() {
        assert_eq!(
            left(Vendor::Entra, &[(0, units(350.0)), (5, units(350.0))], 5),
            0.8
        );
        assert_eq!(
            left(Vendor::Entra, &[(0, units(350.0)), (15, units(700.0))], 15),
            0.8
        );
        let writes = |writes| Taken { writes, ..units(1.0) };
        let spread: Vec<(u64, Taken)> = (0..10).map(|turn| (turn * 14, writes(150))).collect();
        assert_eq!(left(Vendor::Entra, &spread, 126), 0.5);
    }

    #[test]
    fn a_larger_tenants_units_are_not_known_but_graphs_silence_says_that_a_fifth_is_left() {
        assert_eq!(left(Vendor::Entra, &[(0, units(6_000.0))], 0), 0.2);
        let told = Taken {
            used: Some(0.95),
            ..units(10.0)
        };
        assert_eq!(left(Vendor::Entra, &[(0, told)], 0), 0.05);
    }

    #[test]
    fn of_jumpcloud_it_is_what_a_run_may_have_under_way() {
        let busy = Taken {
            occupied: Duration::from_secs(15),
            ..calls(1)
        };
        assert_eq!(left(Vendor::Jumpcloud, &[(0, busy), (20, busy)], 20), 0.5);
        let told = Taken {
            used: Some(0.75),
            ..busy
        };
        assert_eq!(left(Vendor::Jumpcloud, &[(0, told)], 0), 0.25);
    }

    #[test]
    fn a_throttled_vendor_has_nothing_left_for_a_minute() {
        let throttled = Taken {
            throttled: true,
            ..calls(1)
        };
        for vendor in [Vendor::Jumpcloud, Vendor::Google, Vendor::Entra] {
            assert_eq!(
                left(vendor, &[(0, throttled), (50, calls(1))], 60),
                0.0,
                "{vendor}"
            );
            assert!(left(vendor, &[(0, throttled)], 64) > 0.99, "{vendor}");
        }
    }

    #[test]
    fn however_many_requests_there_are_little_is_kept_of_them() {
        let start = Instant::now();
        let mut quota = Quota::of(Vendor::Entra);
        for number in 0..200_000_u32 {
            quota.note(
                &sent(Vendor::Entra, units(1.0)),
                start + Duration::from_millis(2) * number,
            );
        }
        let most = usize::try_from(PIECES).unwrap() + 2;
        assert!(quota.used.len() <= most);
        assert!(quota.budgets.iter().all(|budget| budget.taken.len() <= most));
    }
}
