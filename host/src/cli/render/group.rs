//! One group of a plan, as a diff: what it is tied to, what is added, removed and changed, what waits and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use groupcast_guest::plan::part::{
    GroupRef, GroupState, Held, Note, Operation, Part, RemovalReason, TargetHow,
};

use super::plan::{Approval, Detail};
use super::text::{BAD, CARE, FAINT, GOOD, HINT, STRONG, argument, count, name, paint, shown};

/// A group's block.
pub fn group(part: &Part, approval: &Approval, detail: Detail) -> String {
    let mut text = headline(part);
    for reason in part.reasons.iter().filter(|reason| says_more(part, &reason.code)) {
        line(&mut text, CARE, "!", &shown(&reason.message));
    }
    for warning in &part.warnings {
        line(&mut text, CARE, "!", &shown(&warning.message));
    }
    let places = places(part);
    operations(&mut text, part, &places, detail);
    if part.operations.is_empty() && !part.notes.is_empty() {
        line(
            &mut text,
            FAINT,
            "·",
            &paint(FAINT, "nothing to write; our own records are brought up to date"),
        );
    }
    held(&mut text, part, &places, approval, detail);
    waiting(&mut text, part, detail);
    foreign(&mut text, part, detail);
    text
}

/// Whether there is something to see in a group.
pub fn is_quiet(part: &Part) -> bool {
    part.operations.is_empty()
        && part.held.is_empty()
        && part.notes.is_empty()
        && part.waiting.is_empty()
        && part.warnings.is_empty()
        && part.state == GroupState::Managed
}

fn headline(part: &Part) -> String {
    let mut text = paint(STRONG, name(&part.group.name));
    if let Some(target) = &part.target {
        let _ = write!(text, " → {}", shown(&target.label));
        match target.how {
            TargetHow::Bound => {}
            TargetHow::Takeover => {
                let _ = write!(text, "  {}", paint(CARE, "takes over an existing group"));
            }
            TargetHow::Create => {
                let _ = write!(text, "  {}", paint(GOOD, "new group"));
            }
        }
    } else if let Some(email) = &part.group.email {
        let _ = write!(text, " {}", paint(FAINT, format!("({})", shown(email))));
    }
    if !matches!(part.state, GroupState::Pending | GroupState::Managed) {
        let style = match part.state {
            GroupState::Conflict | GroupState::AtRisk => BAD,
            _ => CARE,
        };
        let _ = write!(text, "  {}", paint(style, format!("[{}]", state(part.state))));
    }
    let mut aside = Vec::new();
    if let Some(users) = part.group.users {
        aside.push(count(users, "user", "users"));
    }
    if part.group.email_is_override {
        aside.push("address from the settings".to_owned());
    }
    if !aside.is_empty() {
        let _ = write!(text, "  {}", paint(FAINT, aside.join(", ")));
    }
    text.push('\n');
    text
}

/// What a state is called; as in the plan's own JSON.
pub fn state(state: GroupState) -> &'static str {
    match state {
        GroupState::NotExportable => "not-exportable",
        GroupState::Pending => "pending",
        GroupState::Provisioning => "provisioning",
        GroupState::Managed => "managed",
        GroupState::Held => "held",
        GroupState::Conflict => "conflict",
        GroupState::Released => "released",
        GroupState::Orphaned => "orphaned",
        GroupState::Frozen => "frozen",
        GroupState::AtRisk => "at-risk",
    }
}

/// The reason of a state is left out where the diff below says the same, or a warning does.
fn says_more(part: &Part, code: &str) -> bool {
    let told_below = part.held.iter().any(|held| held.reason.code == code)
        || part.warnings.iter().any(|warning| warning.code == code);
    !matches!(code, "changes" | "in-step") && !told_below
}

