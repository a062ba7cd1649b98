//! Turns a part whose group holds operations back into one that carries them out.

use groupcast_guest::plan::part::{GroupState, Operation, Part};

/// The part with what an approval can release moved from `held` to `operations`; none if there is nothing.
pub(super) fn release(mut part: Part) -> Option<Part> {
    let (approvable, stays): (Vec<_>, Vec<_>) = part.held.into_iter().partition(|held| held.approvable);
    if approvable.is_empty() {
        return None;
    }
    part.held = stays;
    part.operations
        .extend(approvable.into_iter().map(|held| held.operation));
    // Stable: within a kind the planner's own order stays.
    part.operations.sort_by_key(order);
    if part.state == GroupState::Held {
        part.state = GroupState::Pending;
    }
    Some(part)
}

/// Parts promise this order: the group first, then additions, then removals (R15: in both, never in neither).
fn order(operation: &Operation) -> u8 {
    match operation {
        Operation::CreateGroup { .. } => 0,
        Operation::UpdateGroup { .. } => 1,
        Operation::AddMember { .. } => 2,
        Operation::RemoveMember { .. } => 3,
    }
}
