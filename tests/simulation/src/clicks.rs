//! What people do between runs and during them, at the source and in the target.

use groupcast_simulators::{Vendor, entra, google, jumpcloud};
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::cloud::Interruption;
use crate::story::{STRANGERS, Teller};
use crate::truth::{Target, user};

impl Teller<'_> {
    /// An administrator does something.
    pub(crate) fn click(&mut self) {
        let now = self.cloud.vendors_time(Vendor::Jumpcloud);
        let mut jumpcloud = self.cloud.jumpcloud.borrow_mut();
        jumpcloud.advance_to(now);
        let groups = jumpcloud.organisation().groups.clone();
        let users: Vec<String> = jumpcloud
            .organisation()
            .users
            .iter()
            .map(|found| found.id.clone())
            .filter(|id| (0..self.people).map(user).any(|known| known == *id))
            .collect();
        let (Some(group), Some(person)) = (groups.choose(&mut self.random), users.choose(&mut self.random))
        else {
            return;
        };
        let line = match self.random.random_range(0..20) {
            0..3 => {
                let done = jumpcloud.add_user_to_group(&group.id, person);
                format!("{person} joins {}: {done:?}", group.name)
            }
            3..6 if group.users.len() > 1 => {
                let leaver = group.users.choose(&mut self.random).unwrap_or(person);
                let done = jumpcloud.remove_user_from_group(&group.id, leaver);
                format!("{leaver} leaves {}: {done:?}", group.name)
            }
            6 => {
                let name = format!("Umben\u{e4}nnt {:04}", self.random.random_range(0..10_000));
                let done = jumpcloud.rename_group(&group.id, &name);
                format!("{} is renamed {name}: {done:?}", group.name)
            }
            7 => {
                let email = format!("moved-{:06}@example.com", self.random.random_range(0..1_000_000));
                let done = jumpcloud.set_group_email(&group.id, Some(&email));
                format!("{} moves to {email}: {done:?}", group.name)
            }
            8 => {
                self.groups_made += 1;
                let made = jumpcloud::Group {
                    id: format!("c{:023x}", self.groups_made),
                    name: format!("Made {}", self.groups_made),
                    email: Some(format!("made-{}@example.com", self.groups_made)),
                    description: None,
                    users: vec![person.clone()],
                    groups: Vec::new(),
                    directories: group.directories.clone(),
                };
                let done = jumpcloud.create_group(made);
                format!("group {} is made with {person}: {done:?}", self.groups_made)
            }
            9 if users.len() > 4 && groups.iter().all(|group| group.users != [person.clone()]) => {
                let done = jumpcloud.delete_user(person);
                format!("{person} is deleted: {done:?}")
            }
            10 => {
                drop(jumpcloud);
                return self.drift();
            }
            11 => {
                drop(jumpcloud);
                return self.strange();
            }
            12 => {
                let done = jumpcloud.set_group_description(&group.id, Some("Described"));
                format!("{} is described: {done:?}", group.name)
            }
            13 => {
                let email = match &group.email {
                    Some(_) => None,
                    // Another address is another binding (R12), which the clicks above have in plenty.
                    None => self.taken_away.remove(&group.id),
                };
                if let (None, Some(old)) = (&email, &group.email) {
                    self.taken_away.insert(group.id.clone(), old.clone());
                }
                let done = jumpcloud.set_group_email(&group.id, email.as_deref());
                format!("{} has the email {email:?}: {done:?}", group.name)
            }
            14 => {
                let directory = self.target.directory();
                let is_bound = group.directories.iter().any(|id| id == directory);
                let done = if is_bound {
                    jumpcloud.unbind_group(&group.id, directory)
                } else {
                    jumpcloud.bind_group(&group.id, directory)
                };
                format!("{} is bound: {}: {done:?}", group.name, !is_bound)
            }
            15 => {
                let Some(parent) = groups
                    .choose(&mut self.random)
                    .filter(|parent| parent.id > group.id)
                else {
                    return;
                };
                let done = if parent.groups.contains(&group.id) {
                    jumpcloud.un_nest(&parent.id, &group.id)
                } else {
                    jumpcloud.nest(&parent.id, &group.id)
                };
                format!(
                    "{} is in {} or is not any more: {done:?}",
                    group.name, parent.name
                )
            }
            16 => {
                let suspended = jumpcloud.organisation().users.iter().find(|user| user.suspended);
                let (person, suspend) = match suspended.map(|user| user.id.clone()) {
                    Some(person) => (person, false),
                    None => (person.clone(), true),
                };
                let done = jumpcloud.set_suspended(&person, suspend);
                format!("{person} is suspended: {suspend}: {done:?}")
            }
            17 if self.target == Target::Entra => {
                drop(jumpcloud);
                return self.guard();
            }
            _ => return,
        };
        self.lines.push(line);
    }

    /// Somebody makes a bound group dynamic or mail-enabled, or a security group again (R27).
    fn guard(&mut self) {
        let mut groups: Vec<String> = self
            .host
            .bindings
            .borrow()
            .values()
            .filter_map(|binding| binding.target.clone())
            .collect();
        let mut entra = self.cloud.entra.borrow_mut();
        groups.extend(entra.guarded_groups());
        let Some(group) = groups.choose(&mut self.random) else {
            return;
        };
        let dynamic = self.random.random();
        entra.change_group(group, |group| {
            if group.mail_enabled || !group.group_types.is_empty() {
                group.mail_enabled = false;
                group.group_types.clear();
            } else if dynamic {
                group.group_types.push("DynamicMembership".to_owned());
            } else {
                group.mail_enabled = true;
            }
        });
        self.lines
            .push(format!("target {group} is guarded, or is not any more"));
    }

    /// Somebody does something while the next run is under way.
    pub(crate) fn interrupt(&mut self) {
        let (groups, users) = {
            let jumpcloud = self.cloud.jumpcloud.borrow();
            let organisation = jumpcloud.organisation();
            (organisation.groups.clone(), organisation.users.clone())
        };
        let (Some(group), Some(person)) = (groups.choose(&mut self.random), users.choose(&mut self.random))
        else {
            return;
        };
        let what = match self.random.random_range(0..3) {
            0 if group.users.len() > 1 => Interruption::Leave {
                group: group.id.clone(),
                user: group.users.choose(&mut self.random).cloned().unwrap_or_default(),
            },
            1 => match self.host.recorded().choose(&mut self.random) {
                Some((group, person)) => Interruption::Drift {
                    group: group.clone(),
                    person: person.clone(),
                },
                None => return,
            },
            _ if (0..self.people).map(user).any(|known| known == person.id) => Interruption::Join {
                group: group.id.clone(),
                user: person.id.clone(),
            },
            _ => return,
        };
        let after = self.random.random_range(1..60);
        self.lines
            .push(format!("before request {after} of the next run: {what:?}"));
        self.cloud.interruptions.borrow_mut().push((after, what));
    }

    /// Somebody takes a member out in the target.
    fn drift(&mut self) {
        let rows = self.host.recorded();
        let Some((group, person)) = rows.choose(&mut self.random).cloned() else {
            return;
        };
        self.unseen |= self.target == Target::Google;
        let done = match self.target {
            Target::Google => self.cloud.google.borrow_mut().remove_member(&group, &person),
            Target::Entra => self.cloud.entra.borrow_mut().remove_member(&group, &person),
        };
        self.lines
            .push(format!("{person} is taken out of target {group}: {done}"));
    }

    /// Somebody puts a stranger into a target group.
    fn strange(&mut self) {
        let stranger = self
            .target
            .principal(self.people + self.random.random_range(0..STRANGERS));
        let groups: Vec<String> = self
            .host
            .bindings
            .borrow()
            .values()
            .filter_map(|binding| binding.target.clone())
            .collect();
        let Some(group) = groups.choose(&mut self.random).cloned() else {
            return;
        };
        let done = match self.target {
            Target::Google => {
                self.cloud
                    .google
                    .borrow_mut()
                    .add_member(&group, &stranger, google::tenant::Role::Member)
            }
            Target::Entra => {
                self.cloud
                    .entra
                    .borrow_mut()
                    .add_member(&group, &stranger, entra::ObjectType::User)
            }
        };
        if done {
            self.by_hand.insert((group.clone(), stranger.clone()));
        }
        self.lines.push(format!(
            "the stranger {stranger} is put into target {group}: {done}"
        ));
    }
}
