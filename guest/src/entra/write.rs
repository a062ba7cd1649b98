//! Writing Entra: creations first, then each group's updates, additions and removals, in that order. Groups
//! are shared out to a few lanes that run side by side; one group's writes never do. Every write may be
//! sent twice, so that what is unclear is read back and never guessed (R40).

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::graph::Graph;
use super::lane::{Lane, Step};
use super::request::{BATCH, ObjectId, Request};
use super::types::{CreateGroup, Group, UpdateGroup};
use crate::entra::errors::Meaning;
use crate::failure::{Failure, FailureKind, VendorAnswer};
use crate::http::together;
use crate::ledger::Settlement;
use crate::plan::model::TargetGroup;
use crate::plan::part::{GroupRef, Operation};
use crate::target::{Write, WriteResult};

/// Lanes that run side by side.
const LANES: usize = 4;

/// A new object may be unknown to some of Graph's servers for a while: waits of 1, 2, 4 .. 32 seconds, together about
/// a minute.
pub const SHOW_UP_TRIES: u32 = 6;

/// What is said of a success that Graph did not send.
pub const NOT_GRAPHS: &str =
    "The answer was a success in another form than Microsoft Graph's. Look whether a proxy is in between.";

/// A result.
pub fn result(
    settlement: Settlement,
    answer: Option<VendorAnswer>,
    message: impl Into<String>,
) -> WriteResult {
    WriteResult {
        settlement,
        answer,
        message: message.into(),
        created: None,
        uncertain: false,
    }
}

/// The result of a write of which nobody knows whether it took effect.
pub fn unknown(answer: Option<VendorAnswer>, message: &str) -> WriteResult {
    WriteResult {
        uncertain: true,
        ..result(
            Settlement::Refused,
            answer,
            format!("{message} Whether it took effect is not known; the next run looks."),
        )
    }
}

/// The result of a write for which there is no answer: not sent, or not known.
pub fn unanswered(failure: &Failure) -> WriteResult {
    let message = failure.to_string();
    if may_have_happened(failure) {
        unknown(failure.vendor.clone(), &message)
    } else {
        result(Settlement::Abandoned, failure.vendor.clone(), message)
    }
}

/// Whether a request that failed like this may have been carried out all the same.
pub fn may_have_happened(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Transient | FailureKind::Vendor)
}

/// Carries out writes; one result each, in the same order.
pub async fn write(graph: &Graph<'_>, writes: &[Write]) -> Vec<WriteResult> {
    let mut results: BTreeMap<usize, WriteResult> = BTreeMap::new();
    let created = create_all(graph, writes, &mut results).await;

    let mut steps: BTreeMap<ObjectId, Vec<Step>> = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        match step(write, index, &created) {
            Ok(None) => {}
            Ok(Some((group, step))) => steps.entry(group).or_default().push(step),
            Err(refusal) => {
                results.insert(index, *refusal);
            }
        }
    }
    let mut lanes: Vec<Lane<'_, '_>> = (0..LANES).map(|_| Lane::new(graph)).collect();
    let count = lanes.len();
    for (position, (group, steps)) in steps.into_iter().enumerate() {
        if let Some(lane) = lanes.get_mut(position % count) {
            lane.enqueue(&group, steps);
        }
    }
    for finished in together(lanes.into_iter().map(Lane::run), LANES).await {
        results.extend(finished);
    }
    (0..writes.len())
        .map(|index| {
            results.remove(&index).unwrap_or_else(|| {
                result(
                    Settlement::Abandoned,
                    None,
                    "It was not sent: its turn never came. Run again.",
                )
            })
        })
        .collect()
}

