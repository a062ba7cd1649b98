//! What a changed group or person leads to: by JumpCloud's own traversals, one request each, instead of lists of all.
//!
//! Which groups hold a group JumpCloud's published API does not answer; what it does answer is by which paths a group
//! reaches a directory, and those paths name the groups in between.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pages::{List, ends_the_run, read_version2};
use super::reader::derive;
use super::records::{Connection, GraphObject, Traversed};
use super::{Directory, FoundUsers, Reader, events};
use crate::failure::{Failure, FailureKind};
use crate::feed::Event;
use crate::http::{Client, together};
use crate::plan::model::{Reading, TargetRules};

/// With so many paths to one object, more may not be told: how many are is not published.
const MANY_PATHS: usize = 16;

impl<'a> Reader<'a> {
    /// The same reader, with a client for the feed of events, which is on a host of its own.
    #[must_use]
    pub fn with_events(mut self, client: Client<'a>) -> Self {
        self.events = Some(client);
        self
    }

    /// The newest events since a moment, newest first.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn newest_events(&self, directory: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        match &self.events {
            Some(client) => events::newest(client, directory, from_ms).await,
            None => Ok(no_feed()),
        }
    }

    /// All events since a moment, oldest first.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn events_since(&self, directory: &str, from_ms: u64) -> Result<Reading<Vec<Event>>, Failure> {
        match &self.events {
            Some(client) => events::since(client, directory, from_ms).await,
            None => Ok(no_feed()),
        }
    }

    /// The groups bound directly to a directory through which a group reaches it, itself among them where it is bound.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn bound_above(
        &self,
        directory: &Directory,
        group: &str,
    ) -> Result<Reading<BTreeSet<String>>, Failure> {
        let list = List {
            what: format!("by which groups group {group} reaches {}", directory.name),
            path: &["api", "v2", "usergroups", group, collection(directory)?],
            query: &[],
            key: |object: &Traversed| format!("{}/{}", object.kind, object.id),
        };
        let objects = read_version2(&self.client, &list).await?;
        let mut bound = BTreeSet::new();
        for object in objects.seen().iter().filter(|object| object.id == directory.id) {
            if object.paths.len() >= MANY_PATHS {
                return Ok(Reading::Partial {
                    seen: bound,
                    reason: format!("group {group} reaches {} by many paths", directory.name),
                });
            }
            for path in &object.paths {
                match last_group(path, &directory.id) {
                    Some(group) => bound.insert(group),
                    None => {
                        return Ok(Reading::Partial {
                            seen: bound,
                            reason: format!("a path from group {group} to {} does not read", directory.name),
                        });
                    }
                };
            }
        }
        Ok(derive(objects, |_| bound))
    }

    /// Whether a group is associated directly with a directory.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn is_bound(&self, directory: &Directory, group: &str) -> Result<Reading<bool>, Failure> {
        let list = List {
            what: format!("the directories that group {group} is bound to"),
            path: &["api", "v2", "usergroups", group, "associations"],
            query: &[("targets", &directory.kind)],
            key: |connection: &Connection| format!("{}/{}", connection.to.kind, connection.to.id),
        };
        let connections = read_version2(&self.client, &list).await?;
        Ok(derive(connections, |connections| {
            connections
                .iter()
                .any(|connection| connection.to.id == directory.id)
        }))
    }

    /// The groups that a person is in, directly or through nested groups.
    ///
    /// # Errors
    /// What ends the run.
    pub async fn groups_of(&self, user: &str) -> Result<Reading<BTreeSet<String>>, Failure> {
        let list = List {
            what: format!("the groups of user {user}"),
            path: &["api", "v2", "users", user, "memberof"],
            query: &[("sort", "object_id")],
            key: |object: &GraphObject| format!("{}/{}", object.kind, object.id),
        };
        let objects = read_version2(&self.client, &list).await?;
        Ok(derive(objects, |objects| {
            objects
                .into_iter()
                .filter(|object| object.kind == "user_group")
                .map(|object| object.id)
                .collect()
        }))
    }

    /// A few people by ID, each by a request of their own, with the IDs that JumpCloud holds for them in the directory
    /// (R31).
    ///
    /// # Errors
    /// What ends the run.
    pub async fn few_users(
        &self,
        ids: &BTreeSet<String>,
        directory: &Directory,
    ) -> Result<FoundUsers, Failure> {
        let mut found = self.users_by_id(ids, directory).await?;
        let without_id: Vec<String> = found
            .users
            .values()
            .filter(|user| user.target_id.is_none())
            .map(|user| user.id.clone())
            .collect();
        // Above this many they were read out of the list of all, their IDs with them.
        if directory.rules != Some(TargetRules::Named) || ids.len() > super::reader::FEW {
            return Ok(found);
        }
        let reads = without_id.iter().map(|user| self.external_id(directory, user));
        let answers = together(reads, self.client.at_once()).await;
        let mut target_ids: BTreeMap<String, String> = BTreeMap::new();
        for (user, answer) in without_id.iter().zip(answers) {
            match answer {
                Ok(Some(id)) => {
                    target_ids.insert(user.clone(), id);
                }
                Ok(None) => {}
                Err(failure) if ends_the_run(&failure) => return Err(failure),
                Err(failure) => {
                    // Looked for by address instead, somebody else could be found.
                    found.users.remove(user);
                    found.unknown.insert(user.clone(), failure.to_string());
                }
            }
        }
        for (user, id) in target_ids {
            if let Some(user) = found.users.get_mut(&user) {
                user.target_id = Some(id);
            }
        }
        Ok(found)
    }

    async fn external_id(&self, directory: &Directory, user: &str) -> Result<Option<String>, Failure> {
        let filter = format!("id:eq:{user}");
        let list = List {
            what: format!("the user {user} as exported to {}", directory.name),
            path: &["api", "v2", "office365s", &directory.id, "users"],
            query: &[("syncStatus", "true"), ("filter", &filter)],
            key: |object: &GraphObject| object.id.clone(),
        };
        match read_version2(&self.client, &list).await? {
            Reading::Complete(objects) => Ok(objects
                .get()
                .iter()
                .find(|object| object.id == user)
                .and_then(|object| object.external_id.clone())
                .filter(|id| !id.is_empty())),
            Reading::Partial { reason, .. } => Err(Failure::new(
                FailureKind::Transient,
                format!("user {user}"),
                reason,
            )),
        }
    }
}

