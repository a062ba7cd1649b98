//! Totals of a plan.

use std::collections::BTreeMap;

use super::part::{GroupState, Operation, Part};

/// Totals of a plan, as `plan-summary` in the WIT package and as counts by state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Groups that the plan speaks of.
    pub groups: u64,
    /// Vendor writes planned, all kinds.
    pub operations: u64,
    /// Groups to create.
    pub creations: u64,
    /// Groups whose attributes change.
    pub updates: u64,
    /// Memberships to add.
    pub adds: u64,
    /// Memberships to remove.
    pub removals: u64,
    /// Operations that wait for approval; those that no approval can release are not counted.
    pub held: u64,
    /// People who are wanted but cannot be exported now.
    pub waiting: u64,
    /// Groups in each state.
    pub states: BTreeMap<GroupState, u64>,
}

/// Counts parts.
pub fn summary<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Summary {
    let mut summary = Summary::default();
    for part in parts {
        summary.add(part);
    }
    summary
}

impl Summary {
    /// Counts one more part.
    pub fn add(&mut self, part: &Part) {
        self.groups += 1;
        for operation in &part.operations {
            self.operations += 1;
            match operation {
                Operation::CreateGroup { .. } => self.creations += 1,
                Operation::UpdateGroup { .. } => self.updates += 1,
                Operation::AddMember { .. } => self.adds += 1,
                Operation::RemoveMember { .. } => self.removals += 1,
            }
        }
        self.held += part
            .held
            .iter()
            .filter(|held| held.approvable)
            .map(|_| 1)
            .sum::<u64>();
        self.waiting += u64::try_from(part.waiting.len()).unwrap_or(u64::MAX);
        *self.states.entry(part.state).or_default() += 1;
    }
}
