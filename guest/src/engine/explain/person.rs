//! The links that are about a person: from their record in the source to their membership in the target.

use std::collections::BTreeMap;

use crate::engine::answers::Explanation;
use crate::engine::observe::found_id;
use crate::ledger::Provenance;
use crate::plan::eligibility;
use crate::plan::model::{GroupView, MemberKind, ObservedMember, Reading, Resolution, Role, Sight};
use crate::plan::part::{Operation, Part};
use crate::settings::{DriftPolicy, Settings, Suspended};

use super::chain::Chain;
use super::find::Person;

/// What a person's links are made from.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub settings: &'a Settings,
    pub resolutions: &'a BTreeMap<String, Resolution>,
    pub view: &'a GroupView,
    pub part: &'a Part,
    pub person: &'a Person,
    /// The names of the groups between this one and the person, where they are nested.
    pub path: Option<&'a [String]>,
}

pub(super) fn explain(about: About<'_>, mut chain: Chain) -> Explanation {
    let About {
        view, part, person, ..
    } = about;
    let group = &part.group.name;
    let label = person.label().to_owned();
    let mut links = Chain::default();
    let wanted = source_links(about, &mut links);
    let resolved = resolution_link(about, wanted, &mut links);
    let recorded = || {
        let user = person.user.as_ref()?;
        let row = view
            .memberships
            .iter()
            .find(|row| row.user.as_deref() == Some(&user.id))?;
        Some(row.principal.clone())
    };
    let principal = resolved.or_else(|| person.principal.clone()).or_else(recorded);
    chain
        .people
        .extend(person.user.iter().map(|user| user.id.clone()));
    chain.people.extend(person.recorded_for.clone());
    chain.people.extend(principal.clone());
    // The person's own links come first: whether the group is bound matters to nobody who is not in it.
    let mut steps = links.steps;
    steps.append(&mut chain.steps);
    chain.steps = steps;
    let present = principal
        .as_ref()
        .is_some_and(|principal| target_links(about, principal, wanted, &mut chain));
    if principal.is_none() && found_id(&view.target.sight).is_some() {
        chain.link(
            "target-membership",
            false,
            format!("Nobody in the target group stands for {label}."),
        );
    }
    let conclusion = match (wanted, present, chain.cause()) {
        (true, true, _) => format!("{label} is in the target group of “{group}”, as the source wants it."),
        (false, true, _) => {
            let why = chain
                .steps
                .iter()
                .rev()
                .find(|step| {
                    matches!(
                        step.code.as_str(),
                        "plan" | "held" | "frozen" | "policy" | "ledger-membership"
                    )
                })
                .map_or("nobody of ours put them there", |step| step.message.as_str());
            format!("{label} is in the target group of “{group}” although the source does not want it: {why}")
        }
        (_, false, Some(cause)) => format!(
            "{label} is not in the target group of “{group}”: {}",
            cause.message
        ),
        (_, false, None) => format!("{label} is not in the target group of “{group}”."),
    };
    chain.end(conclusion)
}

/// Whether the source wants the person in the group.
fn source_links(about: About<'_>, chain: &mut Chain) -> bool {
    let About {
        view, part, person, ..
    } = about;
    let group = &part.group.name;
    let Some(user) = &person.user else {
        let deleted = person
            .recorded_for
            .as_ref()
            .is_some_and(|user| view.source.deleted_users.contains(user));
        chain.link(
            "person",
            false,
            if deleted {
                format!(
                    "“{}” was deleted in JumpCloud: their own record there is gone. The next apply takes them out, before \
                     anything else.",
                    person.asked
                )
            } else {
                format!(
                    "JumpCloud has nobody called, addressed or numbered “{}”. Write their username or email as it stands in \
                     JumpCloud, or create them there.",
                    person.asked
                )
            },
        );
        return false;
    };
    chain.link(
        "person",
        true,
        format!("JumpCloud has {} ({}).", user.username, user.id),
    );
    let member = view.source.users.seen().contains(&user.id);
    let how = match about.path {
        Some(path) if !path.is_empty() => {
            format!("by the path {group} > {} > {}", path.join(" > "), user.username)
        }
        Some(_) => "directly".to_owned(),
        None => "directly or through a nested group".to_owned(),
    };
    chain.link(
        "membership",
        member,
        match (&view.source.users, member) {
            (_, true) => format!("{} is in “{group}”, {how}.", user.username),
            (Reading::Complete(_), false) => format!(
                "{} is not in “{group}” in JumpCloud, nor in a group within it. Add them there if they should be.",
                user.username
            ),
            (Reading::Partial { reason, .. }, false) => format!(
                "{} does not show in “{group}”, but the read was not whole: {reason}. Run again.",
                user.username
            ),
        },
    );
    if !user.suspended {
        return member;
    }
    let stays = about.settings.suspended == Suspended::Keep;
    chain.link(
        "active",
        stays,
        if stays {
            format!(
                "{} is suspended in JumpCloud and stays a member by the settings (`suspended = \"keep\"`).",
                user.username
            )
        } else {
            format!(
                "{} is suspended in JumpCloud and is no member by the settings (`suspended = \"remove\"`). Activate them in \
                 JumpCloud, or set `suspended = \"keep\"`.",
                user.username
            )
        },
    );
    member && stays
}

