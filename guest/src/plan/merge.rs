//! The three-way merge of one target's members: desired x observed x ledger (R10, R39, R41, R42). Adds come from
//! desired people alone and removals from everybody else, so that nobody is both added and removed.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Membership, Provenance};
use crate::settings::{DriftPolicy, Settings};

use super::desired::{Desired, is_suspended_away};
use super::model::{GroupView, MemberKind, ObservedMember, Reading, Resolution, Role, World};
use super::part::{ForeignMember, GroupRef, Held, Note, Operation, Reason, RemovalReason};

/// What all merges of one group share.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    /// Everything known of it.
    pub view: &'a GroupView,
    /// What all groups share.
    pub world: &'a World,
    /// The settings.
    pub settings: &'a Settings,
    /// What happens to members that the source does not want.
    pub policy: DriftPolicy,
    /// Who should be a member.
    pub desired: &'a Desired<'a>,
    /// Principal -> the source user who resolves to it; of several the first. Empty where no policy asks for it.
    pub behind: &'a BTreeMap<&'a str, &'a str>,
}

/// See [`Group::behind`].
pub(super) fn behind(world: &World, policy: DriftPolicy) -> BTreeMap<&str, &str> {
    let mut behind = BTreeMap::new();
    if policy == DriftPolicy::Authoritative {
        for (user, resolution) in &world.resolutions {
            if let Resolution::Resolved(principal) = resolution {
                behind.entry(principal.id.as_str()).or_insert(user.as_str());
            }
        }
    }
    behind
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// Adds and removals.
    pub operations: Vec<Operation>,
    /// What waits.
    pub held: Vec<Held>,
    /// Changes to the ledger.
    pub notes: Vec<Note>,
    /// Members that are not ours and stay.
    pub foreign: Vec<ForeignMember>,
    /// Why removals are frozen, by code; empty where none is.
    pub frozen: BTreeMap<String, Reason>,
    /// Source users whose removal needs a second read of the source.
    pub second_read: BTreeSet<String>,
    /// Whether a second read of the whole list is needed, since somebody to remove is no known source user.
    pub second_list: bool,
    /// Source users who are not in the list and whose own record alone could tell that they are gone (R49).
    pub records: BTreeSet<String>,
}

impl Merged {
    pub(super) fn freeze(&mut self, code: &str, message: impl Into<String>) {
        self.frozen
            .entry(code.to_owned())
            .or_insert_with(|| Reason::new(code, message));
    }

    /// Notes which reads are not whole: with those, removals are frozen even where none is in sight.
    pub(super) fn judge_reads(&mut self, group: Group<'_>, members: &Reading<Vec<ObservedMember>>) {
        if let Some(why) = group.view.source.users.shortfall() {
            self.freeze(
                "source-incomplete",
                format!("Removals are frozen, since the group's users were not read completely: {why}"),
            );
        }
        if let Some(why) = members.shortfall() {
            self.freeze(
                "target-incomplete",
                format!("Removals are frozen, since the target's members were not read completely: {why}"),
            );
        }
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.operations.extend(other.operations);
        self.held.extend(other.held);
        self.notes.extend(other.notes);
        self.foreign.extend(other.foreign);
        for (code, reason) in other.frozen {
            self.frozen.entry(code).or_insert(reason);
        }
        self.second_read.extend(other.second_read);
        self.second_list |= other.second_list;
        self.records.extend(other.records);
    }
}

/// Merges the members of the group's present target. `id` is none while the target is to be created.
pub(super) fn merge(
    group: Group<'_>,
    target: &GroupRef,
    id: Option<&str>,
    members: &Reading<Vec<ObservedMember>>,
) -> Merged {
    let mut merged = Merged::default();
    merged.judge_reads(group, members);
    let rows: BTreeMap<&str, &Membership> = group
        .view
        .memberships
        .iter()
        .filter(|row| Some(row.target.as_str()) == id)
        .map(|row| (row.principal.as_str(), row))
        .collect();
    let observed: BTreeMap<&str, &ObservedMember> = members
        .seen()
        .iter()
        .map(|member| (member.principal.id.as_str(), member))
        .collect();
    want(group, target, id, members, &rows, &observed, &mut merged);
    for (principal, member) in &observed {
        if !group.desired.people.contains_key(*principal) {
            unwanted(
                group,
                target,
                id,
                members,
                member,
                rows.get(principal).copied(),
                &mut merged,
            );
        }
    }
    if members.complete().is_some()
        && !group.view.settling
        && let Some(id) = id
    {
        for principal in rows.keys() {
            let wanted =
                group.desired.people.contains_key(*principal) || group.desired.kept.contains(*principal);
            if !wanted && !observed.contains_key(principal) {
                merged.notes.push(Note::Forget {
                    target: id.to_owned(),
                    principal: (*principal).to_owned(),
                });
            }
        }
    }
    merged
}

