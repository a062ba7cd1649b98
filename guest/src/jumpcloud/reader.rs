//! What the engine reads from JumpCloud, in the planner's words.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;

use super::pages::{List, ends_the_run, read_version1, read_version2};
use super::reach::collection;
use super::records::{
    Connection, Directory, DirectoryRecord, DirectorySettings, GraphObject, GroupRecord, Reached, UserRecord,
};
use crate::failure::{Failure, FailureKind};
use crate::http::{Call, Client, as_they_come, together};
use crate::plan::model::{Reading, SourceGroup, SourceUser, TargetRules};

/// The fields of a user that are asked for (version 1 separates them by blanks).
const USER_FIELDS: &str = "_id username email state suspended";
/// The fields of a group that are asked for.
const GROUP_FIELDS: &str = "id,name,email,description";
/// Up to this many people are cheaper to read one by one than with everybody.
pub(super) const FEW: usize = 50;

/// Reads one JumpCloud organisation. There is no method that writes (R8).
#[derive(Debug)]
pub struct Reader<'a> {
    pub(super) client: Client<'a>,
    /// For the feed of events; none where there is none.
    pub(super) events: Option<Client<'a>>,
}

/// People looked for by ID.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundUsers {
    /// Those there are.
    pub users: BTreeMap<String, SourceUser>,
    /// Those whose own record JumpCloud answers does not exist (R49).
    pub gone: BTreeSet<String>,
    /// Those who could not be read, with the reason.
    pub unknown: BTreeMap<String, String>,
}

impl<'a> Reader<'a> {
    /// A reader over a client made with [`super::classify`].
    pub fn new(client: Client<'a>) -> Self {
        Self { client, events: None }
    }

    /// The directory under an ID, with JumpCloud's own group management flag (R35); none where the whole list
    /// of directories does not have it.
    ///
    /// # Errors
    /// The list could not be read whole and does not show it, or a request failed.
    pub async fn directory(&self, id: &str) -> Result<Option<Directory>, Failure> {
        let directories = self.directories().await?;
        let found = directories
            .seen()
            .iter()
            .find(|directory| directory.id == id)
            .cloned();
        let Some(mut directory) = found else {
            return match directories {
                Reading::Complete(_) => Ok(None),
                Reading::Partial { reason, .. } => {
                    // To an administrator of several organisations JumpCloud answers 404 where it is not told which.
                    let fix = if reason.contains("404") {
                        " The credential `jumpcloud` may need another organisation ID (`org_id`, sent as `x-org-id`): \
                         give the one that this directory belongs to."
                    } else {
                        ""
                    };
                    Err(Failure::new(
                        FailureKind::Transient,
                        format!("directory {id}"),
                        format!("It could not be looked for among JumpCloud's directories: {reason}.{fix}"),
                    ))
                }
            };
        };
        if let Some(collection) = directory.collection() {
            let call = Call::get(&["api", "v2", collection, id]);
            let settings: Option<DirectorySettings> = self.client.fetch_found(call, &[404]).await?;
            directory.groups_enabled = settings.and_then(|settings| settings.groups_enabled);
        }
        Ok(Some(directory))
    }

