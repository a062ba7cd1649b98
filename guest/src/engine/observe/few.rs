//! Reads a few groups at a cost that does not grow with the organisation: no list of all groups, of all that are bound or
//! of all people. The members of these groups are read whole on both sides, since removals rest on nothing less (R42).
//!
//! Who somebody is in the target is taken from the ledger, where that ties them to a principal whom the group's own list
//! shows now, and nothing happened about them: then nothing is done about them either. Everybody else is read and looked up
//! as always.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::people::People;
use super::source::{SourceHalf, SourceSide, names};
use super::{Observed, found_id};
use crate::engine::Session;
use crate::engine::source::{Directory, SourceDirectory};
use crate::failure::Failure;
use crate::http::together;
use crate::ledger::Provenance;
use crate::names::{Name, Names};
use crate::plan::model::{Principal, Reading, Resolution, SourceGroup, SourceUser};
use crate::settings::Suspended;
use crate::target::TargetDirectory;

/// Up to this many people are looked up one by one.
const FEW_PEOPLE: usize = 50;
/// Up to this many groups are asked one by one whether they are bound.
const FEW_GROUPS: usize = 30;
/// Single reads under way at once.
const AT_ONCE: usize = 8;

/// What is known already, and what is not to be relied on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beforehand {
    /// The directory, where it was read.
    pub directory: Option<Directory>,
    /// Groups of which it was asked just now: whether they are bound.
    pub bound: BTreeMap<String, bool>,
    /// People whom the ledger is not believed about.
    pub people: BTreeSet<String>,
    /// Groups in which it is believed about nobody.
    pub groups: BTreeSet<String>,
}