/// What JumpCloud calls directories of this kind in its paths.
///
/// # Errors
/// A directory of a kind that is not exported to.
pub(super) fn collection(directory: &Directory) -> Result<&'static str, Failure> {
    directory.collection().ok_or_else(|| {
        Failure::new(
            FailureKind::Configuration,
            format!("directory {}", directory.name),
            format!(
                "JumpCloud calls it `{}`, and only Google Workspace (`g_suite`) and Microsoft 365 (`office_365`) are \
                 exported to. Name another directory.",
                directory.kind
            ),
        )
    })
}

fn no_feed<T: Default>() -> Reading<T> {
    Reading::Partial {
        seen: T::default(),
        reason: "the configuration names no feed of JumpCloud's events (`events_url`)".to_owned(),
    }
}

/// The group at the directory's end of a path: a list of connections, each with two ends.
fn last_group(path: &Value, directory: &str) -> Option<String> {
    path.as_array()?.iter().find_map(|connection| {
        let end = |name: &str| {
            let end = connection.get(name)?;
            Some((end.get("type")?.as_str()?, end.get("id")?.as_str()?))
        };
        let (from, to) = (end("from")?, end("to")?);
        let other = if to.1 == directory {
            from
        } else if from.1 == directory {
            to
        } else {
            return None;
        };
        (other.0 == "user_group").then(|| other.1.to_owned())
    })
}
