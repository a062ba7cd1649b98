//! The source in memory, with switches for what a read may leave out.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::reading;
use crate::engine::source::{Directory, FoundUsers, SourceDirectory};
use crate::failure::Failure;
use crate::feed::Event;
use crate::plan::model::{Reading, SourceGroup, SourceUser, TargetRules};

/// The source. Everything may be changed between two runs.
#[derive(Debug, Clone)]
pub struct Source {
    pub directory: Option<Directory>,
    pub others: Vec<Directory>,
    pub groups: BTreeMap<String, SourceGroup>,
    pub bound: BTreeSet<String>,
    pub members: BTreeMap<String, BTreeSet<String>>,
    pub users: BTreeMap<String, SourceUser>,
    /// Groups that the list leaves out; with any, the list is partial.
    pub unlisted: BTreeSet<String>,
    pub bound_is_partial: bool,
    pub partial_members: BTreeSet<String>,
    /// Groups whose members were asked for, each time.
    pub asked: RefCell<Vec<String>>,
    /// People whom the first list of members leaves out and the second has again: (group, user).
    pub flickers: Option<(String, String)>,
    /// Whether the second read of a list of members falls short.
    pub second_falls_short: bool,
    /// Names of the groups between a group and somebody in it: (group, user) -> names.
    pub paths: BTreeMap<(String, String), Vec<String>>,
    /// What happened, oldest first; none where there is no feed.
    pub events: Option<Vec<Event>>,
    /// Nested group -> the groups that hold it.
    pub held_by: BTreeMap<String, BTreeSet<String>>,
    /// Lists of everything that were read: groups, bound groups, people.
    pub lists: Cell<usize>,
}

impl Source {
    pub fn new(rules: TargetRules) -> Self {
        Self {
            directory: Some(Directory {
                id: "d1".to_owned(),
                name: "Example".to_owned(),
                rules: Some(rules),
                kind: "fake".to_owned(),
                groups_enabled: Some(false),
                default_domain: None,
            }),
            others: Vec::new(),
            groups: BTreeMap::new(),
            bound: BTreeSet::new(),
            members: BTreeMap::new(),
            users: BTreeMap::new(),
            unlisted: BTreeSet::new(),
            bound_is_partial: false,
            partial_members: BTreeSet::new(),
            asked: RefCell::new(Vec::new()),
            flickers: None,
            second_falls_short: false,
            paths: BTreeMap::new(),
            events: None,
            held_by: BTreeMap::new(),
            lists: Cell::new(0),
        }
    }

    pub fn group(&mut self, id: &str, name: &str, email: Option<&str>, members: &[&str]) {
        self.groups.insert(
            id.to_owned(),
            SourceGroup {
                id: id.to_owned(),
                name: name.to_owned(),
                email: email.map(str::to_owned),
                description: format!("The group {name}"),
            },
        );
        self.bound.insert(id.to_owned());
        self.members(id, members);
    }

    pub fn members(&mut self, id: &str, members: &[&str]) {
        for user in members {
            self.users
                .entry((*user).to_owned())
                .or_insert_with(|| SourceUser {
                    id: (*user).to_owned(),
                    username: format!("{user}.name"),
                    email: Some(format!("{user}@example.com")),
                    suspended: false,
                    target_id: None,
                });
        }
        self.members.insert(
            id.to_owned(),
            members.iter().map(|user| (*user).to_owned()).collect(),
        );
    }
}

impl SourceDirectory for Source {
    async fn directory(&self, id: &str) -> Result<Option<Directory>, Failure> {
        Ok(self.directory.clone().filter(|directory| directory.id == id))
    }

    async fn directories(&self) -> Result<Reading<Vec<Directory>>, Failure> {
        Ok(reading(
            self.directory.iter().chain(&self.others).cloned().collect(),
            false,
        ))
    }

    async fn bound_groups(&self, _: &Directory) -> Result<Reading<BTreeSet<String>>, Failure> {
        self.lists.set(self.lists.get() + 1);
        Ok(reading(self.bound.clone(), self.bound_is_partial))
    }

    async fn groups(&self) -> Result<Reading<Vec<SourceGroup>>, Failure> {
        self.lists.set(self.lists.get() + 1);
        let listed = self
            .groups
            .values()
            .filter(|group| !self.unlisted.contains(&group.id));
        Ok(reading(listed.cloned().collect(), !self.unlisted.is_empty()))
    }

    async fn group(&self, id: &str) -> Result<Option<SourceGroup>, Failure> {
        Ok(self.groups.get(id).cloned())
    }

    async fn users(&self, _: &Directory) -> Result<Reading<Vec<SourceUser>>, Failure> {
        self.lists.set(self.lists.get() + 1);
        Ok(reading(self.users.values().cloned().collect(), false))
    }

    async fn user(&self, id: &str) -> Result<Option<SourceUser>, Failure> {
        Ok(self.users.get(id).cloned())
    }

    async fn path(&self, group: &str, user: &str) -> Result<Option<Vec<String>>, Failure> {
        Ok(self.paths.get(&(group.to_owned(), user.to_owned())).cloned())
    }

    async fn many_members(
        &self,
        groups: &[String],
        take: &mut dyn FnMut(&str, Reading<BTreeSet<String>>),
    ) -> Result<(), Failure> {
        for group in groups {
            let mut members = self.members.get(group).cloned().unwrap_or_default();
            if let Some((flickering, user)) = &self.flickers
                && flickering == group
                && !self.asked.borrow().contains(group)
            {
                members.remove(user);
            }
            let again = self.asked.borrow().contains(group);
            self.asked.borrow_mut().push(group.clone());
            let partial = self.partial_members.contains(group) || again && self.second_falls_short;
            take(group, reading(members, partial));
        }
        Ok(())
    }

    async fn newest_events(&self, _: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        let mut events = self.happened(from_ms);
        events.reverse();
        Ok(reading(events, self.events.is_none()))
    }

    async fn events_since(&self, _: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        Ok(reading(self.happened(from_ms), self.events.is_none()))
    }

    async fn bound_above(&self, _: &Directory, group: &str) -> Result<Reading<BTreeSet<String>>, Failure> {
        let mut above = BTreeSet::new();
        let mut open = vec![group.to_owned()];
        while let Some(group) = open.pop() {
            if above.insert(group.clone()) {
                open.extend(self.held_by.get(&group).into_iter().flatten().cloned());
            }
        }
        above.retain(|group| self.bound.contains(group));
        Ok(reading(above, !self.groups.contains_key(group)))
    }

    async fn is_bound(&self, _: &Directory, group: &str) -> Result<Reading<bool>, Failure> {
        Ok(reading(self.bound.contains(group), self.bound_is_partial))
    }

    async fn groups_of(&self, user: &str) -> Result<Reading<BTreeSet<String>>, Failure> {
        let groups = self
            .members
            .iter()
            .filter(|(_, members)| members.contains(user))
            .map(|(group, _)| group.clone())
            .collect();
        Ok(reading(groups, !self.users.contains_key(user)))
    }

    async fn few_users(&self, ids: &BTreeSet<String>, _: &Directory) -> Result<FoundUsers, Failure> {
        let mut found = FoundUsers::default();
        for id in ids {
            match self.users.get(id) {
                Some(user) => drop(found.users.insert(id.clone(), user.clone())),
                None => drop(found.gone.insert(id.clone())),
            }
        }
        Ok(found)
    }
}

impl Source {
    fn happened(&self, from_ms: u64) -> Vec<Event> {
        let events = self.events.iter().flatten();
        events.filter(|event| event.at_ms >= from_ms).cloned().collect()
    }
}
