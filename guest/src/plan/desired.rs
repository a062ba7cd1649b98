//! Who should be a member: the source's users as principals of the target (R5, R31, R49).

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Provenance;
use crate::settings::{Settings, Suspended};

use super::model::{GroupView, Principal, Resolution, World};
use super::part::{Reason, Waiting};

/// A principal that should be a member.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// Who.
    pub principal: Principal,
    /// The source users that it stands for, ascending; more than one where two resolve to the same principal.
    pub users: BTreeSet<String>,
}

impl Person {
    /// The source user that it is recorded under.
    pub fn user(&self) -> &str {
        self.users.first().map_or("", String::as_str)
    }
}

/// Who should be a member of one group.
#[derive(Debug, Default)]
pub(super) struct Desired {
    /// Principals by ID.
    pub people: BTreeMap<String, Person>,
    /// Source users in the group that resolved: user -> principal ID.
    pub resolved: BTreeMap<String, String>,
    /// Principals that the ledger holds for users who are in the group but do not resolve now: they stay.
    pub kept: BTreeSet<String>,
    /// Principals that an ambiguous user may be.
    pub perhaps: BTreeSet<String>,
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
pub(super) fn desired(view: &GroupView, world: &World, settings: &Settings) -> Desired {
    let mut desired = Desired::default();
    for user in view.source.users.seen() {
        if view.source.deleted_users.contains(user) || is_suspended_away(world, settings, user) {
            continue;
        }
        match world.resolutions.get(user) {
            Some(Resolution::Resolved(principal)) => {
                desired.resolved.insert(user.clone(), principal.id.clone());
                desired
                    .people
                    .entry(principal.id.clone())
                    .or_insert_with(|| Person {
                        principal: principal.clone(),
                        users: BTreeSet::new(),
                    })
                    .users
                    .insert(user.clone());
            }
            unresolved => {
                desired.kept.extend(
                    view.memberships
                        .iter()
                        .filter(|row| row.provenance != Provenance::Foreign)
                        .filter(|row| row.user.as_deref() == Some(user))
                        .map(|row| row.principal.clone()),
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
    for person in desired.people.values().filter(|person| person.users.len() > 1) {
        let names: Vec<String> = person.users.iter().map(|user| label(world, user)).collect();
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

fn why_waiting(resolution: Option<&Resolution>, desired: &mut Desired) -> Reason {
    match resolution {
        Some(Resolution::Unknown { sought }) => Reason::new(
            "awaiting-user",
            format!("Nobody in the target answers to {sought}; the next run looks again."),
        ),
        Some(Resolution::Ambiguous { candidates }) => {
            desired
                .perhaps
                .extend(candidates.iter().map(|candidate| candidate.id.clone()));
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