    /// All directories, without the group management flag.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn directories(&self) -> Result<Reading<Vec<Directory>>, Failure> {
        let list = List {
            what: "JumpCloud's directories".to_owned(),
            path: &["api", "v2", "directories"],
            query: &[("sort", "id")],
            key: |record: &DirectoryRecord| record.id.clone(),
        };
        let records = read_version2(&self.client, &list).await?;
        Ok(derive(records, |records| {
            records.into_iter().map(DirectoryRecord::into_directory).collect()
        }))
    }

    /// IDs of the groups associated directly with a directory.
    ///
    /// # Errors
    /// A directory of a kind that is not exported to; what ends the run.
    pub async fn bound_groups(&self, directory: &Directory) -> Result<Reading<BTreeSet<String>>, Failure> {
        let collection = collection(directory)?;
        // This endpoint knows no sort; that nothing came twice and that the count agrees stands for it.
        let list = List {
            what: format!("the groups bound to {}", directory.name),
            path: &["api", "v2", collection, &directory.id, "associations"],
            query: &[("targets", "user_group")],
            key: |connection: &Connection| format!("{}/{}", connection.to.kind, connection.to.id),
        };
        let records = read_version2(&self.client, &list).await?;
        Ok(derive(records, |connections| {
            of_kind(
                "user_group",
                connections.into_iter().map(|connection| connection.to),
            )
        }))
    }

    /// All groups.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn groups(&self) -> Result<Reading<Vec<SourceGroup>>, Failure> {
        let list = List {
            what: "JumpCloud's groups".to_owned(),
            path: &["api", "v2", "usergroups"],
            query: &[("fields", GROUP_FIELDS), ("sort", "id")],
            key: |record: &GroupRecord| record.id.clone(),
        };
        let records = read_version2(&self.client, &list).await?;
        Ok(derive(records, |records| {
            records.into_iter().map(SourceGroup::from).collect()
        }))
    }

    /// One group's own record; none only where JumpCloud answers 404.
    ///
    /// # Errors
    /// The request failed.
    pub async fn group(&self, id: &str) -> Result<Option<SourceGroup>, Failure> {
        let record: Option<GroupRecord> = self.one(Call::get(&["api", "v2", "usergroups", id])).await?;
        Ok(record.map(SourceGroup::from))
    }

    /// All people, with the IDs that JumpCloud holds for them in this directory (R31; only Microsoft 365 has them).
    /// Where those IDs could not be read whole, the reading is partial.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn users(&self, directory: &Directory) -> Result<Reading<Vec<SourceUser>>, Failure> {
        let list = List {
            what: "JumpCloud's users".to_owned(),
            path: &["api", "systemusers"],
            query: &[("fields", USER_FIELDS), ("sort", "_id")],
            key: |record: &UserRecord| record.id.clone(),
        };
        let users = read_version1(&self.client, &list).await?;
        let users = derive(users, |records| {
            records.into_iter().map(SourceUser::from).collect::<Vec<_>>()
        });
        if directory.rules != Some(TargetRules::Named) {
            return Ok(users);
        }
        let ids = self.external_ids(directory).await?;
        Ok(match (users, ids) {
            (Reading::Complete(users), Reading::Complete(ids)) => {
                Reading::Complete(users.zip(ids).map(|(users, ids)| with_target_ids(users, &ids)))
            }
            (Reading::Partial { seen, reason }, ids) => Reading::Partial {
                seen: with_target_ids(seen, ids.seen()),
                reason,
            },
            (Reading::Complete(users), Reading::Partial { seen, reason }) => Reading::Partial {
                seen: with_target_ids(users.get().clone(), &seen),
                reason,
            },
        })
    }

    /// One person's own record; none only where JumpCloud answers 404 (R49).
    ///
    /// # Errors
    /// The request failed.
    pub async fn user(&self, id: &str) -> Result<Option<SourceUser>, Failure> {
        let call = Call::get(&["api", "systemusers", id]).query("fields", USER_FIELDS);
        let record: Option<UserRecord> = self.one(call).await?;
        Ok(record.map(SourceUser::from))
    }

    /// People by ID: one by one where they are few, else out of the list of all, where those missing are asked for one
    /// by one, so that `gone` always rests on a record's own 404.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn users_by_id(
        &self,
        ids: &BTreeSet<String>,
        directory: &Directory,
    ) -> Result<FoundUsers, Failure> {
        let mut found = FoundUsers::default();
        if ids.len() > FEW {
            let all = self.users(directory).await?;
            for user in all.seen().iter().filter(|user| ids.contains(&user.id)) {
                found.users.insert(user.id.clone(), user.clone());
            }
        }
        let missing: Vec<&String> = ids.iter().filter(|id| !found.users.contains_key(*id)).collect();
        let answers = together(missing.iter().map(|id| self.user(id)), self.client.at_once()).await;
        for (id, answer) in missing.into_iter().zip(answers) {
            match answer {
                Ok(Some(user)) => {
                    found.users.insert(id.clone(), user);
                }
                Ok(None) => {
                    found.gone.insert(id.clone());
                }
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => {
                    found.unknown.insert(id.clone(), failure.to_string());
                }
            }
        }
        Ok(found)
    }

    /// The IDs that JumpCloud itself holds for people in a Microsoft 365 directory: user ID -> object ID (R31).
    ///
    /// # Errors
    /// What ends the run.
    pub async fn external_ids(
        &self,
        directory: &Directory,
    ) -> Result<Reading<BTreeMap<String, String>>, Failure> {
        let list = List {
            what: format!("the users exported to {}", directory.name),
            path: &["api", "v2", "office365s", &directory.id, "users"],
            query: &[("syncStatus", "true")],
            key: |object: &GraphObject| object.id.clone(),
        };
        let records = read_version2(&self.client, &list).await?;
        Ok(derive(records, |objects| {
            objects
                .into_iter()
                .filter_map(|object| Some((object.id, object.external_id.filter(|id| !id.is_empty())?)))
                .collect()
        }))
    }

    /// Effective users of a group, nested groups' included (R5). Read by `/membership`, which can be sorted,
    /// and not by `/members`, which cannot.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn members(&self, group: &str) -> Result<Reading<BTreeSet<String>>, Failure> {
        let list = List {
            what: format!("the members of group {group}"),
            path: &["api", "v2", "usergroups", group, "membership"],
            query: &[("sort", "object_id")],
            key: |object: &GraphObject| format!("{}/{}", object.kind, object.id),
        };
        let records = read_version2(&self.client, &list).await?;
        Ok(derive(records, |objects| of_kind("user", objects)))
    }

    /// Effective users of groups, several groups at a time; each reading is handed over as it comes.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn many_members(
        &self,
        groups: &[String],
        take: &mut dyn FnMut(&str, Reading<BTreeSet<String>>),
    ) -> Result<(), Failure> {
        let reads = groups
            .iter()
            .map(|group| async move { (group, self.members(group).await) });
        let mut done = 0;
        as_they_come(reads, self.client.at_once(), |(group, reading)| {
            done += 1;
            let progress = self.client.environment().progress;
            progress.report("source-members", done, Some(groups.len() as u64), group);
            take(group, reading?);
            Ok(())
        })
        .await
    }

    /// How a user is in a group: the names of the groups between, outermost first, by the shortest of the paths that
    /// JumpCloud tells; none where it tells none.
    ///
    /// # Errors
    /// The request failed.
    pub async fn path(&self, group: &str, user: &str) -> Result<Option<Vec<String>>, Failure> {
        let call = Call::get(&["api", "v2", "usergroups", group, "membership"])
            .query("filter", &format!("object_id:eq:{user}"));
        let reached: Option<Vec<Reached>> = self.one(call).await?;
        let shortest = reached
            .unwrap_or_default()
            .into_iter()
            .filter(|one| one.id == user)
            .flat_map(|one| one.paths)
            .min_by_key(Vec::len);
        let Some(path) = shortest else {
            return Ok(None);
        };
        let mut names = Vec::new();
        for edge in path.into_iter().filter(|edge| edge.to.kind == "user_group") {
            let id = edge.to.id;
            names.push(self.group(&id).await?.map_or(id, |group| group.name));
        }
        Ok(Some(names))
    }

    async fn one<T: DeserializeOwned>(&self, call: Call) -> Result<Option<T>, Failure> {
        self.client.fetch_found(call, &[404]).await
    }
}

pub(super) fn derive<T, U>(reading: Reading<T>, how: impl FnOnce(T) -> U) -> Reading<U> {
    match reading {
        Reading::Complete(whole) => Reading::Complete(whole.map(how)),
        Reading::Partial { seen, reason } => Reading::Partial {
            seen: how(seen),
            reason,
        },
    }
}

fn of_kind(kind: &str, objects: impl IntoIterator<Item = GraphObject>) -> BTreeSet<String> {
    objects
        .into_iter()
        .filter(|object| object.kind == kind)
        .map(|object| object.id)
        .collect()
}

fn with_target_ids(mut users: Vec<SourceUser>, ids: &BTreeMap<String, String>) -> Vec<SourceUser> {
    for user in &mut users {
        user.target_id = ids.get(&user.id).cloned();
    }
    users
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
