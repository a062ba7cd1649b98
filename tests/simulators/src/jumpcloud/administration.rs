//! What an administrator's clicks do: each changes the organisation and is recorded as an event.
//!
//! Tests call these directly. A change happens at the latest time the simulator has been told of
//! ([`JumpcloudSimulator::advance_to`], or a request's).

use serde_json::{Value, json};

use super::JumpcloudSimulator;
use super::graph::{Node, group as group_node, user as user_node};
use super::organisation::{Directory, Group, Organisation, User, UserState, is_identifier};

/// A click that could not be carried out; nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdministrationError {
    /// Nothing has this identifier.
    #[error("there is no {what} with the id {id}: create it first, or use the id of one that exists")]
    Unknown {
        /// `user`, `group` or `directory`.
        what: &'static str,
        /// The identifier given.
        id: String,
    },
    /// The identifier is not 24 hexadecimal digits.
    #[error("the id {id:?} is not 24 hexadecimal digits")]
    Malformed {
        /// The identifier given.
        id: String,
    },
    /// The identifier or the unique name is in use.
    #[error("another {what} already has the id or name {id:?}: choose another")]
    Taken {
        /// `user` or `group`.
        what: &'static str,
        /// The identifier or name given.
        id: String,
    },
    /// The connection is already there.
    #[error("{to} is already connected with {from}")]
    AlreadyConnected {
        /// One end.
        from: String,
        /// The other end.
        to: String,
    },
    /// The connection is not there.
    #[error("{to} is not connected with {from}")]
    NotConnected {
        /// One end.
        from: String,
        /// The other end.
        to: String,
    },
}

use AdministrationError as Failed;

impl Organisation {
    pub(super) fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn directory(&self, id: &str) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.id == id)
    }
}

fn unknown(what: &'static str, id: &str) -> Failed {
    let id = id.to_owned();
    Failed::Unknown { what, id }
}

fn free(what: &'static str, id: &str, taken: bool) -> Result<(), Failed> {
    let owned = id.to_owned();
    if taken {
        return Err(Failed::Taken { what, id: owned });
    }
    if is_identifier(id) {
        Ok(())
    } else {
        Err(Failed::Malformed { id: owned })
    }
}

fn connect(list: &mut Vec<String>, from: &str, to: &str, add: bool) -> Result<(), Failed> {
    let at = list.iter().position(|id| id == to);
    let (from, owned) = (from.to_owned(), to.to_owned());
    match (at, add) {
        (None, true) => list.push(owned),
        (Some(at), false) => drop(list.remove(at)),
        (Some(_), true) => return Err(Failed::AlreadyConnected { from, to: owned }),
        (None, false) => return Err(Failed::NotConnected { from, to: owned }),
    }
    Ok(())
}

impl JumpcloudSimulator {
    /// Makes a user a direct member of a group.
    pub fn add_user_to_group(&mut self, group: &str, user: &str) -> Result<(), Failed> {
        self.connect_member(group, user, true)
    }

    /// Ends a direct membership.
    pub fn remove_user_from_group(&mut self, group: &str, user: &str) -> Result<(), Failed> {
        self.connect_member(group, user, false)
    }

    fn connect_member(&mut self, group: &str, user: &str, add: bool) -> Result<(), Failed> {
        if self.organisation.user(user).is_none() {
            return Err(unknown("user", user));
        }
        connect(&mut self.group_mut(group)?.users, group, user, add)?;
        self.associated(group_node(group), user_node(user), add);
        Ok(())
    }

    /// Puts a group into another. A circle is allowed, as in the vendor's console, which flags it.
    pub fn nest(&mut self, parent: &str, child: &str) -> Result<(), Failed> {
        self.connect_nested(parent, child, true)
    }

    /// Takes a group out of another.
    pub fn un_nest(&mut self, parent: &str, child: &str) -> Result<(), Failed> {
        self.connect_nested(parent, child, false)
    }

    fn connect_nested(&mut self, parent: &str, child: &str, add: bool) -> Result<(), Failed> {
        if self.organisation.group(child).is_none() {
            return Err(unknown("group", child));
        }
        connect(&mut self.group_mut(parent)?.groups, parent, child, add)?;
        self.associated(group_node(parent), group_node(child), add);
        Ok(())
    }

