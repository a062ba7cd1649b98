//! What should be, read off the simulators' own state by the requirements alone, and what no run may ever do. Stories
//! keep to people and groups for which this is certain: everybody resolves in both targets, and whoever was put into a
//! group by hand is nobody whom the source ever wants.

use std::collections::{BTreeMap, BTreeSet};

use groupcast_guest::ledger::{Binding, BindingState};
use groupcast_guest::settings::{Settings, Suspended};
use groupcast_simulators::log::LoggedRequest;
use groupcast_simulators::{Vendor, google, jumpcloud};

use crate::cloud::Cloud;
use crate::host::Host;

/// A directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Google Workspace.
    Google,
    /// Entra ID.
    Entra,
}

impl Target {
    /// JumpCloud's ID of it, in a generated organisation.
    pub fn directory(self) -> &'static str {
        match self {
            Self::Google => "d00000000000000000000001",
            Self::Entra => "d00000000000000000000002",
        }
    }

    /// The vendor's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Google => "google",
            Self::Entra => "entra",
        }
    }

    /// Whose directory it is.
    pub fn vendor(self) -> Vendor {
        match self {
            Self::Google => Vendor::Google,
            Self::Entra => Vendor::Entra,
        }
    }

    /// The immutable ID of a person, by number; `None` for an ID of another form.
    pub fn principal(self, number: usize) -> String {
        match self {
            Self::Google => format!("1{number:020}"),
            Self::Entra => format!("00000000-0000-4000-8000-{number:012}"),
        }
    }
}

/// The ID of a JumpCloud user by number.
pub fn user(number: usize) -> String {
    format!("a{number:023x}")
}

fn number(user: &str) -> usize {
    usize::from_str_radix(&user[1..], 16).expect("a user of a generated organisation")
}

/// Who should be in which group, by the source alone.
pub fn wanted(cloud: &Cloud, target: Target, settings: &Settings) -> BTreeMap<String, BTreeSet<String>> {
    let jumpcloud = cloud.jumpcloud.borrow();
    let organisation = jumpcloud.organisation();
    let groups = organisation.groups.iter();
    groups
        .map(|group| {
            (
                group.id.clone(),
                desired(organisation, &group.id, target, settings),
            )
        })
        .collect()
}

/// The effective users of a group, nested ones included; deleted ones are in no group any more. Suspended ones are
/// members or not, by the settings (R49).
pub fn desired(
    organisation: &jumpcloud::Organisation,
    group: &str,
    target: Target,
    settings: &Settings,
) -> BTreeSet<String> {
    let stays = |id: &String| {
        settings.suspended != Suspended::Remove
            || !organisation
                .users
                .iter()
                .any(|user| user.id == *id && user.suspended)
    };
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![group.to_owned()];
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        if let Some(group) = organisation.groups.iter().find(|group| group.id == id) {
            let users = group.users.iter().filter(|id| stays(id));
            found.extend(users.map(|user| target.principal(number(user))));
            open.extend(group.groups.iter().cloned());
        }
    }
    found
}

/// Judges what the vendors were made to do.
pub struct Watch<'a> {
    /// The vendors.
    pub cloud: &'a Cloud,
    /// Which directory the run writes to.
    pub target: Target,
    /// The ledger's bindings.
    pub bindings: &'a BTreeMap<String, Binding>,
    /// Who has been wanted where ever since the run began.
    pub wanted: &'a BTreeMap<String, BTreeSet<String>>,
}

impl Watch<'_> {
    /// What of these requests should not have been sent, whether or not it took effect.
    pub fn wrongs(&self, entries: &[LoggedRequest]) -> Vec<String> {
        entries
            .iter()
            .filter(|entry| entry.is_mutation())
            .filter_map(|entry| self.wrong(entry))
            .collect()
    }

    fn wrong(&self, entry: &LoggedRequest) -> Option<String> {
        let told = |why: &str| {
            Some(format!(
                "{why}: {} {} at {}",
                entry.method, entry.path, entry.time_ms
            ))
        };
        if entry.vendor == Vendor::Jumpcloud {
            return told("R8: JumpCloud was written");
        }
        if entry.path.contains("/users") {
            return told("R33: a user was written");
        }
        if let Some(group) = guarded(self.cloud, self.target)
            .into_iter()
            .find(|group| entry.path.contains(group))
        {
            return told(&format!("R27: the guarded group {group} was written"));
        }
        let (target, person) = removal(entry)?;
        let Some((group, binding)) = self.bindings.iter().find(|(_, binding)| {
            binding.target.as_deref() == Some(&target) || binding.details.moving_from.contains_key(&target)
        }) else {
            return told("R52: a removal from a group that is not bound");
        };
        if !self
            .wanted
            .get(group)
            .is_some_and(|wanted| wanted.contains(&person))
        {
            return None;
        }
        // Wanted, so this can only be a move: the person must be in the new group already (R15).
        if binding.target.as_deref() == Some(&target) {
            return told("R42: somebody was removed whom the source wants");
        }
        let arrived = binding
            .target
            .as_ref()
            .is_some_and(|new| members(self.cloud, self.target, new).contains(&person));
        if arrived {
            None
        } else {
            told("R15: somebody left the old group and is not in the new one")
        }
    }
}

/// Groups in the target that no one may write, since somebody has made another kind of them (R27).
fn guarded(cloud: &Cloud, target: Target) -> BTreeSet<String> {
    if target == Target::Google {
        return BTreeSet::new();
    }
    cloud.entra.borrow().guarded_groups()
}

