//! Who holds what, across groups: one address and one target belong to one source group (R19, R51), always the same
//! one, so that two groups never alternate.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Binding, BindingState};

use super::eligibility::Export;
use super::model::{GroupView, Sight, TargetRules};
use super::part::Reason;

/// Who is bound to each target: target ID -> source group ID. A released group still holds its target (it resumes
/// there), and so does one that moves away until everybody has left.
pub fn held_targets<'a>(bindings: impl IntoIterator<Item = &'a Binding>) -> BTreeMap<String, String> {
    let mut holders: BTreeMap<String, (u8, String)> = BTreeMap::new();
    for binding in bindings {
        let rank = u8::from(binding.state != BindingState::Managed);
        let present = binding.target.iter().map(|target| (rank, target));
        let earlier = binding.details.moving_from.keys().map(|target| (2, target));
        for (rank, target) in present.chain(earlier) {
            let claim = (rank, binding.group.clone());
            holders
                .entry(target.clone())
                .and_modify(|holder| *holder = holder.clone().min(claim.clone()))
                .or_insert(claim);
        }
    }
    holders
        .into_iter()
        .map(|(target, (_, group))| (target, group))
        .collect()
}

/// The target IDs that other source groups hold: what looking up must not offer to `group` (R51).
pub fn held_by_others<'a>(bindings: impl IntoIterator<Item = &'a Binding>, group: &str) -> BTreeSet<String> {
    held_targets(bindings)
        .into_iter()
        .filter(|(_, holder)| holder != group)
        .map(|(target, _)| target)
        .collect()
}

/// The groups that lose: source group ID -> why. `exported` are the groups that would be exported, ascending.
pub(super) fn conflicts(
    rules: TargetRules,
    views: &BTreeMap<&str, &GroupView>,
    exported: &BTreeMap<&str, &Export>,
) -> BTreeMap<String, Reason> {
    let mut losers = BTreeMap::new();
    if rules == TargetRules::Addressed {
        contested_addresses(views, exported, &mut losers);
    }
    contested_targets(views, exported, &mut losers);
    losers
}

fn contested_addresses(
    views: &BTreeMap<&str, &GroupView>,
    exported: &BTreeMap<&str, &Export>,
    losers: &mut BTreeMap<String, Reason>,
) {
    let mut claims: BTreeMap<&str, Vec<(u8, &str)>> = BTreeMap::new();
    for (id, export) in exported {
        let binding = views.get(id).and_then(|view| view.binding.as_ref());
        let rank = match binding {
            Some(binding) if binding.key == export.key && binding.state == BindingState::Managed => 0,
            Some(binding) if binding.key == export.key => 1,
            _ => 2,
        };
        claims.entry(&export.key).or_default().push((rank, id));
    }
    for (address, mut claimants) in claims {
        claimants.sort_unstable();
        let Some(((_, winner), rest)) = claimants.split_first() else {
            continue;
        };
        let name = exported
            .get(winner)
            .map_or(*winner, |export| export.group.name.as_str());
        for (_, loser) in rest {
            losers.insert(
                (*loser).to_owned(),
                Reason::new(
                    "address-taken",
                    format!("`{address}` belongs to the group `{name}` ({winner}); give one of them another email."),
                ),
            );
        }
    }
}

fn contested_targets(
    views: &BTreeMap<&str, &GroupView>,
    exported: &BTreeMap<&str, &Export>,
    losers: &mut BTreeMap<String, Reason>,
) {
    let mut holders = held_targets(views.values().filter_map(|view| view.binding.as_ref()));
    for id in exported.keys() {
        let Some(Sight::Bound(target) | Sight::Takeover(target)) =
            views.get(id).map(|view| &view.target.sight)
        else {
            continue;
        };
        if losers.contains_key(*id) {
            continue;
        }
        let holder = holders
            .entry(target.id.clone())
            .or_insert_with(|| (*id).to_owned());
        if holder != id {
            losers.insert(
                (*id).to_owned(),
                Reason::new(
                    "target-taken",
                    format!(
                        "The target `{}` ({}) belongs to the source group {holder}; rename one, or release that one.",
                        target.name, target.id
                    ),
                ),
            );
        }
    }
}
