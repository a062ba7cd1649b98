//! What is remembered between runs, so that the next one need not read everything: how far the feeds were read, which
//! groups were not at rest, who did not resolve. Pure but for [`load`] and [`store`].
//!
//! The one rule of this room: what is remembered as at rest was seen at rest. Everything else is in `attention`, and stays
//! there until a later reading sees it at rest.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::engine::Session;
use crate::failure::{Failure, FailureKind};
use crate::feed::Event;
use crate::plan::model::{SourceUser, World};
use crate::plan::part::{GroupState, Part, sha256_hex};
use crate::settings::Settings;

/// The key in WIT `state`.
const KEY: &str = "changes";
/// Of the format; another one is not read.
const FORMAT: u32 = 1;
/// What the state takes at most is 1 MiB; what is larger is not remembered, and the next reading is whole.
const LARGEST: usize = 960 << 10;
/// Events come late and out of order: so far back the feed is read again.
pub(super) const OVERLAP_MS: u64 = 15 * 60 * 1_000;
/// The source keeps events for 90 days.
const OLDEST_CURSOR_SECONDS: u64 = 80 * 86_400;
/// A target's mark lives for seven days.
const OLDEST_MARK_SECONDS: u64 = 6 * 86_400;
/// An event from further in the future than this would hide those that happen until then.
const FUTURE_MS: u64 = 60 * 60 * 1_000;

/// How far the source's events were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The newest event's ID.
    pub newest: String,
    /// Its time by the feed's own clock, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// IDs of the events in the overlap before it.
    pub recent: BTreeSet<String>,
}

/// How far the target's feed was read. It goes on from where the look before the last one ended, so that every change is
/// told twice: an answer that lacks one loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marks {
    /// Where the next look goes on from.
    pub from: String,
    /// When that was made, in seconds since the Unix epoch.
    pub made_at: u64,
    /// Where the last look ended, and when.
    pub end: (String, u64),
}

/// Somebody who did not resolve, with what they are looked for by (R5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Awaited {
    pub user: String,
    pub username: String,
    pub email: Option<String>,
    pub target_id: Option<String>,
    pub groups: BTreeSet<String>,
}

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    format: u32,
    component: String,
    settings: String,
    /// When the last whole reading began, in seconds since the Unix epoch.
    pub(super) verified_at: u64,
    /// Groups that it spoke of.
    pub(super) groups: u64,
    /// Memberships that there were, for limits that are shares.
    pub(super) size: u64,
    pub(super) cursor: Cursor,
    /// The target's marks, where it has a feed.
    pub(super) marks: Option<Marks>,
    /// Groups that were not at rest when last read.
    pub(super) attention: BTreeSet<String>,
    pub(super) awaited: Vec<Awaited>,
    /// When the oldest event happened that a group's target does not reflect yet, in seconds since the Unix epoch.
    pub(super) since: BTreeMap<String, u64>,
}

impl Cursor {
    /// From the newest events, newest first; none where there are none, since a silent feed proves nothing.
    pub(super) fn at(newest_first: &[Event]) -> Option<Self> {
        let newest = newest_first
            .iter()
            .max_by(|one, other| (one.at_ms, &one.id).cmp(&(other.at_ms, &other.id)))?;
        Some(Self {
            newest: newest.id.clone(),
            at_ms: newest.at_ms,
            recent: newest_first
                .iter()
                .filter(|event| event.at_ms >= newest.at_ms.saturating_sub(OVERLAP_MS))
                .map(|event| event.id.clone())
                .collect(),
        })
    }

    /// From when on the feed is to be read.
    pub(super) fn begins_at_ms(&self) -> u64 {
        self.at_ms.saturating_sub(OVERLAP_MS)
    }

    /// Goes on to what was read from [`Self::begins_at_ms`] on: the new cursor, and the events that were not seen before.
    ///
    /// # Errors
    /// The feed does not have what it had: it lost something, and may have lost more.
    pub(super) fn advance<'e>(&self, events: &'e [Event]) -> Result<(Self, Vec<&'e Event>), String> {
        if !events.iter().any(|event| event.id == self.newest) {
            return Err(
                "the source's feed no longer shows the newest event that it showed before".to_owned(),
            );
        }
        let fresh = events
            .iter()
            .filter(|event| !self.recent.contains(&event.id))
            .collect();
        let next = Self::at(events).unwrap_or_else(|| self.clone());
        Ok((next, fresh))
    }
}

