//! A source, a target directory and a ledger in memory: enough to plan, apply and plan again.

mod applying;
mod parts;

pub use self::parts::*;

use std::collections::{BTreeMap, BTreeSet};

use crate::complete::{Collector, Complete, Next, Page};
use crate::ledger::{Binding, Membership};
use crate::plan::conflicts::held_by_others;
use crate::plan::model::*;
use crate::plan::part::*;
use crate::plan::{lookup, plan, second_reads};
use crate::settings::Settings;

pub fn ids(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|id| (*id).to_owned()).collect()
}

pub fn whole_ids(list: BTreeSet<String>) -> Complete<BTreeSet<String>> {
    let mut collector = Collector::new("ids", String::clone);
    collector
        .feed(Page::new(list.into_iter().collect(), Next::End))
        .unwrap();
    collector.finish().unwrap().map(|list| list.into_iter().collect())
}

pub fn whole_members(list: Vec<ObservedMember>) -> Reading<Vec<ObservedMember>> {
    let mut collector = Collector::new("members", |member: &ObservedMember| member.principal.id.clone());
    collector.feed(Page::new(list, Next::End)).unwrap();
    collector.finish().into()
}

pub fn principal(id: &str) -> Principal {
    Principal {
        id: id.to_owned(),
        address: format!("{id}@example.com"),
    }
}

pub fn member(id: &str) -> ObservedMember {
    ObservedMember {
        principal: principal(id),
        kind: MemberKind::User,
        role: Role::Member,
    }
}

pub fn with_role(id: &str, role: Role) -> ObservedMember {
    ObservedMember { role, ..member(id) }
}

pub fn with_kind(id: &str, kind: MemberKind) -> ObservedMember {
    ObservedMember { kind, ..member(id) }
}

/// A group of the target with its members.
#[derive(Debug, Clone)]
pub struct Shelf {
    pub group: TargetGroup,
    pub members: Vec<ObservedMember>,
}

/// The whole little world.
#[derive(Debug, Clone)]
pub struct Lab {
    pub world: World,
    pub settings: Settings,
    pub sources: BTreeMap<String, SourceView>,
    pub bindings: BTreeMap<String, Binding>,
    pub rows: Vec<Membership>,
    pub directory: BTreeMap<String, Shelf>,
    /// Targets whose members are read only in part.
    pub short_targets: BTreeSet<String>,
    /// Whether second reads are made, and agree.
    pub second_reads: bool,
    /// Whether members were written so lately that lists may show what was before.
    pub settling: bool,
}

impl Lab {
    /// Users `u0` to `u39`, who resolve to `p0` to `p39`.
    pub fn new(rules: TargetRules) -> Self {
        let mut world = World {
            rules,
            users: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            text: TextLimits {
                name: None,
                description: Some(4096),
            },
        };
        for number in 0..40 {
            let id = format!("u{number}");
            world.users.insert(
                id.clone(),
                SourceUser {
                    id: id.clone(),
                    username: format!("user{number}"),
                    email: Some(format!("user{number}@example.com")),
                    suspended: false,
                    target_id: None,
                },
            );
            world
                .resolutions
                .insert(id, Resolution::Resolved(principal(&format!("p{number}"))));
        }
        Self {
            world,
            settings: Settings {
                managed: true,
                selected: vec!["*".to_owned()],
                ..Settings::default()
            },
            sources: BTreeMap::new(),
            bindings: BTreeMap::new(),
            rows: Vec::new(),
            directory: BTreeMap::new(),
            short_targets: BTreeSet::new(),
            second_reads: true,
            settling: false,
        }
    }

    /// A world keyed by addresses with the group `g1`, `Sales`, `sales@example.com`.
    pub fn addressed(users: &[&str]) -> Self {
        let mut lab = Self::new(TargetRules::Addressed);
        lab.add_group("g1", "Sales", Some("sales@example.com"), users);
        lab
    }

    /// A world keyed by names with the group `g1`, `Sales`, without an email.
    pub fn named(users: &[&str]) -> Self {
        let mut lab = Self::new(TargetRules::Named);
        lab.add_group("g1", "Sales", None, users);
        lab
    }

    pub fn add_group(&mut self, id: &str, name: &str, email: Option<&str>, users: &[&str]) {
        self.sources.insert(
            id.to_owned(),
            SourceView {
                group: Some(SourceGroup {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    email: email.map(str::to_owned),
                    description: String::new(),
                }),
                bound: true,
                users: Reading::Complete(whole_ids(ids(users))),
                absent_again: None,
                deleted_users: BTreeSet::new(),
            },
        );
    }

    pub fn source(&mut self, id: &str) -> &mut SourceView {
        self.sources.get_mut(id).unwrap()
    }

