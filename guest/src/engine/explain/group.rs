//! The links that are about the group: from the source to its target, and the state that follows.

use crate::engine::Session;
use crate::engine::answers::Explanation;
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::BindingState;
use crate::plan::eligibility::{self, Standing};
use crate::plan::model::{GroupView, Reading, Sight, TargetRules};
use crate::plan::part::{GroupState, Part, Waiting};
use crate::settings::Settings;
use crate::words::{count, fitting};

use super::chain::Chain;

/// How many people are named in one link.
const NAMED: usize = 5;

/// A group that is not exported has its users read for the explanation alone.
pub(super) async fn read_users_anyway<S: SourceDirectory, T>(
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

/// From the source to the target.
pub(super) fn links<S, T>(session: &Session<'_, S, T>, view: &GroupView, part: &Part, chain: &mut Chain) {
    let settings = session.settings;
    let Some(group) = &view.source.group else {
        chain.link(
            "group",
            false,
            "JumpCloud says that the group is gone. Its target stays as it is until somebody decides: delete it there by \
             hand, or keep it.",
        );
        ledger_link(view, chain);
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
        match (bound, &settings.bound) {
            (true, _) => format!("“{name}” is bound to the directory."),
            (false, None) => format!(
                "“{name}” is not bound to the directory. Associate them in JumpCloud (User Groups, the group, Directories)."
            ),
            (false, Some(_)) => {
                format!("“{name}” is not in the list `bound` of the settings. Add it there.")
            }
        },
    );
    match session.rules {
        TargetRules::Addressed => address_link(session, view, chain),
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
            "Group management is switched off for the directory: nothing changes until it is switched on (`managed = true`)."
        },
    );
    ledger_link(view, chain);
    // What is not exported, management or not, is not looked up; why it is not exported comes as a reason of its own.
    let managed = Settings {
        managed: true,
        ..settings.clone()
    };
    let standing = eligibility::assess(&view.source, view.binding.as_ref(), session.rules, &managed);
    // Another group stands in the way: whatever the target shows, nothing comes of it.
    if part.state == GroupState::Conflict {
        part.reasons.iter().for_each(|reason| chain.reason(reason, false));
    } else if matches!(standing, Standing::Export(_)) {
        sight_link(&view.target.sight, chain);
    }
}

/// The address that the group is exported under, and whether a group may have it.
fn address_link<S, T>(session: &Session<'_, S, T>, view: &GroupView, chain: &mut Chain) {
    let Some(group) = &view.source.group else {
        return;
    };
    let Some(email) = eligibility::email(session.settings, session.rules, group) else {
        chain.link(
            "email",
            false,
            format!(
                "“{}” has no email. Give it one in JumpCloud, or an address in the settings (`addresses`).",
                group.name
            ),
        );
        return;
    };
    // Judged as for the plan, and told in the plan's words.
    let judged = eligibility::assess(
        &view.source,
        view.binding.as_ref(),
        session.rules,
        session.settings,
    );
    let refused = match &judged {
        Standing::Stopped(stopped) => stopped
            .reasons
            .iter()
            .find(|reason| matches!(reason.code.as_str(), "bad-address" | "domain-not-allowed")),
        Standing::Export(_) => None,
    };
    match refused {
        Some(reason) => chain.link(
            &reason.code,
            false,
            format!(
                "{} Give the group another email, or correct the settings.",
                reason.message
            ),
        ),
        None if email.is_override => chain.link(
            "email",
            true,
            format!("Its address is {}, by the settings.", email.text),
        ),
        None => chain.link(
            "email",
            true,
            format!("Its email in JumpCloud is {}.", email.text),
        ),
    }
}

fn ledger_link(view: &GroupView, chain: &mut Chain) {
    let Some(binding) = &view.binding else {
        return;
    };
    let target = binding.target.as_deref().unwrap_or("a target not yet created");
    chain.link(
        "ledger",
        binding.state == BindingState::Managed,
        match binding.state {
            BindingState::Managed => format!("The ledger ties it to {} ({target}).", binding.key),
            BindingState::Released => format!(
                "The ledger has it as released: the sync with {} ({target}) stopped and nothing was deleted. Once what is \
                 missing is back, the next run resumes.",
                binding.key
            ),
            BindingState::Orphaned => format!(
                "The ledger has it as orphaned: it was deleted in JumpCloud, and {} ({target}) stays as it is.",
                binding.key
            ),
        },
    );
    if let Some(latest) = binding.details.latest {
        chain.link(
            "latency",
            true,
            format!(
                "The last change that an event told of took {} from JumpCloud to the target's settled write.",
                count(latest.seconds(), "second", "seconds")
            ),
        );
    }
    if !binding.details.moving_from.is_empty() {
        let old: Vec<&str> = binding.details.moving_from.values().map(String::as_str).collect();
        chain.link(
            "moving",
            true,
            format!(
                "Its people are being moved away from {}: whoever has arrived at the new address leaves there.",
                old.join(", ")
            ),
        );
    }
}