fn resolution_link(about: About<'_>, wanted: bool, chain: &mut Chain) -> Option<String> {
    let user = about.person.user.as_ref()?;
    let (code, message) = match about.resolutions.get(&user.id) {
        Some(Resolution::Resolved(principal)) => {
            chain.link(
                "resolution",
                true,
                format!("In the target they are {} ({}).", principal.address, principal.id),
            );
            return Some(principal.id.clone());
        }
        // The codes are those that the plan's list of waiting people has.
        Some(Resolution::Unknown { sought }) => (
            "awaiting-user",
            format!(
                "Nobody in the target answers to {sought}. Create the person there; the next run adds them."
            ),
        ),
        Some(Resolution::Ambiguous { candidates }) => {
            let list: Vec<&str> = candidates.iter().map(|one| one.address.as_str()).collect();
            (
                "ambiguous-user",
                format!(
                    "Several people of the target could be meant, and nobody is guessed: {}. Take the address from all but \
                     one of them.",
                    list.join(", ")
                ),
            )
        }
        Some(Resolution::NoAddress) => (
            "no-address",
            "They have no email in JumpCloud to look for in the target. Give them one.".to_owned(),
        ),
        Some(Resolution::Unproven { reason }) => (
            "users-unproven",
            format!(
                "Whether the target has them is not known: {reason}. Run again, or ask `check` what is wrong."
            ),
        ),
        // Nobody looks up who is not to be exported.
        None if !wanted => return None,
        None => (
            "users-unproven",
            "They were not looked up in the target, since the group is not exported.".to_owned(),
        ),
    };
    chain.link(code, false, message);
    None
}

/// Whether the target shows the principal as a member; with what ledger, plan and policy say of it.
fn target_links(about: About<'_>, principal: &str, wanted: bool, chain: &mut Chain) -> bool {
    let About { view, .. } = about;
    let target = found_id(&view.target.sight);
    let row = view
        .memberships
        .iter()
        .find(|row| row.principal == principal && Some(&row.target) == target.as_ref());
    let member = view
        .target
        .members
        .seen()
        .iter()
        .find(|member| member.principal.id == principal);
    if let Some(row) = row {
        let message = match row.provenance {
            Provenance::Ours => "The ledger says that we added them.",
            Provenance::Adopted => {
                "The ledger says that they were there already and that the source wants them."
            }
            Provenance::Foreign => {
                "The ledger says that they were there already and that the source never wanted them."
            }
        };
        chain.link(
            "ledger-membership",
            row.provenance != Provenance::Foreign,
            message,
        );
    }
    let ours = row.is_some_and(|row| row.provenance != Provenance::Foreign);
    plan_links(about, principal, wanted, member.is_some(), chain);
    if let Some(member) = member.filter(|_| !wanted) {
        policy_link(about, member, ours, principal, chain);
    }
    moving_links(about, principal, chain);
    match (member, &view.target.members) {
        (Some(member), _) => {
            let role = match (member.role, member.kind) {
                (Role::Owner, _) => "an owner",
                (Role::Manager, _) => "a manager",
                (Role::Member, MemberKind::External) => "a member from outside the directory",
                (Role::Member, MemberKind::Group) => "a member that is a group",
                (Role::Member, _) => "a member",
            };
            chain.link(
                "target-membership",
                true,
                format!("The target shows {} as {role}.", member.principal.address),
            );
        }
        (None, Reading::Complete(_)) => chain.link(
            "target-membership",
            false,
            match row.map(|row| row.provenance) {
                Some(Provenance::Ours) if wanted => {
                    "The target does not show them any more: somebody took them out there. The next apply puts them back."
                }
                _ => "The target does not show them as a member.",
            },
        ),
        (None, Reading::Partial { .. }) if matches!(view.target.sight, Sight::Nothing { .. }) => chain.link(
            "target-membership",
            false,
            "There is no target group yet that they could be a member of.",
        ),
        (None, Reading::Partial { reason, .. }) => chain.link(
            "target-membership",
            false,
            format!("The target did not show them, but the read was not whole: {reason}. Run again."),
        ),
    }
    member.is_some()
}

