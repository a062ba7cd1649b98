//! What must be in a target after a sync, worked out anew from the source's state and from what was there before.
//!
//! It shares no code with the planner: an engine's mistake must not excuse itself. It knows only what the story can
//! lead to, which is no more than the sample organisation holds.

use crate::cli::render::text::count;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use groupcast_simulators::jumpcloud::{DirectoryKind, Organisation};
use groupcast_simulators::server::Simulators;
use groupcast_simulators::{entra, google};
use serde_json::Value;

/// Which target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Google,
    Entra,
}

/// A target group, alike for both vendors.
#[derive(Debug, Clone)]
struct Group {
    id: String,
    /// Google: the address in small letters. Entra: the display name.
    key: String,
    name: String,
    aliases: Vec<String>,
    /// Whether it may be taken over by its key.
    eligible: bool,
    members: BTreeSet<String>,
    /// Owners and managers with their role.
    roles: BTreeSet<(String, String)>,
    /// Everything, to see whether anything changed.
    whole: Value,
}

/// A group that must be there.
struct Wanted {
    name: String,
    key: String,
    members: BTreeSet<String>,
}

/// What a target must hold, given what it held when this was made.
pub(super) struct Expectation {
    target: Target,
    before: BTreeMap<String, Group>,
    /// Keys of groups that were wanted at some time.
    exported: BTreeSet<String>,
}

impl Expectation {
    /// Notes what is there now, before anything was synced.
    pub fn new(target: Target, simulators: &Simulators) -> Self {
        Self {
            target,
            before: groups(target, simulators),
            exported: BTreeSet::new(),
        }
    }

    /// What is not as it must be, in sentences; empty where all is well.
    pub fn problems(&mut self, simulators: &Simulators) -> Vec<String> {
        let organisation = simulators.with_jumpcloud(|jumpcloud| jumpcloud.organisation().clone());
        let people = people(self.target, simulators);
        let now = groups(self.target, simulators);
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        for wanted in self.wanted(&organisation, &people) {
            self.exported.insert(wanted.key.clone());
            match self.find(&wanted, &now) {
                Ok(group) => {
                    seen.insert(group.id.clone());
                    self.judge(&wanted, group, &mut problems);
                }
                Err(found) => problems.push(format!(
                    "{:?}: there must be one group {:?} for {:?}, and there are {found}",
                    self.target, wanted.key, wanted.name
                )),
            }
        }
        self.judge_others(&now, &seen, &mut problems);
        let attempts = match self.target {
            Target::Google => simulators.with_google(|google| google.user_mutation_attempts()),
            Target::Entra => simulators.with_entra(|entra| entra.user_mutation_attempts()),
        };
        if attempts > 0 {
            problems.push(format!(
                "{:?}: {} tried to change users",
                self.target,
                count(attempts, "request", "requests")
            ));
        }
        problems
    }

    fn wanted(&self, organisation: &Organisation, people: &HashMap<String, String>) -> Vec<Wanted> {
        let kind = match self.target {
            Target::Google => DirectoryKind::GoogleWorkspace,
            Target::Entra => DirectoryKind::Office365,
        };
        let Some(directory) = organisation.directories.iter().find(|one| one.kind == kind) else {
            return Vec::new();
        };
        let users: HashMap<&str, _> = organisation
            .users
            .iter()
            .map(|user| (user.id.as_str(), user))
            .collect();
        let mut bound: Vec<_> = organisation
            .groups
            .iter()
            .filter(|group| group.directories.contains(&directory.id))
            .collect();
        bound.sort_by(|one, other| one.id.cmp(&other.id));
        let mut claimed = BTreeSet::new();
        let mut wanted = Vec::new();
        for group in bound {
            let address = group.email.as_deref().map(|email| email.trim().to_lowercase());
            let key = match (self.target, address) {
                (Target::Google, None) => continue,
                (Target::Google, Some(address)) => address,
                (Target::Entra, _) => group.name.clone(),
            };
            let effective = effective(organisation, &group.id);
            let taken = self.before.values().any(|other| other.aliases.contains(&key));
            if effective.is_empty() || taken || self.target == Target::Google && !claimed.insert(key.clone())
            {
                continue;
            }
            let members = effective
                .iter()
                .filter_map(|id| users.get(id.as_str()))
                .filter_map(|user| {
                    let known = user.external_ids.get(&directory.id);
                    let email = user.email.as_ref().map(|email| email.to_lowercase());
                    known.or_else(|| people.get(&email?)).cloned()
                })
                .collect();
            wanted.push(Wanted {
                name: group.name.clone(),
                key,
                members,
            });
        }
        wanted
    }