/// The group and the person of a removal.
fn removal(entry: &LoggedRequest) -> Option<(String, String)> {
    if entry.method != "DELETE" {
        return None;
    }
    let path = entry.path.strip_suffix("/$ref").unwrap_or(&entry.path);
    let (group, person) = path.split_once("/members/")?;
    Some((group.rsplit('/').next()?.to_owned(), person.to_owned()))
}

/// Everybody in a target group, in truth, by immutable ID.
pub fn members(cloud: &Cloud, target: Target, group: &str) -> BTreeSet<String> {
    match target {
        Target::Google => cloud
            .google
            .borrow()
            .group(group)
            .map_or_else(BTreeSet::new, |group| {
                group.members.iter().map(|member| member.id.clone()).collect()
            }),
        Target::Entra => cloud
            .entra
            .borrow()
            .tenant()
            .groups
            .into_iter()
            .find(|found| found.id == group)
            .map_or_else(BTreeSet::new, |group| {
                group.members.into_iter().map(|member| member.id).collect()
            }),
    }
}

/// Target groups that carry what a source group is exported under: its address, or a unique name made of its ID.
fn homes(cloud: &Cloud, target: Target, group: &jumpcloud::Group) -> Vec<String> {
    match target {
        Target::Google => {
            let email = group.email.clone().unwrap_or_default();
            let tenant: google::tenant::Tenant = cloud.google.borrow().tenant();
            tenant
                .groups
                .into_iter()
                .filter(|found| found.email == email)
                .map(|found| found.id)
                .collect()
        }
        Target::Entra => cloud
            .entra
            .borrow()
            .tenant()
            .groups
            .into_iter()
            .filter(|found| {
                found.display_name == group.name
                    || found
                        .unique_name
                        .as_deref()
                        .is_some_and(|name| name.contains(&group.id))
            })
            .map(|found| found.id)
            .collect(),
    }
}

/// What is not as the requirements want it, once everything has come to rest. `by_hand` are people whom an
/// administrator put into target groups: (group ID, person).
pub fn differences(host: &Host<'_>, by_hand: &BTreeSet<(String, String)>) -> Vec<String> {
    let mut found = Vec::new();
    let organisation = host.cloud.jumpcloud.borrow().organisation().clone();
    let bindings = host.bindings.borrow();
    let mut expected_rows: BTreeSet<(String, String)> = BTreeSet::new();
    let mut frozen_targets: BTreeSet<String> = guarded(host.cloud, host.target);
    for group in &organisation.groups {
        let bound = group.directories.iter().any(|id| id == host.target.directory());
        let wanted = desired(&organisation, &group.id, host.target, &host.settings);
        let exported = bindings.contains_key(&group.id);
        let has_email = group.email.is_some();
        let had_email = bindings
            .get(&group.id)
            .is_some_and(|binding| binding.details.had_email);
        // R13: a group that never had an email is exported to Entra.
        let released = !has_email && (host.target == Target::Google || had_email);
        if !bound || released || (wanted.is_empty() && !exported) {
            if let Some(binding) = bindings.get(&group.id) {
                frozen_targets.extend(binding.target.clone());
                frozen_targets.extend(binding.details.moving_from.keys().cloned());
                if binding.state == BindingState::Managed && (!bound || released) {
                    found.push(format!("{} should be released and is managed", group.name));
                }
            }
            continue;
        }
        let homes = homes(host.cloud, host.target, group);
        if homes.iter().any(|home| frozen_targets.contains(home)) {
            continue;
        }
        let [home] = homes.as_slice() else {
            found.push(format!("{} has the target groups {homes:?}", group.name));
            continue;
        };
        let bound_to = bindings.get(&group.id).and_then(|binding| binding.target.clone());
        if bound_to.as_deref() != Some(home) {
            found.push(format!(
                "{} is bound to {bound_to:?} and lives in {home}",
                group.name
            ));
        }
        let present = members(host.cloud, host.target, home);
        let foreign: BTreeSet<String> = by_hand
            .iter()
            .filter(|(target, _)| target == home)
            .map(|(_, person)| person.clone())
            .collect();
        if wanted.is_empty() {
            // R6: removals from a group that became empty wait for a person.
            frozen_targets.insert(home.clone());
            continue;
        }
        let should: BTreeSet<String> = wanted.union(&foreign).cloned().collect();
        if present != should {
            found.push(format!(
                "{} lacks {:?} and has too many {:?}",
                group.name,
                should.difference(&present).collect::<Vec<_>>(),
                present.difference(&should).collect::<Vec<_>>()
            ));
        }
        expected_rows.extend(wanted.into_iter().map(|person| (home.clone(), person)));
        // R14: nobody of ours stays behind in a group that was moved away from.
        for old in bindings
            .get(&group.id)
            .into_iter()
            .flat_map(|binding| binding.details.moving_from.keys())
        {
            found.push(format!("{} is still moving away from {old}", group.name));
        }
    }
    let rows: BTreeSet<(String, String)> = host
        .recorded()
        .into_iter()
        .filter(|(target, _)| !frozen_targets.contains(target) && is_home(&bindings, target))
        .collect();
    for row in rows.symmetric_difference(&expected_rows) {
        found.push(format!("the ledger and the world differ in {row:?}"));
    }
    found
}

fn is_home(bindings: &BTreeMap<String, Binding>, target: &str) -> bool {
    bindings
        .values()
        .any(|binding| binding.target.as_deref() == Some(target) && binding.state == BindingState::Managed)
}