fn sight_link(sight: &Sight, chain: &mut Chain) {
    let (holds, message) = match sight {
        Sight::Bound(group) => (true, format!("The target group is “{}” ({}).", group.name, group.id)),
        Sight::Takeover(group) => (
            false,
            format!(
                "“{}” ({}) exists in the target and is taken over at the first apply. Look at the plan, then apply it.",
                group.name, group.id
            ),
        ),
        Sight::BoundMissing => (
            false,
            "The target does not show the group that the ledger ties: it was created lately and shows later, or somebody \
             deleted it there. It is never created again by itself; undelete it, or release the group."
                .to_owned(),
        ),
        Sight::Nothing { .. } => (
            false,
            "The target has no such group yet; it is created at the first apply. Look at the plan, then apply it.".to_owned(),
        ),
        Sight::Blocked { reason, .. } => {
            chain.link(&reason.code, false, reason.message.clone());
            return;
        }
        Sight::Unknown { reason } => (
            false,
            format!("The target group is not known: {reason}. Run again, or ask `check` what is wrong."),
        ),
    };
    chain.link("target-group", holds, message);
}

/// The state that the group is in under the settings as they are; the plan was made as if management were on.
fn state<S, T>(session: &Session<'_, S, T>, view: &GroupView, part: &Part) -> GroupState {
    match eligibility::assess(
        &view.source,
        view.binding.as_ref(),
        session.rules,
        session.settings,
    ) {
        Standing::Stopped(stopped) => stopped.state,
        Standing::Export(_) => part.state,
    }
}

pub(super) fn explain<S, T>(
    session: &Session<'_, S, T>,
    view: &GroupView,
    part: &Part,
    mut chain: Chain,
) -> Explanation {
    let users = view.source.users.seen().len() as u64;
    let (people, are) = (count(users, "person", "people"), fitting(users, "is", "are"));
    match &view.source.users {
        Reading::Complete(_) if users > 0 => chain.link(
            "users",
            true,
            format!("{people} {are} in it, nested groups included."),
        ),
        Reading::Complete(_) => chain.link(
            "users",
            part.state != GroupState::NotExportable,
            "Nobody is in it. An empty group that was never exported is not created; add somebody in JumpCloud.",
        ),
        Reading::Partial { reason, .. } => chain.link(
            "users",
            false,
            format!(
                "At least {people} {are} in it; the read was not whole: {reason}. Removals wait, additions go on; the \
                 next run reads again."
            ),
        ),
    }
    let standing = eligibility::assess(
        &view.source,
        view.binding.as_ref(),
        session.rules,
        session.settings,
    );
    let (reasons, warnings) = match &standing {
        Standing::Stopped(stopped) => (&stopped.reasons, &stopped.warnings),
        Standing::Export(export) => (&part.reasons, &export.warnings),
    };
    for reason in reasons {
        chain.reason(reason, matches!(reason.code.as_str(), "in-step" | "changes"));
    }
    waiting_link(&part.waiting, &mut chain);
    if !part.foreign.is_empty() {
        let foreign = part.foreign.len() as u64;
        let names = named(part.foreign.iter().map(|member| member.label.as_str()));
        chain.link(
            "foreign",
            true,
            format!(
                "{} not JumpCloud's and {}: {names}.",
                count(foreign, "member is", "members are"),
                fitting(foreign, "stays", "stay")
            ),
        );
    }
    for warning in warnings.iter().chain(&part.warnings) {
        chain.reason(warning, warning.code != "at-risk");
    }
    let state = serde_json::to_value(state(session, view, part))
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    let conclusion = match chain.cause() {
        Some(cause) => format!("“{}” is {state}: {}", part.group.name, cause.message),
        None => format!("“{}” is {state}, and every link holds.", part.group.name),
    };
    chain.end(conclusion)
}

fn waiting_link(waiting: &[Waiting], chain: &mut Chain) {
    if waiting.is_empty() {
        return;
    }
    let names = named(waiting.iter().map(|one| one.label.as_str()));
    let mut reasons: Vec<&str> = waiting.iter().map(|one| one.reason.code.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    chain.link(
        "waiting",
        false,
        format!(
            "{} of it cannot be exported now ({}): {names}. Ask `why` for one of them.",
            count(waiting.len() as u64, "person", "people"),
            reasons.join(", ")
        ),
    );
}

fn named<'a>(labels: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = labels.len().saturating_sub(NAMED);
    let shown: Vec<&str> = labels.take(NAMED).collect();
    match more {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