    /// The one group that stands for the wanted one; else how many there are.
    fn find<'a>(&self, wanted: &Wanted, now: &'a BTreeMap<String, Group>) -> Result<&'a Group, usize> {
        let mut before = self
            .before
            .values()
            .filter(|group| group.eligible && group.key == wanted.key);
        let (one, another) = (before.next(), before.next());
        if let (Some(group), None) = (one, another) {
            return now.get(&group.id).ok_or(0);
        }
        let created: Vec<&Group> = now
            .values()
            .filter(|group| group.key == wanted.key && !self.before.contains_key(&group.id))
            .collect();
        match created.as_slice() {
            [group] => Ok(group),
            many => Err(many.len()),
        }
    }

    fn judge(&self, wanted: &Wanted, group: &Group, problems: &mut Vec<String>) {
        let (target, key) = (self.target, &wanted.key);
        if group.name != wanted.name {
            problems.push(format!(
                "{target:?}: {key} is called {:?} and not {:?}",
                group.name, wanted.name
            ));
        }
        let missing = wanted.members.difference(&group.members).count();
        if missing > 0 {
            let missing = count(missing as u64, "person is", "people are");
            problems.push(format!("{target:?}: {missing} missing in {key}"));
        }
        let before = self.before.get(&group.id);
        let surplus = group
            .members
            .difference(&wanted.members)
            .filter(|id| before.is_none_or(|before| !before.members.contains(*id)))
            .count();
        if surplus > 0 {
            let surplus = count(surplus as u64, "person is", "people are");
            problems.push(format!("{target:?}: {surplus} in {key} and should not be"));
        }
        if let Some(before) = before {
            let lost = before.members.difference(&group.members).count();
            let demoted = before.roles.difference(&group.roles).count();
            if lost + demoted > 0 {
                problems.push(format!(
                    "{target:?}: {key} was taken over, and {} and {} were lost",
                    count(lost as u64, "member", "members"),
                    count(demoted as u64, "role", "roles")
                ));
            }
        }
    }

    fn judge_others(
        &self,
        now: &BTreeMap<String, Group>,
        seen: &BTreeSet<String>,
        problems: &mut Vec<String>,
    ) {
        let target = self.target;
        for (id, before) in &self.before {
            match now.get(id) {
                None => problems.push(format!("{target:?}: {} was deleted", before.key)),
                Some(group) if !seen.contains(id) && group.whole != before.whole => {
                    problems.push(format!(
                        "{target:?}: {} is none of ours and was changed",
                        before.key
                    ));
                }
                Some(_) => {}
            }
        }
        for group in now.values().filter(|group| !seen.contains(&group.id)) {
            if self.before.contains_key(&group.id) {
                continue;
            }
            if !self.exported.contains(&group.key) {
                problems.push(format!("{target:?}: nobody asked for {}", group.key));
            } else if !group.members.is_empty() {
                // Its people moved to the new address (R14).
                problems.push(format!(
                    "{target:?}: {} still in {}",
                    count(group.members.len() as u64, "person is", "people are"),
                    group.key
                ));
            }
        }
    }
}

