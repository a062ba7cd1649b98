//! The export `explain`: why is a person (not) in a group, or why is a group in its state? A chain of links from the
//! source to the target; the first that does not hold is the cause. It never writes.
//!
//! It reads as if management were on and the group were to be exported: who asks why nothing happens wants every
//! link judged, and not only the first.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Session;
use crate::engine::answers::{Explanation, Question, Step};
use crate::engine::observe::{Excerpt, Scope, found_id};
use crate::engine::plan::judge;
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::{Binding, BindingState, Provenance};
use crate::plan::address;
use crate::plan::eligibility;
use crate::plan::model::{
    GroupView, Reading, Resolution, Sight, SourceGroup, SourceUser, TargetRules, World,
};
use crate::plan::part::{Operation, Part};
use crate::settings::{Settings, Suspended};
use crate::target::TargetDirectory;

/// Answers the question.
///
/// # Errors
/// What kept the reads from being made.
pub async fn explain<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    question: &Question,
) -> Result<Explanation, Failure> {
    let preview = Settings {
        managed: true,
        acknowledge: true,
        ..session.settings.clone()
    };
    let reading = Session {
        settings: &preview,
        ..*session
    };
    let Some(id) = find_group(session, &question.group).await? else {
        let message = format!(
            "JumpCloud has no group that is called, addressed or numbered “{}”, and the ledger knows none.",
            question.group
        );
        return Ok(Explanation {
            conclusion: message.clone(),
            steps: vec![step("group", false, message)],
        });
    };
    let (observed, verdict) = judge(&reading, &Scope::Groups(BTreeSet::from([id.clone()]))).await?;
    let Some(Excerpt { mut world, mut view }) = observed.excerpt(&id) else {
        let message = format!("The group {id} is gone from JumpCloud and was never exported.");
        return Ok(Explanation {
            conclusion: message.clone(),
            steps: vec![step("group", false, message)],
        });
    };
    let part = verdict.part(&view, &world);
    let mut chain = Chain::default();
    read_users_anyway(&reading, &mut view).await?;
    group_links(session, &view, &mut chain);
    match &question.person {
        Some(person) => {
            let person = find_person(&reading, &view, person).await?;
            // Whoever is not in the group was not looked up with it.
            if let Some(user) = &person.user
                && !world.resolutions.contains_key(&user.id)
            {
                let found = reading.target.resolve(std::slice::from_ref(user)).await?;
                world.resolutions.extend(found);
            }
            Ok(explain_person(
                session.settings,
                &world,
                &view,
                &part,
                &person,
                chain,
            ))
        }
        None => Ok(explain_group(&view, &part, chain)),
    }
}

/// The links of one chain.
#[derive(Default)]
struct Chain {
    steps: Vec<Step>,
}

impl Chain {
    fn link(&mut self, code: &str, holds: bool, message: impl Into<String>) {
        self.steps.push(step(code, holds, message));
    }

    /// The cause: the first link that does not hold.
    fn cause(&self) -> Option<&Step> {
        self.steps.iter().find(|step| !step.holds)
    }

    fn end(self, conclusion: impl Into<String>) -> Explanation {
        Explanation {
            conclusion: conclusion.into(),
            steps: self.steps,
        }
    }
}

fn step(code: &str, holds: bool, message: impl Into<String>) -> Step {
    Step {
        code: code.to_owned(),
        holds,
        message: message.into(),
    }
}

/// Somebody who was asked about.
struct Person {
    /// As asked.
    asked: String,
    /// The source's record.
    user: Option<SourceUser>,
    /// The target's ID, where the ledger or the members show it and the source does not.
    principal: Option<String>,
}

impl Person {
    fn label(&self) -> &str {
        self.user.as_ref().map_or(&self.asked, |user| &user.username)
    }
}

