//! The export `plan`: reads everything, confirms what removals need, and hands one part a group to the sink.

use std::collections::BTreeMap;

use crate::engine::Session;
use crate::engine::answers::PlanSummary;
use crate::engine::observe::{Excerpt, Observed, Scope};
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::plan::part::{Operation, Part};
use crate::plan::{Claims, Verdict};
use crate::target::TargetDirectory;

/// Plans the directory; the parts go to the sink, ascending by source group ID, each as soon as it is made.
///
/// # Errors
/// What ended the run; the parts handed over so far are then worthless.
pub async fn plan<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
) -> Result<PlanSummary, Failure> {
    crate::engine::changes::plan(session).await
}

/// Hands the parts to the sink, one after the other; `look` sees each with what it was made from.
pub(crate) fn hand_over<S, T>(
    session: &Session<'_, S, T>,
    observed: &Observed,
    verdict: &Verdict<'_>,
    mut look: impl FnMut(&Part, &Excerpt),
) -> Result<PlanSummary, Failure> {
    let mut summary = PlanSummary::default();
    for (done, id) in observed.ids().enumerate() {
        let Some(excerpt) = observed.excerpt(id) else {
            continue;
        };
        let part = verdict.part(&excerpt.view, &excerpt.world);
        look(&part, &excerpt);
        // What a large group was planned from makes room for its bytes.
        drop(excerpt);
        session.environment.plan_sink.put(&part.to_bytes())?;
        session.progress("planning", done + 1, Some(observed.len()), &part.group.name);
        count(&mut summary, &part);
    }
    Ok(summary)
}

/// Reads the world as far as a scope goes, makes the second reads that removals need, and decides all that takes more
/// than one group to decide.
pub(crate) async fn judge<'a, S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'a, S, T>,
    scope: &Scope,
) -> Result<(Observed, Verdict<'a>), Failure> {
    let observed = session.observe(scope).await?;
    judge_read(session, observed, 0).await
}

/// The same for what was read already, of a directory that has at least so many memberships in all.
pub(crate) async fn judge_read<'a, S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'a, S, T>,
    mut observed: Observed,
    memberships: u64,
) -> Result<(Observed, Verdict<'a>), Failure> {
    session.progress("planning", 0, Some(observed.len()), "groups");
    let mut claims = Claims::new(session.rules, session.settings);
    for id in observed.ids() {
        claims.take(
            id,
            &observed.source(id),
            observed.binding(id),
            &observed.sight(id),
        );
    }
    let mut survey = claims.settle();
    let mut again = BTreeMap::new();
    let ids: Vec<String> = observed.ids().map(str::to_owned).collect();
    for id in ids {
        if let Some(Excerpt { world, view }) = observed.excerpt(&id) {
            let reads = survey.look(&view, &world);
            if !reads.is_empty() {
                again.insert(id, observed.again(&reads));
            }
        }
    }
    if !again.is_empty() {
        session.confirm(&mut observed, &again).await?;
        for id in again.keys() {
            if let Some(Excerpt { world, view }) = observed.excerpt(id) {
                survey.count(&view, &world);
            }
        }
    }
    Ok((observed, survey.among(memberships).decide()))
}

fn count(summary: &mut PlanSummary, part: &Part) {
    summary.groups += 1;
    summary.held += size(part.held.len());
    summary.operations += size(part.operations.len());
    for operation in &part.operations {
        match operation {
            Operation::AddMember { .. } => summary.adds += 1,
            Operation::RemoveMember { .. } => summary.removals += 1,
            Operation::CreateGroup { .. } | Operation::UpdateGroup { .. } => {}
        }
    }
}

fn size(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
