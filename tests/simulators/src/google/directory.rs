//! The account's current state and how keys find things in it.
//!
//! It holds the tenant in its published form, so that what a test reads back is what the API serves, plus
//! what that form has no place for: when the API created something, and an index by ID and address. No
//! HTTP here.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use super::address;
use super::error::ApiError;
use super::tenant::{Group, Member, MemberStatus, MemberType, Tenant, User};

/// Whom an ID or address belongs to: a place in the tenant's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    User(usize),
    Group(usize),
}

#[derive(Debug)]
pub(super) struct Directory {
    tenant: Tenant,
    /// By address key and by ID. An ID never holds `@`, so the two cannot meet.
    index: HashMap<String, Owner>,
    group_created: HashMap<String, u64>,
    member_added: HashMap<(String, String), u64>,
    groups_ever: u64,
}

impl Directory {
    pub(super) fn new(mut tenant: Tenant) -> Self {
        tenant.users.sort_by(|a, b| a.primary_email.cmp(&b.primary_email));
        tenant.groups.sort_by(|a, b| a.email.cmp(&b.email));
        let mut directory = Self {
            tenant,
            index: HashMap::new(),
            group_created: HashMap::new(),
            member_added: HashMap::new(),
            groups_ever: 0,
        };
        directory.reindex();
        directory.give_member_ids();
        directory
    }

    /// Fills IDs that a hand-written file left out and sorts members by ID, on which look-ups rely.
    fn give_member_ids(&mut self) {
        let mut groups = std::mem::take(&mut self.tenant.groups);
        let identities: Vec<(String, String)> = groups
            .iter()
            .flat_map(|group| {
                std::iter::once(&group.email)
                    .chain(&group.aliases)
                    .map(|email| (address::key(email), group.id.clone()))
            })
            .collect();
        let by_address: HashMap<String, String> = identities.into_iter().collect();
        for group in &mut groups {
            for member in &mut group.members {
                if member.id.is_empty() {
                    let email = member.email.clone().unwrap_or_default();
                    member.id = match self.index.get(&address::key(&email)) {
                        Some(Owner::User(at)) => self
                            .tenant
                            .users
                            .get(*at)
                            .map(|user| user.id.clone())
                            .unwrap_or_default(),
                        Some(Owner::Group(_)) => {
                            by_address.get(&address::key(&email)).cloned().unwrap_or_default()
                        }
                        None if member.kind == MemberType::Customer => self.tenant.customer_id.clone(),
                        None => outside_id(&email),
                    };
                }
            }
            group.members.sort_by(|a, b| a.id.cmp(&b.id));
        }
        self.tenant.groups = groups;
    }

    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// For changes that touch neither addresses nor IDs nor the order of the lists.
    pub(super) fn tenant_mut(&mut self) -> &mut Tenant {
        &mut self.tenant
    }

    pub(super) fn reindex(&mut self) {
        let mut index = HashMap::new();
        for (at, user) in self.tenant.users.iter().enumerate() {
            index.insert(user.id.clone(), Owner::User(at));
            for email in std::iter::once(&user.primary_email).chain(&user.aliases) {
                index.insert(address::key(email), Owner::User(at));
            }
        }
        for (at, group) in self.tenant.groups.iter().enumerate() {
            index.insert(group.id.clone(), Owner::Group(at));
            for email in std::iter::once(&group.email).chain(&group.aliases) {
                index.insert(address::key(email), Owner::Group(at));
            }
        }
        self.index = index;
    }

    /// Who has this ID or address (primary or alias), whether the API shows it yet or not.
    pub(super) fn owner(&self, key: &str) -> Option<Owner> {
        self.index
            .get(&address::key(key))
            .or_else(|| self.index.get(key.trim()))
            .copied()
    }

    pub(super) fn user(&self, key: &str) -> Option<&User> {
        match self.owner(key)? {
            Owner::User(at) => self.tenant.users.get(at),
            Owner::Group(_) => None,
        }
    }

