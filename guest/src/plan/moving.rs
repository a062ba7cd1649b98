//! Moving away from an earlier target after a change of address (R14, R15): whoever is in the new group leaves the old
//! one, last of all; nobody leaves it who is not in the new one or gone from the source.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Membership, Provenance};

use super::merge::{Group, Merged, leaver};
use super::model::{MemberKind, ObservedMember, Reading, Role};
use super::part::{GroupRef, Held, Note, Operation, Reason, RemovalReason};

/// What came of one earlier target.
#[derive(Debug)]
pub(super) struct Moved {
    /// Removals, reasons and notes.
    pub merged: Merged,
    /// Whether nobody of ours is left there, so that the move is over.
    pub over: bool,
}

/// Plans one earlier target. `arrived` are the principals that the new target holds or gets by this plan.
pub(super) fn leave(
    group: Group<'_>,
    old: &str,
    members: Option<&Reading<Vec<ObservedMember>>>,
    arrived: &BTreeSet<&str>,
) -> Moved {
    let mut merged = Merged::default();
    let Some(members) = members else {
        merged.freeze(
            "old-target-unread",
            "The group that people are moved away from was not read; the next run goes on.",
        );
        return Moved { merged, over: false };
    };
    if let Some(why) = members.shortfall() {
        merged.freeze(
            "old-target-incomplete",
            format!("The group that people are moved away from was not read completely: {why}"),
        );
    }
    let rows: Vec<&Membership> = group
        .view
        .memberships
        .iter()
        .filter(|row| row.target == old)
        .collect();
    let target = GroupRef::Id(old.to_owned());
    let proven = members.complete().is_some() && group.view.source.users.complete().is_some();
    let mut left_behind = false;
    let mut gone = Vec::new();
    let observed: BTreeMap<&str, &ObservedMember> = members
        .seen()
        .iter()
        .map(|member| (member.principal.id.as_str(), member))
        .collect();
    for row in &rows {
        let Some(member) = observed.get(row.principal.as_str()).copied() else {
            if group.view.settling && row.provenance != Provenance::Foreign {
                left_behind = true;
            } else {
                gone.push(row.principal.clone());
            }
            continue;
        };
        if row.provenance == Provenance::Foreign || member.kind != MemberKind::User {
            continue;
        }
        left_behind |= member.role == Role::Member;
        if group.desired.kept.contains(row.principal.as_str()) {
            continue;
        }
        if let Some(person) = group.desired.people.get(row.principal.as_str()) {
            let removal = Operation::RemoveMember {
                group: target.clone(),
                principal: row.principal.clone(),
                user: Some(person.user.to_owned()),
                address: member.principal.address.clone(),
                why: RemovalReason::Moved,
            };
            if member.role != Role::Member {
                merged.held.push(Held {
                    operation: removal,
                    reason: Reason::new(
                        "owner",
                        format!(
                            "{} owns or manages the group that people are moved away from, and stays there.",
                            member.principal.address
                        ),
                    ),
                    approvable: false,
                });
            } else if proven && arrived.contains(row.principal.as_str()) {
                merged.operations.push(removal);
            }
        } else if let Some(user) = &row.user {
            leaver(group, &target, members, member, user, &mut merged);
        }
    }
    let over = members.complete().is_some() && !left_behind;
    if over {
        gone = rows.iter().map(|row| row.principal.clone()).collect();
        merged.held.clear();
    }
    if members.complete().is_some() {
        gone.sort_unstable();
        merged
            .notes
            .extend(gone.into_iter().map(|principal| Note::Forget {
                target: old.to_owned(),
                principal,
            }));
    }
    Moved { merged, over }
}
