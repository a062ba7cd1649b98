//! How much may change at once (R43). What is over a limit is held for approval, never dropped.
//!
//! Limits of the run need all groups, and a plan of many groups is not held in memory whole: so each group is counted
//! first ([`tally`]), the decisions are taken on the counts alone ([`decide`]), and each group is planned again and held
//! as was decided ([`hold`]).
//!
//! Two kinds of removal are judged otherwise: people whose own record is deleted count towards the run alone (R49), and
//! people who move to the group's new address count nowhere, since each of them is in the new group. Other removals count
//! several times where more than the membership is at stake. Takeovers have limits of their own ([`super::takeover`]).

use std::collections::BTreeMap;

use crate::settings::{Limit, Limits};
use crate::words::{count, fitting};

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

    /// So many of them, in words.
    fn told(self, number: u64) -> String {
        match self {
            Self::Adds => count(number, "addition", "additions"),
            Self::DeletedPeople | Self::Removals => count(number, "removal", "removals"),
        }
    }
}

/// What one group would change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    adds: u64,
    deleted_people: u64,
    removals: u64,
    /// Memberships of the target.
    size: u64,
    /// What hangs on the memberships besides, where something does.
    stake: Option<String>,
    /// Whether it takes over a group that exists.
    takes_over: bool,
}

impl Tally {
    fn count(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Adds => self.adds,
            Kind::DeletedPeople => self.deleted_people,
            Kind::Removals => self.removals,
        }
    }

    /// What they count as: people who come lose nothing, and whose own record is deleted loses everything anyway.
    fn weigh(&self, kind: Kind, limits: &Limits) -> u64 {
        let count = self.count(kind);
        if kind == Kind::Removals && self.stake.is_some() {
            count.saturating_mul(u64::from(limits.stake_weight.max(1)))
        } else {
            count
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
    /// What is held; none is all of a takeover.
    kind: Option<Kind>,
    why: String,
}

type Holds = BTreeMap<String, Vec<Hold>>;

/// Counts what a draft changes.
pub(super) fn tally(draft: &Draft<'_>) -> Tally {
    let mut tally = Tally {
        size: draft.size,
        stake: draft.stake.clone(),
        takes_over: draft.takes_over(),
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
/// people before others. The run's shares are taken of all memberships there are: of `known_size`, where these are only
/// some of the groups.
pub(super) fn decide(mut tallies: BTreeMap<String, Tally>, limits: &Limits, known_size: u64) -> Holds {
    let mut holds = Holds::new();
    for (group, tally) in &mut tallies {
        for (kind, limit) in [
            (Kind::Adds, &limits.group_adds),
            (Kind::Removals, &limits.group_removals),
        ] {
            let (count, weighed) = (tally.count(kind), tally.weigh(kind, limits));
            if let Some(over) = over(limit, weighed, tally.size) {
                let (told, are) = (kind.told(count), fitting(count, "is", "are"));
                let why = match tally.stake.as_deref().filter(|_| weighed != count) {
                    Some(stake) => format!(
                        "{told} in this group, counted as {weighed} for the {stake} that hang on it, {are} over its \
                         limit of {over}"
                    ),
                    None => format!("{told} in this group {are} over its limit of {over}"),
                };
                tally.clear(kind);
                holds.entry(group.clone()).or_default().push(Hold {
                    kind: Some(kind),
                    why: format!("{why}; {}", advice(count)),
                });
            }
        }
    }
    spend_takeovers(&mut tallies, &limits.run_takeover_adds, &mut holds);
    let size = tallies
        .values()
        .map(|tally| tally.size)
        .sum::<u64>()
        .max(known_size);
    let run = Run { limits, size };
    spend(&tallies, &[Kind::Adds], &limits.run_adds, run, &mut holds);
    spend(
        &tallies,
        &[Kind::DeletedPeople, Kind::Removals],
        &limits.run_removals,
        run,
        &mut holds,
    );
    holds
}

/// What all groups of a run share.
#[derive(Clone, Copy)]
struct Run<'l> {
    limits: &'l Limits,
    /// Memberships that there are.
    size: u64,
}

/// Takeovers come in number when a directory is new: together they have a limit, whatever each of them has.
fn spend_takeovers(tallies: &mut BTreeMap<String, Tally>, limit: &Limit, holds: &mut Holds) {
    let taken_over = || tallies.values().filter(|tally| tally.takes_over);
    let size = taken_over().map(|tally| tally.size).sum();
    let total: u64 = taken_over().map(|tally| tally.adds).sum();
    let mut spent = 0;
    for (group, tally) in tallies.iter_mut().filter(|(_, tally)| tally.takes_over) {
        match over(limit, spent + tally.adds, size).filter(|_| tally.adds > 0) {
            None => spent += tally.adds,
            Some(over) => {
                // Nothing of it happens, so nothing of it counts.
                *tally = Tally {
                    size: tally.size,
                    ..Tally::default()
                };
                holds.insert(
                    group.clone(),
                    vec![Hold {
                        kind: None,
                        why: format!(
                            "is one of several that would add {} in this run, over their limit of {over}, \
                             of which earlier groups take {spent}",
                            count(total, "person", "people")
                        ),
                    }],
                );
            }
        }
    }
}

fn spend(tallies: &BTreeMap<String, Tally>, kinds: &[Kind], limit: &Limit, run: Run<'_>, holds: &mut Holds) {
    let Run { limits, size } = run;
    let sum = |each: &dyn Fn(&Tally, Kind) -> u64| -> u64 {
        tallies
            .values()
            .flat_map(|tally| kinds.iter().map(|kind| each(tally, *kind)))
            .sum()
    };
    let total = sum(&|tally, kind| tally.count(kind));
    let weighed = sum(&|tally, kind| tally.weigh(kind, limits));
    let counted = if weighed == total {
        String::new()
    } else {
        format!(", counted as {weighed} for what hangs on some groups,")
    };
    let mut spent = 0;
    for kind in kinds {
        for (group, tally) in tallies {
            let count = tally.weigh(*kind, limits);
            if count == 0 {
                continue;
            }
            match over(limit, spent + count, size) {
                None => spent += count,
                Some(over) => holds.entry(group.clone()).or_default().push(Hold {
                    kind: Some(*kind),
                    why: format!(
                        "{} in this run{counted} {} over its limit of {over}, of which earlier groups take {spent}; {}",
                        kind.told(total),
                        fitting(total, "is", "are"),
                        advice(total)
                    ),
                }),
            }
        }
    }
}

/// What to do about so many.
fn advice(number: u64) -> String {
    format!("approve {}, or raise the limit.", fitting(number, "it", "them"))
}

/// The limit that `count` is over, in words.
pub(super) fn over(limit: &Limit, count: u64, size: u64) -> Option<String> {
    if count == 0 {
        return None;
    }
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
    let Some(kind) = hold.kind else {
        draft.hold_takeover(&hold.why);
        return;
    };
    let reason = Reason::new("limit", hold.why.clone());
    draft.hold(&reason, |operation| Kind::of(operation) == Some(kind));
}
