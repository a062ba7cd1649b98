//! Reading what changed instead of everything: `plan` with WIT `extent.changes`.
//!
//! A whole reading notes first where the feeds are (the source's events, the target's changes), and afterwards which
//! groups it saw at rest. From then on a run asks the feeds what happened, and reads the groups that this leads to and
//! those that were not at rest; all others are as they were. Whatever is not proven (an event lost or of a kind that is not
//! known, a feed that is refused or cannot go on, settings that changed, too much at once) leads to a whole reading, and so
//! does time: what no feed names, such as a hand's work in a Google group, is found by it and not before.
//!
//! Rooms: [`memory`] is what is kept between runs, [`look`] asks the feeds.

mod look;
pub(crate) mod memory;

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::Packed;
use crate::engine::answers::PlanSummary;
use crate::engine::observe::{Beforehand, Excerpt, Observed, Scope};
use crate::engine::source::SourceDirectory;
use crate::engine::{Extent, Session, plan};
use crate::environment::Level;
use crate::failure::Failure;
use crate::feed::Mark;
use crate::ledger::{Effect, Latency, Provenance};
use crate::names::Names;
use crate::plan::model::{GroupView, Reading};
use crate::plan::part::{Operation, Part};
use crate::target::TargetDirectory;
use look::{Found, Look};
use memory::{Cursor, Memory, Seen};

/// So far back the newest event is looked for when everything is read.
const NEWEST_WITHIN_MS: u64 = 30 * 86_400 * 1_000;
/// More groups with work than this are read for `apply` as always.
const FEW_GROUPS: usize = 50;

/// Plans what changed, or everything; see the head of this module.
///
/// # Errors
/// What ended the run; the parts handed over so far are then worthless.
pub(crate) async fn plan<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
) -> Result<PlanSummary, Failure> {
    let (known, version) = memory::load(session)?;
    if session.read == Extent::Changes {
        let why = match &known {
            None => "there was none yet".to_owned(),
            Some(known) => match look::look(session, known).await? {
                Look::Groups(found) => return changes(session, known, version, *found).await,
                Look::Everything(why) => why,
            },
        };
        session
            .environment
            .progress
            .log(Level::Info, &format!("Everything is read: {why}."));
    }
    everything(session, known.as_ref(), version).await
}

/// A whole reading.
async fn everything<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    earlier: Option<&Memory>,
    version: Option<u64>,
) -> Result<PlanSummary, Failure> {
    let began = session.environment.clock.unix_seconds();
    // The feeds' places come first: what happens while everything is read is told by the next look.
    let places = places(session, began).await?;
    let (observed, verdict) = plan::judge(session, &Scope::Everything).await?;
    let mut seen = Seen::default();
    let summary = plan::hand_over(session, &observed, &verdict, |part, excerpt| {
        note(&mut seen, part, excerpt);
    })?;
    if let Some((cursor, mark)) = places
        && observed.is_whole()
    {
        let settings = memory::fingerprint(session.settings, session.directory);
        let memory = Memory::of_whole(settings, began, cursor, mark, &seen, earlier);
        // Somebody else's note stands: it is as good.
        let _ = memory::store(session, &memory, version)?;
    }
    Ok(summary)
}

/// The feeds' present places; none where the source's feed proves nothing.
async fn places<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    now: u64,
) -> Result<Option<(Cursor, Option<String>)>, Failure> {
    if session.settings.verify_every_minutes == 0 {
        return Ok(None);
    }
    let from_ms = now.saturating_mul(1_000).saturating_sub(NEWEST_WITHIN_MS);
    let newest = match session.source.newest_events(session.directory, from_ms).await? {
        Reading::Complete(events) => events,
        Reading::Partial { reason, .. } => {
            session.environment.progress.log(
                Level::Debug,
                &format!("The next sync reads everything too: {reason}."),
            );
            return Ok(None);
        }
    };
    let Some(cursor) = Cursor::at(newest.get()).filter(|cursor| !memory::is_ahead(cursor, now)) else {
        return Ok(None);
    };
    match session.target.feed_mark().await? {
        Ok(Mark::NoFeed) => Ok(Some((cursor, None))),
        Ok(Mark::At(mark)) => Ok(Some((cursor, Some(mark)))),
        Err(why) => {
            session.warn(&format!("The next sync reads everything too: {why}."));
            Ok(None)
        }
    }
}