/// What the plan of now would do about the person, and what keeps it from doing so: `part` of other groups' business is
/// left out.
fn plan_links(about: About<'_>, principal: &str, wanted: bool, present: bool, chain: &mut Chain) {
    let part = about.part;
    let own = |operation: &Operation| match operation {
        Operation::AddMember { principal: other, .. } => (other == principal).then_some(true),
        Operation::RemoveMember { principal: other, .. } => (other == principal).then_some(false),
        _ => None,
    };
    let planned: Vec<bool> = part.operations.iter().filter_map(own).collect();
    let held: Vec<_> = part
        .held
        .iter()
        .filter_map(|held| own(&held.operation).map(|adds| (adds, &held.reason)))
        .collect();
    let whole_group: Vec<_> = part
        .held
        .iter()
        .filter(|held| own(&held.operation).is_none())
        .map(|held| held.reason.code.as_str())
        .collect();
    if planned.contains(&true) {
        chain.link(
            "plan",
            false,
            "A plan made now adds them; it waits to be applied. Run `groupcast plan`, then `groupcast apply`.",
        );
    } else if planned.contains(&false) {
        chain.link(
            "plan",
            present && !wanted,
            "A plan made now removes them; it waits to be applied. Run `groupcast plan`, then `groupcast apply`.",
        );
    }
    for (adds, reason) in &held {
        chain.link(
            "held",
            !adds && present,
            format!("A change of it is held ({}): {}", reason.code, reason.message),
        );
    }
    // What stops the group, or freezes its removals, explains a change that should be and is in no plan.
    if wanted != present && planned.is_empty() && held.is_empty() {
        for reason in &part.reasons {
            let of_others = whole_group.contains(&reason.code.as_str())
                || matches!(
                    reason.code.as_str(),
                    "in-step" | "changes" | "owner" | "limit" | "resolves-elsewhere"
                );
            if of_others || chain.steps.iter().any(|step| step.message == reason.message) {
                continue;
            }
            if present {
                chain.link("frozen", false, format!("({}) {}", reason.code, reason.message));
            } else {
                chain.reason(reason, false);
            }
        }
    }
}

/// Why somebody stays whom the source does not want.
fn policy_link(about: About<'_>, member: &ObservedMember, ours: bool, principal: &str, chain: &mut Chain) {
    let told = chain
        .steps
        .iter()
        .any(|step| matches!(step.code.as_str(), "plan" | "held" | "frozen"));
    if told {
        return;
    }
    let policy = about
        .view
        .source
        .group
        .as_ref()
        .map_or(about.settings.policy, |group| {
            eligibility::policy(about.settings, group)
        });
    let foreign = about
        .part
        .foreign
        .iter()
        .any(|member| member.principal == principal);
    let message = match (member.role, member.kind, policy) {
        (Role::Owner | Role::Manager, _, _) => {
            "They own or manage the group there, and owners and managers are never removed. Take the role from them in the \
             target if they should go."
        }
        (_, MemberKind::Group, _) => {
            "Groups within the target group are never touched. Take it out in the target if it should go."
        }
        (_, MemberKind::External, _) => {
            "People from outside the directory are never touched. Take them out in the target if they should go."
        }
        (_, _, DriftPolicy::Additive) => {
            "By the policy `additive` nobody is ever removed. Take them out in the target, or choose another policy."
        }
        (_, _, DriftPolicy::Managed) if !ours || foreign => {
            "By the policy `managed` people whom JumpCloud never wanted there stay. Take them out in the target, or choose the \
             policy `authoritative` for the group."
        }
        _ => return,
    };
    chain.link("policy", true, message);
}

/// Whether the person is still in a group at an earlier address (R14).
fn moving_links(about: About<'_>, principal: &str, chain: &mut Chain) {
    let Some(binding) = &about.view.binding else {
        return;
    };
    for (old, members) in &about.view.target.moving_from {
        let there = members
            .seen()
            .iter()
            .any(|member| member.principal.id == principal);
        if there {
            let address = binding.details.moving_from.get(old).unwrap_or(&binding.key);
            chain.link(
                "earlier-address",
                true,
                format!(
                    "They are still in the group at the earlier address {address} ({old}); they leave it once the new group \
                     shows them."
                ),
            );
        }
    }
}