    /// Binds a group to a directory.
    pub fn bind_group(&mut self, group: &str, directory: &str) -> Result<(), Failed> {
        self.connect_directory(group, directory, true)
    }

    /// Unbinds a group from a directory.
    pub fn unbind_group(&mut self, group: &str, directory: &str) -> Result<(), Failed> {
        self.connect_directory(group, directory, false)
    }

    fn connect_directory(&mut self, group: &str, directory: &str, add: bool) -> Result<(), Failed> {
        let kind = self.directory_kind(directory)?;
        connect(&mut self.group_mut(group)?.directories, group, directory, add)?;
        let to = Node { kind, id: directory };
        self.associated(group_node(group), to, add);
        Ok(())
    }

    /// Binds a user to a directory directly.
    pub fn bind_user(&mut self, user: &str, directory: &str) -> Result<(), Failed> {
        self.connect_user_directory(user, directory, true)
    }

    /// Unbinds a user from a directory.
    pub fn unbind_user(&mut self, user: &str, directory: &str) -> Result<(), Failed> {
        self.connect_user_directory(user, directory, false)
    }

    fn connect_user_directory(&mut self, user: &str, directory: &str, add: bool) -> Result<(), Failed> {
        let kind = self.directory_kind(directory)?;
        connect(&mut self.user_mut(user)?.directories, user, directory, add)?;
        let to = Node { kind, id: directory };
        self.associated(user_node(user), to, add);
        Ok(())
    }

    /// Creates a group; its identifier and its name must be free.
    pub fn create_group(&mut self, group: Group) -> Result<(), Failed> {
        let groups = &self.organisation.groups;
        if groups.iter().any(|other| other.name == group.name) {
            let id = group.name;
            return Err(Failed::Taken { what: "group", id });
        }
        free("group", &group.id, self.organisation.group(&group.id).is_some())?;
        let resource = json!({"id": group.id, "type": "user_group", "name": group.name});
        self.organisation.groups.push(group);
        self.touch("groups");
        self.record("group_create", json!({"resource": resource}));
        Ok(())
    }

    /// Deletes a group, with all of its connections.
    pub fn delete_group(&mut self, id: &str) -> Result<(), Failed> {
        let name = self.group_mut(id)?.name.clone();
        self.organisation.groups.retain(|group| group.id != id);
        for group in &mut self.organisation.groups {
            group.groups.retain(|nested| nested != id);
        }
        self.touch("groups");
        let resource = json!({"id": id, "type": "user_group", "name": name});
        self.record("group_delete", json!({"resource": resource}));
        Ok(())
    }

    /// Renames a group. The name must be free.
    pub fn rename_group(&mut self, id: &str, name: &str) -> Result<(), Failed> {
        let mut others = self.organisation.groups.iter().filter(|group| group.id != id);
        if others.any(|group| group.name == name) {
            let id = name.to_owned();
            return Err(Failed::Taken { what: "group", id });
        }
        let before = std::mem::replace(&mut self.group_mut(id)?.name, name.to_owned());
        self.group_updated(id, "name", json!(before), json!(name));
        Ok(())
    }

    /// Makes a new API key, which ends the old one at once, as JumpCloud does.
    pub fn replace_api_key(&mut self, key: &str) {
        self.organisation.api_key = key.to_owned();
    }

    /// Sets or removes a group's email address.
    pub fn set_group_email(&mut self, id: &str, email: Option<&str>) -> Result<(), Failed> {
        let before = std::mem::replace(&mut self.group_mut(id)?.email, email.map(str::to_owned));
        self.group_updated(id, "email", json!(before), json!(email));
        Ok(())
    }

    /// Sets or removes a group's description.
    pub fn set_group_description(&mut self, id: &str, text: Option<&str>) -> Result<(), Failed> {
        let before = std::mem::replace(&mut self.group_mut(id)?.description, text.map(str::to_owned));
        self.group_updated(id, "description", json!(before), json!(text));
        Ok(())
    }

    /// Creates a user; the identifier and the user name must be free.
    pub fn create_user(&mut self, user: User) -> Result<(), Failed> {
        let users = &self.organisation.users;
        if users.iter().any(|other| other.username == user.username) {
            let id = user.username;
            return Err(Failed::Taken { what: "user", id });
        }
        free("user", &user.id, self.organisation.user(&user.id).is_some())?;
        let resource = json!({"id": user.id, "type": "user", "username": user.username});
        self.organisation.users.push(user);
        self.touch("users");
        self.record("user_create", json!({"resource": resource}));
        Ok(())
    }

