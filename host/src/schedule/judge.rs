//! What the end of a job means for the next: failures are counted, pauses grow, and what no repetition mends is put in
//! quarantine. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use groupcast_guest::words::count;

use super::timetable::pause_after;
use super::{JobEnd, Trouble};
use crate::store::RunResult;
use crate::store::service::{Quarantine, RunState, Work};

/// Whether the end of such work says anything about how syncs go.
fn counts(work: &Work) -> bool {
    matches!(work, Work::Sync { .. } | Work::Plan)
}

/// What failed is forgotten: it may be mended.
pub(super) fn released(state: &mut RunState) {
    state.failures = 0;
    state.not_before = None;
    state.quarantine = None;
}

/// What is remembered after a job. `quarantine_after`: failures in a row, 0 is never.
pub(super) fn after(
    mut state: RunState,
    work: &Work,
    end: &JobEnd,
    now: DateTime<Utc>,
    quarantine_after: u32,
    seed: u64,
) -> RunState {
    if !counts(work) {
        return state;
    }
    state.last_message = Some(end.end.message.clone());
    let quarantine = |reason: String, way_out: &str| {
        Some(Quarantine {
            at: now,
            reason,
            way_out: way_out.to_owned(),
        })
    };
    match &end.trouble {
        None if matches!(end.end.result, RunResult::Done | RunResult::ChangesPending) => {
            state.failures = 0;
            state.not_before = None;
            state.quarantine = None;
        }
        // Stopped, or somebody else was at work: nothing is wrong with the connection.
        None => {}
        Some(Trouble::Passing { pause }) => {
            state.failures = state.failures.saturating_add(1);
            let pause = TimeDelta::from_std(pause_after(state.failures, *pause, seed));
            state.not_before = Some(now + pause.unwrap_or(TimeDelta::hours(6)));
            if quarantine_after > 0 && state.failures >= quarantine_after && state.quarantine.is_none() {
                let reason = format!(
                    "{} in a row failed; the last said: {}",
                    count(u64::from(state.failures), "run", "runs"),
                    end.end.message
                );
                state.quarantine = quarantine(
                    reason,
                    "look whether the vendor has an outage and what the runs say; once a sync asked for by hand \
                     succeeds, or somebody releases it, it runs by itself again",
                );
            }
        }
        Some(Trouble::Lasting { way_out }) => {
            state.failures = state.failures.saturating_add(1);
            state.not_before = None;
            state.quarantine = quarantine(end.end.message.clone(), way_out);
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::RunEnd;

    const SYNC: Work = Work::Sync { full: false };

    fn end(result: RunResult, trouble: Option<Trouble>) -> JobEnd {
        JobEnd {
            end: RunEnd::new(result, "what happened"),
            runs: Vec::new(),
            plan: None,
            trouble,
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-03-01T10:00:00Z".parse().unwrap()
    }

    fn judged(state: RunState, work: &Work, end: &JobEnd) -> RunState {
        after(state, work, end, now(), 3, 1)
    }

    #[test]
    fn failures_in_a_row_lead_to_quarantine_and_a_success_out_of_it() {
        let failed = end(RunResult::Failed, Some(Trouble::Passing { pause: None }));
        let mut state = RunState::default();
        for failures in 1..=2 {
            state = judged(state, &SYNC, &failed);
            assert_eq!((state.failures, state.quarantine.is_some()), (failures, false));
            assert!(state.not_before > Some(now()));
        }
        state = judged(state, &SYNC, &failed);
        let quarantine = state.quarantine.clone().unwrap();
        assert!(quarantine.reason.contains("3 runs in a row") && quarantine.reason.contains("what happened"));
        // That a plan could be applied by hand says nothing about the next sync.
        assert!(
            judged(state.clone(), &Work::Check, &end(RunResult::Done, None))
                .quarantine
                .is_some()
        );
        let state = judged(state, &SYNC, &end(RunResult::ChangesPending, None));
        assert_eq!(
            (state.failures, state.not_before, state.quarantine),
            (0, None, None)
        );
    }

    #[test]
    fn what_no_repetition_mends_is_in_quarantine_at_once() {
        let way_out = "enter a new key".to_owned();
        let refused = end(
            RunResult::Refused,
            Some(Trouble::Lasting {
                way_out: way_out.clone(),
            }),
        );
        let state = judged(RunState::default(), &SYNC, &refused);
        assert_eq!(state.quarantine.unwrap().way_out, way_out);
    }

    #[test]
    fn who_was_stopped_or_found_somebody_at_work_has_not_failed() {
        let before = RunState {
            failures: 2,
            ..RunState::default()
        };
        let state = judged(before.clone(), &SYNC, &end(RunResult::Refused, None));
        assert_eq!(state.failures, 2);
        assert_eq!(state.last_message.as_deref(), Some("what happened"));
    }

    #[test]
    fn a_vendor_that_asks_for_an_hour_gets_it() {
        let asked = Trouble::Passing {
            pause: Some(Duration::from_secs(3_600)),
        };
        let state = judged(RunState::default(), &SYNC, &end(RunResult::Failed, Some(asked)));
        assert!(state.not_before.unwrap() >= now() + TimeDelta::hours(1));
    }
}
