//! What an outcome does to the ledger. Pure: from an operation, how it ended and what the ledger said before.

use std::collections::BTreeMap;

use crate::failure::{Failure, FailureKind};
use crate::ledger::{Binding, BindingDetails, BindingState, Effect, Membership, Provenance, Settlement};
use crate::plan::part::{Note, Operation, Part};

/// The effects of a membership write; none where nothing changed or the operation is about the group itself. `known` is
/// where the ledger has the membership from, if it has it.
pub(super) fn of_membership(
    group: &str,
    operation: &Operation,
    target: &str,
    settlement: Settlement,
    known: Option<Provenance>,
) -> Vec<Effect> {
    let done = matches!(settlement, Settlement::Applied | Settlement::Already);
    match operation {
        Operation::AddMember {
            principal,
            user,
            address,
            ..
        } if done => {
            let provenance = match (settlement, known) {
                // Put back by an undo, for no user of the source.
                _ if user.is_empty() => Provenance::Foreign,
                (Settlement::Applied, _) | (_, Some(Provenance::Ours)) => Provenance::Ours,
                // Present before we asked, and wanted.
                _ => Provenance::Adopted,
            };
            vec![Effect::PutMembership(Membership {
                group: group.to_owned(),
                target: target.to_owned(),
                principal: principal.clone(),
                provenance,
                user: Some(user.clone()).filter(|user| !user.is_empty()),
                address: address.clone(),
            })]
        }
        Operation::RemoveMember { principal, .. } if done => vec![Effect::DropMembership {
            group: group.to_owned(),
            target: target.to_owned(),
            principal: principal.clone(),
        }],
        _ => Vec::new(),
    }
}

/// The effects of a membership write of which nobody knows whether it was done: whoever was perhaps added is ours until
/// a whole read shows otherwise. Forgotten, they would look like somebody else's doing and stay for ever.
pub(super) fn of_perhaps(
    group: &str,
    operation: &Operation,
    target: &str,
    known: Option<Provenance>,
) -> Vec<Effect> {
    match operation {
        Operation::AddMember {
            principal,
            user,
            address,
            ..
        } if !user.is_empty() => {
            if matches!(known, Some(Provenance::Ours | Provenance::Adopted)) {
                return Vec::new();
            }
            vec![Effect::PutMembership(Membership {
                group: group.to_owned(),
                target: target.to_owned(),
                principal: principal.clone(),
                provenance: Provenance::Ours,
                user: Some(user.clone()),
                address: address.clone(),
            })]
        }
        _ => Vec::new(),
    }
}

/// Notes in a group's binding that members were written just now; nothing where that stands there already.
pub(super) fn written(binding: &mut Binding, now: u64) -> Option<Effect> {
    if binding.details.written_at.is_some_and(|at| at >= now) {
        return None;
    }
    binding.details.written_at = Some(now);
    Some(Effect::Bind(binding.clone()))
}

/// The binding that a part's note asks for; none where the part has no such note.
///
/// # Errors
/// [`FailureKind::Host`] where the note names a state that does not exist: the bytes are not what was planned.
pub(super) fn binding(part: &Part, created: Option<&str>) -> Result<Option<Binding>, Failure> {
    let Some(Note::Bind {
        state,
        key,
        target,
        name,
        had_email,
        moving_from,
    }) = part.notes.iter().find(|note| super::is_bind(note))
    else {
        return Ok(None);
    };
    Ok(Some(Binding {
        group: part.group.id.clone(),
        state: binding_state(state).ok_or_else(|| {
            Failure::new(
                FailureKind::Host,
                format!("approved part of group {}", part.group.id),
                format!("It asks for the unknown state `{state}`. Make a new plan and approve that."),
            )
        })?,
        key: key.clone(),
        target: target.clone().or_else(|| created.map(str::to_owned)),
        details: BindingDetails {
            name: name.clone(),
            had_email: *had_email,
            moving_from: moving_from.iter().cloned().collect(),
            written_at: None,
            latest: None,
        },
    }))
}

/// The binding after a creation: durable together with the creation's outcome, so that no crash leaves a group of ours
/// that nobody knows (R25, R47).
pub(super) fn binding_of_created(part: &Part, key: &str, created: &str) -> Result<Binding, Failure> {
    Ok(binding(part, Some(created))?
        .filter(|binding| binding.target.as_deref() == Some(created))
        .unwrap_or_else(|| Binding {
            group: part.group.id.clone(),
            state: BindingState::Managed,
            key: key.to_owned(),
            target: Some(created.to_owned()),
            details: BindingDetails {
                name: part.group.name.clone(),
                had_email: part.group.email.is_some() && !part.group.email_is_override,
                moving_from: BTreeMap::new(),
                written_at: None,
                latest: None,
            },
        }))
}

/// The effect of a note on a membership; none where the note is the group's tie.
pub(super) fn of_note(group: &str, note: Note) -> Option<Effect> {
    match note {
        Note::Bind { .. } => None,
        Note::Record {
            target,
            principal,
            provenance,
            user,
            address,
        } => Some(Effect::PutMembership(Membership {
            group: group.to_owned(),
            target,
            principal,
            provenance,
            user,
            address,
        })),
        Note::Forget { target, principal } => Some(Effect::DropMembership {
            group: group.to_owned(),
            target,
            principal,
        }),
    }
}

fn binding_state(state: &str) -> Option<BindingState> {
    match state {
        "managed" => Some(BindingState::Managed),
        "released" => Some(BindingState::Released),
        "orphaned" => Some(BindingState::Orphaned),
        _ => None,
    }
}
