//! What another component makes of a recorded run: its plan beside the recorded one, its writes, its requests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use groupcast_guest::plan::part::{Part, root_hash, sha256_hex};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::describe;
use super::file::{Kind, Outcome, Recording};
use super::keyed::{Done, Key, Keyed, done};
use super::replay::run;
use crate::plugin::journal::{Blob, Journal};
use crate::plugin::{Plugin, PluginEngine};

/// A group whose parts differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartDifference {
    /// Source group ID.
    pub group: String,
    /// The recorded part; none where there was none.
    pub recorded: Option<Part>,
    /// The other component's; none where it made none.
    pub now: Option<Part>,
}

/// Two plans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanDifference {
    /// Hash of the recorded plan.
    pub recorded: String,
    /// Hash of the other component's.
    pub now: String,
    /// Groups with the very same part.
    pub same: u64,
    /// Groups whose parts differ, ascending by ID.
    pub parts: Vec<PartDifference>,
}

/// Requests of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestDifference {
    /// How many were recorded.
    pub recorded: u64,
    /// How many the other component made.
    pub now: u64,
    /// Made by the other component alone, in order of the first time, with how often where it was more than once: answered
    /// as by a vendor that cannot be reached. Reads of the ledger that the recording does not have are among them.
    pub unknown: Vec<String>,
    /// Made by the recorded component alone, in order.
    pub unmade: Vec<String>,
    /// Made more often than then; they got the last answer again.
    pub repeated: u64,
}

/// Operations on their way to a vendor, of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WriteDifference {
    /// Sent by both.
    pub same: u64,
    /// Sent by the recorded component alone: source group ID, operation.
    pub recorded: Vec<(String, String)>,
    /// Would be sent by the other component alone.
    pub now: Vec<(String, String)>,
}

/// What another component makes of a recorded run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Against {
    /// SHA-256 of the other component.
    pub component: String,
    /// Where it is from.
    pub origin: String,
    /// Whether everything that counts is the same: the plan, the writes, the end.
    pub same: bool,
    /// The plans, where the run made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanDifference>,
    /// The writes, where the run was an apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes: Option<WriteDifference>,
    /// The requests.
    pub requests: RequestDifference,
    /// How the recorded run ended.
    pub recorded: Outcome,
    /// How the other component ended.
    pub now: Outcome,
}

/// What `new` has more often than `old`, in its order.
fn more<T: Ord + Clone>(new: &[T], old: &[T]) -> Vec<T> {
    let mut counts: BTreeMap<&T, usize> = BTreeMap::new();
    for item in old {
        *counts.entry(item).or_default() += 1;
    }
    new.iter()
        .filter(|item| match counts.get_mut(item) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .cloned()
        .collect()
}

fn hash(parts: &[Bytes]) -> String {
    let hashes: Vec<String> = parts.iter().map(|part| sha256_hex(part)).collect();
    root_hash(hashes.iter().map(String::as_str))
}

fn plans(recorded: &[Bytes], now: &[Bytes]) -> PlanDifference {
    let by_group = |parts: &[Bytes]| -> BTreeMap<String, Bytes> {
        (0..)
            .zip(parts)
            .map(|(at, part): (usize, _)| {
                let group = describe::group_of(&Blob(part.clone()));
                (group.unwrap_or_else(|| format!("part {at}")), part.clone())
            })
            .collect()
    };
    let (before, after) = (by_group(recorded), by_group(now));
    let groups: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let read = |bytes: Option<&Bytes>| bytes.and_then(|bytes| Part::from_bytes(bytes).ok());
    let (mut same, mut parts) = (0, Vec::new());
    for group in groups {
        let (then, now) = (before.get(group), after.get(group));
        if then == now {
            same += 1;
        } else {
            parts.push(PartDifference {
                group: group.clone(),
                recorded: read(then),
                now: read(now),
            });
        }
    }
    PlanDifference {
        recorded: hash(recorded),
        now: hash(now),
        same,
        parts,
    }
}

fn writes(recorded: &Done, now: &Done) -> WriteDifference {
    let operations = |done: &Done| -> Vec<(String, String)> {
        done.intents
            .iter()
            .map(|intent| (intent.group.clone(), intent.operation.clone()))
            .collect()
    };
    let (recorded, now) = (operations(recorded), operations(now));
    let only_now = more(&now, &recorded);
    WriteDifference {
        same: (now.len() - only_now.len()) as u64,
        recorded: more(&recorded, &now),
        now: only_now,
    }
}

/// Each once, with how often.
pub(super) fn counted(all: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let mut counted = Vec::new();
    for one in all {
        match counts.remove(one) {
            Some(1) => counted.push(one.clone()),
            Some(times) => counted.push(format!("{one} ({times} times)")),
            None => {}
        }
    }
    counted
}

fn requests(recorded: &Done, now: &Done) -> RequestDifference {
    let told = |keys: Vec<Key>| {
        keys.into_iter()
            .map(|key| format!("{} {}", key.method, key.url))
            .collect()
    };
    RequestDifference {
        recorded: recorded.requests.len() as u64,
        now: now.requests.len() as u64,
        unknown: counted(&now.unknown),
        unmade: told(more(&recorded.requests, &now.requests)),
        repeated: now.repeated,
    }
}

/// Asks a component what it would have done in a recorded run. Requests are answered by what they are, not by when they
/// are made, and time passes only in sleep.
pub async fn against(
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
    recording: &Recording,
    cancel: &CancellationToken,
) -> Against {
    let keyed = Arc::new(Keyed::new(recording));
    let journal = Arc::clone(&keyed) as Arc<dyn Journal>;
    let ended = run(engine, plugin, &recording.head, journal, cancel).await;
    let (now, stuck) = keyed.done();
    let ended = match stuck {
        Some(at) => Outcome::Stopped(format!("it waits for what the recording does not have: {at}")),
        None => ended,
    };
    let then = done(recording);
    let plan = (recording.head.kind == Kind::Plan).then(|| plans(&then.parts, &now.parts));
    let writes = (recording.head.kind == Kind::Apply).then(|| writes(&then, &now));
    let same = plan.as_ref().is_none_or(|plan| plan.recorded == plan.now)
        && writes
            .as_ref()
            .is_none_or(|writes| writes.recorded.is_empty() && writes.now.is_empty())
        && ended == recording.ending.outcome;
    Against {
        component: plugin.digest.clone(),
        origin: plugin.origin.clone(),
        same,
        plan,
        writes,
        requests: requests(&then, &now),
        recorded: recording.ending.outcome.clone(),
        now: ended,
    }
}