/// Target groups other than the part's own, by ID: where people are moved away from.
pub fn places(part: &Part) -> BTreeMap<&str, &str> {
    part.notes
        .iter()
        .filter_map(|note| match note {
            Note::Bind { moving_from, .. } => Some(moving_from),
            _ => None,
        })
        .flatten()
        .map(|(id, key)| (id.as_str(), key.as_str()))
        .collect()
}

fn operations(text: &mut String, part: &Part, places: &BTreeMap<&str, &str>, detail: Detail) {
    let mut adds = Vec::new();
    let mut removals = Vec::new();
    for operation in &part.operations {
        match operation {
            Operation::CreateGroup { description, .. } if description.is_empty() => {}
            Operation::CreateGroup { description, .. } => {
                line(text, HINT, "~", &format!("description: {}", name(description)));
            }
            Operation::UpdateGroup { .. } => {
                for change in changes(part, operation) {
                    line(text, HINT, "~", &change);
                }
            }
            Operation::AddMember { .. } => adds.push(describe(part, operation, places)),
            Operation::RemoveMember { .. } => removals.push(describe(part, operation, places)),
        }
    }
    list(text, GOOD, "+", &adds, detail);
    list(text, BAD, "-", &removals, detail);
}

fn changes(part: &Part, operation: &Operation) -> Vec<String> {
    let Operation::UpdateGroup {
        name: new_name,
        description,
        address,
        ..
    } = operation
    else {
        return Vec::new();
    };
    let label = part.target.as_ref().map(|target| target.label.as_str());
    let mut changes = Vec::new();
    if let Some(new) = new_name {
        // The former name is known where the target goes by its name.
        match label.filter(|label| !label.contains('@') && *label != new) {
            Some(old) => changes.push(format!("name: {} → {}", name(old), name(new))),
            None => changes.push(format!("name → {}", name(new))),
        }
    }
    if let Some(new) = address {
        match label.filter(|label| *label != new) {
            Some(old) => changes.push(format!("address: {} → {}", shown(old), shown(new))),
            None => changes.push(format!("address → {}", shown(new))),
        }
    }
    if let Some(new) = description {
        if new.is_empty() {
            changes.push("description is emptied".to_owned());
        } else {
            changes.push(format!("description → {}", name(new)));
        }
    }
    changes
}

/// An operation in words, without its sign.
pub fn describe(part: &Part, operation: &Operation, places: &BTreeMap<&str, &str>) -> String {
    match operation {
        Operation::AddMember { address, group, .. } => {
            format!("{}{}", shown(address), elsewhere(part, group, places, "to"))
        }
        Operation::RemoveMember {
            address, group, why, ..
        } => format!(
            "{}{}  {}",
            shown(address),
            elsewhere(part, group, places, "from"),
            paint(FAINT, format!("({})", removal(*why)))
        ),
        Operation::CreateGroup { key, .. } => format!("the group {}", shown(key)),
        Operation::UpdateGroup { .. } => changes(part, operation).join(", "),
    }
}

/// Where an operation is not about the part's own target, its own target is named.
fn elsewhere(part: &Part, group: &GroupRef, places: &BTreeMap<&str, &str>, word: &str) -> String {
    match group {
        GroupRef::Id(id)
            if part
                .target
                .as_ref()
                .is_none_or(|target| target.id.as_deref() != Some(id)) =>
        {
            let place = places.get(id.as_str()).copied().unwrap_or(id);
            format!(" {word} {}", shown(place))
        }
        _ => String::new(),
    }
}

/// Why somebody is removed, in words.
pub fn removal(why: RemovalReason) -> &'static str {
    match why {
        RemovalReason::LeftGroup => "left the group",
        RemovalReason::UserDeleted => "deleted in JumpCloud",
        RemovalReason::UserSuspended => "suspended in JumpCloud",
        RemovalReason::Moved => "moved to the new address",
        RemovalReason::NotInSource => "not in JumpCloud's group",
        RemovalReason::Undone => "added by the run that is undone",
    }
}