/// A reading of what changed.
async fn changes<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    known: &Memory,
    version: Option<u64>,
    found: Found,
) -> Result<PlanSummary, Failure> {
    let Found {
        groups,
        bound,
        people,
        directory,
        step,
    } = found;
    let mut seen = Seen::default();
    let mut summary = PlanSummary::default();
    if !groups.is_empty() {
        let beforehand = Beforehand {
            directory,
            bound,
            people,
            groups: known.attention.clone(),
        };
        let observed = session.observe_few(Names::new(), &groups, beforehand).await?;
        let (observed, verdict) = plan::judge_read(session, observed, known.size).await?;
        summary = plan::hand_over(session, &observed, &verdict, |part, excerpt| {
            note(&mut seen, part, excerpt);
        })?;
    }
    summary.at_rest = known.groups.saturating_sub(summary.groups);
    summary.verified_at = Some(known.verified_at);
    let now = session.environment.clock.unix_seconds();
    let memory = known.after_some(step, &groups, &seen, now);
    let _ = memory::store(session, &memory, version)?;
    Ok(summary)
}

/// Notes what was seen of one group, for the next reading.
fn note(seen: &mut Seen, part: &Part, excerpt: &Excerpt) {
    let size = u64::try_from(excerpt.view.target.members.seen().len()).unwrap_or(u64::MAX);
    seen.add(part, size, is_unsettled(&excerpt.view), &excerpt.world);
}

/// Whether somebody of ours, written lately, does not show yet: they may, and then it is to be seen.
fn is_unsettled(view: &GroupView) -> bool {
    if !view.settling {
        return false;
    }
    let shown: BTreeSet<&str> = view
        .target
        .members
        .seen()
        .iter()
        .map(|member| member.principal.id.as_str())
        .collect();
    view.memberships
        .iter()
        .any(|row| row.provenance != Provenance::Foreign && !shown.contains(row.principal.as_str()))
}

/// Keeps how long it took from the events about these groups to now, when all writes are settled.
///
/// # Errors
/// The ledger could not be read or written.
pub(crate) fn served<S, T>(session: &Session<'_, S, T>, groups: &BTreeSet<String>) -> Result<(), Failure> {
    let (Some(mut known), version) = memory::load(session)? else {
        return Ok(());
    };
    let happened: BTreeMap<String, u64> = groups
        .iter()
        .filter_map(|group| known.since.remove_entry(group))
        .collect();
    if happened.is_empty() {
        return Ok(());
    }
    let settled_at = session.environment.clock.unix_seconds();
    let effects: Vec<Effect> = session
        .environment
        .ledger
        .bindings()?
        .into_iter()
        .filter_map(|mut binding| {
            let happened_at = *happened.get(&binding.group)?;
            binding.details.latest = Some(Latency {
                happened_at,
                settled_at,
            });
            Some(Effect::Bind(binding))
        })
        .collect();
    for chunk in effects.chunks(1_000) {
        session.environment.ledger.amend(chunk)?;
    }
    // Where somebody else noted something meanwhile, the next change of a group is measured from this one's event.
    let _ = memory::store(session, &known, version)?;
    Ok(())
}

/// Reads the groups of approved parts, before they are applied.
///
/// # Errors
/// As [`Session::observe`].
pub(crate) async fn observe_for_apply<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    names: Names,
    busy: &BTreeSet<String>,
    parts: &[Packed],
) -> Result<Observed, Failure> {
    if session.read == Extent::Whole || busy.len() > FEW_GROUPS {
        return session.observe_beside(names, &Scope::Groups(busy.clone())).await;
    }
    // Whoever the parts speak of is read and looked up again, so that what moved about them shows (R44).
    let held = |part: &Part| -> Vec<Operation> {
        let waiting = part.held.iter().map(|held| held.operation.clone());
        part.operations.iter().cloned().chain(waiting).collect()
    };
    let mut people = BTreeSet::new();
    for part in parts.iter().map(|part| part.whole(&names)) {
        people.extend(part.waiting.iter().map(|waiting| waiting.user.clone()));
        people.extend(held(&part).into_iter().filter_map(|operation| match operation {
            Operation::AddMember { user, .. } => Some(user),
            Operation::RemoveMember { user, .. } => user,
            _ => None,
        }));
    }
    let beforehand = Beforehand {
        people,
        groups: busy.clone(),
        ..Beforehand::default()
    };
    session.observe_few(names, busy, beforehand).await
}
