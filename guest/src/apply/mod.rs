//! Carries out approved parts, and nothing else. The order across groups is: removals of people who are
//! gone by their own record (R49), creations and updates, ties and provenance in the ledger, additions, and then (after
//! a look at where people arrived, R15) the other removals. Before each chunk of writes its intents are durable, after it
//! its outcomes with their effects.
//!
//! Each phase goes through all parts before the next begins, and yet no more than a chunk of operations is held in full:
//! parts and readings are kept in numbers ([`packed`]).
//!
//! Whatever is cut off in between is settled by reading back when the next apply begins ([`recover`], R47). Nothing is
//! decided here: a group that is not as it was when its part was made is refused (R44).

mod effects;
mod packed;
pub mod recover;
mod sending;
mod work;

pub(crate) use packed::Packed;

use std::collections::BTreeSet;

use crate::engine::Session;
use crate::engine::answers::Report;
use crate::engine::changes;
use crate::engine::observe::{Excerpt, Observed};
use crate::engine::source::SourceDirectory;
use crate::failure::{Failure, FailureKind};
use crate::names::Names;
use crate::plan::part::{Note, Part};
use crate::target::TargetDirectory;

/// Carries out the parts that the source gives.
///
/// # Errors
/// What ended the run: the host, a credential or a read that everything hangs on. What was done by then is in the
/// ledger; the same parts may be applied again.
pub async fn apply<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
) -> Result<Report, Failure> {
    let mut names = Names::new();
    let parts = approved(session, &mut names)?;
    recover::settle_open(session).await?;
    let mut report = Report::default();
    if parts.is_empty() {
        return Ok(report);
    }
    if !session.settings.managed {
        return Err(Failure::new(
            FailureKind::Cancelled,
            format!("directory {}", session.directory),
            "Group management is switched off for this directory: nothing was written. Switch it on, plan, and approve again.",
        ));
    }
    let busy = parts.iter().map(|part| part.rest.group.id.clone()).collect();
    // Whatever becomes of it: these groups are looked at again.
    changes::memory::disturb(session, &busy)?;
    let observed = changes::observe_for_apply(session, names, &busy, &parts).await?;
    let mut steady = Vec::new();
    for part in parts {
        match moved(session, &observed, &part)? {
            Some(what) => report.moved.push((part.rest.group.id, what)),
            None => steady.push(part),
        }
    }
    let served: BTreeSet<String> = steady.iter().map(|part| part.rest.group.id.clone()).collect();
    work::carry_out(session, &steady, observed, &mut report).await?;
    if report.failed == 0 {
        changes::served(session, &served)?;
    }
    Ok(report)
}

/// The approved parts that have work.
fn approved<S, T>(session: &Session<'_, S, T>, names: &mut Names) -> Result<Vec<Packed>, Failure> {
    let mut parts = Vec::new();
    let mut count = 0;
    while let Some(bytes) = session.environment.plan_source.next()? {
        count += 1;
        let part = Part::from_bytes(&bytes).map_err(|error| {
            Failure::new(
                FailureKind::Host,
                format!("approved part {count}"),
                format!("It cannot be read: {error}. Make a new plan and approve that."),
            )
        })?;
        if part.has_work() {
            parts.push(Packed::pack(part, names));
        }
    }
    Ok(parts)
}

/// What moved since the part was planned; none where nothing did.
fn moved<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    observed: &Observed,
    part: &Packed,
) -> Result<Option<String>, Failure> {
    if part.rest.fingerprint == crate::plan::undo::FINGERPRINT {
        return Ok(None);
    }
    // A part that changes the ledger alone is worth checking too: a release must not follow from what was true once.
    let Some(Excerpt { world, view }) = observed.excerpt(&part.rest.group.id) else {
        return Ok(Some(
            "the group is gone from the source and was never exported".to_owned(),
        ));
    };
    let part = part.whole(observed.names());
    let now = crate::plan::fingerprint(&view, &world, session.settings, &part);
    if now == part.fingerprint {
        return Ok(None);
    }
    let fresh = crate::plan::plan(&world, std::slice::from_ref(&view), session.settings);
    Ok(Some(match fresh.first() {
        Some(fresh) => crate::plan::what_moved(&part, fresh),
        None => "the group is no longer planned at all".to_owned(),
    }))
}

/// Whether a note ties the group to its target, and so waits for what it depends on.
fn is_bind(note: &Note) -> bool {
    matches!(note, Note::Bind { .. })
}
