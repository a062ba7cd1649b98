//! One group's part while it is made: from standing, course and merges to a part without its state and fingerprint,
//! which limits across groups still change.

use std::collections::{BTreeMap, BTreeSet};

use crate::complete::Complete;
use crate::ledger::{Binding, BindingState};
use crate::settings::Settings;

use super::desired::desired;
use super::eligibility::{self, Export, Standing, Stopped};
use super::merge::{Group, Merged, behind, merge};
use super::model::{GroupView, ObservedMember, Reading, Sight, TargetGroup, World};
use super::moving;
use super::part::{
    GroupRef, GroupState, Held, Note, Operation, Part, PartGroup, PartTarget, Reason, RemovalReason,
    TargetBefore, TargetHow,
};
use super::transition::{self, Course, Tie};

/// A part in the making.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// What it is made from.
    pub view: &'a GroupView,
    /// The part so far.
    pub part: Part,
    /// The state, where it is settled already.
    pub settled: Option<GroupState>,
    /// Why removals are frozen.
    pub frozen: Vec<Reason>,
    /// Memberships of the target; what percentages of limits are taken of.
    pub size: u64,
    /// What hangs on the target's memberships beside the group itself, in a word; removals count more there.
    pub stake: Option<String>,
    /// What must be read again: see [`Merged`].
    pub second_read: BTreeSet<String>,
    /// See [`Merged`].
    pub second_list: bool,
    /// See [`Merged`].
    pub records: BTreeSet<String>,
}

/// Makes the draft of one group. `conflict` is why another group holds its address or target.
pub(super) fn draft<'a>(
    view: &'a GroupView,
    world: &World,
    settings: &Settings,
    standing: &Standing,
    conflict: Option<&Reason>,
) -> Draft<'a> {
    let mut draft = Draft {
        view,
        part: blank(view, world, settings),
        settled: None,
        frozen: Vec::new(),
        size: 0,
        stake: None,
        second_read: BTreeSet::new(),
        second_list: false,
        records: BTreeSet::new(),
    };
    match standing {
        Standing::Stopped(stopped) => draft.stop(stopped),
        Standing::Export(export) => {
            draft.part.warnings.extend(export.warnings.iter().cloned());
            let course = transition::course(world.rules, settings, view.binding.as_ref(), export);
            match conflict {
                Some(reason) => draft.settle(GroupState::Conflict, reason.clone()),
                None => draft.aim(world, settings, export, &course),
            }
            if draft.part.target.is_none() {
                draft.part.target = tied(view.binding.as_ref());
            }
        }
    }
    draft
}