    /// The group of this key, whether visible yet or not.
    pub(super) fn any_group(&self, key: &str) -> Option<&Group> {
        match self.owner(key)? {
            Owner::Group(at) => self.tenant.groups.get(at),
            Owner::User(_) => None,
        }
    }

    pub(super) fn any_group_mut(&mut self, key: &str) -> Option<&mut Group> {
        match self.owner(key)? {
            Owner::Group(at) => self.tenant.groups.get_mut(at),
            Owner::User(_) => None,
        }
    }

    /// The group of this key as the API sees it at this time.
    pub(super) fn group(&self, key: &str, now_ms: u64) -> Result<&Group, ApiError> {
        if let Some(domain) = address::domain(key)
            && !self.owns_domain(&domain)
        {
            // Google does not tell whether a foreign group exists.
            return Err(ApiError::forbidden());
        }
        self.any_group(key)
            .filter(|group| !self.is_younger(&group.id, self.tenant.lag.create_ms, now_ms))
            .ok_or_else(|| ApiError::not_found("groupKey"))
    }

    pub(super) fn owns_domain(&self, domain: &str) -> bool {
        self.tenant
            .domains
            .iter()
            .any(|own| own.eq_ignore_ascii_case(domain))
    }

    fn is_younger(&self, group_id: &str, lag_ms: u64, now_ms: u64) -> bool {
        self.group_created
            .get(group_id)
            .is_some_and(|created| now_ms < created.saturating_add(lag_ms))
    }

    /// Whether `groups.list` has it at this time.
    pub(super) fn is_listed(&self, group: &Group, now_ms: u64) -> bool {
        !self.is_younger(&group.id, self.tenant.lag.list_ms, now_ms)
    }

    /// Whether `members.list` has it at this time. Pending members never show.
    pub(super) fn is_member_listed(&self, group: &Group, member: &Member, now_ms: u64) -> bool {
        member.status != Some(MemberStatus::Pending)
            && self
                .member_added
                .get(&(group.id.clone(), member.id.clone()))
                .is_none_or(|added| now_ms >= added.saturating_add(self.tenant.lag.member_ms))
    }

    /// An ID that no group of this account ever had.
    pub(super) fn new_group_id(&mut self, email: &str) -> String {
        loop {
            self.groups_ever = self.groups_ever.saturating_add(1);
            let digest = Sha256::digest(format!("group {} {email}", self.groups_ever).as_bytes());
            let id: String = format!("0{}", hex::encode(digest)).chars().take(15).collect();
            if !self.index.contains_key(&id) {
                return id;
            }
        }
    }

    /// Adds a group; `created_ms` starts the lag, none makes it visible at once.
    pub(super) fn add_group(&mut self, mut group: Group, created_ms: Option<u64>) {
        group.members.sort_by(|a, b| a.id.cmp(&b.id));
        let owner = Owner::Group(self.tenant.groups.len());
        self.index.insert(group.id.clone(), owner);
        for email in std::iter::once(&group.email).chain(&group.aliases) {
            self.index.insert(address::key(email), owner);
        }
        if let Some(created_ms) = created_ms {
            self.group_created.insert(group.id.clone(), created_ms);
        }
        self.tenant.groups.push(group);
    }

    /// Removes a group and its memberships in others.
    pub(super) fn remove_group(&mut self, id: &str) {
        self.tenant.groups.retain(|group| group.id != id);
        self.forget_member_everywhere(id);
        self.group_created.remove(id);
        self.reindex();
    }

    pub(super) fn forget_member_everywhere(&mut self, id: &str) {
        for group in &mut self.tenant.groups {
            group.members.retain(|member| member.id != id);
        }
    }

