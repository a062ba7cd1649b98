//! What a part was planned from, as one hash (R44): taken when planning and again when applying, so that a group that
//! moved in between is refused. It is blind to the part's own operations and to the ledger, so that the part's own
//! half-done writes are no movement (R47).
//!
//! Where held operations are approved too, move them into `operations` before asking: the hash stays the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::settings::Settings;

use super::address;
use super::desired::desired;
use super::eligibility;
use super::merge::role;
use super::model::{
    GroupView, ObservedMember, Reading, Role, Sight, SourceGroup, TargetGroup, TargetRules, World,
};
use super::part::{GroupRef, GroupState, Operation, Part, RemovalReason, TargetHow, sha256_hex};

/// What the hash is taken of.
#[derive(Serialize)]
struct Basis<'a> {
    version: u32,
    source: Option<SourceBasis>,
    /// Whether the reads that removals need are complete; true where there are none.
    proven: bool,
    desired: Option<BTreeSet<&'a str>>,
    target: TargetBasis,
    /// Members (ID, role) by target; none where they were not read completely.
    members: BTreeMap<&'a str, Option<Roles<'a>>>,
}

/// Members (ID, role).
type Roles<'a> = BTreeSet<(&'a str, &'a str)>;

#[derive(Serialize)]
struct SourceBasis {
    name: String,
    description: String,
    address: Option<String>,
    bound: bool,
    selected: bool,
    managed: bool,
}

#[derive(Serialize)]
enum TargetBasis {
    Absent,
    Group {
        id: String,
        key: String,
        name: Option<String>,
        description: Option<String>,
    },
    Missing,
    Blocked(String),
    Unknown,
}

/// The fingerprint of a group as it is now, for a part: its own operations are taken as not done.
pub fn fingerprint(view: &GroupView, world: &World, settings: &Settings, part: &Part) -> String {
    let stopped = is_stopped(part);
    let basis = Basis {
        version: 1,
        source: view
            .source
            .group
            .as_ref()
            .map(|group| source(view, world, settings, group)),
        proven: is_proven(view, part),
        desired: (!stopped).then(|| wanted(view, world, settings, part)),
        target: if stopped {
            TargetBasis::Unknown
        } else {
            target(view, world, part)
        },
        members: if stopped {
            BTreeMap::new()
        } else {
            members(view, part)
        },
    };
    sha256_hex(&serde_json::to_vec(&basis).unwrap_or_default())
}

fn source(view: &GroupView, world: &World, settings: &Settings, group: &SourceGroup) -> SourceBasis {
    let email = eligibility::email(settings, world.rules, group);
    SourceBasis {
        name: group.name.clone(),
        description: group.description.clone(),
        address: email.map(|email| address::canonical(&email.text).unwrap_or(email.text)),
        bound: eligibility::is_bound(settings, &view.source, group),
        selected: eligibility::is_selected(settings, world.rules, group),
        managed: settings.managed,
    }
}

/// Removals on the evidence of a person's own record need no complete list (R49); all others do.
fn is_proven(view: &GroupView, part: &Part) -> bool {
    let needs = |operation: &Operation| {
        matches!(operation, Operation::RemoveMember { why, .. }
            if !matches!(why, RemovalReason::UserDeleted | RemovalReason::UserSuspended))
    };
    !part.operations.iter().any(needs) || view.source.users.complete().is_some()
}

/// Who is wanted. Of a list that fell short only those whom the part adds: what else is seen of it is chance.
fn wanted<'a>(view: &'a GroupView, world: &'a World, settings: &Settings, part: &Part) -> BTreeSet<&'a str> {
    let people: BTreeSet<&str> = desired(view, world, settings).people.into_keys().collect();
    if view.source.users.complete().is_some() {
        return people;
    }
    let added = own(part, None).adds;
    people
        .into_iter()
        .filter(|principal| added.contains(principal))
        .chain(["(not read completely)"])
        .collect()
}

/// Whether the part was made without looking at the target: then only the source can move.
fn is_stopped(part: &Part) -> bool {
    matches!(
        part.state,
        GroupState::NotExportable | GroupState::Released | GroupState::Orphaned | GroupState::AtRisk
    )
}