async fn find_group<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    asked: &str,
) -> Result<Option<String>, Failure> {
    let bindings = session.environment.ledger.bindings()?;
    let by_binding = |matches: &dyn Fn(&Binding) -> bool| {
        bindings
            .iter()
            .find(|binding| matches(binding))
            .map(|binding| binding.group.clone())
    };
    let canonical = address::canonical(asked).ok();
    if let Some(id) = by_binding(&|binding| {
        binding.group == asked
            || binding.target.as_deref() == Some(asked)
            || binding.key == asked
            || canonical.as_ref() == Some(&binding.key)
    }) {
        return Ok(Some(id));
    }
    let listed = session.source.groups().await?;
    let groups = listed.seen();
    let matches = |group: &&SourceGroup| {
        group.id == asked
            || group.name == asked
            || canonical.is_some()
                && eligibility::email(session.settings, session.rules, group)
                    .and_then(|email| address::canonical(&email.text).ok())
                    == canonical
    };
    // Of several groups of one name, the one that is exported is meant.
    let mut found: Vec<&SourceGroup> = groups.iter().filter(matches).collect();
    found.sort_by_key(|group| {
        (
            group.id != asked,
            !bindings.iter().any(|binding| binding.group == group.id),
            group.id.clone(),
        )
    });
    Ok(found
        .first()
        .map(|group| group.id.clone())
        .or_else(|| by_binding(&|binding| binding.details.name == asked)))
}

async fn find_person<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    view: &GroupView,
    asked: &str,
) -> Result<Person, Failure> {
    let directory = session.read_directory().await?;
    let list = session.source.users(&directory).await?;
    let same = |one: &str| one.eq_ignore_ascii_case(asked);
    let member = view
        .target
        .members
        .seen()
        .iter()
        .find(|member| member.principal.id == asked || same(&member.principal.address));
    let row = view
        .memberships
        .iter()
        .find(|row| row.principal == asked || same(&row.address));
    let principal = member
        .map(|member| member.principal.id.clone())
        .or_else(|| row.map(|row| row.principal.clone()));
    let behind = row.and_then(|row| row.user.clone());
    let users = list.seen();
    let user = users
        .iter()
        .find(|user| user.id == asked || same(&user.username) || user.email.as_deref().is_some_and(same))
        .or_else(|| {
            users.iter().find(|user| {
                Some(&user.id) == behind.as_ref()
                    || (user.target_id.is_some()
                        && (user.target_id == principal || user.target_id.as_deref() == Some(asked)))
            })
        })
        .cloned();
    Ok(Person {
        asked: asked.to_owned(),
        user,
        principal,
    })
}

/// A group that is not exported has its users read for the explanation alone.
async fn read_users_anyway<S: SourceDirectory, T>(
    session: &Session<'_, S, T>,
    view: &mut GroupView,
) -> Result<(), Failure> {
    let unread = view.source.users.complete().is_none() && view.source.users.seen().is_empty();
    if unread && view.source.group.is_some() {
        let mut read = session.source.few_members(std::slice::from_ref(&view.id)).await?;
        if let Some(users) = read.remove(&view.id) {
            view.source.users = users;
        }
    }
    Ok(())
}

/// The links that are about the group: from the source to its target.
fn group_links<S, T>(session: &Session<'_, S, T>, view: &GroupView, chain: &mut Chain) {
    let settings = session.settings;
    let Some(group) = &view.source.group else {
        chain.link(
            "group",
            false,
            "JumpCloud says that the group is gone. Its target stays as it is until somebody decides.",
        );
        return;
    };
    let name = &group.name;
    chain.link(
        "group",
        true,
        format!("JumpCloud has the group “{name}” ({}).", group.id),
    );
    let bound = eligibility::is_bound(settings, &view.source, group);
    chain.link(
        "binding",
        bound,
        if bound {
            format!("“{name}” is bound to the directory.")
        } else {
            format!("“{name}” is not bound to the directory. Associate them in JumpCloud.")
        },
    );
    match session.rules {
        TargetRules::Addressed => {
            let email = eligibility::email(settings, session.rules, group);
            chain.link(
                "email",
                email.is_some(),
                match email {
                    Some(email) if email.is_override => {
                        format!("Its address is {}, by the settings.", email.text)
                    }
                    Some(email) => format!("Its email in JumpCloud is {}.", email.text),
                    None => format!(
                        "“{name}” has no email. Give it one in JumpCloud, or an address in the settings."
                    ),
                },
            );
        }
        TargetRules::Named => {
            let selected = eligibility::is_selected(settings, session.rules, group);
            chain.link(
                "selected",
                selected,
                if selected {
                    format!("“{name}” is selected for export.")
                } else {
                    format!("“{name}” is not selected for export. Add it to `selected`.")
                },
            );
        }
    }
    chain.link(
        "managed",
        settings.managed,
        if settings.managed {
            "Group management is switched on for the directory."
        } else {
            "Group management is switched off for the directory: nothing changes until it is switched on."
        },
    );
    if let Some(binding) = &view.binding {
        let managed = binding.state == BindingState::Managed;
        let target = binding.target.as_deref().unwrap_or("a target not yet created");
        chain.link(
            "ledger",
            managed,
            match binding.state {
                BindingState::Managed => format!("The ledger ties it to {} ({target}).", binding.key),
                BindingState::Released => format!(
                    "The ledger has it as released: the sync with {} ({target}) stopped, nothing was deleted.",
                    binding.key
                ),
                BindingState::Orphaned => format!(
                    "The ledger has it as orphaned: it was deleted in JumpCloud, {} ({target}) stays.",
                    binding.key
                ),
            },
        );
    }
    sight_link(&view.target.sight, chain);
}

