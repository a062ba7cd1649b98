//! A source, a target and a ledger in memory, with a fuse that cuts a run off after any call, as a crash would.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::complete::{Collector, Complete, Next, Page};
use crate::engine::source::{Directory, FoundUsers, SourceDirectory};
use crate::environment::{
    Clock, Environment, Ledger, Level, LocalFuture, PlanSink, PlanSource, Progress, State, Transport,
    TransportError,
};
use crate::failure::{Failure, FailureKind, VendorAnswer};
use crate::feed::{Event, Mark, TargetChanges};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome, Settlement};
use crate::plan::model::{
    MemberKind, ObservedMember, Principal, Reading, Resolution, Role, Sight, SourceGroup, SourceUser,
    TargetGroup, TargetRules,
};
use crate::plan::part::{Operation, Part, Reason};
use crate::target::{TargetDirectory, Wanted, Write, WriteResult};

pub fn whole<T: Clone + 'static>(value: T) -> Complete<T> {
    let mut collector = Collector::new("a fake", |_: &String| "one".to_owned());
    collector
        .feed(Page::new(vec!["one".to_owned()], Next::End))
        .unwrap();
    collector.finish().unwrap().map(|_| value)
}

fn reading<T: Clone + 'static>(value: T, partial: bool) -> Reading<T> {
    if partial {
        Reading::Partial {
            seen: value,
            reason: "the fake was told to fall short".to_owned(),
        }
    } else {
        Reading::Complete(whole(value))
    }
}

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

/// A group of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeGroup {
    pub key: String,
    pub name: String,
    pub description: String,
    pub members: BTreeMap<String, Role>,
}

/// The target. Everybody in the source has an account there, unless `strangers` says otherwise.
#[derive(Debug, Default)]
pub struct Target {
    pub rules: Option<TargetRules>,
    pub groups: RefCell<BTreeMap<String, FakeGroup>>,
    /// Source users without an account.
    pub without_account: BTreeSet<String>,
    /// How source users are found, where it is another way.
    pub resolutions: BTreeMap<String, Resolution>,
    /// What looking up a source group's target finds, whatever is there.
    pub sights: BTreeMap<String, Sight>,
    /// Groups whose members are not read whole.
    pub partial: BTreeSet<String>,
    /// Members that are no users.
    pub kinds: BTreeMap<String, MemberKind>,
    /// Principals that no group takes.
    pub refused: BTreeSet<String>,
    /// All writes that took effect.
    pub written: RefCell<Vec<Operation>>,
    /// Writes that were sent, whatever came of them.
    pub sent: Cell<usize>,
    pub reads: Cell<usize>,
    /// From this many sent writes on, the host lets none through.
    pub deny_from: Cell<Option<usize>>,
    /// IDs of changed groups, in order; none where the directory has no feed.
    pub feed: Option<Vec<String>>,
    /// Whether the feed cannot go on.
    pub feed_is_lost: bool,
}

pub fn principal(user: &str) -> String {
    format!("p-{user}")
}

impl Target {
    pub fn put(&self, id: &str, key: &str, name: &str, members: &[(&str, Role)]) {
        self.groups.borrow_mut().insert(
            id.to_owned(),
            FakeGroup {
                key: key.to_owned(),
                name: name.to_owned(),
                description: format!("The group {name}"),
                members: members
                    .iter()
                    .map(|(user, role)| (principal(user), *role))
                    .collect(),
            },
        );
    }

    /// Members by the source users' names, of the group at a key.
    pub fn members_at(&self, key: &str) -> Vec<String> {
        let groups = self.groups.borrow();
        let found: Vec<&FakeGroup> = groups.values().filter(|group| group.key == key).collect();
        assert!(found.len() < 2, "two groups with the key {key}");
        found
            .first()
            .map(|group| {
                group
                    .members
                    .keys()
                    .map(|one| one.trim_start_matches("p-").to_owned())
                    .collect()
            })
            .unwrap_or_default()
    }

    fn shown(id: &str, group: &FakeGroup) -> TargetGroup {
        TargetGroup {
            id: id.to_owned(),
            key: group.key.clone(),
            name: group.name.clone(),
            description: group.description.clone(),
            stake: None,
        }
    }

