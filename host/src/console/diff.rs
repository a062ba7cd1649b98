//! A part of a plan as a diff in words: what changes, who comes and goes, what is held and why, who stays.
//!
//! What may not enter: a decision. The words are those of the command line wherever it has any.

use std::collections::BTreeMap;

use groupcast_guest::plan::part::{GroupRef, GroupState, Held, Operation, Part, TargetHow};

use super::pages::plan::{HeldLines, Line, Lines, PartDiff};
use super::words::{Badge, Name, Tone, count};
use crate::cli::render::group::{places, removal, state as state_name};

/// Held operations that are shown of each reason.
const HELD: usize = 12;

/// What a group's state says at a glance.
pub fn state(state: GroupState) -> Badge {
    let tone = match state {
        GroupState::Managed => Tone::Good,
        GroupState::Pending | GroupState::Provisioning => Tone::Info,
        GroupState::Held | GroupState::Frozen | GroupState::Orphaned | GroupState::AtRisk => Tone::Care,
        GroupState::Conflict => Tone::Bad,
        GroupState::NotExportable | GroupState::Released => Tone::Plain,
    };
    Badge::new(tone, state_name(state).replace('-', " "))
}

/// A group of a plan.
pub fn part(part: &Part, approved_by: Option<&str>) -> PartDiff {
    let places = places(part);
    let mut badges = Vec::new();
    match part.target.as_ref().map(|target| target.how) {
        Some(TargetHow::Takeover) => badges.push(Badge::new(Tone::Care, "takes over an existing group")),
        Some(TargetHow::Create) => badges.push(Badge::new(Tone::Good, "new group")),
        _ => {}
    }
    if !matches!(part.state, GroupState::Pending | GroupState::Managed) {
        badges.push(state(part.state));
    }
    if approved_by.is_some() {
        badges.push(Badge::new(Tone::Info, "approved"));
    }
    if part.group.email_is_override {
        badges.push(Badge::new(Tone::Plain, "address entered here"));
    }
    let told_below = |code: &str| {
        part.held.iter().any(|held| held.reason.code == code)
            || part.warnings.iter().any(|warning| warning.code == code)
    };
    let reasons = part
        .reasons
        .iter()
        .filter(|reason| !matches!(reason.code.as_str(), "changes" | "in-step") && !told_below(&reason.code))
        .chain(&part.warnings)
        .map(|reason| Name::new(reason.message.clone()).plain())
        .collect();
    PartDiff {
        id: part.group.id.clone(),
        name: Name::new(part.group.name.clone()),
        target: part.target.as_ref().map(|target| Name::new(target.label.clone())),
        badges,
        users: part.group.users.map(|users| count(users, "user", "users")),
        reasons,
        lists: lists(part, &places),
        held: held(part, &places),
        releasable: part.held.iter().any(|held| held.approvable),
        to_apply: part.has_work(),
        note: (part.operations.is_empty() && !part.notes.is_empty())
            .then(|| "Nothing to write; our own records are brought up to date.".to_owned()),
    }
}

fn lists(part: &Part, places: &BTreeMap<&str, &str>) -> Vec<Lines> {
    let mut changes = Vec::new();
    let (mut adds, mut removals) = (Vec::new(), Vec::new());
    for operation in &part.operations {
        match operation {
            Operation::AddMember { .. } => adds.push(line(part, operation, places)),
            Operation::RemoveMember { .. } => removals.push(line(part, operation, places)),
            Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => {
                changes.extend(attributes(part, operation).into_iter().map(change));
            }
        }
    }
    let waiting = part
        .waiting
        .iter()
        .map(|one| Line {
            aside: Some(Name::new(one.reason.message.clone())),
            ..of("wait", "?", "Waits:", one.label.clone())
        })
        .collect();
    let staying = part
        .foreign
        .iter()
        .map(|one| {
            let kind = if one.kind == "user" {
                String::new()
            } else {
                format!("{}, ", one.kind)
            };
            Line {
                aside: Some(Name::new(format!("{kind}{}", one.role))),
                ..of("stay", "·", "Stays:", one.label.clone())
            }
        })
        .collect();
    [
        list("Changes", "change", "~", "Changed:", changes, "change", "changes"),
        list(
            "Added",
            "add",
            "+",
            "Added:",
            adds,
            "person added",
            "people added",
        ),
        list(
            "Removed",
            "remove",
            "−",
            "Removed:",
            removals,
            "person removed",
            "people removed",
        ),
        list(
            "Waiting",
            "wait",
            "?",
            "Waits:",
            waiting,
            "person waits",
            "people wait",
        ),
        list(
            "Members who are not JumpCloud's, and stay",
            "stay",
            "·",
            "Stays:",
            staying,
            "member who is not JumpCloud's stays",
            "members who are not JumpCloud's stay",
        ),
    ]
    .into_iter()
    .filter(|list| !list.lines.is_empty())
    .collect()
}