fn sight_link(sight: &Sight, chain: &mut Chain) {
    let (holds, message) = match sight {
        Sight::Bound(group) => (true, format!("The target group is “{}” ({}).", group.name, group.id)),
        Sight::Takeover(group) => (
            false,
            format!("“{}” ({}) exists in the target and will be taken over.", group.name, group.id),
        ),
        Sight::BoundMissing => (
            false,
            "The target does not show the group that the ledger ties: created lately, or deleted by somebody.".to_owned(),
        ),
        Sight::Nothing { .. } => (
            false,
            "The target has no such group yet; it is created at the first apply.".to_owned(),
        ),
        Sight::Blocked { reason, .. } => (false, reason.message.clone()),
        Sight::Unknown { reason } => (false, format!("The target group is not known: {reason}.")),
    };
    chain.link("target-group", holds, message);
}

fn explain_group(view: &GroupView, part: &Part, mut chain: Chain) -> Explanation {
    let users = view.source.users.seen().len();
    match &view.source.users {
        Reading::Complete(_) => chain.link(
            "users",
            users > 0,
            format!("{users} people are in it, nested groups included."),
        ),
        Reading::Partial { reason, .. } => chain.link(
            "users",
            false,
            format!("At least {users} people are in it; the read was not whole: {reason}"),
        ),
    }
    for reason in &part.reasons {
        let settled = matches!(reason.code.as_str(), "in-step" | "changes");
        chain.link(&reason.code, settled, reason.message.clone());
    }
    if !part.waiting.is_empty() {
        chain.link(
            "waiting",
            false,
            format!(
                "{} people of it wait, since they cannot be found in the target.",
                part.waiting.len()
            ),
        );
    }
    let state = serde_json::to_value(part.state)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    let conclusion = match chain.cause() {
        Some(cause) => format!("“{}” is {state}: {}", part.group.name, cause.message),
        None => format!("“{}” is {state}, and every link holds.", part.group.name),
    };
    chain.end(conclusion)
}

