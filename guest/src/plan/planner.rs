//! From the views of all groups to the parts of a plan.

use std::collections::{BTreeMap, BTreeSet};

use crate::settings::Settings;

use super::conflicts::conflicts;
use super::draft::{Draft, draft};
use super::eligibility::{self, Export, Standing};
use super::fingerprint::fingerprint;
use super::limits;
use super::model::{GroupView, World};
use super::part::Part;

/// Plans all groups; parts ascending by source group ID, whatever the order of the views. Of two views of one group
/// the later one counts.
pub fn plan(world: &World, views: &[GroupView], settings: &Settings) -> Vec<Part> {
    let views: BTreeMap<&str, &GroupView> = views.iter().map(|view| (view.id.as_str(), view)).collect();
    let standings: BTreeMap<&str, Standing> = views
        .iter()
        .map(|(id, view)| (*id, stand(view, world, settings)))
        .collect();
    let exported: BTreeMap<&str, &Export> = standings
        .iter()
        .filter_map(|(id, standing)| match standing {
            Standing::Export(export) => Some((*id, export)),
            Standing::Stopped(_) => None,
        })
        .collect();
    let losers = conflicts(world.rules, &views, &exported);
    let mut drafts: Vec<Draft<'_>> = views
        .iter()
        .filter_map(|(id, view)| {
            let standing = standings.get(id)?;
            Some(draft(view, world, settings, standing, losers.get(*id)))
        })
        .collect();
    limits::apply(&mut drafts, &settings.limits);
    drafts
        .into_iter()
        .map(|mut draft| {
            draft.keep_who_has_not_arrived();
            draft.finish();
            draft.part.fingerprint = fingerprint(draft.view, world, settings, &draft.part);
            draft.part
        })
        .collect()
}

fn stand(view: &GroupView, world: &World, settings: &Settings) -> Standing {
    eligibility::assess(&view.source, view.binding.as_ref(), world.rules, settings)
}

/// What must be read again of the source before removals can be planned (R42, R49).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecondReads {
    /// Users who seem to have left: a second read must agree (the list again, or each membership or user record).
    pub users: BTreeSet<String>,
    /// Whether the whole list must be read again, since somebody to remove is no known source user (authoritative
    /// policy).
    pub list: bool,
    /// Users who do not show in a read that is not complete; only their own record, read as deleted, can tell.
    pub records: BTreeSet<String>,
}

/// What must be read again for one group, after the first reads.
pub fn second_reads(view: &GroupView, world: &World, settings: &Settings) -> SecondReads {
    let draft = draft(view, world, settings, &stand(view, world, settings), None);
    SecondReads {
        users: draft.second_read,
        list: draft.second_list,
        records: draft.records,
    }
}

/// The users who need a second read before they may be removed: source user IDs. See [`second_reads`] for the
/// whole answer.
pub fn removal_candidates(view: &GroupView, world: &World, settings: &Settings) -> BTreeSet<String> {
    second_reads(view, world, settings).users
}
