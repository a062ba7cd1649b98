//! The way back (R45): from what an apply did to the parts that undo it. Pure; what comes out is a plan like any other,
//! to be shown, approved and applied.
//!
//! Nothing is deleted: a group that was created stays and is reported.

use std::collections::BTreeMap;

use super::part::{GroupRef, GroupState, Operation, Part, Reason, RemovalReason};
use crate::words::count;

/// The fingerprint of a part that undoes: it follows from what was done and not from what was read, so there is nothing
/// that could have moved. Each of its writes is compared with the target before it is sent.
pub const FINGERPRINT: &str = "undo";

/// The parts that undo what was done. `parts` are those that were applied; `applied` are the operations that the ledger
/// has as applied, by source group ID, in their order. What was found done already was not ours and is left out by the
/// caller. Ascending by source group ID; groups with nothing to undo have no part.
pub fn undo_parts(parts: &[Part], applied: &[(String, Operation)]) -> Vec<Part> {
    let mut done: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for (group, operation) in applied {
        done.entry(group).or_default().push(operation);
    }
    let mut undone: Vec<Part> = parts
        .iter()
        .filter_map(|part| {
            done.get(part.group.id.as_str())
                .map(|operations| undo(part, operations))
        })
        .collect();
    undone.sort_by(|one, other| one.group.id.cmp(&other.group.id));
    undone
}

fn undo(part: &Part, applied: &[&Operation]) -> Part {
    let mut operations = Vec::new();
    let mut warnings = Vec::new();
    for operation in applied {
        match inverse(part, operation) {
            Ok(inverse) => operations.push(inverse),
            Err(reason) => warnings.push(reason),
        }
    }
    // Back into the group before out of another: a crash in between leaves people in both, never in neither.
    operations.sort_by_cached_key(|operation| {
        (
            matches!(operation, Operation::RemoveMember { .. }),
            operation.clone(),
        )
    });
    operations.dedup();
    let changes = operations.len() as u64;
    let words = format!("{} to be undone.", count(changes, "change is", "changes are"));
    Part {
        version: part.version,
        group: part.group.clone(),
        state: GroupState::Pending,
        reasons: vec![Reason::new("undo", words)],
        target: part.target.clone(),
        fingerprint: FINGERPRINT.to_owned(),
        operations,
        held: Vec::new(),
        notes: Vec::new(),
        waiting: Vec::new(),
        foreign: Vec::new(),
        warnings,
    }
}

fn inverse(part: &Part, operation: &Operation) -> Result<Operation, Reason> {
    match operation {
        Operation::CreateGroup { key, .. } => Err(Reason::new(
            "created-stays",
            format!("The group {key} was created and is not deleted; delete it by hand if nobody needs it."),
        )),
        Operation::AddMember {
            group,
            principal,
            user,
            address,
        } => Ok(Operation::RemoveMember {
            group: group.clone(),
            principal: principal.clone(),
            user: (!user.is_empty()).then(|| user.clone()),
            address: address.clone(),
            why: RemovalReason::Undone,
        }),
        Operation::RemoveMember {
            group,
            principal,
            user,
            address,
            ..
        } => Ok(Operation::AddMember {
            group: group.clone(),
            principal: principal.clone(),
            user: user.clone().unwrap_or_default(),
            address: address.clone(),
        }),
        Operation::UpdateGroup {
            group,
            name,
            description,
            address,
        } => update_back(
            part,
            group,
            name.is_some(),
            description.is_some(),
            address.is_some(),
        ),
    }
}

fn update_back(
    part: &Part,
    group: &GroupRef,
    name: bool,
    description: bool,
    address: bool,
) -> Result<Operation, Reason> {
    let Some(before) = part.target.as_ref().and_then(|target| target.before.as_ref()) else {
        return Err(Reason::new(
            "unknown-before",
            format!(
                "What the group of “{}” was called before is not known; change it by hand.",
                part.group.name
            ),
        ));
    };
    Ok(Operation::UpdateGroup {
        group: group.clone(),
        name: name.then(|| before.name.clone()),
        description: description.then(|| before.description.clone()),
        address: address.then(|| before.address.clone()),
    })
}