    /// Deletes a user, with all memberships.
    pub fn delete_user(&mut self, id: &str) -> Result<(), Failed> {
        let username = self.user_mut(id)?.username.clone();
        self.organisation.users.retain(|user| user.id != id);
        let mut left = Vec::new();
        for group in &mut self.organisation.groups {
            let before = group.users.len();
            group.users.retain(|member| member != id);
            if group.users.len() < before {
                left.push(group.id.clone());
            }
        }
        for key in left.iter().map(String::as_str).chain(["users"]) {
            self.touch(key);
        }
        let resource = json!({"id": id, "type": "user", "username": username});
        self.record("user_delete", json!({"resource": resource}));
        Ok(())
    }

    /// Suspends a user, or ends the suspension.
    pub fn set_suspended(&mut self, id: &str, suspended: bool) -> Result<(), Failed> {
        let user = self.user_mut(id)?;
        user.suspended = suspended;
        user.state = if suspended {
            UserState::Suspended
        } else {
            UserState::Activated
        };
        let resource = json!({"id": id, "type": "user", "username": user.username});
        self.touch("users");
        let kind = if suspended {
            "user_suspended"
        } else {
            "user_activated"
        };
        self.record(kind, json!({"resource": resource}));
        Ok(())
    }

    /// Sets or removes a user's email address.
    pub fn set_user_email(&mut self, id: &str, email: Option<&str>) -> Result<(), Failed> {
        let user = self.user_mut(id)?;
        let before = std::mem::replace(&mut user.email, email.map(str::to_owned));
        let resource = json!({"id": id, "type": "user", "username": user.username});
        self.touch("users");
        let changes = json!([{"field": "email", "from": before, "to": email}]);
        self.record("user_update", json!({"resource": resource, "changes": changes}));
        Ok(())
    }

    /// Switches JumpCloud's own group management for a directory on or off.
    pub fn set_groups_enabled(&mut self, directory: &str, enabled: bool) -> Result<(), Failed> {
        let directories = &mut self.organisation.directories;
        let found = directories.iter_mut().find(|candidate| candidate.id == directory);
        let found = found.ok_or_else(|| unknown("directory", directory))?;
        found.groups_enabled = enabled;
        let kind = match found.kind {
            super::DirectoryKind::GoogleWorkspace => "gsuite_directory_update",
            super::DirectoryKind::Office365 => "integration_update",
        };
        let resource = json!({"id": directory, "type": found.kind.as_str(), "name": found.name});
        self.record(kind, json!({"resource": resource}));
        Ok(())
    }

    fn group_mut(&mut self, id: &str) -> Result<&mut Group, Failed> {
        let mut groups = self.organisation.groups.iter_mut();
        groups
            .find(|group| group.id == id)
            .ok_or_else(|| unknown("group", id))
    }

    fn user_mut(&mut self, id: &str) -> Result<&mut User, Failed> {
        let mut users = self.organisation.users.iter_mut();
        users
            .find(|user| user.id == id)
            .ok_or_else(|| unknown("user", id))
    }

    fn directory_kind(&self, id: &str) -> Result<&'static str, Failed> {
        let found = self.organisation.directory(id);
        found
            .map(|found| found.kind.as_str())
            .ok_or_else(|| unknown("directory", id))
    }

    fn group_updated(&mut self, id: &str, field: &str, from: Value, to: Value) {
        let name = self.organisation.group(id).map(|group| group.name.clone());
        let resource = json!({"id": id, "type": "user_group", "name": name});
        let changes = json!([{"field": field, "from": from, "to": to}]);
        self.touch("groups");
        self.record("group_update", json!({"resource": resource, "changes": changes}));
    }

    fn associated(&mut self, from: Node<'_>, to: Node<'_>, add: bool) {
        self.touch(from.id);
        self.touch(to.id);
        let end = |node: Node<'_>| json!({"type": node.kind, "object_id": node.id});
        self.record(
            "association_change",
            json!({"association": {
                "op": if add { "add" } else { "remove" },
                "connection": {"from": end(from), "to": end(to)},
            }}),
        );
    }
}