    fn see(&self, wanted: &Wanted, held: &BTreeSet<String>) -> Sight {
        if let Some(sight) = self.sights.get(&wanted.group) {
            return sight.clone();
        }
        let groups = self.groups.borrow();
        if let Some(bound) = &wanted.bound {
            return groups.get(bound).map_or(Sight::BoundMissing, |group| {
                Sight::Bound(Self::shown(bound, group))
            });
        }
        if let Some((id, group)) = groups.iter().find(|(_, group)| group.key == wanted.key) {
            if held.contains(id) {
                return Sight::Blocked {
                    conflict: true,
                    reason: Reason::new("target-held", "another group holds it"),
                };
            }
            return Sight::Takeover(Self::shown(id, group));
        }
        if self.rules == Some(TargetRules::Named) {
            let named: Vec<_> = groups
                .iter()
                .filter(|(id, group)| group.name == wanted.name && !held.contains(*id))
                .collect();
            if let [(id, group)] = named.as_slice() {
                return Sight::Takeover(Self::shown(id, group));
            }
            if named.len() > 1 {
                return Sight::Nothing {
                    warnings: vec![Reason::new("twin-names", "two groups have the name")],
                };
            }
        }
        Sight::Nothing { warnings: Vec::new() }
    }

    fn carry_out(&self, write: &Write) -> WriteResult {
        let done = |settlement, created| WriteResult {
            settlement,
            answer: Some(VendorAnswer {
                status: 200,
                reason: String::new(),
                request_id: Some("r-1".to_owned()),
            }),
            message: String::new(),
            created,
            uncertain: false,
        };
        let mut groups = self.groups.borrow_mut();
        let applied = match &write.operation {
            Operation::CreateGroup {
                key,
                name,
                description,
            } => {
                if let Some((id, group)) = groups.iter().find(|(_, group)| group.key == *key) {
                    return done(Settlement::Already, Some(Self::shown(id, group)));
                }
                let id = format!("t-{}", groups.len() + 1);
                let group = FakeGroup {
                    key: key.clone(),
                    name: name.clone(),
                    description: description.clone(),
                    members: BTreeMap::new(),
                };
                let shown = Self::shown(&id, &group);
                groups.insert(id, group);
                done(Settlement::Applied, Some(shown))
            }
            Operation::UpdateGroup {
                name,
                description,
                address,
                ..
            } => {
                let group = groups.get_mut(write.target.as_ref().unwrap()).unwrap();
                group.name = name.clone().unwrap_or_else(|| group.name.clone());
                group.description = description.clone().unwrap_or_else(|| group.description.clone());
                group.key = address.clone().unwrap_or_else(|| group.key.clone());
                done(Settlement::Applied, None)
            }
            Operation::AddMember { principal, .. } => {
                if self.refused.contains(principal) {
                    return WriteResult {
                        message: "the vendor does not want them".to_owned(),
                        ..done(Settlement::Refused, None)
                    };
                }
                let group = groups.get_mut(write.target.as_ref().unwrap()).unwrap();
                if group.members.contains_key(principal) {
                    return done(Settlement::Already, None);
                }
                group.members.insert(principal.clone(), Role::Member);
                done(Settlement::Applied, None)
            }
            Operation::RemoveMember { principal, .. } => {
                let group = groups.get_mut(write.target.as_ref().unwrap()).unwrap();
                match group.members.remove(principal) {
                    Some(role) => assert_eq!(role, Role::Member, "R39: {principal} was an owner"),
                    None => return done(Settlement::Already, None),
                }
                done(Settlement::Applied, None)
            }
        };
        self.written.borrow_mut().push(write.operation.clone());
        applied
    }
}

/// The target behind the fuse and the host's permit.
pub struct Guarded<'a> {
    pub target: &'a Target,
    pub host: &'a Host,
}