fn want(
    group: Group<'_>,
    target: &GroupRef,
    id: Option<&str>,
    members: &Reading<Vec<ObservedMember>>,
    rows: &BTreeMap<&str, &Membership>,
    observed: &BTreeMap<&str, &ObservedMember>,
    merged: &mut Merged,
) {
    for (principal, person) in &group.desired.people {
        let row = rows.get(principal);
        let ours = row.is_some_and(|row| row.provenance != Provenance::Foreign);
        match (observed.get(principal), id) {
            (Some(member), Some(id)) => {
                // Somebody else's account now stands for the same principal: the row must say whose it is.
                let stale = row.is_some_and(|row| row.user.as_ref().is_none_or(|user| !person.is(user)));
                if !ours || stale {
                    merged.notes.push(Note::Record {
                        target: id.to_owned(),
                        principal: (*principal).to_owned(),
                        provenance: row
                            .filter(|_| ours)
                            .map_or(Provenance::Adopted, |row| row.provenance),
                        user: Some(person.user.to_owned()),
                        address: member.principal.address.clone(),
                    });
                }
            }
            // In a list that fell short, somebody of ours who does not show is most likely still there.
            (None, _) if ours && members.complete().is_none() => {}
            _ => merged.operations.push(Operation::AddMember {
                group: target.clone(),
                principal: (*principal).to_owned(),
                user: person.user.to_owned(),
                address: person.principal.address.clone(),
            }),
        }
    }
}

fn unwanted(
    group: Group<'_>,
    target: &GroupRef,
    id: Option<&str>,
    members: &Reading<Vec<ObservedMember>>,
    member: &ObservedMember,
    row: Option<&Membership>,
    merged: &mut Merged,
) {
    let principal = member.principal.id.as_str();
    if group.desired.kept.contains(principal) {
        return;
    }
    let user = row
        .filter(|row| row.provenance != Provenance::Foreign)
        .and_then(|row| row.user.as_deref());
    if let Some(user) = user
        && group.policy != DriftPolicy::Additive
        && member.kind == MemberKind::User
    {
        leaver(group, target, members, member, user, merged);
        return;
    }
    if row.is_none()
        && let Some(id) = id
    {
        merged.notes.push(Note::Record {
            target: id.to_owned(),
            principal: principal.to_owned(),
            provenance: Provenance::Foreign,
            user: None,
            address: member.principal.address.clone(),
        });
    }
    let removable = group.policy == DriftPolicy::Authoritative
        && member.kind == MemberKind::User
        && member.role == Role::Member
        && !group.desired.perhaps.contains(principal);
    if removable {
        stranger(group, target, members, member, merged);
    } else {
        merged.foreign.push(foreign(member));
    }
}

/// Somebody of ours whom the source does not want any more.
pub(super) fn leaver(
    group: Group<'_>,
    target: &GroupRef,
    members: &Reading<Vec<ObservedMember>>,
    member: &ObservedMember,
    user: &str,
    merged: &mut Merged,
) {
    let removal = |why| Operation::RemoveMember {
        group: target.clone(),
        principal: member.principal.id.clone(),
        user: Some(user.to_owned()),
        address: member.principal.address.clone(),
        why,
    };
    if let Some(elsewhere) = group.desired.resolved.get(user) {
        let now = group
            .desired
            .people
            .get(elsewhere)
            .map_or(*elsewhere, |person| person.principal.address.as_str());
        if member.role == Role::Member {
            if group.view.source.users.complete().is_some() && members.complete().is_some() {
                merged.held.push(Held {
                    operation: removal(RemovalReason::LeftGroup),
                    reason: Reason::new(
                        "resolves-elsewhere",
                        format!(
                            "The person now answers to {now} in the target; approve to remove {}.",
                            member.principal.address
                        ),
                    ),
                    approvable: true,
                });
            }
        } else {
            merged.foreign.push(foreign(member));
        }
        return;
    }
    let proof = proof(group, members, user, merged);
    if member.role != Role::Member {
        // Shown even without the last proof: it is never done.
        if group.view.source.users.complete().is_some() || proof.is_ok() {
            merged.held.push(Held {
                operation: removal(proof.unwrap_or(RemovalReason::LeftGroup)),
                reason: Reason::new(
                    "owner",
                    format!(
                        "{} owns or manages the group in the target; owners and managers are never removed, do it \
                         there.",
                        member.principal.address
                    ),
                ),
                approvable: false,
            });
        }
        return;
    }
    match proof {
        Ok(why) => merged.operations.push(removal(why)),
        Err(reason) => {
            merged.frozen.entry(reason.code.clone()).or_insert(reason);
            if group.view.source.users.complete().is_none() {
                merged.records.insert(user.to_owned());
            } else if members.complete().is_some() {
                merged.second_read.insert(user.to_owned());
            } else {
                merged.records.insert(user.to_owned());
            }
        }
    }
}

