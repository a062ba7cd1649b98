//! The source's half of the world: the directory, its groups, who is bound, who is in them, and their records.

use std::collections::{BTreeMap, BTreeSet};

use super::Scope;
use super::people::People;
use crate::engine::source::{Directory, SourceDirectory};
use crate::engine::{Session, ends_the_run};
use crate::failure::{Failure, FailureKind};
use crate::ledger::{Binding, BindingState};
use crate::names::{Name, Names};
use crate::plan::eligibility::{self, Standing};
use crate::plan::model::{Reading, SourceGroup, SourceView, TargetRules};
use crate::plan::part::GroupState;
use crate::plan::{Lookup, lookup};
use crate::target::TargetDirectory;

/// The source's side: groups, who is bound, and what the ledger knows.
pub(crate) struct SourceSide {
    pub(crate) directory: Directory,
    pub(crate) groups: BTreeMap<String, Option<SourceGroup>>,
    pub(crate) bound: BTreeSet<String>,
    /// Why `bound` may lack groups; none where it is whole.
    pub(crate) bound_gap: Option<String>,
    pub(crate) bindings: BTreeMap<String, Binding>,
    /// Whether the list of all groups was read, and was whole.
    pub(crate) all_groups: bool,
}

/// The source's half of what was read.
pub(crate) struct SourceHalf {
    pub(crate) side: SourceSide,
    /// All texts of the reading.
    pub(crate) names: Names,
    pub(crate) people: People,
    /// Effective users, by source group ID; of those groups whose users were read.
    pub(crate) users: BTreeMap<String, Reading<Vec<Name>>>,
    /// What is looked up in the target, by source group ID.
    pub(crate) lookups: BTreeMap<String, Lookup>,
}

impl SourceSide {
    /// Whether a group counts as bound. On a partial read, a group that is managed still counts: its absence from
    /// what was seen proves nothing, and a release must not follow from it.
    pub(crate) fn is_bound(&self, group: &str) -> bool {
        self.bound.contains(group)
            || (self.bound_gap.is_some()
                && self
                    .bindings
                    .get(group)
                    .is_some_and(|binding| binding.state == BindingState::Managed))
    }

    /// Why removals are frozen for a group although its members may be read whole.
    fn frozen(&self, group: &str) -> Option<String> {
        match &self.bound_gap {
            Some(reason) if !self.bound.contains(group) => Some(format!(
                "the list of groups bound to the directory is not whole: {reason}"
            )),
            _ => None,
        }
    }
}