fn explain_person(
    settings: &Settings,
    world: &World,
    view: &GroupView,
    part: &Part,
    person: &Person,
    mut chain: Chain,
) -> Explanation {
    let group = &part.group.name;
    let label = person.label().to_owned();
    let mut links = Chain::default();
    let wanted = source_links(settings, view, person, group, &mut links);
    let resolved = resolution_link(world, person, wanted, &mut links);
    let principal = resolved.or_else(|| {
        person.principal.clone().or_else(|| {
            let user = person.user.as_ref()?;
            let row = view
                .memberships
                .iter()
                .find(|row| row.user.as_deref() == Some(&user.id))?;
            Some(row.principal.clone())
        })
    });
    // The person's own links come first: whether the group is bound matters to nobody who is not in it.
    let mut steps = links.steps;
    steps.append(&mut chain.steps);
    chain.steps = steps;
    let present = principal
        .as_ref()
        .is_some_and(|principal| target_links(view, part, principal, wanted, &mut chain));
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
                .find(|step| step.code == "plan" || step.code == "ledger-membership")
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
fn source_links(
    settings: &Settings,
    view: &GroupView,
    person: &Person,
    group: &str,
    chain: &mut Chain,
) -> bool {
    let Some(user) = &person.user else {
        chain.link(
            "person",
            false,
            format!(
                "JumpCloud has nobody called, addressed or numbered “{}”.",
                person.asked
            ),
        );
        return false;
    };
    chain.link(
        "person",
        true,
        format!("JumpCloud has {} ({}).", user.username, user.id),
    );
    let member = view.source.users.seen().contains(&user.id);
    chain.link(
        "membership",
        member,
        match (&view.source.users, member) {
            (_, true) => format!(
                "{} is in “{group}”, directly or through a nested group.",
                user.username
            ),
            (Reading::Complete(_), false) => format!("{} is not in “{group}” in JumpCloud.", user.username),
            (Reading::Partial { reason, .. }, false) => format!(
                "{} does not show in “{group}”, but the read was not whole: {reason}",
                user.username
            ),
        },
    );
    if !user.suspended {
        return member;
    }
    let stays = settings.suspended == Suspended::Keep;
    chain.link(
        "active",
        stays,
        if stays {
            format!(
                "{} is suspended in JumpCloud and stays a member by the settings.",
                user.username
            )
        } else {
            format!(
                "{} is suspended in JumpCloud and is removed by the settings.",
                user.username
            )
        },
    );
    member && stays
}

fn resolution_link(world: &World, person: &Person, wanted: bool, chain: &mut Chain) -> Option<String> {
    let user = person.user.as_ref()?;
    let (holds, message) = match world.resolutions.get(&user.id) {
        Some(Resolution::Resolved(principal)) => {
            chain.link(
                "resolution",
                true,
                format!("In the target they are {} ({}).", principal.address, principal.id),
            );
            return Some(principal.id.clone());
        }
        Some(Resolution::Unknown { sought }) => (
            false,
            format!(
                "Nobody in the target answers to {sought}. Create the person there; the next run adds them."
            ),
        ),
        Some(Resolution::Ambiguous { candidates }) => {
            let list: Vec<&str> = candidates.iter().map(|one| one.address.as_str()).collect();
            (
                false,
                format!(
                    "Several people of the target could be meant: {}.",
                    list.join(", ")
                ),
            )
        }
        Some(Resolution::NoAddress) => (
            false,
            "They have no email in JumpCloud to look for in the target. Give them one.".to_owned(),
        ),
        Some(Resolution::Unproven { reason }) => (
            false,
            format!("Whether the target has them is not known: {reason}"),
        ),
        // Nobody looks up who is not to be exported.
        None if !wanted => return None,
        None => (
            false,
            "They were not looked up in the target, since the group is not exported.".to_owned(),
        ),
    };
    chain.link("resolution", holds, message);
    None
}

/// Whether the target shows the principal as a member; with what ledger and plan say of it.
fn target_links(view: &GroupView, part: &Part, principal: &str, wanted: bool, chain: &mut Chain) -> bool {
    let target = found_id(&view.target.sight);
    let row = view
        .memberships
        .iter()
        .find(|row| row.principal == principal && Some(&row.target) == target.as_ref());
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
    if let Some((holds, message)) = planned(part, principal) {
        chain.link("plan", holds, message);
    }
    let member = view
        .target
        .members
        .seen()
        .iter()
        .find(|member| member.principal.id == principal);
    match (member, &view.target.members) {
        (Some(member), _) => chain.link(
            "target-membership",
            true,
            format!("The target shows {} as a member.", member.principal.address),
        ),
        (None, Reading::Complete(_)) => chain.link(
            "target-membership",
            false,
            if wanted && row.is_some_and(|row| row.provenance == Provenance::Ours) {
                "The target does not show them any more: somebody took them out there. The next apply puts them back."
            } else {
                "The target does not show them as a member."
            },
        ),
        (None, Reading::Partial { reason, .. }) => chain.link(
            "target-membership",
            false,
            format!("The target did not show them, but the read was not whole: {reason}"),
        ),
    }
    member.is_some()
}

/// What the plan of now would do about a principal.
fn planned(part: &Part, principal: &str) -> Option<(bool, String)> {
    let about: BTreeMap<bool, &Operation> = part
        .operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::AddMember { principal: other, .. } if other == principal => Some((true, operation)),
            Operation::RemoveMember { principal: other, .. } if other == principal => {
                Some((false, operation))
            }
            _ => None,
        })
        .collect();
    if about.contains_key(&true) {
        return Some((
            false,
            "A plan made now adds them; it waits to be applied.".to_owned(),
        ));
    }
    if about.contains_key(&false) {
        return Some((
            true,
            "A plan made now removes them; it waits to be applied.".to_owned(),
        ));
    }
    part.held
        .iter()
        .find(|held| match &held.operation {
            Operation::AddMember { principal: other, .. }
            | Operation::RemoveMember { principal: other, .. } => other == principal,
            _ => false,
        })
        .map(|held| {
            let add = matches!(held.operation, Operation::AddMember { .. });
            (!add, format!("A change of it is held: {}", held.reason.message))
        })
}
