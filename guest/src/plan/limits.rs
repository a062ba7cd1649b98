//! How much may change at once (R43). What is over a limit is held for approval, never dropped.
//!
//! Two kinds of removal are judged otherwise: people whose own record is deleted count towards the run alone (R49), and
//! people who move to the group's new address count nowhere, since each of them is in the new group.

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

/// Holds what is over the limits: per group first, then for the run, groups in ascending order of ID and deleted
/// people before others.
pub(super) fn apply(drafts: &mut [Draft<'_>], limits: &Limits) {
    for draft in drafts.iter_mut() {
        for (kind, limit) in [
            (Kind::Adds, &limits.group_adds),
            (Kind::Removals, &limits.group_removals),
        ] {
            let count = count(draft, kind);
            if let Some(over) = over(limit, count, draft.size) {
                hold(
                    draft,
                    kind,
                    &format!(
                        "{count} {} in this group are over its limit of {over}",
                        kind.words()
                    ),
                );
            }
        }
    }
    let size = drafts.iter().map(|draft| draft.size).sum();
    spend(drafts, &[Kind::Adds], &limits.run_adds, size);
    spend(
        drafts,
        &[Kind::DeletedPeople, Kind::Removals],
        &limits.run_removals,
        size,
    );
}

fn spend(drafts: &mut [Draft<'_>], kinds: &[Kind], limit: &Limit, size: u64) {
    let total: u64 = drafts
        .iter()
        .flat_map(|draft| kinds.iter().map(|kind| count(draft, *kind)))
        .sum();
    let mut spent = 0;
    for kind in kinds {
        for draft in drafts.iter_mut() {
            let count = count(draft, *kind);
            if count == 0 {
                continue;
            }
            match over(limit, spent + count, size) {
                None => spent += count,
                Some(over) => hold(
                    draft,
                    *kind,
                    &format!(
                        "{total} {} in this run are over its limit of {over}, of which earlier groups take {spent}",
                        kind.words()
                    ),
                ),
            }
        }
    }
}

fn count(draft: &Draft<'_>, kind: Kind) -> u64 {
    let count = draft
        .part
        .operations
        .iter()
        .filter(|operation| Kind::of(operation) == Some(kind))
        .count();
    u64::try_from(count).unwrap_or(u64::MAX)
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

fn hold(draft: &mut Draft<'_>, kind: Kind, why: &str) {
    let reason = Reason::new("limit", format!("{why}; approve them, or raise the limit."));
    draft.hold(&reason, |operation| Kind::of(operation) == Some(kind));
}