fn target(view: &GroupView, world: &World, part: &Part) -> TargetBasis {
    let creates = part
        .target
        .as_ref()
        .is_some_and(|target| target.how == TargetHow::Create);
    match &view.target.sight {
        Sight::Nothing { .. } => TargetBasis::Absent,
        Sight::BoundMissing if creates => TargetBasis::Absent,
        Sight::Bound(group) if creates && is_own_creation(view, world, part, group) => TargetBasis::Absent,
        Sight::Takeover(group) if creates && world.rules == TargetRules::Named && has_key(part, group) => {
            TargetBasis::Absent
        }
        Sight::Bound(group) | Sight::Takeover(group) => attributes(part, group),
        Sight::BoundMissing => TargetBasis::Missing,
        Sight::Blocked { reason, .. } => TargetBasis::Blocked(reason.code.clone()),
        Sight::Unknown { .. } => TargetBasis::Unknown,
    }
}

/// Whether a group is what this part created: bound to it since, under the part's key.
fn is_own_creation(view: &GroupView, world: &World, part: &Part, group: &TargetGroup) -> bool {
    let bound = view
        .binding
        .as_ref()
        .is_some_and(|binding| binding.target.as_deref() == Some(&group.id));
    bound && (has_key(part, group) || world.rules == TargetRules::Named)
}

fn has_key(part: &Part, group: &TargetGroup) -> bool {
    part.target
        .as_ref()
        .is_some_and(|target| target.key == group.key.trim().to_ascii_lowercase() || target.key == group.key)
}

/// The group found; attributes that the part itself changes are left out, since they may be changed already.
fn attributes(part: &Part, group: &TargetGroup) -> TargetBasis {
    let (mut key, mut name, mut description) = (
        group.key.clone(),
        Some(group.name.clone()),
        Some(group.description.replace("\r\n", "\n").trim().to_owned()),
    );
    let held = part.held.iter().map(|held| &held.operation);
    for operation in part.operations.iter().chain(held) {
        if let Operation::UpdateGroup {
            name: new_name,
            description: new_description,
            address,
            ..
        } = operation
        {
            name = name.filter(|_| new_name.is_none());
            description = description.filter(|_| new_description.is_none());
            if address.is_some() {
                key.clear();
            }
        }
    }
    TargetBasis::Group {
        id: group.id.clone(),
        key,
        name,
        description,
    }
}

fn members<'a>(view: &'a GroupView, part: &'a Part) -> BTreeMap<&'a str, Option<Roles<'a>>> {
    let mut members = BTreeMap::new();
    let present = part.target.as_ref().and_then(|target| target.id.as_deref());
    members.insert(
        "",
        if part
            .target
            .as_ref()
            .is_some_and(|target| target.how == TargetHow::Create)
        {
            // Its members are read only once it exists; then all but the part's own adds are movement.
            let foreign = before(view.target.members.seen(), &own(part, None));
            Some(foreign)
        } else {
            normal(&view.target.members, &own(part, present))
        },
    );
    let earlier: BTreeSet<&str> = part
        .operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::RemoveMember {
                group: GroupRef::Id(id),
                ..
            } if Some(id.as_str()) != present => Some(id.as_str()),
            _ => None,
        })
        .collect();
    for old in earlier {
        // What a move leaves is judged by those it removes: the rest of the old group is left alone.
        let own = own(part, Some(old));
        let left = view.target.moving_from.get(old).and_then(|reading| {
            let present: BTreeMap<&str, Role> = reading
                .complete()?
                .get()
                .iter()
                .map(|member| (member.principal.id.as_str(), member.role))
                .collect();
            Some(
                own.removals
                    .iter()
                    .map(|principal| {
                        let now = present.get(principal);
                        (*principal, now.map_or("member", |now| role(*now)))
                    })
                    .collect(),
            )
        });
        members.insert(old, left);
    }
    members
}

struct Own<'a> {
    adds: BTreeSet<&'a str>,
    removals: BTreeSet<&'a str>,
}

/// The part's own adds and removals in one target; none: in any.
fn own<'a>(part: &'a Part, target: Option<&str>) -> Own<'a> {
    let mut own = Own {
        adds: BTreeSet::new(),
        removals: BTreeSet::new(),
    };
    let here = |group: &GroupRef| match (group, target) {
        (GroupRef::Id(id), Some(target)) => id == target,
        _ => true,
    };
    for operation in &part.operations {
        match operation {
            Operation::AddMember { group, principal, .. } if here(group) => {
                own.adds.insert(principal);
            }
            Operation::RemoveMember { group, principal, .. } if here(group) => {
                own.removals.insert(principal);
            }
            _ => {}
        }
    }
    own
}

