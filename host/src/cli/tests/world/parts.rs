//! Parts of plans, one for each thing that a plan can show.

use groupcast_guest::plan::part::{
    ForeignMember, GroupRef, GroupState, Held, Note, Operation, Part, PartGroup, PartTarget, Reason,
    RemovalReason, TargetHow, Waiting,
};

use super::{HASH, at};
use crate::cli::operations::StoredPlan;

/// A part in step, bound to its Google group.
pub fn part(id: &str, name: &str, state: GroupState) -> Part {
    let email = format!("{}@example.com", name.to_lowercase().replace(' ', "-"));
    Part {
        version: 1,
        group: PartGroup {
            id: id.to_owned(),
            name: name.to_owned(),
            email: Some(email.clone()),
            email_is_override: false,
            users: Some(12),
        },
        state,
        reasons: vec![],
        target: Some(PartTarget {
            id: Some(format!("t-{id}")),
            key: email.clone(),
            label: email,
            how: TargetHow::Bound,
            before: None,
        }),
        fingerprint: "f".repeat(64),
        operations: vec![],
        held: vec![],
        notes: vec![],
        waiting: vec![],
        foreign: vec![],
        warnings: vec![],
    }
}

pub fn add(target: &str, person: &str) -> Operation {
    Operation::AddMember {
        group: GroupRef::Id(target.to_owned()),
        principal: format!("p-{person}"),
        user: format!("u-{person}"),
        address: format!("{person}@example.com"),
    }
}

pub fn remove(target: &str, person: &str, why: RemovalReason) -> Operation {
    Operation::RemoveMember {
        group: GroupRef::Id(target.to_owned()),
        principal: format!("p-{person}"),
        user: Some(format!("u-{person}")),
        address: format!("{person}@example.com"),
        why,
    }
}

pub fn in_step(id: &str, name: &str) -> Part {
    part(id, name, GroupState::Managed)
}

pub fn takeover() -> Part {
    let mut part = part("g1", "Sales", GroupState::Pending);
    if let Some(target) = &mut part.target {
        target.how = TargetHow::Takeover;
    }
    part.reasons = vec![Reason::new("changes", "3 changes are to be made.")];
    part.operations = vec![
        Operation::UpdateGroup {
            group: GroupRef::Id("t-g1".to_owned()),
            name: Some("Sales".to_owned()),
            description: Some("Everybody who sells".to_owned()),
            address: None,
        },
        add("t-g1", "alice"),
        add("t-g1", "bob"),
    ];
    let member = |label: &str, kind: &str, role: &str| ForeignMember {
        principal: format!("p-{label}"),
        label: label.to_owned(),
        kind: kind.to_owned(),
        role: role.to_owned(),
    };
    part.foreign = vec![
        member("boss@example.com", "user", "owner"),
        member("partners@example.com", "group", "member"),
        member("guest@elsewhere.example", "external", "member"),
    ];
    part
}

pub fn create() -> Part {
    let mut part = part("g2", "Support", GroupState::Pending);
    part.group.email_is_override = true;
    part.target = Some(PartTarget {
        id: None,
        key: "support@example.com".to_owned(),
        label: "support@example.com".to_owned(),
        how: TargetHow::Create,
        before: None,
    });
    let new = GroupRef::New("support@example.com".to_owned());
    part.operations = vec![
        Operation::CreateGroup {
            key: "support@example.com".to_owned(),
            name: "Support".to_owned(),
            description: "Second line".to_owned(),
        },
        Operation::AddMember {
            group: new,
            principal: "p-carol".to_owned(),
            user: "u-carol".to_owned(),
            address: "carol@example.com".to_owned(),
        },
    ];
    part.waiting = vec![Waiting {
        user: "u-dave".to_owned(),
        label: "dave@example.com".to_owned(),
        reason: Reason::new(
            "awaiting-user",
            "Nobody in the target answers to dave@example.com; the next run looks again.",
        ),
    }];
    part
}