impl Memory {
    /// After a whole reading that began at `began`, with the feeds' places from before it.
    pub(super) fn of_whole(
        settings: String,
        began: u64,
        cursor: Cursor,
        mark: Option<String>,
        seen: &Seen,
        earlier: Option<&Self>,
    ) -> Self {
        Self {
            format: FORMAT,
            component: env!("CARGO_PKG_VERSION").to_owned(),
            settings,
            verified_at: began,
            groups: seen.groups,
            size: seen.size,
            cursor,
            marks: mark.map(|mark| Marks {
                from: mark.clone(),
                made_at: began,
                end: (mark, began),
            }),
            attention: seen.restless.clone(),
            awaited: seen.awaited.values().cloned().collect(),
            since: earlier
                .map(|earlier| earlier.since.clone())
                .unwrap_or_default()
                .into_iter()
                .filter(|(group, _)| seen.restless.contains(group))
                .collect(),
        }
    }

    /// Why only a whole reading will do, where only that will do.
    pub(super) fn stale(&self, settings: &str, verify_every_minutes: u32, now: u64) -> Option<String> {
        let age = now.checked_sub(self.verified_at);
        let event_age = (now.saturating_mul(1_000)).saturating_sub(self.cursor.at_ms) / 1_000;
        if self.format != FORMAT || self.component != env!("CARGO_PKG_VERSION") {
            Some("another version of this component made the last one".to_owned())
        } else if self.settings != settings {
            Some("the settings have changed".to_owned())
        } else if verify_every_minutes == 0 {
            Some("the settings ask for it each time".to_owned())
        } else if age.is_none_or(|age| age >= u64::from(verify_every_minutes) * 60) {
            Some(format!(
                "the last one is older than {}",
                crate::words::count(u64::from(verify_every_minutes), "minute", "minutes")
            ))
        } else if event_age > OLDEST_CURSOR_SECONDS {
            Some(
                "nothing has happened in the source for so long that its feed may have forgotten it"
                    .to_owned(),
            )
        } else if is_ahead(&self.cursor, now) {
            Some("the source's newest event lies in the future of this machine; check both clocks".to_owned())
        } else if self
            .marks
            .as_ref()
            .is_some_and(|marks| now.saturating_sub(marks.made_at) > OLDEST_MARK_SECONDS)
        {
            Some("the target's feed of changes is not kept for so long".to_owned())
        } else {
            None
        }
    }

    /// After a reading of some groups.
    pub(super) fn after_some(&self, step: Step, read: &BTreeSet<String>, seen: &Seen, now: u64) -> Self {
        let mut next = self.clone();
        next.cursor = step.cursor;
        if let (Some(end), Some(marks)) = (step.mark, &self.marks) {
            let (from, made_at) = marks.end.clone();
            next.marks = Some(Marks {
                from,
                made_at,
                end: (end, now),
            });
        }
        for group in read {
            next.attention.remove(group);
            if !step.since.contains_key(group) && !seen.restless.contains(group) {
                next.since.remove(group);
            }
        }
        next.attention.extend(seen.restless.iter().cloned());
        // What was read right after its event may have been read too early: it is looked at once more.
        next.attention
            .extend(step.since.keys().filter(|group| read.contains(*group)).cloned());
        for (group, at) in step.since {
            if read.contains(&group) {
                let first = next.since.entry(group).or_insert(at);
                *first = (*first).min(at);
            }
        }
        for awaited in &mut next.awaited {
            awaited.groups.retain(|group| !read.contains(group));
        }
        next.awaited.retain(|awaited| !awaited.groups.is_empty());
        let turn = step.asked.min(next.awaited.len());
        next.awaited.rotate_left(turn);
        let mut fresh = seen.awaited.clone();
        for known in &mut next.awaited {
            if let Some(mut awaited) = fresh.remove(&known.user) {
                awaited.groups.append(&mut known.groups);
                *known = awaited;
            }
        }
        next.awaited.extend(fresh.into_values());
        next
    }
}

/// Whether the newest event is too far in the future of this machine's clock.
pub(super) fn is_ahead(cursor: &Cursor, now: u64) -> bool {
    cursor.at_ms > now.saturating_mul(1_000).saturating_add(FUTURE_MS)
}