fn normal<'a>(reading: &'a Reading<Vec<ObservedMember>>, own: &Own<'a>) -> Option<Roles<'a>> {
    let members = reading.complete()?.get();
    let mut before = before(members, own);
    if !own.removals.is_empty() {
        let present: BTreeSet<&str> = members
            .iter()
            .map(|member| member.principal.id.as_str())
            .collect();
        let absent = own
            .removals
            .iter()
            .filter(|principal| !present.contains(*principal));
        before.extend(absent.map(|principal| (*principal, "member")));
    }
    Some(before)
}

fn before<'a>(members: &'a [ObservedMember], own: &Own<'_>) -> Roles<'a> {
    members
        .iter()
        .filter(|member| !own.adds.contains(member.principal.id.as_str()))
        .map(|member| (member.principal.id.as_str(), role(member.role)))
        .collect()
}

/// What moved between an approved part and a fresh one of the same group, for a person. Empty where nothing that a
/// part shows differs.
pub fn what_moved(approved: &Part, fresh: &Part) -> String {
    let mut moved = Vec::new();
    let mut changed = |what: &str, before: String, now: String| {
        if before != now {
            moved.push(format!("{what} was {before} and is {now}"));
        }
    };
    let quoted = |text: &Option<String>| {
        text.as_ref()
            .map_or("none".to_owned(), |text| format!("`{text}`"))
    };
    let count = |users: Option<u64>| users.map_or("not proven".to_owned(), |users| users.to_string());
    let tie = |part: &Part| match &part.target {
        None => "none".to_owned(),
        Some(target) => match &target.id {
            Some(id) => format!("`{}` ({id})", target.label),
            None => format!("`{}`, to be created", target.label),
        },
    };
    changed(
        "the name",
        format!("`{}`", approved.group.name),
        format!("`{}`", fresh.group.name),
    );
    changed(
        "the address",
        quoted(&approved.group.email),
        quoted(&fresh.group.email),
    );
    changed(
        "the number of users",
        count(approved.group.users),
        count(fresh.group.users),
    );
    changed("the target", tie(approved), tie(fresh));
    let words = |part: &Part| -> BTreeMap<String, ()> {
        part.operations
            .iter()
            .chain(part.held.iter().map(|held| &held.operation))
            .map(|operation| (in_words(operation), ()))
            .collect()
    };
    let (before, now) = (words(approved), words(fresh));
    list(
        &mut moved,
        "no longer to do",
        before.keys().filter(|key| !now.contains_key(*key)),
    );
    list(
        &mut moved,
        "newly to do",
        now.keys().filter(|key| !before.contains_key(*key)),
    );
    let strangers = |part: &Part| -> BTreeMap<String, ()> {
        part.foreign
            .iter()
            .map(|member| (format!("{} ({})", member.label, member.role), ()))
            .collect()
    };
    let (before, now) = (strangers(approved), strangers(fresh));
    list(
        &mut moved,
        "foreign members gone",
        before.keys().filter(|key| !now.contains_key(*key)),
    );
    list(
        &mut moved,
        "foreign members new",
        now.keys().filter(|key| !before.contains_key(*key)),
    );
    if approved.state != fresh.state && moved.is_empty() {
        let why = fresh.reasons.first().map_or("", |reason| reason.message.as_str());
        moved.push(format!("the group's state changed: {why}"));
    }
    moved.join("; ")
}

/// As many as a person reads; the rest as a number.
fn list<'a>(moved: &mut Vec<String>, what: &str, items: impl Iterator<Item = &'a String>) {
    const SHOWN: usize = 5;
    let items: Vec<&str> = items.map(String::as_str).collect();
    if items.is_empty() {
        return;
    }
    let shown: Vec<&str> = items.iter().take(SHOWN).copied().collect();
    let rest = items.len().saturating_sub(SHOWN);
    let more = if rest == 0 {
        String::new()
    } else {
        format!(" and {rest} more")
    };
    moved.push(format!("{what}: {}{more}", shown.join(", ")));
}

fn in_words(operation: &Operation) -> String {
    match operation {
        Operation::CreateGroup { key, .. } => format!("create {key}"),
        Operation::UpdateGroup {
            name,
            description,
            address,
            ..
        } => {
            let what: Vec<&str> = [
                name.as_ref().map(|_| "name"),
                description.as_ref().map(|_| "description"),
                address.as_ref().map(|_| "address"),
            ]
            .into_iter()
            .flatten()
            .collect();
            format!("change the {}", what.join(" and "))
        }
        Operation::AddMember { address, .. } => format!("add {address}"),
        Operation::RemoveMember { address, .. } => format!("remove {address}"),
    }
}
