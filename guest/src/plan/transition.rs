//! How a group's tie to its target goes on: kept, new, renamed or moved (R12, R14 to R16, R32), and so what to look
//! up in the target before planning (R20).

use std::collections::BTreeMap;

use crate::ledger::{Binding, BindingState};
use crate::settings::{DriftPolicy, OnEmailChange, Settings};
use crate::target::Wanted;

use super::eligibility::{self, Export, Standing};
use super::model::{SourceView, TargetRules};

/// How the tie goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// There is none that holds: take over or create.
    New,
    /// The same target.
    Kept,
    /// The same target under a new address (R16).
    Renamed,
    /// Another target; people move there (R14).
    Moved,
}

/// The course of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// How the tie goes on.
    pub tie: Tie,
    /// The target's ID where it is known: then nothing else is looked up.
    pub bound: Option<String>,
    /// Earlier targets that people are moved away from: ID -> key.
    pub moving_from: BTreeMap<String, String>,
}

/// What to read of the target before a group can be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The target to look up; the members of what is found are needed too.
    pub wanted: Wanted,
    /// Earlier targets whose members are needed ([`super::model::TargetView::moving_from`]).
    pub old_targets: Vec<String>,
}

/// What to read of the target for one group; none where it is not exported, whatever the target says.
pub fn lookup(
    id: &str,
    source: &SourceView,
    binding: Option<&Binding>,
    rules: TargetRules,
    settings: &Settings,
) -> Option<Lookup> {
    let Standing::Export(export) = eligibility::assess(source, binding, rules, settings) else {
        return None;
    };
    let course = course(rules, settings, binding, &export);
    Some(Lookup {
        wanted: Wanted {
            group: id.to_owned(),
            name: export.group.name,
            key: export.key,
            bound: course.bound,
        },
        old_targets: course.moving_from.into_keys().collect(),
    })
}

/// How an exported group's tie goes on.
pub fn course(rules: TargetRules, settings: &Settings, binding: Option<&Binding>, export: &Export) -> Course {
    let mut course = go_on(rules, settings, binding, &export.key);
    if eligibility::policy(settings, &export.group) == DriftPolicy::Additive {
        // Never remove (R10): the people stay in the old group too, so nobody is on the move.
        course.moving_from.clear();
    }
    course
}

fn go_on(rules: TargetRules, settings: &Settings, binding: Option<&Binding>, key: &str) -> Course {
    let new = |moving_from| Course {
        tie: Tie::New,
        bound: None,
        moving_from,
    };
    let Some(binding) = binding else {
        return new(BTreeMap::new());
    };
    let mut moving_from = binding.details.moving_from.clone();
    let same = rules == TargetRules::Named || binding.key == key;
    match &binding.target {
        // R12: a different address after a release leaves the old group, and what was left of a move, untouched.
        _ if !same && binding.state != BindingState::Managed => new(BTreeMap::new()),
        None => new(moving_from),
        Some(target) if same => {
            moving_from.remove(target);
            Course {
                tie: Tie::Kept,
                bound: Some(target.clone()),
                moving_from,
            }
        }
        Some(target) if settings.on_email_change == OnEmailChange::Rename => Course {
            tie: Tie::Renamed,
            bound: Some(target.clone()),
            moving_from,
        },
        Some(target) => {
            moving_from.insert(target.clone(), binding.key.clone());
            // Back to an address that people are still being moved away from: that very group, by its ID.
            let back = moving_from
                .iter()
                .find(|(_, old_key)| old_key.as_str() == key)
                .map(|(id, _)| id.clone());
            if let Some(id) = &back {
                moving_from.remove(id);
            }
            Course {
                tie: Tie::Moved,
                bound: back,
                moving_from,
            }
        }
    }
}