fn blank(view: &GroupView, world: &World, settings: &Settings) -> Part {
    let email = view
        .source
        .group
        .as_ref()
        .and_then(|group| eligibility::email(settings, world.rules, group));
    let bound_name = || view.binding.as_ref().map(|binding| binding.details.name.clone());
    Part {
        version: 1,
        group: PartGroup {
            id: view.id.clone(),
            name: view
                .source
                .group
                .as_ref()
                .map(|group| group.name.clone())
                .or_else(bound_name)
                .unwrap_or_default(),
            email_is_override: email.as_ref().is_some_and(|email| email.is_override),
            email: email.map(|email| email.text),
            users: view
                .source
                .users
                .complete()
                .and_then(|users| u64::try_from(users.get().len()).ok()),
        },
        state: GroupState::Managed,
        reasons: Vec::new(),
        target: None,
        fingerprint: String::new(),
        operations: Vec::new(),
        held: Vec::new(),
        notes: Vec::new(),
        waiting: Vec::new(),
        foreign: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The target that the ledger holds.
fn tied(binding: Option<&Binding>) -> Option<PartTarget> {
    let binding = binding?;
    Some(PartTarget {
        id: Some(binding.target.clone()?),
        key: binding.key.clone(),
        label: binding.key.clone(),
        how: TargetHow::Bound,
        before: None,
    })
}

impl Draft<'_> {
    fn settle(&mut self, state: GroupState, reason: Reason) {
        self.settled = Some(state);
        self.part.reasons.push(reason);
    }

    fn stop(&mut self, stopped: &Stopped) {
        self.settled = Some(stopped.state);
        self.part.reasons.extend(stopped.reasons.iter().cloned());
        self.part.warnings.extend(stopped.warnings.iter().cloned());
        self.part.target = tied(self.view.binding.as_ref());
        if let (Some(state), Some(binding)) = (stopped.binding, &self.view.binding) {
            self.part.notes.push(Note::Bind {
                state: state_name(state).to_owned(),
                key: binding.key.clone(),
                target: binding.target.clone(),
                name: binding.details.name.clone(),
                had_email: binding.details.had_email,
                moving_from: binding.details.moving_from.clone().into_iter().collect(),
            });
        }
    }

    /// Goes by what was seen of the target.
    fn aim(&mut self, world: &World, settings: &Settings, export: &Export, course: &Course) {
        let missing = |id: &str| {
            Reason::new(
                "target-missing",
                format!(
                    "The target {id} does not show: it was created lately, or somebody deleted it. It is never created \
                     again by itself; undelete it, or release the group."
                ),
            )
        };
        match (&self.view.target.sight, &course.bound) {
            (Sight::Unknown { reason }, _) => {
                self.settle(
                    GroupState::Frozen,
                    Reason::new(
                        "target-unread",
                        format!("The group's target could not be looked up this time: {reason}"),
                    ),
                );
            }
            (Sight::Blocked { conflict, reason }, _) => {
                let state = if *conflict {
                    GroupState::Conflict
                } else {
                    GroupState::Held
                };
                self.settle(state, reason.clone());
            }
            (Sight::BoundMissing, bound) => {
                let id = bound.as_deref().unwrap_or(&export.key);
                self.settle(GroupState::Provisioning, missing(id));
            }
            (Sight::Nothing { .. }, Some(bound)) => {
                self.settle(GroupState::Provisioning, missing(bound));
            }
            (Sight::Bound(group) | Sight::Takeover(group), Some(bound)) if group.id != *bound => self.settle(
                GroupState::Frozen,
                Reason::new(
                    "target-differs",
                    format!(
                        "The group is bound to the target {bound}, but {} was read instead; run again.",
                        group.id
                    ),
                ),
            ),
            (Sight::Nothing { warnings }, None) => {
                self.part.warnings.extend(warnings.iter().cloned());
                self.create(world, settings, export, course);
            }
            (Sight::Bound(group) | Sight::Takeover(group), _) => {
                self.sync(world, settings, export, course, group);
            }
        }
    }

    fn create(&mut self, world: &World, settings: &Settings, export: &Export, course: &Course) {
        let (name, description) = texts(world, export);
        self.part.target = Some(PartTarget {
            id: None,
            key: export.key.clone(),
            label: export.key.clone(),
            how: TargetHow::Create,
            before: None,
        });
        self.part.operations.push(Operation::CreateGroup {
            key: export.key.clone(),
            name,
            description,
        });
        let target = GroupRef::New(export.key.clone());
        // A group that is not there has no members, whatever was or was not read of it.
        let nobody = Reading::Partial {
            seen: Vec::new(),
            reason: String::new(),
        };
        self.members(world, settings, export, course, &target, None, &nobody);
    }

    fn sync(
        &mut self,
        world: &World,
        settings: &Settings,
        export: &Export,
        course: &Course,
        group: &TargetGroup,
    ) {
        self.part.target = Some(PartTarget {
            id: Some(group.id.clone()),
            key: export.key.clone(),
            label: if group.key.is_empty() {
                group.name.clone()
            } else {
                group.key.clone()
            },
            how: if course.bound.is_some() {
                TargetHow::Bound
            } else {
                TargetHow::Takeover
            },
            before: None,
        });
        let target = GroupRef::Id(group.id.clone());
        self.attributes(world, settings, export, course, group, &target);
        self.stake.clone_from(&group.stake);
        self.size = u64::try_from(self.view.target.members.seen().len()).unwrap_or(u64::MAX);
        let view = self.view;
        self.members(
            world,
            settings,
            export,
            course,
            &target,
            Some(&group.id),
            &view.target.members,
        );
    }

    fn attributes(
        &mut self,
        world: &World,
        settings: &Settings,
        export: &Export,
        course: &Course,
        group: &TargetGroup,
        target: &GroupRef,
    ) {
        let (name, description) = texts(world, export);
        let address = (world.rules == super::model::TargetRules::Addressed
            && super::address::canonical(&group.key).ok().as_deref() != Some(&export.key))
        .then(|| export.key.clone());
        let renames = settings.on_email_change == crate::settings::OnEmailChange::Rename;
        if let Some(address) = &address
            && !(renames && course.bound.is_some())
        {
            self.part.warnings.push(Reason::new(
                "address-drifted",
                format!(
                    "The target's address is `{}` and not `{address}`; it was changed in the target, change it back \
                     there.",
                    group.key
                ),
            ));
        }
        let update = Operation::UpdateGroup {
            group: target.clone(),
            name: (name != group.name).then_some(name),
            description: (!same_text(&description, &group.description)).then_some(description),
            address: address.filter(|_| renames && course.bound.is_some()),
        };
        if !matches!(
            &update,
            Operation::UpdateGroup {
                name: None,
                description: None,
                address: None,
                ..
            }
        ) {
            self.part.operations.push(update);
            if let Some(target) = &mut self.part.target {
                target.before = Some(TargetBefore {
                    name: group.name.clone(),
                    description: group.description.clone(),
                    address: group.key.clone(),
                });
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of one function, cut for length"
    )]
    fn members(
        &mut self,
        world: &World,
        settings: &Settings,
        export: &Export,
        course: &Course,
        target: &GroupRef,
        id: Option<&str>,
        members: &Reading<Vec<ObservedMember>>,
    ) {
        let desired = desired(self.view, world, settings);
        let policy = eligibility::policy(settings, &export.group);
        let behind = behind(world, policy);
        let group = Group {
            view: self.view,
            world,
            settings,
            policy,
            desired: &desired,
            behind: &behind,
        };
        let mut merged = merge(group, target, id, members);
        if id.is_none() {
            merged.frozen.remove("target-incomplete");
        }
        let mut moving_from = course.moving_from.clone();
        let mut departed = Vec::new();
        if !moving_from.is_empty() {
            let arrived = arrived(members.seen(), &merged.operations);
            for old in course.moving_from.keys() {
                let moved = moving::leave(group, old, self.view.target.moving_from.get(old), &arrived);
                if moved.over {
                    moving_from.remove(old);
                }
                departed.push(moved.merged);
            }
        }
        for moved in departed {
            merged.absorb(moved);
        }
        self.part.waiting = desired.waiting;
        self.part.warnings.extend(desired.warnings);
        self.take(merged);
        self.hold_if_empty();
        self.hold_if_takeover_is_large(&settings.limits);
        self.bind(export, course, id, moving_from);
    }

    fn take(&mut self, merged: Merged) {
        if self.part.operations.is_empty() {
            // Of a large group this is not copied.
            self.part.operations = merged.operations;
        } else {
            self.part.operations.extend(merged.operations);
        }
        self.part.held.extend(merged.held);
        self.part.notes.extend(merged.notes);
        self.part.foreign.extend(merged.foreign);
        self.frozen.extend(merged.frozen.into_values());
        self.second_read.extend(merged.second_read);
        self.second_list |= merged.second_list;
        self.records.extend(merged.records);
    }

    /// R6: an empty source is the signature of a broken read, so that removals wait; but for people whose own
    /// record says it.
    fn hold_if_empty(&mut self) {
        let empty = self
            .view
            .source
            .users
            .complete()
            .map(Complete::get)
            .is_some_and(BTreeSet::is_empty);
        if !empty {
            return;
        }
        let reason = Reason::new(
            "empty-source",
            "The group became empty in the source, which is also what a broken read looks like; approve to remove \
             its members.",
        );
        self.hold(&reason, |operation| {
            matches!(operation, Operation::RemoveMember { why, .. }
                if !matches!(why, RemovalReason::UserDeleted | RemovalReason::UserSuspended))
        });
    }

    /// Lets operations wait for approval.
    pub(super) fn hold(&mut self, reason: &Reason, which: impl Fn(&Operation) -> bool) {
        let (held, kept): (Vec<Operation>, Vec<Operation>) = std::mem::take(&mut self.part.operations)
            .into_iter()
            .partition(which);
        self.part.operations = kept;
        self.part.held.extend(held.into_iter().map(|operation| Held {
            operation,
            reason: reason.clone(),
            approvable: true,
        }));
    }

    fn bind(
        &mut self,
        export: &Export,
        course: &Course,
        target: Option<&str>,
        moving_from: BTreeMap<String, String>,
    ) {
        let unchanged = self.view.binding.as_ref().is_some_and(|binding| {
            course.tie != Tie::Moved
                && binding.state == BindingState::Managed
                && binding.key == export.key
                && binding.target.as_deref() == target
                && binding.details.name == export.group.name
                && binding.details.had_email == export.has_email
                && binding.details.moving_from == moving_from
        });
        if !unchanged {
            self.part.notes.push(Note::Bind {
                state: state_name(BindingState::Managed).to_owned(),
                key: export.key.clone(),
                target: target.map(str::to_owned),
                name: export.group.name.clone(),
                had_email: export.has_email,
                moving_from: moving_from.into_iter().collect(),
            });
        }
    }
}

/// Principals that the new target holds or gets.
fn arrived<'a>(members: &'a [ObservedMember], operations: &'a [Operation]) -> BTreeSet<&'a str> {
    let present = members.iter().map(|member| member.principal.id.as_str());
    let coming = operations.iter().filter_map(|operation| match operation {
        Operation::AddMember { principal, .. } => Some(principal.as_str()),
        _ => None,
    });
    present.chain(coming).collect()
}

/// The source's texts as the target can hold them.
fn texts(world: &World, export: &Export) -> (String, String) {
    let cut = |text: &str, limit: Option<usize>| match limit {
        Some(limit) => text.chars().take(limit).collect(),
        None => text.to_owned(),
    };
    (
        cut(&export.group.name, world.text.name),
        cut(&export.group.description, world.text.description),
    )
}

/// Vendors trim descriptions and change line ends; writing those again at every run would never end (R46).
pub(super) fn same_text(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    plain(one) == plain(other)
}

fn state_name(state: BindingState) -> &'static str {
    match state {
        BindingState::Managed => "managed",
        BindingState::Released => "released",
        BindingState::Orphaned => "orphaned",
    }
}