pub fn adds_and_removals() -> Part {
    let mut part = part("g3", "Engineering", GroupState::Pending);
    part.operations = (0..30)
        .map(|number| add("t-g3", &format!("person{number:02}")))
        .chain([
            remove("t-g3", "erin", RemovalReason::LeftGroup),
            remove("t-g3", "frank", RemovalReason::UserDeleted),
        ])
        .collect();
    part.foreign = vec![ForeignMember {
        principal: "p-x".to_owned(),
        label: "owner@example.com".to_owned(),
        kind: "user".to_owned(),
        role: "owner".to_owned(),
    }];
    part
}

pub fn email_moved() -> Part {
    let mut part = part("g4", "Press", GroupState::Pending);
    part.operations = vec![add("t-g4", "gina"), remove("t-old", "gina", RemovalReason::Moved)];
    part.notes = vec![Note::Bind {
        state: "managed".to_owned(),
        key: "press@example.com".to_owned(),
        target: Some("t-g4".to_owned()),
        name: "Press".to_owned(),
        had_email: true,
        moving_from: vec![("t-old".to_owned(), "media@example.com".to_owned())],
    }];
    part
}

pub fn held_by_limit() -> Part {
    let mut part = part("g5", "All Staff", GroupState::Held);
    let reason = Reason::new(
        "limit",
        "25 removals are more than the 30% of 60 memberships that one group may lose in one run; approve them, or raise \
         the limit.",
    );
    part.reasons = vec![reason.clone()];
    part.held = (0..25)
        .map(|number| Held {
            operation: remove("t-g5", &format!("leaver{number:02}"), RemovalReason::LeftGroup),
            reason: reason.clone(),
            approvable: true,
        })
        .collect();
    part.held.push(Held {
        operation: remove("t-g5", "owner", RemovalReason::LeftGroup),
        reason: Reason::new(
            "owner",
            "owner@example.com owns or manages the group in the target; owners and managers are never removed, do it \
             there.",
        ),
        approvable: false,
    });
    part
}

pub fn held_empty_source() -> Part {
    let mut part = part("g6", "Interns", GroupState::Held);
    part.group.users = Some(0);
    part.held = vec![Held {
        operation: remove("t-g6", "ivan", RemovalReason::LeftGroup),
        reason: Reason::new(
            "empty-source",
            "The group became empty in the source, which is also what a broken read looks like; approve to remove its \
             members.",
        ),
        approvable: true,
    }];
    part
}

pub fn conflict() -> Part {
    let mut part = part("g7", "Sales \u{202e}evil", GroupState::Conflict);
    part.target = None;
    part.group.email = Some("sales@example.com".to_owned());
    part.reasons = vec![Reason::new(
        "address-taken",
        "Its address sales@example.com is held by `Sales`; give one of them another.",
    )];
    part
}

pub fn at_risk() -> Part {
    let mut part = part("g8", "Contractors", GroupState::AtRisk);
    part.target = None;
    part.group.email = None;
    part.warnings = vec![Reason::new(
        "at-risk",
        "Bound without an email while management is on: the vendor warns that its 12 users can be suspended. Give it an \
         email, or unbind it.",
    )];
    part
}

pub fn not_exported(id: &str, name: &str, code: &str, message: &str) -> Part {
    let mut part = part(id, name, GroupState::NotExportable);
    part.target = None;
    part.group.email = None;
    part.reasons = vec![Reason::new(code, message)];
    part
}

/// One of each.
pub fn everything() -> Vec<Part> {
    let no_email = "The group has no email; give it one to export it.";
    vec![
        takeover(),
        create(),
        adds_and_removals(),
        email_moved(),
        held_by_limit(),
        held_empty_source(),
        conflict(),
        at_risk(),
        not_exported("g9", "Chess", "no-email", no_email),
        not_exported("g10", "Running ", "no-email", no_email),
        not_exported(
            "g11",
            "Alumni",
            "not-bound",
            "The group is not bound to the directory.",
        ),
        in_step("g12", "Finance"),
        in_step("g13", "Legal"),
    ]
}

pub fn stored(parts: Vec<Part>) -> StoredPlan {
    StoredPlan {
        hash: HASH.to_owned(),
        parts,
        created: at(26),
        expires: at(26) + chrono::Duration::days(7),
    }
}
