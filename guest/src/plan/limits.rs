//! How much may change at once (R43). What is over a limit is held for approval, never dropped.
//!
//! Limits of the run need all groups, and a plan of many groups is not held in memory whole: so each group is counted
//! first ([`tally`]), the decisions are taken on the counts alone ([`decide`]), and each group is planned again and held
//! as was decided ([`hold`]).
//!
//! Two kinds of removal are judged otherwise: people whose own record is deleted count towards the run alone (R49), and
//! people who move to the group's new address count nowhere, since each of them is in the new group.

use std::collections::BTreeMap;

use crate::settings::{Limit, Limits};

use super::draft::Draft;
use super::part::{Operation, Reason, RemovalReason};

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Adds,
    DeletedPeople,
    Removals,
}

impl Kind {
    fn of(operation: &Operation) -> Option<Self> {
        match operation {
            Operation::AddMember { .. } => Some(Self::Adds),
            Operation::RemoveMember { why, .. } => match why {
                RemovalReason::Moved => None,
                RemovalReason::UserDeleted => Some(Self::DeletedPeople),
                _ => Some(Self::Removals),
            },
            _ => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Adds => "additions",
            Self::DeletedPeople | Self::Removals => "removals",
        }
    }
}

/// What one group would change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    adds: u64,
    deleted_people: u64,
    removals: u64,
    /// Memberships of the target.
    size: u64,
}

impl Tally {
    fn count(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Adds => self.adds,
            Kind::DeletedPeople => self.deleted_people,
            Kind::Removals => self.removals,
        }
    }

    fn clear(&mut self, kind: Kind) {
        match kind {
            Kind::Adds => self.adds = 0,
            Kind::DeletedPeople => self.deleted_people = 0,
            Kind::Removals => self.removals = 0,
        }
    }
}

/// Something of a group that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    kind: Kind,
    why: String,
}

/// Counts what a draft changes.
pub(super) fn tally(draft: &Draft<'_>) -> Tally {
    let mut tally = Tally {
        size: draft.size,
        ..Tally::default()
    };
    for operation in &draft.part.operations {
        match Kind::of(operation) {
            Some(Kind::Adds) => tally.adds += 1,
            Some(Kind::DeletedPeople) => tally.deleted_people += 1,
            Some(Kind::Removals) => tally.removals += 1,
            None => {}
        }
    }
    tally
}

/// What is over the limits, by group: per group first, then for the run, groups in ascending order of ID and deleted
/// people before others.
pub(super) fn decide(mut tallies: BTreeMap<String, Tally>, limits: &Limits) -> BTreeMap<String, Vec<Hold>> {
    let mut holds: BTreeMap<String, Vec<Hold>> = BTreeMap::new();
    for (group, tally) in &mut tallies {
        for (kind, limit) in [
            (Kind::Adds, &limits.group_adds),
            (Kind::Removals, &limits.group_removals),
        ] {
            let count = tally.count(kind);
            if let Some(over) = over(limit, count, tally.size) {
                tally.clear(kind);
                holds.entry(group.clone()).or_default().push(Hold {
                    kind,
                    why: format!(
                        "{count} {} in this group are over its limit of {over}",
                        kind.words()
                    ),
                });
            }
        }
    }
    let size = tallies.values().map(|tally| tally.size).sum();
    spend(&tallies, &[Kind::Adds], &limits.run_adds, size, &mut holds);
    spend(
        &tallies,
        &[Kind::DeletedPeople, Kind::Removals],
        &limits.run_removals,
        size,
        &mut holds,
    );
    holds
}

fn spend(
    tallies: &BTreeMap<String, Tally>,
    kinds: &[Kind],
    limit: &Limit,
    size: u64,
    holds: &mut BTreeMap<String, Vec<Hold>>,
) {
    let total: u64 = tallies
        .values()
        .flat_map(|tally| kinds.iter().map(|kind| tally.count(*kind)))
        .sum();
    let mut spent = 0;
    for kind in kinds {
        for (group, tally) in tallies {
            let count = tally.count(*kind);
            if count == 0 {
                continue;
            }
            match over(limit, spent + count, size) {
                None => spent += count,
                Some(over) => holds.entry(group.clone()).or_default().push(Hold {
                    kind: *kind,
                    why: format!(
                        "{total} {} in this run are over its limit of {over}, of which earlier groups take {spent}",
                        kind.words()
                    ),
                }),
            }
        }
    }
}

/// The limit that `count` is over, in words.
fn over(limit: &Limit, count: u64, size: u64) -> Option<String> {
    if let Some(most) = limit.count
        && count > most
    {
        return Some(most.to_string());
    }
    let percent = limit.percent.filter(|_| size >= limit.minimum_size)?;
    (u128::from(count) * 100 > u128::from(size) * u128::from(percent))
        .then(|| format!("{percent}% of {size} memberships"))
}

/// Holds what was decided.
pub(super) fn hold(draft: &mut Draft<'_>, hold: &Hold) {
    let reason = Reason::new(
        "limit",
        format!("{}; approve them, or raise the limit.", hold.why),
    );
    draft.hold(&reason, |operation| Kind::of(operation) == Some(hold.kind));
}
