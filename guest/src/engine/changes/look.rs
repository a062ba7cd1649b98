//! Which groups changed since the last reading: the source's events, the target's feed, the groups that were not at rest
//! and the people who did not resolve, each asked with few requests. Where that is not proven, a reason to read everything.

use std::collections::{BTreeMap, BTreeSet};

use super::memory::{Memory, Step, fingerprint};
use crate::engine::Session;
use crate::engine::source::{Directory, SourceDirectory};
use crate::failure::Failure;
use crate::feed::{Change, Event, Mark};
use crate::ledger::{Binding, BindingState};
use crate::plan::model::{Reading, Resolution};
use crate::target::TargetDirectory;

/// People who did not resolve and are looked for again in one run.
const ASKED_AT_ONCE: usize = 20;
/// Changed groups and people whose surroundings are asked for; with more, everything is read.
const MOST_ASKED: usize = 200;
/// Groups that are read one by one at least; above, where they are also more than a quarter, everything is read.
const SMALL: usize = 50;

/// What to read.
pub(super) enum Look {
    /// Everything, and why.
    Everything(String),
    /// These groups.
    Groups(Box<Found>),
}

/// The groups to read.
pub(super) struct Found {
    pub groups: BTreeSet<String>,
    /// For groups of which it was asked just now: whether they are bound.
    pub bound: BTreeMap<String, bool>,
    /// People about whom something happened: what the ledger knows of them is not relied on.
    pub people: BTreeSet<String>,
    /// The directory, where it was read already.
    pub directory: Option<Directory>,
    pub step: Step,
}

/// What new events name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Groups, and when the oldest event about each happened, in seconds since the Unix epoch.
    pub groups: BTreeMap<String, u64>,
    /// The same of people; those who are gone are told apart.
    pub people: BTreeMap<String, u64>,
    pub gone: BTreeMap<String, u64>,
}

/// Sorts what events name. Pure.
///
/// # Errors
/// Why everything is to be read.
pub(super) fn named(events: &[&Event]) -> Result<Named, String> {
    let mut named = Named::default();
    for event in events {
        let at = event.at_ms / 1_000;
        for change in &event.changes {
            let (list, id) = match change {
                Change::Group(id) => (&mut named.groups, id),
                Change::Person(id) => (&mut named.people, id),
                Change::PersonGone(id) => (&mut named.gone, id),
                Change::Everything(why) => return Err(why.clone()),
            };
            let first = list.entry(id.clone()).or_insert(at);
            *first = (*first).min(at);
        }
    }
    // Of somebody who is gone nothing else can be asked.
    for (person, gone) in &mut named.gone {
        if let Some(at) = named.people.remove(person) {
            *gone = at.min(*gone);
        }
    }
    Ok(named)
}