impl TargetDirectory for Guarded<'_> {
    async fn feed_mark(&self) -> Result<Result<Mark, String>, Failure> {
        Ok(Ok(match &self.target.feed {
            Some(feed) => Mark::At(feed.len().to_string()),
            None => Mark::NoFeed,
        }))
    }

    async fn changes_since(&self, mark: &str) -> Result<Result<TargetChanges, String>, Failure> {
        let Some(feed) = self.target.feed.as_ref().filter(|_| !self.target.feed_is_lost) else {
            return Ok(Err("the feed is lost".to_owned()));
        };
        Ok(Ok(TargetChanges {
            groups: feed.iter().skip(mark.parse().unwrap()).cloned().collect(),
            next: Mark::At(feed.len().to_string()),
        }))
    }

    async fn resolve(&self, users: &[SourceUser]) -> Result<BTreeMap<String, Resolution>, Failure> {
        self.target.reads.set(self.target.reads.get() + 1);
        Ok(users
            .iter()
            .map(|user| {
                let resolution = if let Some(resolution) = self.target.resolutions.get(&user.id) {
                    resolution.clone()
                } else if self.target.without_account.contains(&user.id) {
                    Resolution::Unknown {
                        sought: user.username.clone(),
                    }
                } else {
                    Resolution::Resolved(Principal {
                        id: principal(&user.id),
                        address: format!("{}@example.com", user.id),
                    })
                };
                (user.id.clone(), resolution)
            })
            .collect())
    }

    async fn look_up(
        &self,
        wanted: &[Wanted],
        held: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Sight>, Failure> {
        self.target.reads.set(self.target.reads.get() + 1);
        Ok(wanted
            .iter()
            .map(|wanted| (wanted.group.clone(), self.target.see(wanted, held)))
            .collect())
    }

    async fn members(&self, targets: &[String], take: &mut dyn FnMut(&str, Reading<Vec<ObservedMember>>)) {
        self.target.reads.set(self.target.reads.get() + 1);
        let groups = self.target.groups.borrow();
        for target in targets {
            let members: Vec<ObservedMember> = groups
                .get(target)
                .map(|group| {
                    group
                        .members
                        .iter()
                        .map(|(id, role)| ObservedMember {
                            principal: Principal {
                                id: id.clone(),
                                address: format!("{}@example.com", id.trim_start_matches("p-")),
                            },
                            kind: self.target.kinds.get(id).copied().unwrap_or(MemberKind::User),
                            role: *role,
                        })
                        .collect()
                })
                .unwrap_or_default();
            take(target, reading(members, self.target.partial.contains(target)));
        }
    }

    async fn write(&self, writes: &[Write]) -> Vec<WriteResult> {
        writes
            .iter()
            .map(|write| {
                let denied = self
                    .target
                    .deny_from
                    .get()
                    .is_some_and(|from| self.target.sent.get() >= from);
                if denied || self.host.fuse_blown() {
                    return WriteResult {
                        settlement: Settlement::Abandoned,
                        answer: None,
                        message: "the host let nothing through".to_owned(),
                        created: None,
                        uncertain: false,
                    };
                }
                // The host's permit: what is written was intended, and approved.
                let text = write.operation.to_json();
                assert!(self.host.is_open(&text), "not intended: {text}");
                assert!(self.host.is_approved(&write.operation), "not approved: {text}");
                self.target.sent.set(self.target.sent.get() + 1);
                let result = self.target.carry_out(write);
                self.host.after_write(self.target);
                self.host.burn();
                result
            })
            .collect()
    }
}

/// What the host keeps: the ledger, the plan, and a fuse.
#[derive(Debug, Default)]
pub struct Host {
    pub bindings: RefCell<BTreeMap<String, Binding>>,
    pub memberships: RefCell<BTreeMap<(String, String, String), Membership>>,
    pub intents: RefCell<Vec<(Intent, Option<Settlement>)>>,
    pub outcomes: RefCell<Vec<Outcome>>,
    pub parts: RefCell<Vec<Part>>,
    pub approved: RefCell<Vec<Part>>,
    next: Cell<usize>,
    /// Calls until the run is cut off; none: never.
    pub fuse: Cell<Option<usize>>,
    pub logged: RefCell<Vec<String>>,
    /// People who must always be in some group (R15).
    pub never_nowhere: RefCell<Vec<String>>,
    pub cancelled: Cell<bool>,
    pub state: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    /// The time, in seconds since the Unix epoch.
    pub now: Cell<u64>,
}

impl Host {
    pub fn environment(&self) -> Environment<'_> {
        Environment {
            transport: self,
            clock: self,
            ledger: self,
            state: self,
            progress: self,
            plan_sink: self,
            plan_source: self,
        }
    }

    /// Gives the plan's parts to the next apply.
    pub fn approve(&self) {
        *self.approved.borrow_mut() = self.parts.borrow().clone();
        self.next.set(0);
    }

    pub fn again(&self) {
        self.next.set(0);
    }

    pub fn fuse_blown(&self) -> bool {
        self.fuse.get() == Some(0)
    }

    fn burn(&self) {
        if let Some(left) = self.fuse.get() {
            self.fuse.set(Some(left.saturating_sub(1)));
        }
    }

    fn call(&self) -> Result<(), Failure> {
        if self.cancelled.get() {
            return Err(Failure::new(
                FailureKind::Cancelled,
                "run",
                "the run was cancelled",
            ));
        }
        if self.fuse_blown() {
            return Err(Failure::new(FailureKind::Host, "run", "the run was cut off"));
        }
        self.burn();
        Ok(())
    }

    fn is_open(&self, operation: &str) -> bool {
        self.intents
            .borrow()
            .iter()
            .any(|(intent, settled)| settled.is_none() && intent.operation == operation)
    }

    fn is_approved(&self, operation: &Operation) -> bool {
        self.approved
            .borrow()
            .iter()
            .any(|part| part.operations.contains(operation))
    }

    fn after_write(&self, target: &Target) {
        for user in self.never_nowhere.borrow().iter() {
            let everywhere = target.groups.borrow();
            assert!(
                everywhere
                    .values()
                    .any(|group| group.members.contains_key(&principal(user))),
                "R15: {user} is in no group"
            );
        }
    }

    fn effect(&self, effect: &Effect) {
        match effect {
            Effect::Bind(binding) => {
                self.bindings
                    .borrow_mut()
                    .insert(binding.group.clone(), binding.clone());
            }
            Effect::Unbind(group) => {
                self.bindings.borrow_mut().remove(group);
            }
            Effect::PutMembership(row) => {
                self.memberships.borrow_mut().insert(
                    (row.group.clone(), row.target.clone(), row.principal.clone()),
                    row.clone(),
                );
            }
            Effect::DropMembership {
                group,
                target,
                principal,
            } => {
                self.memberships
                    .borrow_mut()
                    .remove(&(group.clone(), target.clone(), principal.clone()));
            }
        }
    }

    pub fn open(&self) -> usize {
        self.intents
            .borrow()
            .iter()
            .filter(|(_, settled)| settled.is_none())
            .count()
    }
}

