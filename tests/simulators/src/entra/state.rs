//! What the tenant holds, and the only ways in which it changes. Lag is kept here too: what a read may
//! see is a question to the state, so that no route can forget it. No HTTP in this module.

use std::collections::{BTreeMap, HashMap, VecDeque};

use sha2::{Digest, Sha256};

use super::format::{Application, Group, Lag, Member, ObjectType, Tenant, Throttle, User};

/// Members or owners by object ID.
pub(super) type Links = BTreeMap<String, ObjectType>;

/// A set of links with what it was before recent writes, for reads that lag.
#[derive(Debug, Clone, Default)]
pub(super) struct Lagging {
    now: Links,
    /// (when it was replaced, what it was), oldest first.
    before: VecDeque<(u64, Links)>,
}

impl Lagging {
    fn new(now: Links) -> Self {
        Self {
            now,
            before: VecDeque::new(),
        }
    }

    /// What is really there: what writes are judged by.
    pub fn truth(&self) -> &Links {
        &self.now
    }

    /// What a read at this time shows.
    pub fn seen(&self, now_ms: u64, lag: Lag) -> &Links {
        let horizon = now_ms.saturating_sub(lag.read_ms);
        self.before
            .iter()
            .find(|(replaced, _)| *replaced > horizon)
            .map_or(&self.now, |(_, links)| links)
    }

    fn change(&mut self, now_ms: u64, lag: Lag) -> &mut Links {
        if lag.read_ms > 0 {
            let horizon = now_ms.saturating_sub(lag.read_ms);
            while self
                .before
                .front()
                .is_some_and(|(replaced, _)| *replaced <= horizon)
            {
                self.before.pop_front();
            }
            self.before.push_back((now_ms, self.now.clone()));
        }
        &mut self.now
    }
}

/// A group as the simulator holds it: the published format's fields, with links apart.
#[derive(Debug, Clone)]
pub(super) struct HeldGroup {
    /// The properties; `members` and `owners` in it are empty.
    pub properties: Group,
    pub members: Lagging,
    pub owners: Lagging,
    pub created_ms: u64,
    /// `None` for what was there from the start, and so is seen at once.
    pub born_ms: Option<u64>,
}

impl HeldGroup {
    pub fn is_unified(&self) -> bool {
        self.has_type("Unified")
    }

    pub fn is_dynamic(&self) -> bool {
        self.has_type("DynamicMembership")
    }

    fn has_type(&self, name: &str) -> bool {
        self.properties.group_types.iter().any(|kind| kind == name)
    }
}

/// A user as the simulator holds it.
#[derive(Debug, Clone)]
pub(super) struct HeldUser {
    pub user: User,
    pub born_ms: Option<u64>,
}

/// One entry of the change feed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub at_ms: u64,
    pub group: String,
    pub what: What,
}

/// What changed in a group.
#[derive(Debug, Clone)]
pub(super) enum What {
    Properties,
    Member(String, ObjectType),
    Deleted,
    Purged,
}

/// The whole tenant.
#[derive(Debug)]
pub(super) struct State {
    pub tenant_id: String,
    pub domain: String,
    pub applications: Vec<Application>,
    pub users: BTreeMap<String, HeldUser>,
    pub groups: BTreeMap<String, HeldGroup>,
    /// Soft-deleted groups with the time of deletion.
    pub deleted: BTreeMap<String, (HeldGroup, u64)>,
    /// Members that are neither users nor groups, by ID.
    pub others: BTreeMap<String, ObjectType>,
    pub lag: Lag,
    pub throttle: Throttle,
    pub changes: Vec<Change>,
    /// Access tokens in force: token -> (client ID, expiry).
    pub tokens: HashMap<String, (String, u64)>,
    pub tokens_issued: u64,
    /// Requests that would have created, changed or deleted a user, whether or not they were let.
    pub user_mutation_attempts: u64,
    serial: u64,
}

