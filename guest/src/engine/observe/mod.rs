//! Reads the world: the source, the ledger and the target. A plan, its apply and an explanation read in the same way, or
//! their fingerprints could not agree (R44).
//!
//! What was read is kept small ([`people`]) for all groups at once, and becomes the planner's views for one group at a
//! time ([`Observed::excerpt`]): whole views of a large directory would not fit into a component's memory.
//!
//! A read that falls short is not a failure of the run: it makes that group's view partial, and removals freeze (R42).
//! No decision is taken here, beyond which requests would be useless.

mod confirm;
mod few;
pub(crate) mod people;
mod source;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use crate::complete::Complete;
use crate::engine::Session;
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::ledger::{Binding, Provenance};
use crate::names::{Name, Names};
use crate::plan::SecondReads;
use crate::plan::model::{
    GroupView, ObservedMember, Reading, Resolution, Sight, SourceUser, SourceView, TargetGroup, TargetRules,
    TargetView, TextLimits, World,
};
use crate::target::TargetDirectory;

pub(crate) use confirm::Again;
pub(crate) use few::Beforehand;
use people::{Members, Row};
pub(crate) use source::SourceHalf;

/// So long after members were written a list may still show what was before; vendors speak of minutes.
const SETTLING_SECONDS: u64 = 600;

/// Which groups to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that are bound, known to the ledger, or named in the settings.
    Everything,
    /// Exactly these, by source group ID.
    Groups(BTreeSet<String>),
}

/// What was read.
pub(crate) struct Observed {
    rules: TargetRules,
    text: TextLimits,
    /// When it was read, in seconds since the Unix epoch.
    now: u64,
    half: SourceHalf,
    /// What was found of each group's target, by source group ID; of those that were looked up.
    sights: BTreeMap<String, Sight>,
    /// By target ID.
    members: BTreeMap<String, Reading<Members>>,
    /// The ledger's memberships, by source group ID; ascending by [`Row::key`].
    rows: BTreeMap<String, Vec<Row>>,
    /// The users whom a second whole read of the source does not list either, by source group ID.
    absent_again: BTreeMap<String, Complete<Vec<Name>>>,
    /// Users of whom a removal was in question and whose own record is gone, by source group ID.
    gone: BTreeMap<String, BTreeSet<Name>>,
}

/// All that one group is planned from.
#[derive(Debug, Clone)]
pub(crate) struct Excerpt {
    /// Of what all groups share, that which this group's plan looks at: how its people were found, those whom the ledger
    /// names, and those behind the target's members; their records where something in them matters.
    pub(crate) world: World,
    /// The group.
    pub(crate) view: GroupView,
}

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// Reads the world as far as `scope` goes.
    ///
    /// # Errors
    /// A failure that ends the run: the directory is missing or of another kind, a credential is refused, the host
    /// said no, or a list that everything hangs on could not be read at all.
    pub(crate) async fn observe(&self, scope: &Scope) -> Result<Observed, Failure> {
        self.observe_beside(Names::new(), scope).await
    }

    /// The same for somebody who keeps texts already: the reading's come beside them.
    ///
    /// # Errors
    /// As [`Self::observe`].
    pub(crate) async fn observe_beside(&self, names: Names, scope: &Scope) -> Result<Observed, Failure> {
        let directory = self.read_directory().await?;
        let half = self.observe_source(directory, scope, names).await?;
        self.observe_target(half, true).await
    }
}

impl Observed {
    /// The source's half, with nothing read of the target yet.
    fn of(half: SourceHalf, rules: TargetRules, text: TextLimits) -> Self {
        Self {
            rules,
            text,
            now: 0,
            half,
            sights: BTreeMap::new(),
            members: BTreeMap::new(),
            rows: BTreeMap::new(),
            absent_again: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    /// Whether no group can be missing: the lists of all groups and of those that are bound were whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.half.side.all_groups && self.half.side.bound_gap.is_none()
    }

    /// The groups that were read, ascending by ID.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.half.ids()
    }

    /// How many groups were read.
    pub(crate) fn len(&self) -> usize {
        self.half.side.groups.len()
    }

    /// The name of one group; its ID where the source has it no more.
    pub(crate) fn name<'a>(&'a self, id: &'a str) -> &'a str {
        let group = self.half.side.groups.get(id).and_then(Option::as_ref);
        group.map_or(id, |group| group.name.as_str())
    }

    /// What the source says of one group.
    pub(crate) fn source(&self, id: &str) -> SourceView {
        let mut view = self.half.source(id);
        view.deleted_users.extend(
            self.gone
                .get(id)
                .into_iter()
                .flatten()
                .map(|user| self.owned(*user)),
        );
        view.absent_again = self.absent_again.get(id).map(|again| {
            again
                .clone()
                .map(|users| users.into_iter().map(|user| self.owned(user)).collect())
        });
        view
    }

    /// What was found of one group's target.
    pub(crate) fn sight(&self, id: &str) -> Sight {
        self.sights.get(id).cloned().unwrap_or_else(|| Sight::Unknown {
            reason: "it was not looked up, since the group is not exported".to_owned(),
        })
    }

