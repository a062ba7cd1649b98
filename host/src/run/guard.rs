//! What the host asks of another component's work, besides what the gate asks of each request: the bundled component
//! holds back what is over the limits (R43) and reports what it did; another one may not, and is not believed.

use std::collections::BTreeMap;

use groupcast_guest::engine::Report;
use groupcast_guest::plan::part::{Operation, Part};
use groupcast_guest::settings::{Limit, Limits};
use groupcast_guest::words::count;

use super::groupcast::Groupcast;
use super::setup::ConnectionSetup;
use super::{OperationOutcome, RunFailure};
use crate::ledger::Settlement;
use crate::plugin::Violation;

/// Whether so many changes of so many memberships are over a limit.
fn is_over(limit: &Limit, changes: u64, of: u64) -> bool {
    let share = |percent: u8| {
        of >= limit.minimum_size && changes.saturating_mul(100) > of.saturating_mul(u64::from(percent))
    };
    limit.count.is_some_and(|count| changes > count) || limit.percent.is_some_and(share)
}

fn removals(part: &Part) -> u64 {
    let is_removal = |operation: &&Operation| matches!(operation, Operation::RemoveMember { .. });
    part.operations.iter().filter(is_removal).count() as u64
}

/// Why a plan may not be applied without a person's approval. `known` are the memberships that the ledger knows, by
/// source group.
fn over_limits(parts: &[Part], known: &BTreeMap<String, u64>, limits: &Limits) -> Option<String> {
    let mut all = 0u64;
    for part in parts {
        let (removed, of) = (
            removals(part),
            known.get(&part.group.id).copied().unwrap_or_default(),
        );
        all = all.saturating_add(removed);
        // Nobody would be left: a plan never says so by itself (R6).
        let emptied = removed > 0 && removed >= of;
        if emptied || is_over(&limits.group_removals, removed, of) {
            return Some(format!(
                "{removed} of {} would be taken out of group “{}”",
                count(of, "person", "people"),
                part.group.name
            ));
        }
    }
    let of: u64 = known.values().sum();
    is_over(&limits.run_removals, all, of).then(|| {
        format!(
            "{all} of {} would be taken out of groups",
            count(of, "person", "people")
        )
    })
}

/// Whether another component's report can be true, of so many operations that it was given.
fn false_report(
    applied: u64,
    is_clean: bool,
    planned: u64,
    outcomes: &[OperationOutcome],
) -> Option<Violation> {
    let is_done = |outcome: &&OperationOutcome| {
        matches!(
            outcome.settlement,
            Some(Settlement::Applied | Settlement::Already)
        )
    };
    let known = outcomes.iter().filter(is_done).count() as u64;
    // Who says that nothing failed and nothing moved says that all of it is done.
    let claimed = if is_clean { applied.max(planned) } else { applied };
    (claimed > known).then_some(Violation::FalseReport { claimed, known })
}

impl Groupcast {
    /// What speaks against the report of another component.
    pub(super) fn doubted(
        &self,
        setup: &ConnectionSetup,
        report: &Report,
        planned: u64,
        outcomes: &[OperationOutcome],
    ) -> Option<Violation> {
        if self.plugin_of(setup).is_built_in() {
            return None;
        }
        let is_clean = report.failed == 0 && report.moved.is_empty();
        false_report(report.applied, is_clean, planned, outcomes)
    }

    /// Whether a plan of another component is over the limits that the bundled one holds itself to.
    pub(super) async fn over_limits(
        &self,
        setup: &ConnectionSetup,
        parts: &[Part],
    ) -> Result<Option<Violation>, RunFailure> {
        let mut known = BTreeMap::new();
        for part in parts.iter().filter(|part| removals(part) > 0) {
            let (mut count, mut after) = (0u64, None);
            loop {
                let page = self
                    .store
                    .memberships(&setup.directory_key, &part.group.id, after.as_deref())
                    .await?;
                count = count.saturating_add(page.items.len() as u64);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            known.insert(part.group.id.clone(), count);
        }
        Ok(over_limits(parts, &known, &setup.settings.limits).map(|why| Violation::PlanOverLimits { why }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_over_by_count_or_by_share_of_enough() {
        let limit = Limit {
            count: Some(100),
            percent: Some(30),
            minimum_size: 10,
        };
        assert!(is_over(&limit, 101, 10_000));
        assert!(is_over(&limit, 4, 10));
        assert!(!is_over(&limit, 3, 10));
        assert!(!is_over(&limit, 5, 9));
        assert!(!is_over(&Limit::default(), u64::MAX, 1));
    }

    #[test]
    fn who_reports_more_than_the_ledger_knows_is_found_out() {
        assert_eq!(
            false_report(0, true, 3, &[]),
            Some(Violation::FalseReport { claimed: 3, known: 0 })
        );
        assert_eq!(
            false_report(9, false, 3, &[]),
            Some(Violation::FalseReport { claimed: 9, known: 0 })
        );
        assert_eq!(false_report(0, false, 3, &[]), None);
        assert_eq!(false_report(0, true, 0, &[]), None);
    }
}