impl State {
    /// Whether the tenant goes by this name: its ID or its domain.
    pub fn is_named(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.tenant_id) || name.eq_ignore_ascii_case(&self.domain)
    }

    pub fn new(tenant: Tenant) -> Self {
        let mut others = BTreeMap::new();
        let mut groups = BTreeMap::new();
        for mut group in tenant.groups {
            let members: Links = group
                .members
                .drain(..)
                .map(|member| (member.id, member.kind))
                .collect();
            let owners: Links = group.owners.drain(..).map(|id| (id, ObjectType::User)).collect();
            for (id, kind) in &members {
                if !matches!(kind, ObjectType::User | ObjectType::Group) {
                    others.insert(id.clone(), *kind);
                }
            }
            groups.insert(
                group.id.clone(),
                HeldGroup {
                    properties: group,
                    members: Lagging::new(members),
                    owners: Lagging::new(owners),
                    created_ms: 1_700_000_000_000,
                    born_ms: None,
                },
            );
        }
        Self {
            tenant_id: tenant.tenant_id,
            domain: tenant.domain,
            applications: tenant.applications,
            users: tenant
                .users
                .into_iter()
                .map(|user| (user.id.clone(), HeldUser { user, born_ms: None }))
                .collect(),
            groups,
            deleted: BTreeMap::new(),
            others,
            lag: tenant.lag,
            throttle: tenant.throttle,
            changes: Vec::new(),
            tokens: HashMap::new(),
            tokens_issued: 0,
            user_mutation_attempts: 0,
            serial: 0,
        }
    }

    /// The current state in the published format.
    pub fn tenant(&self) -> Tenant {
        Tenant {
            tenant_id: self.tenant_id.clone(),
            domain: self.domain.clone(),
            applications: self.applications.clone(),
            users: self.users.values().map(|held| held.user.clone()).collect(),
            groups: self.groups.values().map(published).collect(),
            lag: self.lag,
            throttle: self.throttle,
        }
    }

    /// A GUID that depends on nothing but the tenant and how many were made before it, so that a run
    /// can be repeated exactly.
    pub fn new_id(&mut self, purpose: &str) -> String {
        self.serial = self.serial.saturating_add(1);
        let digest = Sha256::digest(format!("{}/{purpose}/{}", self.tenant_id, self.serial).as_bytes());
        let digits = hex::encode(digest);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// Whether an object born at this time can be seen.
    pub fn is_visible(&self, born_ms: Option<u64>, now_ms: u64, eventual: bool) -> bool {
        let lag = self
            .lag
            .create_ms
            .saturating_add(if eventual { self.lag.read_ms } else { 0 });
        born_ms.is_none_or(|born| now_ms >= born.saturating_add(lag))
    }

    pub fn visible_group(&self, id: &str, now_ms: u64) -> Option<&HeldGroup> {
        // Graph compares GUIDs without regard to case; the simulator holds them as they were given.
        let group = self
            .groups
            .get(id)
            .or_else(|| self.groups.get(&id.to_ascii_lowercase()))?;
        self.is_visible(group.born_ms, now_ms, false).then_some(group)
    }

    pub fn visible_user(&self, key: &str, now_ms: u64) -> Option<&HeldUser> {
        let user = self.users.get(key).or_else(|| {
            self.users
                .values()
                .find(|held| held.user.user_principal_name.eq_ignore_ascii_case(key))
        })?;
        self.is_visible(user.born_ms, now_ms, false).then_some(user)
    }

    /// The type of any visible object by ID.
    pub fn kind_of(&self, id: &str, now_ms: u64) -> Option<ObjectType> {
        if self
            .users
            .get(id)
            .is_some_and(|user| self.is_visible(user.born_ms, now_ms, false))
        {
            Some(ObjectType::User)
        } else if self.visible_group(id, now_ms).is_some() {
            Some(ObjectType::Group)
        } else {
            self.others.get(id).copied()
        }
    }

    pub fn group_by_unique_name(&self, unique_name: &str) -> Option<&HeldGroup> {
        self.groups
            .values()
            .find(|group| group.properties.unique_name.as_deref() == Some(unique_name))
    }

    fn note(&mut self, now_ms: u64, group: &str, what: What) {
        self.changes.push(Change {
            at_ms: now_ms,
            group: group.to_owned(),
            what,
        });
    }

    pub fn insert_group(&mut self, mut group: Group, now_ms: u64, born_ms: Option<u64>) {
        let members: Links = group
            .members
            .drain(..)
            .map(|member| (member.id, member.kind))
            .collect();
        let owners: Links = group.owners.drain(..).map(|id| (id, ObjectType::User)).collect();
        let id = group.id.clone();
        self.groups.insert(
            id.clone(),
            HeldGroup {
                properties: group,
                members: Lagging::new(members.clone()),
                owners: Lagging::new(owners),
                created_ms: now_ms,
                born_ms,
            },
        );
        self.note(now_ms, &id, What::Properties);
        for (member, kind) in members {
            self.note(now_ms, &id, What::Member(member, kind));
        }
    }

    /// Changes a group's properties; false where there is no such group.
    pub fn change_group(&mut self, id: &str, now_ms: u64, change: impl FnOnce(&mut Group)) -> bool {
        let Some(group) = self.groups.get_mut(id) else {
            return false;
        };
        change(&mut group.properties);
        self.note(now_ms, id, What::Properties);
        true
    }

    pub fn delete_group(&mut self, id: &str, now_ms: u64) -> bool {
        let Some(group) = self.groups.remove(id) else {
            return false;
        };
        self.note(now_ms, id, What::Deleted);
        self.forget_links(id, now_ms);
        self.deleted.insert(id.to_owned(), (group, now_ms));
        true
    }

    pub fn restore_group(&mut self, id: &str, now_ms: u64) -> bool {
        let Some((group, _)) = self.deleted.remove(id) else {
            return false;
        };
        let members: Vec<_> = group
            .members
            .truth()
            .iter()
            .map(|(member, kind)| (member.clone(), *kind))
            .collect();
        self.groups.insert(id.to_owned(), group);
        self.note(now_ms, id, What::Properties);
        for (member, kind) in members {
            self.note(now_ms, id, What::Member(member, kind));
        }
        true
    }

    pub fn purge_group(&mut self, id: &str, now_ms: u64) -> bool {
        let there = self.deleted.remove(id).is_some();
        if there {
            self.note(now_ms, id, What::Purged);
        }
        there
    }

    pub fn insert_user(&mut self, user: User, born_ms: Option<u64>) {
        self.users.insert(user.id.clone(), HeldUser { user, born_ms });
    }

    pub fn delete_user(&mut self, id: &str, now_ms: u64) -> bool {
        let there = self.users.remove(id).is_some();
        if there {
            self.forget_links(id, now_ms);
        }
        there
    }

    /// An object that is gone is in no group any more, at once and without lag.
    fn forget_links(&mut self, id: &str, now_ms: u64) {
        let mut left = Vec::new();
        for (group_id, group) in &mut self.groups {
            if let Some(kind) = group.members.now.remove(id) {
                left.push((group_id.clone(), kind));
            }
            for (_, links) in &mut group.members.before {
                links.remove(id);
            }
            group.owners.now.remove(id);
        }
        for (group, kind) in left {
            self.note(now_ms, &group, What::Member(id.to_owned(), kind));
        }
    }

    /// Adds members; the caller has checked that none is there.
    pub fn add_members(&mut self, group_id: &str, members: &[(String, ObjectType)], now_ms: u64) -> bool {
        let lag = self.lag;
        let Some(group) = self.groups.get_mut(group_id) else {
            return false;
        };
        group.members.change(now_ms, lag).extend(members.iter().cloned());
        for (id, kind) in members {
            if !matches!(kind, ObjectType::User | ObjectType::Group) {
                self.others.insert(id.clone(), *kind);
            }
            self.note(now_ms, group_id, What::Member(id.clone(), *kind));
        }
        true
    }

    pub fn remove_member(&mut self, group_id: &str, id: &str, now_ms: u64) -> bool {
        let lag = self.lag;
        let Some(group) = self.groups.get_mut(group_id) else {
            return false;
        };
        let Some(kind) = group.members.truth().get(id).copied() else {
            return false;
        };
        group.members.change(now_ms, lag).remove(id);
        self.note(now_ms, group_id, What::Member(id.to_owned(), kind));
        true
    }

    pub fn add_owner(&mut self, group_id: &str, id: &str, now_ms: u64) -> bool {
        let lag = self.lag;
        self.groups.get_mut(group_id).is_some_and(|group| {
            group
                .owners
                .change(now_ms, lag)
                .insert(id.to_owned(), ObjectType::User)
                .is_none()
        })
    }

    pub fn remove_owner(&mut self, group_id: &str, id: &str, now_ms: u64) -> bool {
        let lag = self.lag;
        self.groups
            .get_mut(group_id)
            .is_some_and(|group| group.owners.change(now_ms, lag).remove(id).is_some())
    }
}

/// A group in the published format.
pub(super) fn published(held: &HeldGroup) -> Group {
    let mut group = held.properties.clone();
    group.members = held
        .members
        .truth()
        .iter()
        .map(|(id, kind)| Member {
            id: id.clone(),
            kind: *kind,
        })
        .collect();
    group.owners = held.owners.truth().keys().cloned().collect();
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lagging_read_shows_each_write_after_the_lag_and_not_before() {
        let lag = Lag {
            create_ms: 0,
            read_ms: 100,
        };
        let mut links = Lagging::default();
        links.change(1000, lag).insert("a".into(), ObjectType::User);
        links.change(1050, lag).insert("b".into(), ObjectType::User);
        assert_eq!(links.seen(1099, lag).len(), 0);
        assert_eq!(links.seen(1100, lag).len(), 1);
        assert_eq!(links.seen(1149, lag).len(), 1);
        assert_eq!(links.seen(1150, lag).len(), 2);
        assert_eq!(links.truth().len(), 2);
    }
}