/// Turns a write other than a creation into a step of its group.
fn step(
    write: &Write,
    index: usize,
    created: &BTreeMap<String, TargetGroup>,
) -> Result<Option<(ObjectId, Step)>, Box<WriteResult>> {
    let refuse = |message: &str| Err(Box::new(result(Settlement::Refused, None, message)));
    let group = match &write.operation {
        Operation::CreateGroup { .. } => return Ok(None),
        Operation::UpdateGroup { group, .. }
        | Operation::AddMember { group, .. }
        | Operation::RemoveMember { group, .. } => group,
    };
    let target = match (&write.target, group) {
        (Some(target), _) => Some(target.as_str()),
        (None, GroupRef::Id(id)) => Some(id.as_str()),
        (None, GroupRef::New(key)) => created.get(key).map(|group| group.id.as_str()),
    };
    let Some(target) = target else {
        return Err(Box::new(result(
            Settlement::Abandoned,
            None,
            "It was not sent: the group that it belongs to was not created. See that group's creation.",
        )));
    };
    let Some(target) = ObjectId::parse(target) else {
        return refuse("It was not sent: the group's ID is no object ID of Entra.");
    };
    let step = match &write.operation {
        Operation::CreateGroup { .. } => return Ok(None),
        Operation::UpdateGroup {
            name, description, ..
        } => {
            let body = UpdateGroup {
                display_name: name.clone(),
                // Graph takes no empty text here; null is what clears.
                description: description
                    .clone()
                    .map(|text| if text.is_empty() { None } else { Some(text) }),
            };
            if body == UpdateGroup::default() {
                return refuse("It was not sent: there is nothing in it that an Entra group has.");
            }
            Step::Update { index, body }
        }
        Operation::AddMember { principal, .. } => match ObjectId::parse(principal) {
            Some(member) => Step::Add { index, member },
            None => return refuse("It was not sent: the person's ID is no object ID of Entra."),
        },
        Operation::RemoveMember { principal, .. } => match ObjectId::parse(principal) {
            Some(member) => Step::Remove { index, member },
            None => return refuse("It was not sent: the person's ID is no object ID of Entra."),
        },
    };
    Ok(Some((target, step)))
}

/// Creates groups; the answer has those that exist now, by key. A key that comes twice is created once.
async fn create_all(
    graph: &Graph<'_>,
    writes: &[Write],
    results: &mut BTreeMap<usize, WriteResult>,
) -> BTreeMap<String, TargetGroup> {
    let mut by_key: BTreeMap<&str, (Vec<usize>, Request)> = BTreeMap::new();
    for (index, write) in writes.iter().enumerate() {
        if let Operation::CreateGroup {
            key,
            name,
            description,
        } = &write.operation
        {
            by_key
                .entry(key)
                .or_insert_with(|| (Vec::new(), creation(key, name, description)))
                .0
                .push(index);
        }
    }
    let mut created = BTreeMap::new();
    let creations: Vec<(&str, (Vec<usize>, Request))> = by_key.into_iter().collect();
    let mut stopped: Option<Failure> = None;
    for chunk in creations.chunks(BATCH) {
        let requests: Vec<Request> = chunk.iter().map(|(_, (_, request))| request.clone()).collect();
        let outcomes = match &stopped {
            Some(failure) => requests.iter().map(|_| Err(failure.clone())).collect(),
            None => graph.batch(&requests).await,
        };
        for ((key, (indices, _)), outcome) in chunk.iter().zip(outcomes) {
            if let Err(failure) = &outcome
                && !may_have_happened(failure)
            {
                stopped = Some(failure.clone());
            }
            let result = creation_result(graph, key, outcome).await;
            if let Some(group) = &result.created {
                created.insert((*key).to_owned(), group.clone());
            }
            for index in indices {
                results.insert(*index, result.clone());
            }
        }
    }
    created
}

fn creation(key: &str, name: &str, description: &str) -> Request {
    Request::Create {
        key: key.to_owned(),
        body: CreateGroup {
            display_name: name.to_owned(),
            mail_enabled: false,
            mail_nickname: mail_nickname(key),
            security_enabled: true,
            description: (!description.is_empty()).then(|| description.to_owned()),
        },
    }
}

