//! The export `plan`: reads everything, confirms what removals need, and hands one part a group to the sink.

use std::collections::BTreeMap;

use crate::engine::Session;
use crate::engine::answers::PlanSummary;
use crate::engine::observe::{Observed, Scope};
use crate::engine::source::SourceDirectory;
use crate::failure::Failure;
use crate::plan::part::{Operation, Part};
use crate::target::TargetDirectory;

/// Plans the directory; the parts go to the sink, ascending by source group ID.
///
/// # Errors
/// What ended the run; the parts handed over so far are then worthless.
pub async fn plan<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
) -> Result<PlanSummary, Failure> {
    let (_, parts) = parts(session, &Scope::Everything).await?;
    let mut summary = PlanSummary::default();
    for (done, part) in parts.iter().enumerate() {
        session.environment.plan_sink.put(&part.to_bytes())?;
        session.progress("planning", done + 1, Some(parts.len()), &part.group.name);
        count(&mut summary, part);
    }
    Ok(summary)
}

/// The parts for a scope, with the second read made that removals need; ascending by source group ID.
pub(crate) async fn parts<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    scope: &Scope,
) -> Result<(Observed, Vec<Part>), Failure> {
    let mut observed = session.observe(scope).await?;
    session.progress("planning", 0, Some(observed.views.len()), "groups");
    let reads: BTreeMap<_, _> = observed
        .views
        .iter()
        .map(|view| {
            let reads = crate::plan::second_reads(view, &observed.world, session.settings);
            (view.id.clone(), reads)
        })
        .collect();
    session.confirm(&mut observed, &reads).await?;
    let mut parts = crate::plan::plan(&observed.world, &observed.views, session.settings);
    parts.sort_by(|one, other| one.group.id.cmp(&other.group.id));
    Ok((observed, parts))
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
