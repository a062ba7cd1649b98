//! Who holds what, across groups: one address and one target belong to one source group (R19, R51), always the same
//! one, so that two groups never alternate.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{Binding, BindingState};

use super::eligibility::Export;
use super::model::{Sight, TargetRules};
use super::part::Reason;

/// Who is bound to each target: target ID -> source group ID. A released group still holds its target (it resumes
/// there), and so does one that moves away until everybody has left.
pub fn held_targets<'a>(bindings: impl IntoIterator<Item = &'a Binding>) -> BTreeMap<String, String> {
    let mut disputes = Disputes::default();
    for binding in bindings {
        disputes.bound(binding);
    }
    disputes.holders()
}

/// The target IDs that other source groups hold: what looking up must not offer to `group` (R51).
pub fn held_by_others<'a>(bindings: impl IntoIterator<Item = &'a Binding>, group: &str) -> BTreeSet<String> {
    held_targets(bindings)
        .into_iter()
        .filter(|(_, holder)| holder != group)
        .map(|(target, _)| target)
        .collect()
}

/// What an exported group claims.
#[derive(Debug)]
struct Claim {
    /// The target's key.
    key: String,
    /// How strong the claim on the key is; the lowest wins.
    rank: u8,
    /// The source group's name.
    name: String,
    /// ID and name of the target that was found.
    target: Option<(String, String)>,
}

/// What all groups claim: all that is needed of a group to tell who loses, taken in group by group.
#[derive(Debug, Default)]
pub(super) struct Disputes {
    /// Target ID -> rank of the tie and the source group that has it.
    ties: BTreeMap<String, (u8, String)>,
    /// By source group ID.
    claims: BTreeMap<String, Claim>,
}

impl Disputes {
    /// Takes in what the ledger ties a group to.
    pub(super) fn bound(&mut self, binding: &Binding) {
        let rank = u8::from(binding.state != BindingState::Managed);
        let present = binding.target.iter().map(|target| (rank, target));
        let earlier = binding.details.moving_from.keys().map(|target| (2, target));
        for (rank, target) in present.chain(earlier) {
            let tie = (rank, binding.group.clone());
            match self.ties.get_mut(target) {
                Some(held) if *held <= tie => {}
                Some(held) => *held = tie,
                None => {
                    self.ties.insert(target.clone(), tie);
                }
            }
        }
    }

    /// Takes in a group that would be exported.
    pub(super) fn exported(&mut self, id: &str, export: &Export, binding: Option<&Binding>, sight: &Sight) {
        let rank = match binding {
            Some(binding) if binding.key == export.key && binding.state == BindingState::Managed => 0,
            Some(binding) if binding.key == export.key => 1,
            _ => 2,
        };
        let target = match sight {
            Sight::Bound(target) | Sight::Takeover(target) => Some((target.id.clone(), target.name.clone())),
            _ => None,
        };
        self.claims.insert(
            id.to_owned(),
            Claim {
                key: export.key.clone(),
                rank,
                name: export.group.name.clone(),
                target,
            },
        );
    }

    /// The groups that lose: source group ID -> why.
    pub(super) fn losers(self, rules: TargetRules) -> BTreeMap<String, Reason> {
        let mut losers = BTreeMap::new();
        if rules == TargetRules::Addressed {
            self.contested_addresses(&mut losers);
        }
        self.contested_targets(losers)
    }

    fn holders(self) -> BTreeMap<String, String> {
        self.ties
            .into_iter()
            .map(|(target, (_, group))| (target, group))
            .collect()
    }

    fn contested_addresses(&self, losers: &mut BTreeMap<String, Reason>) {
        let mut claims: BTreeMap<&str, Vec<(u8, &str)>> = BTreeMap::new();
        for (id, claim) in &self.claims {
            claims.entry(&claim.key).or_default().push((claim.rank, id));
        }
        for (address, mut claimants) in claims {
            claimants.sort_unstable();
            let Some(((_, winner), rest)) = claimants.split_first() else {
                continue;
            };
            let name = self
                .claims
                .get(*winner)
                .map_or(*winner, |claim| claim.name.as_str());
            for (_, loser) in rest {
                losers.insert(
                    (*loser).to_owned(),
                    Reason::new(
                        "address-taken",
                        format!(
                            "`{address}` belongs to the group `{name}` ({winner}); give one of them another email."
                        ),
                    ),
                );
            }
        }
    }

    fn contested_targets(mut self, mut losers: BTreeMap<String, Reason>) -> BTreeMap<String, Reason> {
        let claims = std::mem::take(&mut self.claims);
        let mut holders = self.holders();
        for (id, claim) in claims {
            let Some((target, name)) = claim.target else {
                continue;
            };
            if losers.contains_key(&id) {
                continue;
            }
            let holder = holders.entry(target.clone()).or_insert_with(|| id.clone());
            if *holder != id {
                let reason = Reason::new(
                    "target-taken",
                    format!(
                        "The target `{name}` ({target}) belongs to the source group {holder}; rename one, or release that \
                         one."
                    ),
                );
                losers.insert(id, reason);
            }
        }
        losers
    }
}
