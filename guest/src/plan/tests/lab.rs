//! A source, a target directory and a ledger in memory: enough to plan, apply and plan again.

use std::collections::{BTreeMap, BTreeSet};

use crate::complete::{Collector, Complete, Next, Page};
use crate::ledger::{Binding, BindingDetails, BindingState, Membership, Provenance};
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

    /// Plans and applies.
    pub fn sync(&mut self) -> Vec<Part> {
        let parts = self.plan();
        for part in &parts {
            self.apply(part, usize::MAX);
        }
        parts
    }

    /// Applies the first `count` operations of a part; the notes as well where that was all of them. A takeover that
    /// waits for a word gets it.
    pub fn apply(&mut self, part: &Part, count: usize) {
        let part = &taken_over(part);
        let group = &part.group.id;
        for operation in part.operations.iter().take(count) {
            self.write(group, operation, part);
        }
        if count < part.operations.len() {
            return;
        }
        self.apply_notes(part);
    }

    /// Applies a part's notes alone. A binding to a group that is still to be created is written together with
    /// the creation's outcome, as apply does.
    pub fn apply_notes(&mut self, part: &Part) {
        for note in &part.notes {
            let early = matches!(note, Note::Bind { target: None, state, key, .. }
                if state == "managed" && !self.directory.contains_key(&format!("id-{key}")));
            if !early {
                self.note(&part.group.id, note);
            }
        }
    }

    fn resolve(reference: &GroupRef) -> String {
        match reference {
            GroupRef::Id(id) => id.clone(),
            GroupRef::New(key) => format!("id-{key}"),
        }
    }

    fn write(&mut self, group: &str, operation: &Operation, part: &Part) {
        match operation {
            Operation::CreateGroup {
                key,
                name,
                description,
            } => {
                let id = format!("id-{key}");
                self.shelve(&id, key, name, Vec::new());
                self.directory.get_mut(&id).unwrap().group.description = description.clone();
                // As apply does: the binding is written together with the creation's outcome.
                for note in part.notes.iter().filter(|note| matches!(note, Note::Bind { .. })) {
                    self.note(group, note);
                }
            }
            Operation::UpdateGroup {
                group: target,
                name,
                description,
                address,
            } => {
                let group = &mut self.directory.get_mut(&Self::resolve(target)).unwrap().group;
                if let Some(name) = name {
                    group.name = name.clone();
                }
                if let Some(description) = description {
                    group.description = description.clone();
                }
                if let Some(address) = address {
                    group.key = address.clone();
                }
            }
            Operation::AddMember {
                group: target,
                principal: id,
                user,
                address,
            } => {
                let target = Self::resolve(target);
                self.directory.get_mut(&target).unwrap().members.push(member(id));
                self.record(Membership {
                    group: group.to_owned(),
                    target,
                    principal: id.clone(),
                    provenance: Provenance::Ours,
                    user: Some(user.clone()),
                    address: address.clone(),
                });
            }
            Operation::RemoveMember {
                group: target,
                principal: id,
                ..
            } => {
                let target = Self::resolve(target);
                self.directory
                    .get_mut(&target)
                    .unwrap()
                    .members
                    .retain(|member| member.principal.id != *id);
                self.forget(group, &target, id);
            }
        }
    }

    fn note(&mut self, group: &str, note: &Note) {
        match note {
            Note::Bind {
                state,
                key,
                target,
                name,
                had_email,
                moving_from,
            } => {
                let created = format!("id-{key}");
                let target = target
                    .clone()
                    .or_else(|| self.directory.contains_key(&created).then_some(created));
                self.bindings.insert(
                    group.to_owned(),
                    Binding {
                        group: group.to_owned(),
                        state: serde_json::from_value(serde_json::json!(state)).unwrap(),
                        key: key.clone(),
                        target,
                        details: BindingDetails {
                            name: name.clone(),
                            had_email: *had_email,
                            moving_from: moving_from.iter().cloned().collect(),
                            written_at: None,
                            latest: None,
                        },
                    },
                );
            }
            Note::Record {
                target,
                principal,
                provenance,
                user,
                address,
            } => self.record(Membership {
                group: group.to_owned(),
                target: target.clone(),
                principal: principal.clone(),
                provenance: *provenance,
                user: user.clone(),
                address: address.clone(),
            }),
            Note::Forget { target, principal } => self.forget(group, target, principal),
        }
    }

    pub fn record(&mut self, row: Membership) {
        self.forget(&row.group.clone(), &row.target.clone(), &row.principal.clone());
        self.rows.push(row);
    }

    fn forget(&mut self, group: &str, target: &str, principal: &str) {
        self.rows
            .retain(|row| !(row.group == group && row.target == target && row.principal == principal));
    }

    pub fn provenance(&self, target: &str, principal: &str) -> Option<Provenance> {
        self.rows
            .iter()
            .find(|row| row.target == target && row.principal == principal)
            .map(|row| row.provenance)
    }

    pub fn state(&self) -> BindingState {
        self.bindings["g1"].state
    }
}

/// The part's adds, as principal IDs.
pub fn adds(part: &Part) -> Vec<&str> {
    part.operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::AddMember { principal, .. } => Some(principal.as_str()),
            _ => None,
        })
        .collect()
}

/// The part's removals: target ID, principal ID, why.
pub fn removals(part: &Part) -> Vec<(String, &str, RemovalReason)> {
    part.operations.iter().filter_map(removal).collect()
}

pub fn removal(operation: &Operation) -> Option<(String, &str, RemovalReason)> {
    match operation {
        Operation::RemoveMember {
            group,
            principal,
            why,
            ..
        } => Some((Lab::resolve(group), principal.as_str(), *why)),
        _ => None,
    }
}

/// The part once somebody has approved its takeover.
pub fn taken_over(part: &Part) -> Part {
    let mut part = part.clone();
    let (takeover, stays): (Vec<_>, Vec<_>) = part
        .held
        .into_iter()
        .partition(|held| held.reason.code == crate::plan::part::TAKEOVER);
    part.held = stays;
    part.operations
        .extend(takeover.into_iter().map(|held| held.operation));
    part
}

/// What is held: principal ID and the reason's code.
pub fn held(part: &Part) -> Vec<(&str, &str)> {
    part.held
        .iter()
        .map(|held| {
            let principal = match &held.operation {
                Operation::RemoveMember { principal, .. } | Operation::AddMember { principal, .. } => {
                    principal
                }
                _ => "",
            };
            (principal, held.reason.code.as_str())
        })
        .collect()
}

pub fn codes(part: &Part) -> Vec<&str> {
    part.reasons.iter().map(|reason| reason.code.as_str()).collect()
}