impl Ledger for Host {
    fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        self.call()?;
        Ok(self.bindings.borrow().values().cloned().collect())
    }

    fn memberships(&self, group: &str) -> Result<Vec<Membership>, Failure> {
        self.call()?;
        let rows = self.memberships.borrow();
        Ok(rows.values().filter(|row| row.group == group).cloned().collect())
    }

    fn intend(&self, intents: &[Intent]) -> Result<Vec<u64>, Failure> {
        self.call()?;
        assert!(intents.len() <= 1_000);
        let mut all = self.intents.borrow_mut();
        let first = all.len() as u64;
        all.extend(intents.iter().map(|intent| (intent.clone(), None)));
        Ok((first..first + intents.len() as u64).collect())
    }

    fn settle(&self, outcomes: &[Outcome]) -> Result<(), Failure> {
        self.call()?;
        assert!(outcomes.len() <= 1_000);
        for outcome in outcomes {
            let mut intents = self.intents.borrow_mut();
            let (_, settled) = intents.get_mut(usize::try_from(outcome.intent).unwrap()).unwrap();
            assert!(settled.is_none(), "settled twice: {outcome:?}");
            *settled = Some(outcome.settlement);
            outcome.effects.iter().for_each(|effect| self.effect(effect));
            self.outcomes.borrow_mut().push(outcome.clone());
        }
        Ok(())
    }

    fn amend(&self, effects: &[Effect]) -> Result<(), Failure> {
        self.call()?;
        assert!(effects.len() <= 1_000);
        effects.iter().for_each(|effect| self.effect(effect));
        Ok(())
    }

    fn unsettled(&self) -> Result<Vec<OpenIntent>, Failure> {
        self.call()?;
        Ok(self
            .intents
            .borrow()
            .iter()
            .zip(0_u64..)
            .filter(|((_, settled), _)| settled.is_none())
            .map(|((intent, _), id)| OpenIntent {
                id,
                run: "earlier".to_owned(),
                intent: intent.clone(),
            })
            .collect())
    }
}

impl Transport for Host {
    fn send(
        &self,
        _: ::http::Request<Bytes>,
    ) -> LocalFuture<'_, Result<::http::Response<Bytes>, TransportError>> {
        Box::pin(async { Err(TransportError::Denied("there is no network here".to_owned())) })
    }
}

impl Clock for Host {
    fn monotonic_ms(&self) -> u64 {
        0
    }
    fn unix_seconds(&self) -> u64 {
        self.now.get()
    }
    fn sleep_ms(&self, _: u64) -> LocalFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl State for Host {
    fn get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        Ok(self.state.borrow().get(key).cloned())
    }
    fn put(&self, key: &str, value: &[u8], expected: Option<u64>) -> Result<Option<u64>, Failure> {
        let mut state = self.state.borrow_mut();
        let version = state.get(key).map(|(_, version)| *version);
        if version != expected {
            return Ok(None);
        }
        let next = version.unwrap_or(0) + 1;
        state.insert(key.to_owned(), (value.to_vec(), next));
        Ok(Some(next))
    }
}

impl Progress for Host {
    fn report(&self, _: &str, _: u64, _: Option<u64>, _: &str) {}
    fn log(&self, _: Level, message: &str) {
        self.logged.borrow_mut().push(message.to_owned());
    }
}

impl PlanSink for Host {
    fn put(&self, part: &[u8]) -> Result<(), Failure> {
        let part = Part::from_bytes(part).unwrap();
        let mut parts = self.parts.borrow_mut();
        assert!(
            parts.last().is_none_or(|last| last.group.id < part.group.id),
            "not ascending"
        );
        parts.push(part);
        Ok(())
    }
}

impl PlanSource for Host {
    fn next(&self) -> Result<Option<Vec<u8>>, Failure> {
        let next = self.next.get();
        self.next.set(next + 1);
        Ok(self.approved.borrow().get(next).map(Part::to_bytes))
    }
}
