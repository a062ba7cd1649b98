//! From the views of groups to the parts of a plan, one group after the other: of a large directory, no more than one
//! group's view and part are held at a time.
//!
//! Three passes, each with every group in ascending order of ID. [`Claims`] takes in what groups could dispute with each
//! other; [`Survey`] says what must be read again before removals (R42) and counts what each group would change;
//! [`Verdict`] makes the parts, with what was disputed and what is over a limit decided. [`plan`] is all of it for views
//! that are there already.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Binding;
use crate::settings::Settings;

use super::conflicts::Disputes;
use super::draft::draft;
use super::eligibility::{self, Standing};
use super::fingerprint::fingerprint;
use super::limits::{self, Hold, Tally};
use super::model::{GroupView, Sight, SourceView, TargetRules, World};
use super::part::{Part, Reason};

/// Plans all groups; parts ascending by source group ID, whatever the order of the views. Of two views of one group
/// the later one counts.
pub fn plan(world: &World, views: &[GroupView], settings: &Settings) -> Vec<Part> {
    let views: BTreeMap<&str, &GroupView> = views.iter().map(|view| (view.id.as_str(), view)).collect();
    let mut claims = Claims::new(world.rules, settings);
    for (id, view) in &views {
        claims.take(id, &view.source, view.binding.as_ref(), &view.target.sight);
    }
    let mut survey = claims.settle();
    for view in views.values() {
        survey.count(view, world);
    }
    let verdict = survey.decide();
    views.values().map(|view| verdict.part(view, world)).collect()
}

/// The first pass: what groups claim, which another group may claim too (R19, R51).
#[derive(Debug)]
pub struct Claims<'a> {
    rules: TargetRules,
    settings: &'a Settings,
    disputes: Disputes,
}

impl<'a> Claims<'a> {
    /// Nothing claimed yet.
    pub fn new(rules: TargetRules, settings: &'a Settings) -> Self {
        Self {
            rules,
            settings,
            disputes: Disputes::default(),
        }
    }

    /// Takes in one group: its source, what the ledger ties it to and what was found of its target. Nobody's membership
    /// is looked at.
    pub fn take(&mut self, id: &str, source: &SourceView, binding: Option<&Binding>, sight: &Sight) {
        if let Some(binding) = binding {
            self.disputes.bound(binding);
        }
        if let Standing::Export(export) = eligibility::assess(source, binding, self.rules, self.settings) {
            self.disputes.exported(id, &export, binding, sight);
        }
    }

    /// Decides who holds what.
    pub fn settle(self) -> Survey<'a> {
        Survey {
            settings: self.settings,
            losers: self.disputes.losers(self.rules),
            tallies: BTreeMap::new(),
            known_size: 0,
        }
    }
}

/// The second pass: what each group would change, and what must be read again first.
#[derive(Debug)]
pub struct Survey<'a> {
    settings: &'a Settings,
    losers: BTreeMap<String, Reason>,
    tallies: BTreeMap<String, Tally>,
    known_size: u64,
}

impl<'a> Survey<'a> {
    /// The same survey, of some groups of a directory that has so many memberships in all: limits that are shares are
    /// taken of no less.
    #[must_use]
    pub fn among(mut self, memberships: u64) -> Self {
        self.known_size = memberships;
        self
    }

    /// What must be read again for a group. Where that is nothing, the group is counted, and [`Self::count`] need not be
    /// called for it.
    pub fn look(&mut self, view: &GroupView, world: &World) -> SecondReads {
        let draft = draft(
            view,
            world,
            self.settings,
            &stand(view, world, self.settings),
            None,
        );
        if !self.losers.contains_key(&view.id) {
            self.tallies.insert(view.id.clone(), limits::tally(&draft));
        }
        let reads = SecondReads {
            users: draft.second_read,
            list: draft.second_list,
            records: draft.records,
        };
        if reads.is_empty() && self.losers.contains_key(&view.id) {
            self.count(view, world);
        }
        reads
    }

    /// Counts a group, for which all is read that will be.
    pub fn count(&mut self, view: &GroupView, world: &World) {
        let standing = stand(view, world, self.settings);
        let draft = draft(view, world, self.settings, &standing, self.losers.get(&view.id));
        self.tallies.insert(view.id.clone(), limits::tally(&draft));
    }

    /// Decides what is over a limit (R43).
    pub fn decide(self) -> Verdict<'a> {
        Verdict {
            settings: self.settings,
            losers: self.losers,
            holds: limits::decide(self.tallies, &self.settings.limits, self.known_size),
        }
    }
}

/// The third pass: the parts.
#[derive(Debug)]
pub struct Verdict<'a> {
    settings: &'a Settings,
    losers: BTreeMap<String, Reason>,
    holds: BTreeMap<String, Vec<Hold>>,
}

impl Verdict<'_> {
    /// The part of one group, whose view must be the one that was counted.
    pub fn part(&self, view: &GroupView, world: &World) -> Part {
        let standing = stand(view, world, self.settings);
        let mut draft = draft(view, world, self.settings, &standing, self.losers.get(&view.id));
        for hold in self.holds.get(&view.id).into_iter().flatten() {
            limits::hold(&mut draft, hold);
        }
        draft.keep_who_has_not_arrived();
        draft.finish();
        draft.part.fingerprint = fingerprint(draft.view, world, self.settings, &draft.part);
        draft.part
    }
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

impl SecondReads {
    /// Whether nothing must be read again.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && !self.list && self.records.is_empty()
    }
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