/// A nickname that no other of our groups has: the key itself, which holds the source group's ID, or a hash of it
/// where the key has characters that Graph does not take there.
fn mail_nickname(key: &str) -> String {
    let fits = (1..=64).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        return key.to_owned();
    }
    let hash = hex::encode(Sha256::digest(key.as_bytes()));
    format!("groupcast-{}", hash.get(..40).unwrap_or(&hash))
}

async fn creation_result(graph: &Graph<'_>, key: &str, outcome: super::graph::Outcome) -> WriteResult {
    let reply = match outcome {
        Ok(reply) => reply,
        Err(failure) if may_have_happened(&failure) => {
            return match by_key(graph, key).await {
                Ok(Some(group)) => WriteResult {
                    created: Some(group),
                    ..result(Settlement::Already, failure.vendor, "")
                },
                _ => unanswered(&failure),
            };
        }
        Err(failure) => return unanswered(&failure),
    };
    let answer = Some(reply.classified.answer.clone());
    match reply.meaning() {
        // Anything else than 201 and 204 is none of Graph's answers to an upsert.
        Meaning::Done if !matches!(reply.classified.answer.status, 201 | 204) => {
            match by_key(graph, key).await {
                Ok(Some(group)) => WriteResult {
                    created: Some(group),
                    ..result(Settlement::Already, answer, "")
                },
                _ => unknown(answer, NOT_GRAPHS),
            }
        }
        Meaning::Done => {
            let settlement = if reply.classified.answer.status == 201 {
                Settlement::Applied
            } else {
                Settlement::Already
            };
            let told = reply.read::<Group>(key).ok().filter(|group| !group.id.is_empty());
            let group = match told {
                Some(group) => Some(TargetGroup {
                    key: key.to_owned(),
                    ..group.to_target()
                }),
                None => by_key(graph, key).await.ok().flatten(),
            };
            let message = if group.is_some() {
                ""
            } else {
                "The group was created, but Microsoft Graph does not show it yet; the next run finds it by its key."
            };
            WriteResult {
                created: group,
                ..result(settlement, answer, message)
            }
        }
        Meaning::Throttled | Meaning::Depended => {
            result(Settlement::Abandoned, answer, reply.classified.explain())
        }
        _ => result(Settlement::Refused, answer, reply.classified.explain()),
    }
}

/// Reads a group by its key, waiting until it shows.
async fn by_key(graph: &Graph<'_>, key: &str) -> Result<Option<TargetGroup>, Failure> {
    let request = [Request::GroupByKey(key.to_owned())];
    for attempt in 0..=SHOW_UP_TRIES {
        let Some(outcome) = graph.batch(&request).await.pop() else {
            return Ok(None);
        };
        let reply = outcome?;
        if reply.meaning() != Meaning::Missing {
            let group: Group = reply.read(key)?;
            return Ok(Some(TargetGroup {
                key: key.to_owned(),
                ..group.to_target()
            }));
        }
        if attempt < SHOW_UP_TRIES {
            graph.pause(attempt).await;
        }
    }
    Ok(None)
}

/// Who is in a group now; for reading back.
pub async fn member_ids(graph: &Graph<'_>, group: &ObjectId) -> Result<BTreeSet<String>, Failure> {
    let Some(first) = graph.batch(&[Request::Members(group.clone())]).await.pop() else {
        return Ok(BTreeSet::new());
    };
    let what = format!("members of group {}", group.as_str());
    let key = |member: &super::types::DirectoryObject| member.id.clone();
    graph
        .list(what.clone(), first, key)
        .await
        .map(|whole| whole.get().iter().map(|member| member.id.clone()).collect())
        .map_err(|short| Failure::new(FailureKind::Transient, what, short.reason.to_string()))
}

#[cfg(test)]
#[path = "write_tests.rs"]
mod tests;
