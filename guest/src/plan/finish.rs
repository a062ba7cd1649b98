//! The last steps of a part, once limits are applied: its one order, its state and its reasons.

use std::collections::BTreeSet;

use super::draft::Draft;
use super::part::{GroupState, Held, Note, Operation, Reason, RemovalReason};
use crate::words::count;

impl Draft<'_> {
    /// Whoever's way into the new group waits does not leave the old one (R15).
    pub(super) fn keep_who_has_not_arrived(&mut self) {
        let moves = |operation: &Operation| matches!(operation, Operation::RemoveMember { why, .. } if *why == RemovalReason::Moved);
        if !self.part.operations.iter().any(moves) {
            return;
        }
        let mut arrived: BTreeSet<String> = BTreeSet::new();
        for operation in &self.part.operations {
            if let Operation::AddMember { principal, .. } = operation {
                arrived.insert(principal.clone());
            }
        }
        let present: BTreeSet<&str> = self
            .view
            .target
            .members
            .seen()
            .iter()
            .map(|member| member.principal.id.as_str())
            .collect();
        self.part.operations.retain(|operation| match operation {
            Operation::RemoveMember {
                principal,
                why: RemovalReason::Moved,
                ..
            } => arrived.contains(principal) || present.contains(principal.as_str()),
            _ => true,
        });
    }

    /// Puts everything in its one order and settles the state.
    pub(super) fn finish(&mut self) {
        let part = &mut self.part;
        // Stable and without copies: of a large group, keys would take as much memory as the part.
        part.operations
            .sort_by(|one, other| (rank(one), one).cmp(&(rank(other), other)));
        part.held
            .sort_by(|one, other| held_key(one).cmp(&held_key(other)));
        part.notes
            .sort_by(|one, other| note_key(one).cmp(&note_key(other)));
        part.waiting.sort_by(|one, other| one.user.cmp(&other.user));
        part.foreign
            .sort_by(|one, other| one.principal.cmp(&other.principal));
        if let Some(state) = self.settled {
            part.state = state;
            return;
        }
        part.reasons.append(&mut self.frozen);
        let frozen = !part.reasons.is_empty();
        let mut codes = BTreeSet::new();
        for held in &part.held {
            if codes.insert(held.reason.code.clone()) {
                part.reasons.push(held.reason.clone());
            }
        }
        part.state = if frozen {
            GroupState::Frozen
        } else if part.held.iter().any(|held| held.approvable) {
            GroupState::Held
        } else if part.operations.is_empty() {
            GroupState::Managed
        } else {
            GroupState::Pending
        };
        let own = match part.state {
            GroupState::Pending => {
                let words = match part.operations.len() {
                    1 => "One change is to be made.".to_owned(),
                    writes => format!("{} are to be made.", count(writes as u64, "change", "changes")),
                };
                Reason::new("changes", words)
            }
            GroupState::Managed => Reason::new("in-step", "The target is in step with the source."),
            _ => return,
        };
        part.reasons.insert(0, own);
    }
}

fn rank(operation: &Operation) -> u8 {
    match operation {
        Operation::RemoveMember { why, .. } => match why {
            RemovalReason::UserDeleted | RemovalReason::UserSuspended => 0,
            RemovalReason::Moved => 4,
            _ => 3,
        },
        Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => 1,
        Operation::AddMember { .. } => 2,
    }
}

fn held_key(held: &Held) -> (u8, &Operation, &str) {
    (rank(&held.operation), &held.operation, &held.reason.code)
}

fn note_key(note: &Note) -> (u8, &str, &str) {
    match note {
        Note::Bind { key, .. } => (0, key, ""),
        Note::Record {
            target, principal, ..
        } => (1, target, principal),
        Note::Forget { target, principal } => (2, target, principal),
    }
}
