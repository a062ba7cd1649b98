//! The target in memory, and the same behind the host's fuse and permit.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::{Host, reading};
use crate::failure::{Failure, VendorAnswer};
use crate::feed::{Mark, TargetChanges};
use crate::ledger::Settlement;
use crate::plan::model::{
    MemberKind, ObservedMember, Principal, Reading, Resolution, Role, Sight, SourceUser, TargetGroup,
    TargetRules,
};
use crate::plan::part::{Operation, Reason};
use crate::target::{TargetDirectory, Wanted, Write, WriteResult};

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