fn held(text: &mut String, part: &Part, places: &BTreeMap<&str, &str>, approval: &Approval, detail: Detail) {
    let mut by_reason: Vec<(&Held, Vec<&Held>)> = Vec::new();
    for held in &part.held {
        match by_reason
            .iter_mut()
            .find(|(first, _)| first.reason == held.reason && first.approvable == held.approvable)
        {
            Some((_, all)) => all.push(held),
            None => by_reason.push((held, vec![held])),
        }
    }
    for (first, all) in by_reason {
        line(
            text,
            CARE,
            "⏸",
            &format!("{} {}", paint(CARE, "held:"), shown(&first.reason.message)),
        );
        let entries: Vec<String> = all
            .iter()
            .map(|held| {
                let sign = match held.operation {
                    Operation::RemoveMember { .. } => "-",
                    Operation::UpdateGroup { .. } => "~",
                    Operation::AddMember { .. } | Operation::CreateGroup { .. } => "+",
                };
                format!("{sign} {}", describe(part, &held.operation, places))
            })
            .collect();
        list(text, FAINT, " ", &entries, detail);
    }
    if part.held.iter().any(|held| held.approvable) {
        let command = approval.command(Some(&part.group.name), true);
        line(
            text,
            FAINT,
            " ",
            &format!("{} {}", paint(FAINT, "release with:"), paint(HINT, command)),
        );
    }
}

fn waiting(text: &mut String, part: &Part, detail: Detail) {
    let entries: Vec<String> = part
        .waiting
        .iter()
        .map(|person| {
            format!(
                "{} waits: {}",
                shown(&person.label),
                shown(&person.reason.message)
            )
        })
        .collect();
    list(text, CARE, "?", &entries, detail);
}

/// A takeover shows who else is there, one by one (R50); later it is one line.
fn foreign(text: &mut String, part: &Part, detail: Detail) {
    if part.foreign.is_empty() {
        return;
    }
    let takeover = part
        .target
        .as_ref()
        .is_some_and(|target| target.how == TargetHow::Takeover);
    let entries: Vec<String> = part
        .foreign
        .iter()
        .map(|member| {
            let kind = if member.kind == "user" {
                String::new()
            } else {
                format!("{}, ", shown(&member.kind))
            };
            format!("{} ({kind}{})", shown(&member.label), shown(&member.role))
        })
        .collect();
    if takeover {
        line(
            text,
            FAINT,
            "·",
            "present and not from JumpCloud, left as they are:",
        );
        list(text, FAINT, " ", &entries, detail);
    } else {
        let seen: Vec<String> = entries.iter().take(3).cloned().collect();
        let more = entries.len().saturating_sub(seen.len());
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        line(
            text,
            FAINT,
            "·",
            &paint(
                FAINT,
                format!("left alone, not from JumpCloud: {}{rest}", seen.join(", ")),
            ),
        );
    }
}

fn list(text: &mut String, style: anstyle::Style, sign: &str, entries: &[String], detail: Detail) {
    let most = detail.longest_list.unwrap_or(usize::MAX);
    // One line is not folded away to say that one line was folded away.
    let shown_entries = if entries.len() > most.saturating_add(1) {
        most
    } else {
        entries.len()
    };
    for entry in entries.iter().take(shown_entries) {
        line(text, style, sign, entry);
    }
    let more = entries.len() - shown_entries;
    if more > 0 {
        line(
            text,
            style,
            sign,
            &paint(
                FAINT,
                format!(
                    "… and {} more (--verbose shows all)",
                    super::text::grouped(more as u64)
                ),
            ),
        );
    }
}

fn line(text: &mut String, style: anstyle::Style, sign: &str, words: &str) {
    let _ = writeln!(text, "  {} {words}", paint(style, sign));
}

/// How a group is named on the command line.
pub fn group_argument(group: &str) -> String {
    format!("--group {}", argument(group))
}