/// Looks for what changed.
///
/// # Errors
/// What ends the run.
pub(super) async fn look<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    memory: &Memory,
) -> Result<Look, Failure> {
    let now = session.environment.clock.unix_seconds();
    let settings = fingerprint(session.settings, session.directory);
    if let Some(why) = memory.stale(&settings, session.settings.verify_every_minutes, now) {
        return Ok(Look::Everything(why));
    }
    session.progress("reading-source", 0, None, "what changed");
    let events = match session
        .source
        .events_since(session.directory, memory.cursor.begins_at_ms())
        .await?
    {
        Reading::Complete(events) => events,
        Reading::Partial { reason, .. } => return Ok(Look::Everything(reason)),
    };
    let (cursor, fresh) = match memory.cursor.advance(events.get()) {
        Ok(advanced) => advanced,
        Err(why) => return Ok(Look::Everything(why)),
    };
    if super::memory::is_ahead(&cursor, now) {
        return Ok(Look::Everything(
            "the source's newest event lies in the future of this machine; check both clocks".to_owned(),
        ));
    }
    let named = match named(&fresh) {
        Ok(named) => named,
        Err(why) => return Ok(Look::Everything(why)),
    };

    let bindings = session.bindings()?;
    let mut surroundings = Surroundings {
        session,
        bindings: &bindings,
        directory: None,
        bound: BTreeMap::new(),
        since: BTreeMap::new(),
    };
    if named.groups.len() + named.people.len() > MOST_ASKED {
        return Ok(Look::Everything(
            "too much happened to ask for each of it".to_owned(),
        ));
    }
    if let Err(why) = surroundings.of(&named).await? {
        return Ok(Look::Everything(why));
    }
    let Surroundings {
        directory,
        bound,
        since,
        ..
    } = surroundings;

    let mut groups: BTreeSet<String> = memory.attention.iter().chain(since.keys()).cloned().collect();
    let mut mark = None;
    if let Some(marks) = &memory.marks {
        session.progress("reading-target", 0, None, "what changed");
        match session.target.changes_since(&marks.from).await? {
            Ok(changes) => {
                groups.extend(holders(&bindings, &changes.groups));
                if let Mark::At(next) = changes.next {
                    mark = Some(next);
                }
            }
            Err(why) => return Ok(Look::Everything(why)),
        }
    }
    let asked = memory.awaited.len().min(ASKED_AT_ONCE);
    groups.extend(arrived(session, memory, asked).await?);
    let many = groups.len() > SMALL && groups.len() as u64 * 4 > memory.groups;
    if many {
        return Ok(Look::Everything(format!(
            "{} of {} groups are not at rest",
            groups.len(),
            memory.groups
        )));
    }
    Ok(Look::Groups(Box::new(Found {
        groups,
        bound,
        people: named.people.into_keys().chain(named.gone.into_keys()).collect(),
        directory,
        step: Step {
            cursor,
            mark,
            since,
            asked,
        },
    })))
}

/// Source groups that are tied to any of these targets, or still being moved away from one.
fn holders<'b>(
    bindings: &'b BTreeMap<String, Binding>,
    targets: &'b BTreeSet<String>,
) -> impl Iterator<Item = String> + 'b {
    bindings
        .values()
        .filter(|binding| {
            binding
                .target
                .iter()
                .chain(binding.details.moving_from.keys())
                .any(|target| targets.contains(target))
        })
        .map(|binding| binding.group.clone())
}

/// Groups of people who did not resolve and do now (R5).
async fn arrived<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    memory: &Memory,
    asked: usize,
) -> Result<BTreeSet<String>, Failure> {
    let awaited: Vec<_> = memory.awaited.iter().take(asked).collect();
    if awaited.is_empty() {
        return Ok(BTreeSet::new());
    }
    let people: Vec<_> = awaited.iter().map(|awaited| awaited.source_user()).collect();
    let found = session.target.resolve_few(&people).await?;
    Ok(awaited
        .into_iter()
        .filter(|awaited| matches!(found.get(&awaited.user), Some(Resolution::Resolved(_))))
        .flat_map(|awaited| awaited.groups.iter().cloned())
        .collect())
}

/// Finds what changed groups and people lead to.
struct Surroundings<'s, 'e, S, T> {
    session: &'s Session<'e, S, T>,
    bindings: &'s BTreeMap<String, Binding>,
    directory: Option<Directory>,
    /// Groups that were asked for: whether they are bound.
    bound: BTreeMap<String, bool>,
    /// Groups to read, and when what happened to them happened.
    since: BTreeMap<String, u64>,
}

