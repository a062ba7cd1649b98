//! What an administrator clicks in the console while Groupcast is not looking: changes that go past the
//! API, for tests. They take effect at once, without the lag of the API, and check nothing.

use super::GoogleSimulator;
use super::address;
use super::directory::{Directory, Owner, outside_id};
use super::tenant::{Group, Member, MemberStatus, MemberType, Role, Tenant, User};

impl GoogleSimulator {
    /// The current state in the format of the organisation file. Lists come sorted: users and groups by
    /// address (groups created since at the end), members by ID.
    pub fn tenant(&self) -> Tenant {
        self.directory.tenant().clone()
    }

    /// The group that a key (ID, address, alias) names, with its members.
    pub fn group(&self, key: &str) -> Option<&Group> {
        self.directory.any_group(key)
    }

    /// Adds a member, or changes the role of one. An address of this account must exist; any other is
    /// somebody from outside. False where the group or the person is not there.
    pub fn add_member(&mut self, group_key: &str, email_or_id: &str, role: Role) -> bool {
        self.put_member(group_key, email_or_id, role, None)
    }

    /// Invites somebody who does not answer: the membership is pending. False as in `add_member`.
    pub fn add_pending_member(&mut self, group_key: &str, email_or_id: &str) -> bool {
        self.put_member(group_key, email_or_id, Role::Member, Some(MemberStatus::Pending))
    }

    fn put_member(
        &mut self,
        group_key: &str,
        email_or_id: &str,
        role: Role,
        status: Option<MemberStatus>,
    ) -> bool {
        let Some((id, email, kind)) = resolve(&self.directory, email_or_id) else {
            return false;
        };
        if self.directory.any_group(group_key).is_none() {
            return false;
        }
        let member = Member {
            id,
            email,
            role,
            kind,
            status,
            delivery_settings: None,
        };
        self.directory.add_member(group_key, member, None);
        true
    }

    /// Removes a member, pending ones included. False where there is none.
    pub fn remove_member(&mut self, group_key: &str, email_or_id: &str) -> bool {
        let Some(group) = self.directory.any_group(group_key) else {
            return false;
        };
        let Some(id) = self
            .directory
            .member(group, email_or_id)
            .map(|member| member.id.clone())
        else {
            return false;
        };
        self.directory.remove_member(group_key, &id);
        true
    }

    /// A pending member accepts the invitation. False where there is none.
    pub fn accept_invitation(&mut self, group_key: &str, email_or_id: &str) -> bool {
        let Some(group) = self.directory.any_group(group_key) else {
            return false;
        };
        let Some(mut member) = self.directory.member(group, email_or_id).cloned() else {
            return false;
        };
        if member.status != Some(MemberStatus::Pending) {
            return false;
        }
        member.status = None;
        self.directory.replace_member(group_key, member);
        true
    }

    /// Adds a group as it stands.
    pub fn create_group(&mut self, group: Group) {
        self.directory.add_group(group, None);
    }

    /// Deletes a group and its memberships in others. False where there is none.
    pub fn delete_group(&mut self, key: &str) -> bool {
        let Some(id) = self.directory.any_group(key).map(|group| group.id.clone()) else {
            return false;
        };
        self.directory.remove_group(&id);
        true
    }

    /// Changes a group's name or description in place. False where there is none. To change addresses
    /// use `add_alias`, or delete and create.
    pub fn edit_group(&mut self, key: &str, name: &str, description: &str) -> bool {
        let Some(group) = self.directory.any_group_mut(key) else {
            return false;
        };
        name.clone_into(&mut group.name);
        description.clone_into(&mut group.description);
        true
    }

    /// Adds a user as it stands.
    pub fn create_user(&mut self, user: User) {
        self.directory.tenant_mut().users.push(user);
        self.directory.reindex();
    }

    /// Deletes a user and all the user's memberships. False where there is none.
    pub fn delete_user(&mut self, key: &str) -> bool {
        let Some(id) = self.directory.user(key).map(|user| user.id.clone()) else {
            return false;
        };
        self.directory.tenant_mut().users.retain(|user| user.id != id);
        self.directory.forget_member_everywhere(&id);
        self.directory.reindex();
        true
    }

    /// Suspends a user, or ends the suspension. False where there is none.
    pub fn set_suspended(&mut self, key: &str, suspended: bool) -> bool {
        let Some(id) = self.directory.user(key).map(|user| user.id.clone()) else {
            return false;
        };
        for user in &mut self.directory.tenant_mut().users {
            if user.id == id {
                user.suspended = suspended;
            }
        }
        true
    }

    /// Gives a user or group one more address. False where neither has that key.
    pub fn add_alias(&mut self, key: &str, alias: &str) -> bool {
        let owner = self.directory.owner(key);
        let tenant = self.directory.tenant_mut();
        let aliases = match owner {
            Some(Owner::User(at)) => tenant.users.get_mut(at).map(|user| &mut user.aliases),
            Some(Owner::Group(at)) => tenant.groups.get_mut(at).map(|group| &mut group.aliases),
            None => None,
        };
        let Some(aliases) = aliases else {
            return false;
        };
        aliases.push(alias.to_owned());
        self.directory.reindex();
        true
    }

    /// All access tokens issued so far stop working (401).
    pub fn revoke_tokens(&mut self) {
        self.tokens.revoke_all();
    }

    /// Withdraws a delegated scope from a service account, or from all where none is named. It is gone
    /// from tokens already issued as well (403), which with Google can take a while.
    pub fn withdraw_scope(&mut self, client_email: Option<&str>, scope: &str) {
        for account in &mut self.directory.tenant_mut().service_accounts {
            if client_email.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&account.client_email)) {
                account.scopes.retain(|held| held != scope);
            }
        }
    }

    /// Takes an admin's role away; calls in that name are refused from then on (403 `forbidden`).
    pub fn withdraw_admin(&mut self, email: &str) {
        let wanted = address::key(email);
        self.directory
            .tenant_mut()
            .admins
            .retain(|admin| address::key(admin) != wanted);
    }
}

fn resolve(directory: &Directory, key: &str) -> Option<(String, Option<String>, MemberType)> {
    match directory.owner(key) {
        Some(Owner::User(_)) => directory.user(key).map(|user| {
            (
                user.id.clone(),
                Some(user.primary_email.clone()),
                MemberType::User,
            )
        }),
        Some(Owner::Group(_)) => directory
            .any_group(key)
            .map(|group| (group.id.clone(), Some(group.email.clone()), MemberType::Group)),
        None if key == directory.tenant().customer_id => Some((key.to_owned(), None, MemberType::Customer)),
        None => {
            let domain = address::domain(key)?;
            (!directory.owns_domain(&domain))
                .then(|| (outside_id(key), Some(key.to_lowercase()), MemberType::User))
        }
    }
}