impl SourceHalf {
    /// The groups that were read, ascending by ID.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.side.groups.keys().map(String::as_str)
    }

    /// What the source says of one group.
    pub(crate) fn source(&self, id: &str) -> SourceView {
        let Some(users) = self.users.get(id) else {
            return source_view(
                &self.side,
                id,
                Reading::Partial {
                    seen: BTreeSet::new(),
                    reason: "its users were not read, since the group is not exported".to_owned(),
                },
            );
        };
        let mut view = source_view(
            &self.side,
            id,
            users
                .clone()
                .map(|users| users.into_iter().map(|user| self.names.owned(user)).collect()),
        );
        view.deleted_users = users
            .seen()
            .iter()
            .filter(|user| self.people.is_deleted(**user))
            .map(|user| self.names.owned(*user))
            .collect();
        view
    }
}

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// The source's half of the world, and what is to be looked up in the target.
    pub(crate) async fn observe_source(
        &self,
        directory: Directory,
        scope: &Scope,
        mut names: Names,
    ) -> Result<SourceHalf, Failure> {
        let side = self.read_source_side(directory, scope).await?;
        let users = self.read_members(&side, &mut names).await?;
        let mut needed: Vec<Name> = users
            .values()
            .flat_map(|reading| reading.seen().iter().copied())
            .collect();
        needed.sort_unstable();
        needed.dedup();
        let people = self.read_users(&side.directory, &needed, &mut names).await?;
        let mut half = SourceHalf {
            side,
            names,
            people,
            users,
            lookups: BTreeMap::new(),
        };
        half.lookups = self.lookups_of(&half);
        Ok(half)
    }

    /// What is to be looked up in the target, by source group ID.
    pub(super) fn lookups_of(&self, half: &SourceHalf) -> BTreeMap<String, Lookup> {
        half.ids()
            .filter_map(|id| {
                let binding = half.side.bindings.get(id);
                let found = lookup(id, &half.source(id), binding, self.rules, self.settings)?;
                Some((id.to_owned(), found))
            })
            .collect()
    }

    /// The ledger's bindings, by source group ID.
    ///
    /// # Errors
    /// The ledger could not be read.
    pub(crate) fn bindings(&self) -> Result<BTreeMap<String, Binding>, Failure> {
        let bindings = self.environment.ledger.bindings()?;
        Ok(bindings
            .into_iter()
            .map(|binding| (binding.group.clone(), binding))
            .collect())
    }

    /// The directory, proven to be there, of the right kind, and not managed by the source's own engine (R35).
    ///
    /// # Errors
    /// [`FailureKind::Configuration`] where it is not; else the failure of the read.
    pub(crate) async fn read_directory(&self) -> Result<Directory, Failure> {
        self.progress("reading-source", 0, None, "the directory");
        let place = format!("directory {}", self.directory);
        let Some(directory) = self.source.directory(self.directory).await? else {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                "JumpCloud knows no directory with this ID. Take the ID from JumpCloud's list of directories.",
            ));
        };
        if directory.rules != Some(self.rules) {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                format!(
                    "JumpCloud says that “{}” is of the kind `{}`, which is not what this connection exports to. \
                     Choose the target that belongs to the directory.",
                    directory.name, directory.kind
                ),
            ));
        }
        if self.settings.managed && !self.settings.acknowledge && directory.groups_enabled == Some(true) {
            return Err(Failure::new(
                FailureKind::Configuration,
                place,
                format!(
                    "JumpCloud's own group management is still on for “{}”: two engines would fight over its groups. \
                     Switch it off in JumpCloud, or set `acknowledge`.",
                    directory.name
                ),
            ));
        }
        Ok(directory)
    }

    /// Everything but people: directory, groups, who is bound, bindings.
    async fn read_source_side(&self, directory: Directory, scope: &Scope) -> Result<SourceSide, Failure> {
        let bindings = self.bindings()?;
        self.progress("reading-source", 0, None, "groups");
        let mut known: BTreeMap<String, SourceGroup> = BTreeMap::new();
        let mut all_groups = false;
        let wanted: BTreeSet<String> = match scope {
            Scope::Everything => {
                let listed = self.source.groups().await?;
                all_groups = listed.complete().is_some();
                if let Reading::Partial { reason, .. } = &listed {
                    self.warn(&format!(
                        "The list of groups is not whole ({reason}); groups that it lacks are asked for one by one."
                    ));
                }
                known.extend(
                    listed
                        .seen()
                        .iter()
                        .map(|group| (group.id.clone(), group.clone())),
                );
                BTreeSet::new()
            }
            Scope::Groups(groups) => groups.clone(),
        };
        for id in &wanted {
            if let Some(group) = self.source.group(id).await? {
                known.insert(id.clone(), group);
            }
        }
        let (mut bound, bound_gap) = match &self.settings.bound {
            Some(list) => (
                known
                    .values()
                    .filter(|group| names(list, group))
                    .map(|group| group.id.clone())
                    .collect(),
                None,
            ),
            None => match self.source.bound_groups(&directory).await? {
                Reading::Complete(whole) => (whole.get().clone(), None),
                Reading::Partial { seen, reason } => (seen, Some(reason)),
            },
        };
        let mut ids: BTreeSet<String> = match scope {
            Scope::Groups(groups) => groups.clone(),
            Scope::Everything => bindings.keys().chain(&bound).cloned().collect(),
        };
        if matches!(scope, Scope::Everything) {
            // A group that somebody prepared for export, and that only lacks its binding, is shown with that reason.
            ids.extend(
                known
                    .values()
                    .filter(|group| match self.rules {
                        TargetRules::Addressed => {
                            eligibility::email(self.settings, self.rules, group).is_some()
                        }
                        TargetRules::Named => names(&self.settings.selected, group),
                    })
                    .map(|group| group.id.clone()),
            );
        }
        let mut groups = BTreeMap::new();
        for id in ids {
            let group = match known.remove(&id) {
                Some(group) => Some(group),
                // A list never proves that a group is gone: only its own record does (R32).
                None if wanted.contains(&id) => None,
                None => self.source.group(&id).await?,
            };
            if group.is_none() && !bindings.contains_key(&id) {
                // Bound, but gone, and never exported: there is nothing to say of it.
                continue;
            }
            if let (Some(list), Some(group)) = (&self.settings.bound, &group)
                && names(list, group)
            {
                bound.insert(id.clone());
            }
            groups.insert(id, group);
        }
        Ok(SourceSide {
            directory,
            groups,
            bound,
            bound_gap,
            bindings,
            all_groups,
        })
    }

    /// The members of the groups that are exported, and of those whose people are at risk (R34); of no others.
    pub(super) async fn read_members(
        &self,
        side: &SourceSide,
        names: &mut Names,
    ) -> Result<BTreeMap<String, Reading<Vec<Name>>>, Failure> {
        let worth_reading: Vec<String> = side
            .groups
            .keys()
            .filter(|id| self.is_worth_reading(side, id))
            .cloned()
            .collect();
        let mut members = BTreeMap::new();
        if worth_reading.is_empty() {
            return Ok(members);
        }
        self.progress(
            "reading-source",
            0,
            Some(worth_reading.len()),
            "members of groups",
        );
        self.source
            .many_members(&worth_reading, &mut |group, reading| {
                let reading = match (side.frozen(group), reading) {
                    (Some(reason), Reading::Complete(whole)) => Reading::Partial {
                        seen: whole.into_inner(),
                        reason,
                    },
                    (_, reading) => reading,
                };
                let kept = reading.map(|users| users.iter().map(|user| names.keep(user)).collect());
                members.insert(group.to_owned(), kept);
            })
            .await?;
        Ok(members)
    }

    fn is_worth_reading(&self, side: &SourceSide, id: &str) -> bool {
        // Judged as if somebody were in it: whether somebody is, only reading tells.
        let somebody = Reading::Partial {
            seen: BTreeSet::from(["somebody".to_owned()]),
            reason: "not read yet".to_owned(),
        };
        let source = source_view(side, id, somebody);
        match eligibility::assess(&source, side.bindings.get(id), self.rules, self.settings) {
            Standing::Export(_) => true,
            Standing::Stopped(stopped) => stopped.state == GroupState::AtRisk,
        }
    }

    /// The records of the people needed (ascending), and those of them whose own record is gone.
    pub(super) async fn read_users(
        &self,
        directory: &Directory,
        needed: &[Name],
        names: &mut Names,
    ) -> Result<People, Failure> {
        if needed.is_empty() {
            return Ok(People::default());
        }
        self.progress("reading-source", 0, Some(needed.len()), "people");
        let list = self.source.users(directory).await?;
        let mut people = People::for_so_many(needed.len());
        let is_whole = matches!(list, Reading::Complete(_));
        // Of a list that fell short, what it shows is true all the same.
        for user in list.into_seen() {
            let name = names.keep(&user.id);
            people.list(name);
            if needed.binary_search(&name).is_ok() {
                people.keep(&user, names);
            }
        }
        let mut missing: Vec<Name> = needed.iter().copied().filter(|name| !people.has(*name)).collect();
        missing.sort_unstable_by_key(|name| names.text(*name));
        for name in missing {
            let id = names.text(name);
            match self.source.user(id).await {
                Ok(Some(user)) => people.keep(&user, names),
                // Two reads must agree that somebody is gone (R42, R49): a whole list that lacks them and their own
                // record, or else that record twice.
                Ok(None) => {
                    let is_gone = is_whole || matches!(self.source.user(id).await, Ok(None));
                    if is_gone {
                        people.delete(name);
                    }
                }
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => self.warn(&format!("The person {id} could not be read: {failure}")),
            }
        }
        Ok(people)
    }
}

fn source_view(side: &SourceSide, id: &str, users: Reading<BTreeSet<String>>) -> SourceView {
    SourceView {
        group: side.groups.get(id).cloned().flatten(),
        bound: side.is_bound(id),
        deleted_users: BTreeSet::new(),
        users,
        absent_again: None,
    }
}

/// Whether a list of names or IDs names this group; names match code point for code point.
pub(crate) fn names(list: &[String], group: &SourceGroup) -> bool {
    list.iter()
        .any(|entry| *entry == group.id || *entry == group.name)
}