    /// The ledger's binding of one group.
    pub(crate) fn binding(&self, id: &str) -> Option<&Binding> {
        self.half.side.bindings.get(id)
    }

    /// Everybody of whom there is a record, ascending by ID, with how they were found in the target.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = (SourceUser, Option<Resolution>)> {
        let (people, names) = (&self.half.people, &self.half.names);
        people
            .in_order(names)
            .into_iter()
            .filter_map(|user| Some((people.user(user, names)?, people.resolution(user, names))))
    }

    /// The texts of the reading.
    pub(crate) fn names(&self) -> &Names {
        &self.half.names
    }

    /// The ledger's bindings, of the groups that were read and of all others.
    pub(crate) fn bindings(&self) -> &BTreeMap<String, Binding> {
        &self.half.side.bindings
    }

    /// The target groups that were found.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &TargetGroup> {
        self.sights.values().filter_map(|sight| match sight {
            Sight::Bound(group) | Sight::Takeover(group) => Some(group),
            _ => None,
        })
    }

    /// The members of a target; none where they were not read.
    pub(crate) fn members(&self, target: &str) -> Option<&Reading<Members>> {
        self.members.get(target)
    }

    /// Where a membership comes from, by the ledger as it was read.
    pub(crate) fn provenance(&self, group: &str, target: &str, principal: Name) -> Option<Provenance> {
        let rows = self.rows.get(group)?;
        let key = (self.half.names.find(target)?, principal);
        let index = rows.binary_search_by_key(&key, Row::key).ok()?;
        rows.get(index).map(|row| row.provenance)
    }

    /// Keeps what must be read again for a group.
    pub(crate) fn again(&mut self, reads: &SecondReads) -> Again {
        Again::keep(reads, &mut self.half.names)
    }

    /// All that one group is planned from; none where the group was not read.
    pub(crate) fn excerpt(&self, id: &str) -> Option<Excerpt> {
        if !self.half.side.groups.contains_key(id) {
            return None;
        }
        let view = self.view(id);
        Some(Excerpt {
            world: self.world(id, &view),
            view,
        })
    }

    fn view(&self, id: &str) -> GroupView {
        let binding = self.binding(id).cloned();
        let sight = self.sight(id);
        let lookup = self.half.lookups.get(id);
        GroupView {
            id: id.to_owned(),
            source: self.source(id),
            target: TargetView {
                members: found_id(&sight).map_or_else(
                    || unread("there is no target group to read"),
                    |target| self.members_of(&target),
                ),
                moving_from: lookup
                    .iter()
                    .flat_map(|lookup| &lookup.old_targets)
                    .map(|target| (target.clone(), self.members_of(target)))
                    .collect(),
                sight,
            },
            settling: binding.as_ref().is_some_and(|binding| {
                binding
                    .details
                    .written_at
                    .is_some_and(|at| self.now < at.saturating_add(SETTLING_SECONDS))
            }),
            binding,
            memberships: self
                .rows
                .get(id)
                .into_iter()
                .flatten()
                .map(|row| row.fat(id, &self.half.names))
                .collect(),
        }
    }

    /// What all groups share, as far as the plan of one looks at it.
    fn world(&self, id: &str, view: &GroupView) -> World {
        let (people, names) = (&self.half.people, &self.half.names);
        let mut needed: BTreeSet<Name> = BTreeSet::new();
        if let Some(users) = self.half.users.get(id) {
            needed.extend(users.seen());
        }
        needed.extend(self.rows.get(id).into_iter().flatten().filter_map(|row| row.user));
        let target = found_id(&view.target.sight);
        let members = target.iter().chain(view.target.moving_from.keys());
        for reading in members.filter_map(|target| self.members.get(target)) {
            needed.extend(reading.seen().ids().filter_map(|member| people.behind(member)));
        }
        let mut world = World {
            rules: self.rules,
            users: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            text: self.text,
        };
        for user in needed {
            if let Some(resolution) = people.resolution(user, names) {
                world.resolutions.insert(names.owned(user), resolution);
            }
            // A hundred thousand records of which nothing is asked would not fit beside the rest.
            if !people.is_plain(user)
                && let Some(record) = people.user(user, names)
            {
                world.users.insert(record.id.clone(), record);
            }
        }
        world
    }

    fn members_of(&self, target: &str) -> Reading<Vec<ObservedMember>> {
        match self.members.get(target) {
            Some(reading) => reading.clone().map(|members| members.fat(&self.half.names)),
            None => unread("its members were not read"),
        }
    }

    fn owned(&self, name: Name) -> String {
        self.half.names.owned(name)
    }
}

fn unread(reason: &str) -> Reading<Vec<ObservedMember>> {
    Reading::Partial {
        seen: Vec::new(),
        reason: reason.to_owned(),
    }
}

/// The ID of the group that a look-up found.
pub(crate) fn found_id(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Bound(group) | Sight::Takeover(group) => Some(group.id.clone()),
        Sight::BoundMissing | Sight::Nothing { .. } | Sight::Blocked { .. } | Sight::Unknown { .. } => None,
    }
}
