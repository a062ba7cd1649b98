//! Refused sign-ins in the audit log, bounded: a flood of them must neither fill the log nor hide in it. What was left
//! out is counted, and said by the next entry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
/// Entries that one address can make in a window.
const OF_ONE: u32 = 5;
/// Entries that all addresses can make in a window.
const OF_ALL: u32 = 60;

/// How many entries there were lately.
#[derive(Debug)]
pub(super) struct Refusals {
    since: Instant,
    of: HashMap<String, u32>,
    all: u32,
    left_out: u64,
}

impl Refusals {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            of: HashMap::new(),
            all: 0,
            left_out: 0,
        }
    }

    /// Whether a refusal is written down; if so, how many were left out since the last that was.
    pub(super) fn admit(&mut self, address: &str, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.of.clear();
            self.all = 0;
        }
        // Bounded by what is written: whoever is over the bound is not remembered either.
        let of_one = self.of.get(address).copied().unwrap_or_default();
        if self.all >= OF_ALL || of_one >= OF_ONE {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.all += 1;
        self.of.insert(address.to_owned(), of_one + 1);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_not_written_down() {
        let start = Instant::now();
        let mut refusals = Refusals::new(start);
        let written = (0..10_000)
            .filter(|_| refusals.admit("203.0.113.7", start).is_some())
            .count();
        assert_eq!(written, 5);
        let all = (0..10_000)
            .filter(|n| refusals.admit(&format!("203.0.113.{n}"), start).is_some())
            .count();
        assert_eq!(all, 55);
        assert_eq!(refusals.of.len(), 56, "what is remembered is bounded too");
        let later = start + WINDOW;
        assert_eq!(refusals.admit("203.0.113.7", later), Some(9_944));
        assert_eq!(refusals.admit("203.0.113.7", later), Some(0));
    }
}
