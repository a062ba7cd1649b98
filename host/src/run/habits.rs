//! How long runs of a connection computed the last time. Who is known to compute for long goes to the slow lane at once:
//! else it would be in others' way at each of its beginnings. What may not enter: how long is long, which is the
//! sandbox's to say.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use groupcast_guest::engine::Extent;

use crate::plugin::{RunLimits, Usage};
use crate::recording::Kind;

/// What is known of a connection's runs, by export and by how much it reads. A connection that was set up anew is not
/// known.
#[derive(Debug, Default)]
pub struct Habits(Mutex<HashSet<(Kind, bool)>>);

impl Habits {
    /// The limits of the next such run.
    pub(super) fn limits(&self, run: (Kind, Extent), limits: &RunLimits) -> RunLimits {
        RunLimits {
            known_to_be_long: self.known().contains(&key(run)),
            ..limits.clone()
        }
    }

    /// Such a run has ended.
    pub(super) fn learn(&self, run: (Kind, Extent), usage: &Usage) {
        let mut known = self.known();
        if usage.was_long() {
            known.insert(key(run));
        } else {
            known.remove(&key(run));
        }
    }

    /// Nothing is changed half under the lock.
    fn known(&self) -> MutexGuard<'_, HashSet<(Kind, bool)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its export, and whether it reads everything.
fn key((export, read): (Kind, Extent)) -> (Kind, bool) {
    (export, read == Extent::Whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_aside_where_the_last_of_its_kind_was_long() {
        let (habits, limits) = (Habits::default(), RunLimits::default());
        let (whole, changes) = ((Kind::Plan, Extent::Whole), (Kind::Plan, Extent::Changes));
        let used = |cpu_ms| Usage {
            cpu_ms,
            ..Usage::default()
        };
        habits.learn(whole, &used(900));
        habits.learn(changes, &used(9));
        assert!(habits.limits(whole, &limits).known_to_be_long);
        assert!(!habits.limits(changes, &limits).known_to_be_long);
        assert!(
            !habits
                .limits((Kind::Apply, Extent::Whole), &limits)
                .known_to_be_long
        );
        habits.learn(whole, &used(9));
        assert_eq!(habits.limits(whole, &limits), limits);
    }
}