    /// Puts a member into a group; `added_ms` starts the lag.
    pub(super) fn add_member(&mut self, group_key: &str, member: Member, added_ms: Option<u64>) {
        let member_id = member.id.clone();
        let Some(group) = self.any_group_mut(group_key) else {
            return;
        };
        let group_id = group.id.clone();
        match group.members.binary_search_by(|other| other.id.cmp(&member.id)) {
            Ok(at) => {
                if let Some(place) = group.members.get_mut(at) {
                    *place = member;
                }
            }
            Err(at) => group.members.insert(at, member),
        }
        match added_ms {
            Some(added_ms) => self.member_added.insert((group_id, member_id), added_ms),
            None => self.member_added.remove(&(group_id, member_id)),
        };
    }

    /// Changes a membership in place; its lag goes on as it was.
    pub(super) fn replace_member(&mut self, group_key: &str, member: Member) {
        if let Some(group) = self.any_group_mut(group_key)
            && let Some(place) = group.members.iter_mut().find(|other| other.id == member.id)
        {
            *place = member;
        }
    }

    pub(super) fn remove_member(&mut self, group_key: &str, member_id: &str) {
        if let Some(group) = self.any_group_mut(group_key) {
            group.members.retain(|member| member.id != member_id);
        }
    }

    /// The membership that a key (ID or address) names, pending ones included.
    pub(super) fn member<'a>(&self, group: &'a Group, key: &str) -> Option<&'a Member> {
        let id = match self.owner(key) {
            Some(Owner::User(at)) => self.tenant.users.get(at).map(|user| user.id.clone()),
            Some(Owner::Group(at)) => self.tenant.groups.get(at).map(|group| group.id.clone()),
            None if key.contains('@') => Some(outside_id(key)),
            None => Some(key.to_owned()),
        }?;
        if let Ok(at) = group.members.binary_search_by(|member| member.id.cmp(&id)) {
            return group.members.get(at);
        }
        if !key.contains('@') {
            return None;
        }
        let wanted = address::key(key);
        group.members.iter().find(|member| {
            member
                .email
                .as_deref()
                .is_some_and(|email| address::key(email) == wanted)
        })
    }

    /// The membership's address of today.
    pub(super) fn member_email(&self, member: &Member) -> Option<String> {
        match self.index.get(&member.id) {
            Some(Owner::User(at)) => self.tenant.users.get(*at).map(|user| user.primary_email.clone()),
            Some(Owner::Group(at)) => self.tenant.groups.get(*at).map(|group| group.email.clone()),
            None => member.email.clone(),
        }
    }

    /// The status that the API gives: none for outside people.
    pub(super) fn member_status(&self, member: &Member) -> Option<MemberStatus> {
        if member.status.is_some() {
            return member.status;
        }
        match self.index.get(&member.id) {
            Some(Owner::User(at)) if self.tenant.users.get(*at).is_some_and(|user| user.suspended) => {
                Some(MemberStatus::Suspended)
            }
            Some(_) => Some(MemberStatus::Active),
            None => (member.kind == MemberType::Customer).then_some(MemberStatus::Active),
        }
    }

    /// Whether `group_id` is reached from the group `start` through memberships, itself included.
    pub(super) fn reaches(&self, start: &str, group_id: &str) -> bool {
        let mut seen = Vec::new();
        let mut open = vec![start.to_owned()];
        while let Some(id) = open.pop() {
            if id == group_id {
                return true;
            }
            if seen.contains(&id) {
                continue;
            }
            if let Some(group) = self.any_group(&id) {
                open.extend(
                    group
                        .members
                        .iter()
                        .filter(|member| member.kind == MemberType::Group)
                        .map(|member| member.id.clone()),
                );
            }
            seen.push(id);
        }
        false
    }
}

/// The ID that Google would give an outside person: the same for every spelling of the address.
pub(super) fn outside_id(email: &str) -> String {
    let digest = Sha256::digest(address::key(email).as_bytes());
    let digits: String = digest
        .iter()
        .map(|byte| char::from(b'0' + byte % 10))
        .take(20)
        .collect();
    format!("1{digits}")
}