fn list(
    label: &'static str,
    class: &'static str,
    sign: &'static str,
    said: &'static str,
    lines: Vec<Line>,
    one: &str,
    many: &str,
) -> Lines {
    Lines {
        label,
        class,
        sign,
        said,
        told: count(lines.len() as u64, one, many),
        lines,
    }
}

fn of(class: &'static str, sign: &'static str, said: &'static str, text: impl Into<String>) -> Line {
    Line {
        class,
        sign,
        said,
        text: Name::new(text),
        aside: None,
    }
}

fn change(text: String) -> Line {
    of("change", "~", "Changed:", text)
}

/// An operation as a line.
fn line(part: &Part, operation: &Operation, places: &BTreeMap<&str, &str>) -> Line {
    match operation {
        Operation::AddMember { address, group, .. } => Line {
            aside: elsewhere(part, group, places).map(|place| Name::new(format!("to {place}"))),
            ..of("add", "+", "Added:", address.clone())
        },
        Operation::RemoveMember {
            address, group, why, ..
        } => {
            let from =
                elsewhere(part, group, places).map_or_else(String::new, |place| format!("from {place}, "));
            Line {
                aside: Some(Name::new(format!("{from}{}", removal(*why)))),
                ..of("remove", "−", "Removed:", address.clone())
            }
        }
        Operation::CreateGroup { key, .. } => of("add", "+", "Created:", format!("the group {key}")),
        Operation::UpdateGroup { .. } => change(attributes(part, operation).join(", ")),
    }
}

/// Where an operation is not about the part's own target, its target is named.
fn elsewhere<'a>(part: &Part, group: &'a GroupRef, places: &BTreeMap<&str, &'a str>) -> Option<&'a str> {
    let GroupRef::Id(id) = group else { return None };
    let own = part.target.as_ref().and_then(|target| target.id.as_deref());
    (own != Some(id)).then(|| places.get(id.as_str()).copied().unwrap_or(id))
}

/// Changes of a group's attributes, old and new.
fn attributes(part: &Part, operation: &Operation) -> Vec<String> {
    let before = part.target.as_ref().and_then(|target| target.before.as_ref());
    let told = |what: &str, old: Option<&str>, new: &str| match old {
        _ if new.is_empty() => format!("{what} is emptied"),
        Some(old) if !old.is_empty() => format!("{what}: {old} → {new}"),
        _ => format!("{what}: {new}"),
    };
    let mut lines = Vec::new();
    match operation {
        Operation::CreateGroup {
            key,
            name,
            description,
        } => {
            lines.push(told("name", None, name));
            if key.contains('@') {
                lines.push(told("address", None, key));
            }
            if !description.is_empty() {
                lines.push(told("description", None, description));
            }
        }
        Operation::UpdateGroup {
            name,
            description,
            address,
            ..
        } => {
            if let Some(new) = name {
                lines.push(told("name", before.map(|before| before.name.as_str()), new));
            }
            if let Some(new) = address {
                lines.push(told("address", before.map(|before| before.address.as_str()), new));
            }
            if let Some(new) = description {
                lines.push(told(
                    "description",
                    before.map(|before| before.description.as_str()),
                    new,
                ));
            }
        }
        Operation::AddMember { .. } | Operation::RemoveMember { .. } => {}
    }
    lines
}