/// Everybody in a group, by nesting too; JumpCloud allows circles.
pub(super) fn effective(organisation: &Organisation, group: &str) -> BTreeSet<String> {
    let (mut users, mut visited, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![group.to_owned()]);
    while let Some(id) = open.pop() {
        if !visited.insert(id.clone()) {
            continue;
        }
        if let Some(group) = organisation.groups.iter().find(|group| group.id == id) {
            users.extend(group.users.iter().cloned());
            open.extend(group.groups.iter().cloned());
        }
    }
    users
}

/// Who answers to an address (in small letters) in the target.
fn people(target: Target, simulators: &Simulators) -> HashMap<String, String> {
    let mut found = HashMap::new();
    match target {
        Target::Google => {
            for user in simulators.with_google(|google| google.tenant()).users {
                for address in user.aliases.iter().chain([&user.primary_email]) {
                    found.insert(address.to_lowercase(), user.id.clone());
                }
            }
        }
        Target::Entra => {
            for user in simulators.with_entra(|entra| entra.tenant()).users {
                for address in user.mail.iter().chain([&user.user_principal_name]) {
                    found.insert(address.to_lowercase(), user.id.clone());
                }
            }
        }
    }
    found
}

fn groups(target: Target, simulators: &Simulators) -> BTreeMap<String, Group> {
    let groups: Vec<Group> = match target {
        Target::Google => {
            let tenant = simulators.with_google(|google| google.tenant());
            tenant.groups.into_iter().map(google_group).collect()
        }
        Target::Entra => {
            let tenant = simulators.with_entra(|entra| entra.tenant());
            tenant.groups.into_iter().map(entra_group).collect()
        }
    };
    groups
        .into_iter()
        .map(|group| (group.id.clone(), group))
        .collect()
}

fn google_group(group: google::tenant::Group) -> Group {
    let whole = serde_json::to_value(&group).unwrap_or_default();
    let roles = group
        .members
        .iter()
        .filter(|member| member.role != google::tenant::Role::Member)
        .map(|member| (member.id.clone(), member.role.as_str().to_owned()))
        .collect();
    Group {
        id: group.id,
        key: group.email.to_lowercase(),
        name: group.name,
        aliases: group.aliases.iter().map(|alias| alias.to_lowercase()).collect(),
        eligible: true,
        members: group.members.into_iter().map(|member| member.id).collect(),
        roles,
        whole,
    }
}

fn entra_group(group: entra::Group) -> Group {
    let whole = serde_json::to_value(&group).unwrap_or_default();
    let eligible = group.security_enabled
        && !group.mail_enabled
        && group.group_types.is_empty()
        && group.on_premises_sync_enabled != Some(true)
        && group.is_assignable_to_role != Some(true);
    Group {
        id: group.id,
        key: group.display_name.clone(),
        name: group.display_name,
        aliases: Vec::new(),
        eligible,
        members: group.members.into_iter().map(|member| member.id).collect(),
        roles: group
            .owners
            .into_iter()
            .map(|id| (id, "owner".to_owned()))
            .collect(),
        whole,
    }
}

#[cfg(test)]
mod tests {
    use groupcast_simulators::organisation::{Organisation as Whole, sample};
    use groupcast_simulators::server::Options;

    use super::*;

    async fn start(organisation: Whole) -> Simulators {
        Simulators::start(organisation, Options::default()).await.unwrap()
    }