/// How far a reading of changes got with the feeds.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub cursor: Cursor,
    pub mark: Option<String>,
    /// Groups that new events concern, and when the oldest of them happened, in seconds since the Unix epoch.
    pub since: BTreeMap<String, u64>,
    /// How many of the awaited were looked for.
    pub asked: usize,
}

/// What a reading saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub groups: u64,
    pub size: u64,
    pub restless: BTreeSet<String>,
    /// By source user ID: a whole reading can see half a company.
    pub awaited: BTreeMap<String, Awaited>,
}

impl Seen {
    /// Adds one group.
    pub(super) fn add(&mut self, part: &Part, size: u64, unsettled: bool, world: &World) {
        self.groups += 1;
        self.size = self.size.saturating_add(size);
        if unsettled || !at_rest(part) {
            self.restless.insert(part.group.id.clone());
        }
        for waiting in &part.waiting {
            let searched = matches!(
                waiting.reason.code.as_str(),
                "awaiting-user" | "ambiguous-user" | "users-unproven"
            );
            let Some(user) = world.users.get(&waiting.user).filter(|_| searched) else {
                if searched {
                    self.restless.insert(part.group.id.clone());
                }
                continue;
            };
            self.awaited
                .entry(user.id.clone())
                .or_insert_with(|| Awaited {
                    user: user.id.clone(),
                    username: user.username.clone(),
                    email: user.email.clone(),
                    target_id: user.target_id.clone(),
                    groups: BTreeSet::new(),
                })
                .groups
                .insert(part.group.id.clone());
        }
    }
}

/// Whether nothing about a group is open: what is not named by a feed need not be looked at again.
pub(super) fn at_rest(part: &Part) -> bool {
    let quiet = matches!(
        part.state,
        GroupState::Managed | GroupState::NotExportable | GroupState::Released | GroupState::Orphaned
    );
    quiet
        && part.operations.is_empty()
        && part.held.is_empty()
        && part.notes.is_empty()
        && part.warnings.iter().all(|warning| warning.code != "at-risk")
}

impl Awaited {
    /// As the target looks for them.
    pub(super) fn source_user(&self) -> SourceUser {
        SourceUser {
            id: self.user.clone(),
            username: self.username.clone(),
            email: self.email.clone(),
            suspended: false,
            target_id: self.target_id.clone(),
        }
    }
}

/// What settings and ends a memory is good for.
pub(super) fn fingerprint(settings: &Settings, directory: &str) -> String {
    let settings = serde_json::to_string(settings).unwrap_or_default();
    sha256_hex(format!("{directory}\n{settings}").as_bytes())
}

/// What is remembered, with its version; no memory where there is none that reads.
pub(crate) fn load<S, T>(session: &Session<'_, S, T>) -> Result<(Option<Memory>, Option<u64>), Failure> {
    let Some((bytes, version)) = session.environment.state.get(KEY)? else {
        return Ok((None, None));
    };
    Ok((serde_json::from_slice(&bytes).ok(), Some(version)))
}

/// Remembers, unless somebody else did since `version` or it is too much; whether it was remembered.
pub(crate) fn store<S, T>(
    session: &Session<'_, S, T>,
    memory: &Memory,
    version: Option<u64>,
) -> Result<bool, Failure> {
    let mut bytes = serde_json::to_vec(memory).unwrap_or_default();
    if bytes.len() > LARGEST {
        // Nothing that reads as a memory: the next reading is whole.
        bytes = b"null".to_vec();
    }
    Ok(session.environment.state.put(KEY, &bytes, version)?.is_some())
}

/// Notes that groups are about to be written to: whatever happens next, they are looked at again.
///
/// # Errors
/// The state could not be written: then nothing may be.
pub(crate) fn disturb<S, T>(session: &Session<'_, S, T>, groups: &BTreeSet<String>) -> Result<(), Failure> {
    for _ in 0..5 {
        let (memory, version) = load(session)?;
        let Some(mut memory) = memory else {
            return Ok(());
        };
        if groups.is_subset(&memory.attention) {
            return Ok(());
        }
        memory.attention.extend(groups.iter().cloned());
        if store(session, &memory, version)? {
            return Ok(());
        }
    }
    Err(Failure::new(
        FailureKind::Host,
        "state",
        "What is about to change could not be noted, since others wrote the note at the same time. Run again.",
    ))
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
