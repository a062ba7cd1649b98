//! What a part says, short enough to be compared.

use super::Lab;
use crate::plan::part::*;

/// The part's adds, as principal IDs.
pub fn adds(part: &Part) -> Vec<&str> {
    part.operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::AddMember { principal, .. } => Some(principal.as_str()),
            _ => None,
        })
        .collect()
}

/// The part's removals: target ID, principal ID, why.
pub fn removals(part: &Part) -> Vec<(String, &str, RemovalReason)> {
    part.operations.iter().filter_map(removal).collect()
}

pub fn removal(operation: &Operation) -> Option<(String, &str, RemovalReason)> {
    match operation {
        Operation::RemoveMember {
            group,
            principal,
            why,
            ..
        } => Some((Lab::resolve(group), principal.as_str(), *why)),
        _ => None,
    }
}

/// The part once somebody has approved its takeover.
pub fn taken_over(part: &Part) -> Part {
    let mut part = part.clone();
    let (takeover, stays): (Vec<_>, Vec<_>) = part
        .held
        .into_iter()
        .partition(|held| held.reason.code == crate::plan::part::TAKEOVER);
    part.held = stays;
    part.operations
        .extend(takeover.into_iter().map(|held| held.operation));
    part
}

/// What is held: principal ID and the reason's code.
pub fn held(part: &Part) -> Vec<(&str, &str)> {
    part.held
        .iter()
        .map(|held| {
            let principal = match &held.operation {
                Operation::RemoveMember { principal, .. } | Operation::AddMember { principal, .. } => {
                    principal
                }
                _ => "",
            };
            (principal, held.reason.code.as_str())
        })
        .collect()
}

pub fn codes(part: &Part) -> Vec<&str> {
    part.reasons.iter().map(|reason| reason.code.as_str()).collect()
}
