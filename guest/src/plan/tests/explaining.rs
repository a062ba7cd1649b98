//! Every state can be reached, and every one says why.

use super::lab::*;
use crate::plan::model::Sight;
use crate::plan::part::{GroupState, Part};
use crate::plan::{plan, summary};

fn in_every_state() -> Vec<Part> {
    let mut parts = Vec::new();
    let fresh = Lab::addressed(&["u1", "u2"]);
    parts.push(Lab::addressed(&[]).part());
    parts.push(fresh.part());
    let mut synced = fresh.clone();
    synced.sync();
    parts.push(synced.part());
    let mut missing = synced.clone();
    missing.directory.clear();
    parts.push(missing.part());
    let mut held = synced.clone();
    held.set_users("g1", &[]);
    parts.push(held.part());
    let mut conflict = synced.clone();
    conflict.add_group("g2", "Other", Some("sales@example.com"), &["u1"]);
    parts.push(conflict.plan().remove(1));
    let mut released = synced.clone();
    released.set_email(None);
    parts.push(released.part());
    let mut orphaned = synced.clone();
    orphaned.source("g1").group = None;
    parts.push(orphaned.part());
    let mut frozen = synced.clone();
    frozen.set_users_partly("g1", &["u1"]);
    parts.push(frozen.part());
    let mut at_risk = fresh.clone();
    at_risk.set_email(None);
    parts.push(at_risk.part());
    parts
}

#[test]
fn every_state_is_reached_with_a_reason() {
    let parts = in_every_state();
    let states: Vec<GroupState> = parts.iter().map(|part| part.state).collect();
    use GroupState::*;
    assert_eq!(
        states,
        [
            NotExportable,
            Pending,
            Managed,
            Provisioning,
            Held,
            Conflict,
            Released,
            Orphaned,
            Frozen,
            AtRisk
        ]
    );
    for part in parts {
        assert!(!part.reasons.is_empty(), "{:?} without a reason", part.state);
        assert!(
            part.reasons
                .iter()
                .all(|reason| reason.message.ends_with(['.', '0']))
        );
    }
}

#[test]
fn a_target_that_could_not_be_looked_up_is_told_from_one_without_changes() {
    let lab = Lab::addressed(&["u1"]);
    let mut views = lab.views();
    views[0].target.sight = Sight::Unknown {
        reason: "the vendor answered 503".to_owned(),
    };
    let part = plan(&lab.world, &views, &lab.settings).remove(0);
    assert_eq!(
        (part.state, codes(&part)),
        (GroupState::Frozen, vec!["target-unread"])
    );
    assert!(!part.has_writes());
}

#[test]
fn a_summary_counts_what_the_parts_hold() {
    let parts = in_every_state();
    let totals = summary(&parts);
    assert_eq!((totals.groups, totals.creations, totals.adds), (10, 1, 2));
    assert_eq!((totals.operations, totals.removals, totals.held), (3, 0, 2));
    assert_eq!(totals.states.values().sum::<u64>(), 10);
}