    pub fn group(&mut self, id: &str) -> &mut SourceGroup {
        self.source(id).group.as_mut().unwrap()
    }

    pub fn set_users(&mut self, id: &str, users: &[&str]) {
        self.source(id).users = Reading::Complete(whole_ids(ids(users)));
    }

    pub fn set_users_partly(&mut self, id: &str, users: &[&str]) {
        self.source(id).users = Reading::Partial {
            seen: ids(users),
            reason: "the vendor answered 500".to_owned(),
        };
    }

    pub fn set_email(&mut self, email: Option<&str>) {
        self.group("g1").email = email.map(str::to_owned);
    }

    /// Puts a group into the target.
    pub fn shelve(&mut self, id: &str, key: &str, name: &str, members: Vec<ObservedMember>) {
        self.directory.insert(
            id.to_owned(),
            Shelf {
                group: TargetGroup {
                    id: id.to_owned(),
                    key: key.to_owned(),
                    name: name.to_owned(),
                    description: String::new(),
                    stake: None,
                },
                members,
            },
        );
    }

    /// The IDs of a target's members.
    pub fn members(&self, target: &str) -> Vec<&str> {
        let mut ids: Vec<&str> = self.directory[target]
            .members
            .iter()
            .map(|member| member.principal.id.as_str())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// The target that `g1` is bound to.
    pub fn target(&self) -> &str {
        self.bindings["g1"].target.as_deref().unwrap()
    }

    fn look_up(&self, id: &str, key: &str, name: &str, bound: Option<&str>) -> Sight {
        if let Some(bound) = bound {
            return self
                .directory
                .get(bound)
                .map_or(Sight::BoundMissing, |shelf| Sight::Bound(shelf.group.clone()));
        }
        let held = held_by_others(self.bindings.values(), id);
        let matches: Vec<&TargetGroup> = self
            .directory
            .values()
            .map(|shelf| &shelf.group)
            .filter(|group| {
                group.key == key || (self.world.rules == TargetRules::Named && group.name == name)
            })
            .collect();
        let free: Vec<&TargetGroup> = matches
            .iter()
            .copied()
            .filter(|group| !held.contains(&group.id))
            .collect();
        match (free.as_slice(), self.world.rules) {
            ([group], _) => Sight::Takeover((*group).clone()),
            ([], TargetRules::Addressed) if !matches.is_empty() => Sight::Blocked {
                conflict: true,
                reason: Reason::new("target-taken", "Another source group holds the target."),
            },
            _ => Sight::Nothing { warnings: Vec::new() },
        }
    }

    fn read(&self, target: &str) -> Reading<Vec<ObservedMember>> {
        let members = self
            .directory
            .get(target)
            .map(|shelf| shelf.members.clone())
            .unwrap_or_default();
        if self.short_targets.contains(target) {
            return Reading::Partial {
                seen: members,
                reason: "a page was missing".to_owned(),
            };
        }
        whole_members(members)
    }

    /// What the planner gets to see, second reads included.
    pub fn views(&self) -> Vec<GroupView> {
        self.sources
            .iter()
            .map(|(id, source)| {
                let binding = self.bindings.get(id);
                let mut target = TargetView {
                    sight: Sight::Nothing { warnings: Vec::new() },
                    members: whole_members(Vec::new()),
                    moving_from: BTreeMap::new(),
                };
                if let Some(lookup) = lookup(id, source, binding, self.world.rules, &self.settings) {
                    let wanted = &lookup.wanted;
                    target.sight = self.look_up(id, &wanted.key, &wanted.name, wanted.bound.as_deref());
                    if let Sight::Bound(group) | Sight::Takeover(group) = &target.sight {
                        target.members = self.read(&group.id);
                    }
                    for old in lookup.old_targets {
                        target.moving_from.insert(old.clone(), self.read(&old));
                    }
                }
                let mut view = GroupView {
                    id: id.clone(),
                    source: source.clone(),
                    target,
                    binding: binding.cloned(),
                    memberships: self.rows.iter().filter(|row| row.group == *id).cloned().collect(),
                    settling: self.settling,
                };
                if self.second_reads && view.source.absent_again.is_none() {
                    let wanted = second_reads(&view, &self.world, &self.settings);
                    if wanted.list || !wanted.users.is_empty() {
                        view.source.absent_again = Some(whole_ids(wanted.users));
                    }
                }
                view
            })
            .collect()
    }

    pub fn plan(&self) -> Vec<Part> {
        plan(&self.world, &self.views(), &self.settings)
    }

    /// The plan for `g1`.
    pub fn part(&self) -> Part {
        self.plan()
            .into_iter()
            .find(|part| part.group.id == "g1")
            .unwrap()
    }
}