impl<S: SourceDirectory, T: TargetDirectory> Session<'_, S, T> {
    /// Reads these groups; the reading's texts come beside those that are kept already.
    ///
    /// # Errors
    /// As [`Session::observe`].
    pub(crate) async fn observe_few(
        &self,
        mut texts: Names,
        groups: &BTreeSet<String>,
        beforehand: Beforehand,
    ) -> Result<Observed, Failure> {
        let directory = match beforehand.directory.clone() {
            Some(directory) => directory,
            None => self.read_directory().await?,
        };
        let side = self.few_of_source(directory, groups, &beforehand.bound).await?;
        let users = self.read_members(&side, &mut texts).await?;
        let mut half = SourceHalf {
            side,
            names: texts,
            people: People::default(),
            users,
            lookups: BTreeMap::new(),
        };
        half.lookups = self.lookups_of(&half);
        let mut observed = Observed::of(half, self.rules, self.text);
        if !observed.half.lookups.is_empty() {
            self.progress("reading-target", 0, Some(observed.half.lookups.len()), "groups");
            observed.sights = self.look_up_targets(&observed.half).await?;
            self.read_target_members(&mut observed).await;
        }
        self.read_ledger(&mut observed)?;
        self.doubt_absence(&mut observed).await;

        let believed = self.believed(&observed, &beforehand);
        let needed: BTreeSet<Name> = observed
            .half
            .users
            .iter()
            // Of a group that is not exported nobody is looked up.
            .filter(|(id, _)| observed.half.lookups.contains_key(*id))
            .flat_map(|(_, reading)| reading.seen().iter().copied())
            .filter(|user| !believed.contains_key(user))
            .collect();
        self.few_people(&mut observed.half, &needed).await?;
        self.resolve_people(&mut observed.half, FEW_PEOPLE).await?;
        let half = &mut observed.half;
        for (user, principal) in believed {
            let id = half.names.owned(user);
            let record = SourceUser {
                id: id.clone(),
                username: principal.address.clone(),
                email: None,
                suspended: false,
                target_id: None,
            };
            half.people.keep(&record, &mut half.names);
            let resolution = Resolution::Resolved(principal);
            half.people.resolve([(id, resolution)], &mut half.names);
        }
        observed.now = self.environment.clock.unix_seconds();
        Ok(observed)
    }

    async fn few_of_source(
        &self,
        directory: Directory,
        wanted: &BTreeSet<String>,
        asked: &BTreeMap<String, bool>,
    ) -> Result<SourceSide, Failure> {
        let bindings = self.bindings()?;
        self.progress("reading-source", 0, Some(wanted.len()), "groups");
        let records = together(wanted.iter().map(|id| self.source.group(id)), AT_ONCE).await;
        let mut groups: BTreeMap<String, Option<SourceGroup>> = BTreeMap::new();
        for (id, record) in wanted.iter().zip(records) {
            let record = record?;
            if record.is_some() || bindings.contains_key(id) {
                groups.insert(id.clone(), record);
            }
        }
        let mut bound = BTreeSet::new();
        let mut bound_gap = None;
        if let Some(list) = &self.settings.bound {
            let named = groups
                .values()
                .flatten()
                .filter(|group| names(list, group))
                .map(|group| group.id.clone());
            bound.extend(named);
        } else {
            let unasked: Vec<&String> = groups
                .iter()
                .filter(|(id, record)| record.is_some() && !asked.contains_key(*id))
                .map(|(id, _)| id)
                .collect();
            bound.extend(
                asked
                    .iter()
                    .filter(|(_, is_bound)| **is_bound)
                    .map(|(id, _)| id.clone()),
            );
            if unasked.len() > FEW_GROUPS {
                match self.source.bound_groups(&directory).await? {
                    Reading::Complete(whole) => bound.extend(whole.get().iter().cloned()),
                    Reading::Partial { seen, reason } => {
                        bound.extend(seen);
                        bound_gap = Some(reason);
                    }
                }
            } else {
                let reads = unasked.iter().map(|id| self.source.is_bound(&directory, id));
                for (id, reading) in unasked.iter().zip(together(reads, AT_ONCE).await) {
                    let reading = reading?;
                    if *reading.seen() {
                        bound.insert((*id).clone());
                    } else if let Some(reason) = reading.shortfall() {
                        bound_gap = Some(reason.to_owned());
                    }
                }
            }
        }
        // What is neither bound nor was ever exported is nothing to speak of.
        groups.retain(|id, _| bound.contains(id) || bindings.contains_key(id) || bound_gap.is_some());
        Ok(SourceSide {
            directory,
            groups,
            bound,
            bound_gap,
            bindings,
            all_groups: false,
        })
    }

    /// People whom the ledger is believed about: in every group here that wants them.
    fn believed(&self, observed: &Observed, beforehand: &Beforehand) -> BTreeMap<Name, Principal> {
        let half = &observed.half;
        let texts = &half.names;
        let mut believed: BTreeMap<Name, Principal> = BTreeMap::new();
        let mut doubted: BTreeSet<Name> = beforehand
            .people
            .iter()
            .filter_map(|person| texts.find(person))
            .collect();
        for (group, reading) in &half.users {
            // Whoever is suspended and still a member waits for something here: their record must say how they are.
            let suspicious =
                self.settings.suspended == Suspended::Remove && beforehand.groups.contains(group);
            let target = found_id(&observed.sight(group));
            let present = target.as_ref().and_then(|target| observed.members.get(target));
            let target = target.as_ref().and_then(|target| texts.find(target));
            let mut ties: HashMap<Name, Name> = HashMap::new();
            let mut twice: HashSet<Name> = HashSet::new();
            for row in observed.rows.get(group).into_iter().flatten() {
                let here = Some(row.target) == target && row.provenance != Provenance::Foreign;
                if let Some(user) = row.user.filter(|_| here)
                    && ties.insert(user, row.principal).is_some()
                {
                    twice.insert(user);
                }
            }
            for user in reading.seen().iter().copied() {
                let principal = ties
                    .get(&user)
                    .filter(|_| !suspicious && !twice.contains(&user))
                    .and_then(|principal| present?.seen().find(*principal))
                    .map(|member| member.principal(texts));
                match principal {
                    Some(principal) if believed.get(&user).is_none_or(|other| other.id == principal.id) => {
                        believed.insert(user, principal);
                    }
                    _ => {
                        doubted.insert(user);
                    }
                }
            }
        }
        believed.retain(|user, _| !doubted.contains(user));
        believed
    }

    async fn few_people(&self, half: &mut SourceHalf, needed: &BTreeSet<Name>) -> Result<(), Failure> {
        if needed.is_empty() {
            return Ok(());
        }
        if needed.len() > FEW_PEOPLE {
            let needed: Vec<Name> = needed.iter().copied().collect();
            half.people = self
                .read_users(&half.side.directory, &needed, &mut half.names)
                .await?;
            return Ok(());
        }
        self.progress("reading-source", 0, Some(needed.len()), "people");
        let ids = needed.iter().map(|user| half.names.owned(*user)).collect();
        let found = self.source.few_users(&ids, &half.side.directory).await?;
        for (user, why) in &found.unknown {
            self.warn(&format!("The person {user} could not be read: {why}"));
        }
        for user in found.users.values() {
            half.people.keep(user, &mut half.names);
            let name = half.names.keep(&user.id);
            half.people.list(name);
        }
        for user in &found.gone {
            let name = half.names.keep(user);
            half.people.delete(name);
        }
        Ok(())
    }
}