impl<S: SourceDirectory, T: TargetDirectory> Surroundings<'_, '_, S, T> {
    /// # Errors
    /// What ends the run; inside, why everything is to be read.
    async fn of(&mut self, named: &Named) -> Result<Result<(), String>, Failure> {
        if named.groups.is_empty() && named.people.is_empty() && named.gone.is_empty() {
            return Ok(Ok(()));
        }
        if self.session.settings.bound.is_some() && !named.groups.is_empty() {
            return Ok(Err(
                "a group changed, and the source cannot be asked which of the groups that the settings bind hold it"
                    .to_owned(),
            ));
        }
        let mut asked: BTreeSet<String> = BTreeSet::new();
        for (group, at) in &named.groups {
            if let Err(why) = self.of_group(group, *at).await? {
                return Ok(Err(why));
            }
            asked.insert(group.clone());
        }
        for (person, at) in &named.people {
            let groups = match self.session.source.groups_of(person).await? {
                Reading::Complete(groups) => groups,
                Reading::Partial { reason, .. } => return Ok(Err(reason)),
            };
            for group in groups.get() {
                if self.is_managed(group) {
                    self.note(group, *at);
                } else if asked.insert(group.clone()) {
                    if asked.len() > MOST_ASKED || self.session.settings.bound.is_some() {
                        return Ok(Err("too much happened to ask for each of it".to_owned()));
                    }
                    if let Err(why) = self.of_group(group, *at).await? {
                        return Ok(Err(why));
                    }
                }
            }
        }
        // Where they were recorded, and are perhaps no more: a rule of the source can take people out of a group without
        // saying more than that they changed.
        let people: BTreeMap<&String, u64> = named
            .people
            .iter()
            .chain(&named.gone)
            .map(|(person, at)| (person, *at))
            .collect();
        if !people.is_empty() {
            for group in self.bindings.keys() {
                for row in self.session.environment.ledger.memberships(group)? {
                    if let Some(at) = row.user.as_ref().and_then(|user| people.get(user)) {
                        self.note(group, *at);
                    }
                }
            }
        }
        Ok(Ok(()))
    }

    async fn of_group(&mut self, group: &str, at: u64) -> Result<Result<(), String>, Failure> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => {
                let directory = self.session.read_directory().await?;
                self.directory = Some(directory.clone());
                directory
            }
        };
        match self.session.source.bound_above(&directory, group).await? {
            Reading::Complete(above) => {
                self.bound.insert(group.to_owned(), above.get().contains(group));
                for holder in above.get() {
                    self.bound.insert(holder.clone(), true);
                    self.note(holder, at);
                }
                if self.bindings.contains_key(group) {
                    self.note(group, at);
                }
                Ok(Ok(()))
            }
            Reading::Partial { reason, .. } => Ok(Err(reason)),
        }
    }

    fn is_managed(&self, group: &str) -> bool {
        self.bindings
            .get(group)
            .is_some_and(|binding| binding.state == BindingState::Managed)
    }

    fn note(&mut self, group: &str, at: u64) {
        let first = self.since.entry(group.to_owned()).or_insert(at);
        *first = (*first).min(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(number: u64, changes: Vec<Change>) -> Event {
        Event {
            id: format!("e{number}"),
            at_ms: number * 1_000,
            changes,
        }
    }

    fn any_change() -> impl Strategy<Value = Change> {
        let id = "[a-d]";
        prop_oneof![
            id.prop_map(Change::Group),
            id.prop_map(Change::Person),
            id.prop_map(Change::PersonGone),
            Just(Change::Everything("why".to_owned())),
        ]
    }

    proptest! {
        #[test]
        fn nothing_that_an_event_names_is_dropped(
            changes in proptest::collection::vec(proptest::collection::vec(any_change(), 0..3), 0..6),
        ) {
            let events: Vec<Event> = changes.into_iter().zip(1_u64..).map(|(changes, at)| event(at, changes)).collect();
            let all: Vec<&Change> = events.iter().flat_map(|event| &event.changes).collect();
            let unclear = all.iter().any(|change| matches!(change, Change::Everything(_)));
            match named(&events.iter().collect::<Vec<_>>()) {
                Err(_) => prop_assert!(unclear),
                Ok(named) => {
                    prop_assert!(!unclear);
                    for (event, change) in events.iter().flat_map(|event| event.changes.iter().map(move |change| (event, change))) {
                        let at = match change {
                            Change::Group(id) => named.groups.get(id),
                            Change::Person(id) => named.people.get(id).or_else(|| named.gone.get(id)),
                            Change::PersonGone(id) => named.gone.get(id),
                            Change::Everything(_) => None,
                        };
                        prop_assert!(at.is_some_and(|at| *at <= event.at_ms / 1_000));
                    }
                }
            }
        }
    }
}