fn held(part: &Part, places: &BTreeMap<&str, &str>) -> Vec<HeldLines> {
    let mut by_reason: Vec<(&Held, Vec<&Held>)> = Vec::new();
    for held in &part.held {
        let same = by_reason
            .iter_mut()
            .find(|(first, _)| first.reason == held.reason && first.approvable == held.approvable);
        match same {
            Some((_, all)) => all.push(held),
            None => by_reason.push((held, vec![held])),
        }
    }
    by_reason
        .into_iter()
        .map(|(first, all)| HeldLines {
            reason: Name::new(first.reason.message.clone()).plain(),
            lines: all
                .iter()
                .take(HELD)
                .map(|held| line(part, &held.operation, places))
                .collect(),
            more: all.len().saturating_sub(HELD),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use groupcast_guest::plan::part::{Note, PartGroup, PartTarget, Reason, RemovalReason, TargetBefore};

    use super::*;

    fn remove(number: usize) -> Operation {
        Operation::RemoveMember {
            group: GroupRef::Id("t1".to_owned()),
            principal: format!("p{number}"),
            user: None,
            address: format!("p{number}@example.com"),
            why: RemovalReason::LeftGroup,
        }
    }

    fn sample() -> Part {
        Part {
            version: 1,
            group: PartGroup {
                id: "g1".to_owned(),
                name: "<Sales>".to_owned(),
                email: Some("sales@example.com".to_owned()),
                email_is_override: false,
                users: Some(3),
            },
            state: GroupState::Held,
            reasons: vec![Reason::new("limit", "Over the limit.")],
            target: Some(PartTarget {
                id: Some("t1".to_owned()),
                key: "sales@example.com".to_owned(),
                label: "sales@example.com".to_owned(),
                how: TargetHow::Takeover,
                before: Some(TargetBefore {
                    name: "Old".to_owned(),
                    description: String::new(),
                    address: "sales@example.com".to_owned(),
                }),
            }),
            fingerprint: String::new(),
            operations: vec![
                Operation::UpdateGroup {
                    group: GroupRef::Id("t1".to_owned()),
                    name: Some("Sales".to_owned()),
                    description: None,
                    address: None,
                },
                Operation::RemoveMember {
                    group: GroupRef::Id("t0".to_owned()),
                    principal: "p".to_owned(),
                    user: None,
                    address: "moved@example.com".to_owned(),
                    why: RemovalReason::Moved,
                },
            ],
            held: (0..20)
                .map(|number| Held {
                    operation: remove(number),
                    reason: Reason::new("limit", "Over the limit."),
                    approvable: true,
                })
                .collect(),
            notes: vec![Note::Bind {
                state: "managed".to_owned(),
                key: "sales@example.com".to_owned(),
                target: Some("t1".to_owned()),
                name: "Sales".to_owned(),
                had_email: true,
                moving_from: vec![("t0".to_owned(), "old@example.com".to_owned())],
            }],
            waiting: Vec::new(),
            foreign: Vec::new(),
            warnings: Vec::new(),
        }
    }

    #[test]
    fn r43_what_is_held_is_shown_once_for_its_reason_and_can_be_released() {
        let shown = part(&sample(), None);
        assert!(
            shown.releasable && shown.reasons.is_empty(),
            "the reason stands at what is held"
        );
        assert_eq!(shown.held.len(), 1);
        assert_eq!((shown.held[0].lines.len(), shown.held[0].more), (HELD, 20 - HELD));
    }

    #[test]
    fn r50_a_takeover_says_so_and_changes_show_what_was_before() {
        let shown = part(&sample(), None);
        assert!(shown.badges.iter().any(|badge| badge.text.contains("takes over")));
        assert_eq!(shown.lists[0].lines[0].text.0, "name: Old → Sales");
    }

    #[test]
    fn r15_where_people_are_moved_from_another_group_it_is_named() {
        let shown = part(&sample(), None);
        let aside = shown.lists[1].lines[0].aside.as_ref().map(Name::plain);
        assert_eq!(
            aside.as_deref(),
            Some("from old@example.com, moved to the new address")
        );
    }

    #[test]
    fn an_owner_who_stays_is_not_offered_for_release() {
        let mut owner = sample();
        for held in &mut owner.held {
            held.approvable = false;
        }
        assert!(!part(&owner, None).releasable);
    }
}
