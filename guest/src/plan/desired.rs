//! Who should be a member: the source's users as principals of the target (R5, R31, R49).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Provenance;
use crate::settings::{Settings, Suspended};

use super::model::{GroupView, Principal, Resolution, World};
use super::part::{Reason, Waiting};

/// A principal that should be a member.
#[derive(Debug, Clone)]
pub(super) struct Person<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// The source user that it is recorded under: of several the first.
    pub user: &'a str,
    /// The other source users that it stands for, ascending: two can resolve to the same principal.
    pub others: Vec<&'a str>,
}

impl Person<'_> {
    /// Whether it stands for a source user.
    pub fn is(&self, user: &str) -> bool {
        self.user == user || self.others.contains(&user)
    }
}

/// Who should be a member of one group; in the texts of the world and the view, since a group can have a hundred thousand
/// members.
#[derive(Debug, Default)]
pub(super) struct Desired<'a> {
    /// Principals by ID.
    pub people: BTreeMap<&'a str, Person<'a>>,
    /// Source users in the group that resolved: user -> principal ID.
    pub resolved: BTreeMap<&'a str, &'a str>,
    /// Principals that the ledger holds for users who are in the group but do not resolve now: they stay.
    pub kept: BTreeSet<&'a str>,
    /// Principals that an ambiguous user may be.
    pub perhaps: BTreeSet<&'a str>,
    /// Why it is not proven who everybody in the group is.
    pub unproven: Option<String>,
    /// People who are wanted but cannot be exported now.
    pub waiting: Vec<Waiting>,
    /// Things to know.
    pub warnings: Vec<Reason>,
}

/// Whether a user is to be treated as one who left, on the evidence of the user's own record.
pub(super) fn is_suspended_away(world: &World, settings: &Settings, user: &str) -> bool {
    settings.suspended == Suspended::Remove && world.users.get(user).is_some_and(|record| record.suspended)
}

/// Who should be a member.
pub(super) fn desired<'a>(view: &'a GroupView, world: &'a World, settings: &Settings) -> Desired<'a> {
    let mut desired = Desired::default();
    for user in view.source.users.seen() {
        if view.source.deleted_users.contains(user) || is_suspended_away(world, settings, user) {
            continue;
        }
        match world.resolutions.get(user) {
            Some(Resolution::Resolved(principal)) => {
                desired.resolved.insert(user, &principal.id);
                // Users come in ascending order: the first stays the first.
                match desired.people.entry(&principal.id) {
                    Entry::Vacant(free) => {
                        free.insert(Person {
                            principal,
                            user,
                            others: Vec::new(),
                        });
                    }
                    Entry::Occupied(mut known) => known.get_mut().others.push(user),
                }
            }
            unresolved => {
                desired.kept.extend(
                    view.memberships
                        .iter()
                        .filter(|row| row.provenance != Provenance::Foreign)
                        .filter(|row| row.user.as_deref() == Some(user))
                        .map(|row| row.principal.as_str()),
                );
                let reason = why_waiting(unresolved, &mut desired);
                desired.waiting.push(Waiting {
                    user: user.clone(),
                    label: label(world, user),
                    reason,
                });
            }
        }
    }
    for person in desired.people.values().filter(|person| !person.others.is_empty()) {
        let users = std::iter::once(&person.user).chain(&person.others);
        let names: Vec<String> = users.map(|user| label(world, user)).collect();
        desired.warnings.push(Reason::new(
            "shared-address",
            format!(
                "{} are one and the same in the target: {}.",
                names.join(" and "),
                person.principal.address
            ),
        ));
    }
    desired
}

/// How a source user is shown to a person.
pub(super) fn label(world: &World, user: &str) -> String {
    world.users.get(user).map_or_else(
        || user.to_owned(),
        |record| record.email.clone().unwrap_or_else(|| record.username.clone()),
    )
}

fn why_waiting<'a>(resolution: Option<&'a Resolution>, desired: &mut Desired<'a>) -> Reason {
    match resolution {
        Some(Resolution::Unknown { sought }) => Reason::new(
            "awaiting-user",
            format!("Nobody in the target answers to {sought}; the next run looks again."),
        ),
        Some(Resolution::Ambiguous { candidates }) => {
            desired
                .perhaps
                .extend(candidates.iter().map(|candidate| candidate.id.as_str()));
            let mut addresses: Vec<&str> = candidates.iter().map(|c| c.address.as_str()).collect();
            addresses.sort_unstable();
            Reason::new(
                "ambiguous-user",
                format!(
                    "Several in the target could be meant: {}; make them tell apart.",
                    addresses.join(", ")
                ),
            )
        }
        Some(Resolution::NoAddress) => Reason::new(
            "no-address",
            "The user has no address in the source to look for in the target.",
        ),
        other => {
            let why = match other {
                Some(Resolution::Unproven { reason }) => reason.clone(),
                _ => "the user was not looked up".to_owned(),
            };
            let reason = Reason::new(
                "users-unproven",
                format!("Whether the target has this user is not proven: {why}"),
            );
            desired.unproven.get_or_insert(why);
            reason
        }
    }
}