/// The evidence that somebody left: the person's own record, or two agreeing complete reads of the source and
/// a complete read of the target.
fn proof(
    group: Group<'_>,
    members: &Reading<Vec<ObservedMember>>,
    user: &str,
    merged: &mut Merged,
) -> Result<RemovalReason, Reason> {
    let source = &group.view.source;
    if source.deleted_users.contains(user) {
        return Ok(RemovalReason::UserDeleted);
    }
    if is_suspended_away(group.world, group.settings, user) {
        return Ok(RemovalReason::UserSuspended);
    }
    if source.users.complete().is_none() || members.complete().is_none() {
        // Said already, with the reader's own reason, by `judge_reads`.
        let code = if source.users.complete().is_none() {
            "source-incomplete"
        } else {
            "target-incomplete"
        };
        return Err(Reason::new(
            code,
            "Removals are frozen, since a read is not complete.",
        ));
    }
    match &source.absent_again {
        Some(again) if again.get().contains(user) => {
            merged.second_read.insert(user.to_owned());
            Ok(RemovalReason::LeftGroup)
        }
        Some(_) => Err(disagree()),
        None => Err(second_read_missing()),
    }
}

/// Somebody who was never ours, under the authoritative policy.
fn stranger(
    group: Group<'_>,
    target: &GroupRef,
    members: &Reading<Vec<ObservedMember>>,
    member: &ObservedMember,
    merged: &mut Merged,
) {
    let source = &group.view.source;
    merged.foreign.push(foreign(member));
    if source.users.complete().is_none() || members.complete().is_none() {
        return;
    }
    if let Some(why) = &group.desired.unproven {
        merged.freeze(
            "users-unproven",
            format!("Removals of foreign members are frozen, since it is not proven who everybody is: {why}"),
        );
        return;
    }
    // The person behind the account, where the source knows one who is not in the group.
    let user = group.behind.get(member.principal.id.as_str()).copied();
    match user {
        Some(user) => {
            merged.second_read.insert(user.to_owned());
        }
        None => merged.second_list = true,
    }
    let gone = user.is_some_and(|user| {
        source.deleted_users.contains(user) || is_suspended_away(group.world, group.settings, user)
    });
    let again = source.absent_again.as_ref();
    let agreed = again.is_some_and(|again| user.is_none_or(|user| again.get().contains(user)));
    if gone || agreed {
        merged.foreign.pop();
        merged.operations.push(Operation::RemoveMember {
            group: target.clone(),
            principal: member.principal.id.clone(),
            user: None,
            address: member.principal.address.clone(),
            why: RemovalReason::NotInSource,
        });
    } else {
        let reason = if again.is_some() {
            disagree()
        } else {
            second_read_missing()
        };
        merged.frozen.entry(reason.code.clone()).or_insert(reason);
    }
}

fn disagree() -> Reason {
    Reason::new(
        "reads-disagree",
        "Removals are frozen, since a second read of the source still lists somebody that the first did not; the \
         next run reads again.",
    )
}

fn second_read_missing() -> Reason {
    Reason::new(
        "second-read-missing",
        "Removals are frozen, since no second read of the source confirmed them; the next run reads again.",
    )
}

/// A member as the part shows it.
pub(super) fn foreign(member: &ObservedMember) -> ForeignMember {
    let kind = match member.kind {
        MemberKind::User => "user",
        MemberKind::Group => "group",
        MemberKind::External => "external",
        MemberKind::Other => "other",
    };
    ForeignMember {
        principal: member.principal.id.clone(),
        label: member.principal.address.clone(),
        kind: kind.to_owned(),
        role: role(member.role).to_owned(),
    }
}

/// A role's name.
pub(super) fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Manager => "manager",
        Role::Owner => "owner",
    }
}