    /// Does by hand what a sync must do.
    fn sync_by_hand(expectation: &Expectation, simulators: &Simulators) {
        let organisation = simulators.with_jumpcloud(|jumpcloud| jumpcloud.organisation().clone());
        let people = people(expectation.target, simulators);
        for (number, wanted) in expectation.wanted(&organisation, &people).into_iter().enumerate() {
            let found = groups(expectation.target, simulators)
                .into_values()
                .find(|group| group.eligible && group.key == wanted.key && group.key != "Finance");
            // Adding somebody again would take the role away.
            let there = found
                .as_ref()
                .map(|group| group.members.clone())
                .unwrap_or_default();
            match expectation.target {
                Target::Google => simulators.with_google(|google| {
                    match found {
                        Some(_) => assert!(google.edit_group(&wanted.key, &wanted.name, "")),
                        None => google.create_group(google_made(number, &wanted)),
                    }
                    for member in wanted.members.difference(&there) {
                        google.add_member(&wanted.key, member, google::tenant::Role::Member);
                    }
                }),
                Target::Entra => simulators.with_entra(|entra| {
                    let id = found.map_or_else(
                        || {
                            let made = entra_made(number, &wanted);
                            let id = made.id.clone();
                            entra.create_group(made);
                            id
                        },
                        |group| group.id,
                    );
                    for member in wanted.members.difference(&there) {
                        entra.add_member(&id, member, entra::ObjectType::User);
                    }
                }),
            }
        }
    }

    fn google_made(number: usize, wanted: &Wanted) -> google::tenant::Group {
        serde_json::from_value(serde_json::json!({
            "id": format!("made-{number}"), "email": wanted.key, "name": wanted.name,
        }))
        .unwrap()
    }

    fn entra_made(number: usize, wanted: &Wanted) -> entra::Group {
        serde_json::from_value(serde_json::json!({
            "id": format!("made-{number}"), "display_name": wanted.key, "mail_nickname": "made",
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_target_in_step_has_no_problem() {
        let simulators = start(sample().unwrap()).await;
        for target in [Target::Google, Target::Entra] {
            let mut expectation = Expectation::new(target, &simulators);
            assert!(
                !expectation.problems(&simulators).is_empty(),
                "nothing was done yet"
            );
            sync_by_hand(&expectation, &simulators);
            assert_eq!(expectation.problems(&simulators), Vec::<String>::new());
        }
    }

    #[tokio::test]
    async fn r12_r52_what_must_not_happen_is_seen() {
        let simulators = start(sample().unwrap()).await;
        let mut expectation = Expectation::new(Target::Google, &simulators);
        sync_by_hand(&expectation, &simulators);
        assert_eq!(expectation.problems(&simulators), Vec::<String>::new());
        simulators.with_google(|google| {
            google.edit_group("summer-party@larkspur.example", "Changed", "");
            google.add_member(
                "legal@larkspur.example",
                "it-admin@larkspur.example",
                google::tenant::Role::Member,
            );
            google.remove_member("design@larkspur.example", "anna.weiss@studio-nord.example");
        });
        let problems = expectation.problems(&simulators).join("\n");
        assert!(
            problems.contains("summer-party@larkspur.example is none of ours"),
            "{problems}"
        );
        assert!(
            problems.contains("1 person is in legal@larkspur.example"),
            "{problems}"
        );
        assert!(
            problems.contains("design@larkspur.example was taken over, and 1 member and"),
            "{problems}"
        );
    }

    #[tokio::test]
    async fn r14_people_left_at_the_old_address_are_seen() {
        let simulators = start(sample().unwrap()).await;
        let mut expectation = Expectation::new(Target::Google, &simulators);
        sync_by_hand(&expectation, &simulators);
        assert_eq!(expectation.problems(&simulators), Vec::<String>::new());
        simulators.with_jumpcloud(|jumpcloud| {
            let id = jumpcloud
                .organisation()
                .groups
                .iter()
                .find(|group| group.name == "Customer Support")
                .unwrap()
                .id
                .clone();
            jumpcloud
                .set_group_email(&id, Some("care@larkspur.example"))
                .unwrap();
        });
        let problems = expectation.problems(&simulators).join("\n");
        assert!(problems.contains("\"care@larkspur.example\""), "{problems}");
        assert!(
            problems.contains("30 people are still in support@larkspur.example"),
            "{problems}"
        );
    }
}
