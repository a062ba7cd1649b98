//! Commands that change a directory, or prepare to: `apply`, `sync`, `undo`.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use groupcast_guest::engine::Extent;
use groupcast_guest::plan::part::Part;

use super::answers::Answers;
use super::exit_of_plan;
use crate::cli::arguments::{ApplyArguments, SyncArguments, UndoArguments};
use crate::cli::documents::{AppliedEntry, ApplyEntry, Document, PlanEntry};
use crate::cli::exit::Exit;
use crate::cli::operations::{ApplyOutcome, ConnectionName, Operations, PlanOutcome, Selection, SyncOutcome};
use crate::cli::problem::Problem;
use crate::cli::render;
use crate::cli::render::plan::Totals;
use crate::cli::render::text::short;
use crate::cli::session::{Session, problem};

/// How many runs are looked through for a plan's hash.
const REMEMBERED_RUNS: usize = 1_000;

/// `apply`.
pub async fn apply(session: &mut Session<'_>, arguments: &ApplyArguments) -> Result<Exit, Problem> {
    let operations = session.open_accepting(&arguments.accepted).await?;
    match &arguments.plan {
        Some(hash) => apply_stored(session, operations.as_ref(), arguments, hash).await,
        None => apply_now(session, operations.as_ref(), arguments).await,
    }
}

async fn apply_stored(
    session: &mut Session<'_>,
    operations: &dyn Operations,
    arguments: &ApplyArguments,
    hash: &str,
) -> Result<Exit, Problem> {
    let (connection, hash) = find_plan(session, operations, hash).await?;
    let parts = operations
        .stored_plan(&hash)
        .await
        .map_err(|failure| problem(&connection, failure))?
        .map(|plan| plan.parts)
        .unwrap_or_default();
    let selection = selection(arguments, &parts).map_err(|problem| problem.at(connection.to_string()))?;
    let released = selection.release_held;
    let outcome = operations
        .apply(&connection, &hash, selection, &session.cancel)
        .await
        .map_err(|failure| problem(&connection, failure))?;
    let exit = exit_of(&outcome, &parts, released);
    if session.shared.json {
        let mut document = Document::new("apply");
        document.exit = exit.code();
        document.push(&connection, Ok(applied(None, outcome)));
        session.document(&document)?;
    } else {
        let text = render::outcome::outcome(&connection, &outcome, &parts, session.detail());
        session.text(&text)?;
    }
    Ok(exit)
}

/// Plans, shows, asks, applies; one connection after the other, since each is a question of its own.
async fn apply_now(
    session: &mut Session<'_>,
    operations: &dyn Operations,
    arguments: &ApplyArguments,
) -> Result<Exit, Problem> {
    if session.shared.json && !arguments.yes {
        return Err(Problem::refused(
            "with --json nobody is asked: give --plan HASH, as `groupcast plan` printed it, or --yes to apply whatever \
             the plan will be",
        ));
    }
    let mut answers = Answers::new("apply");
    for connection in session.connections(operations)? {
        match plan_and_apply(session, operations, arguments, &connection).await {
            Ok((exit, entry)) => answers.done(&connection, exit, entry),
            Err(problem) => answers.failed(session, &connection, &problem)?,
        }
    }
    answers.end(session)
}

async fn plan_and_apply(
    session: &mut Session<'_>,
    operations: &dyn Operations,
    arguments: &ApplyArguments,
    connection: &ConnectionName,
) -> Result<(Exit, AppliedEntry), Problem> {
    let plan = operations
        .plan(connection, &session.cancel)
        .await
        .map_err(|failure| problem(connection, failure))?;
    let selection =
        selection(arguments, &plan.plan.parts).map_err(|problem| problem.at(connection.to_string()))?;
    let released = selection.release_held;
    let totals = Totals::of(&plan.plan.parts);
    let approval = session.approval(operations, connection, &plan.plan.hash);
    if !session.shared.json {
        let text = render::plan::plan(connection, &plan.plan, &approval, session.detail());
        session.text(&text)?;
    }
    if !(totals.to_apply() || released && totals.approvable > 0) {
        let exit = exit_of_plan(&totals);
        let outcome = if totals.is_pending() { "planned" } else { "nothing" };
        return Ok((exit, planned(outcome, plan)));
    }
    if !arguments.yes {
        match session
            .surroundings
            .confirm(&format!("Apply this to {connection}?"))
        {
            Some(true) => {}
            Some(false) => return Ok((Exit::Pending, planned("planned", plan))),
            None => {
                return Err(Problem::refused(format!(
                    "nobody is there to ask, so nothing was applied; approve what was shown with: {}",
                    approval.command(None, false)
                ))
                .at(connection.to_string()));
            }
        }
    }
    let outcome = operations
        .apply(connection, &plan.plan.hash, selection, &session.cancel)
        .await
        .map_err(|failure| problem(connection, failure))?;
    let exit = exit_of(&outcome, &plan.plan.parts, released);
    if !session.shared.json {
        let text = render::outcome::outcome(connection, &outcome, &plan.plan.parts, session.detail());
        session.text(&text)?;
    }
    Ok((exit, applied(Some(plan), outcome)))
}

/// `sync`.
pub async fn sync(session: &mut Session<'_>, arguments: &SyncArguments) -> Result<Exit, Problem> {
    let read = if arguments.full {
        Extent::Whole
    } else {
        Extent::Changes
    };
    let operations = session.open_accepting(&arguments.accepted).await?;
    let connections = session.connections(operations.as_ref())?;
    let results = join_all(
        connections
            .iter()
            .map(|connection| operations.sync(connection, read, &session.cancel)),
    )
    .await;
    let mut answers = Answers::new("sync");
    for (connection, result) in connections.iter().zip(results) {
        let shown = match result {
            Ok(outcome) => show_sync(session, operations.as_ref(), connection, outcome),
            Err(failure) => Err(problem(connection, failure)),
        };
        match shown {
            Ok((exit, entry)) => answers.done(connection, exit, entry),
            Err(problem) => answers.failed(session, connection, &problem)?,
        }
    }
    answers.end(session)
}

fn show_sync(
    session: &mut Session<'_>,
    operations: &dyn Operations,
    connection: &ConnectionName,
    outcome: SyncOutcome,
) -> Result<(Exit, AppliedEntry), Problem> {
    let (plan, why, apply) = match outcome {
        SyncOutcome::Nothing(plan) => (plan, None, None),
        SyncOutcome::Planned { plan, why } => (plan, Some(why), None),
        SyncOutcome::Applied { plan, apply } => (plan, None, Some(apply)),
    };
    let approval = session.approval(operations, connection, &plan.plan.hash);
    let detail = session.detail();
    if let Some(extent) = render::plan::extent(&plan.summary).filter(|_| !session.shared.json) {
        session.text(&render::text::lines(&extent, ""))?;
    }
    match apply {
        None => {
            let totals = Totals::of(&plan.plan.parts);
            if !session.shared.json {
                session.text(&render::plan::plan(connection, &plan.plan, &approval, detail))?;
                if let Some(why) = &why {
                    session.text(&render::text::lines(&format!("Nothing was applied: {why}."), ""))?;
                }
            }
            let word = if totals.is_pending() { "planned" } else { "nothing" };
            let exit = exit_of_plan(&totals);
            let mut entry = planned(word, plan);
            entry.why = why;
            Ok((exit, entry))
        }
        Some(outcome) => {
            let mut exit = exit_of(&outcome, &plan.plan.parts, false);
            if plan.plan.frozen() > 0 {
                exit = Exit::Failed;
            }
            if !session.shared.json {
                let shown = render::plan::plan_alone(connection, &plan.plan, &approval, detail);
                let done = render::outcome::outcome(connection, &outcome, &plan.plan.parts, detail);
                session.text(&format!("{shown}\n{done}"))?;
            }
            Ok((exit, applied(Some(plan), outcome)))
        }
    }
}

/// `undo`.
pub async fn undo(session: &mut Session<'_>, arguments: &UndoArguments) -> Result<Exit, Problem> {
    let operations = session.open().await?;
    let connection = operations
        .runs(REMEMBERED_RUNS)
        .await?
        .into_iter()
        .find(|record| record.id == arguments.run)
        .map(|record| record.connection)
        .ok_or_else(|| {
            Problem::refused(format!(
                "there is no run {} among the latest {REMEMBERED_RUNS}; `groupcast runs` lists them",
                arguments.run
            ))
        })?;
    let outcome = operations
        .undo(&arguments.run, &session.cancel)
        .await
        .map_err(|failure| problem(&connection, failure))?;
    let exit = exit_of_plan(&Totals::of(&outcome.plan.parts));
    if session.shared.json {
        let mut document = Document::new("undo");
        document.exit = exit.code();
        document.push(&connection, Ok(PlanEntry::from(outcome)));
        session.document(&document)?;
    } else {
        let approval = session.approval(operations.as_ref(), &connection, &outcome.plan.hash);
        let text = render::plan::plan(&connection, &outcome.plan, &approval, session.detail());
        session.text(&format!(
            "{text}{connection} is in plan-only mode now: no scheduled run does again what is undone.\n"
        ))?;
    }
    Ok(exit)
}

/// The connection and the whole hash of the plan that a beginning of a hash means.
async fn find_plan(
    session: &Session<'_>,
    operations: &dyn Operations,
    beginning: &str,
) -> Result<(ConnectionName, String), Problem> {
    let connections = session.connections(operations)?;
    let found: BTreeSet<(ConnectionName, String)> = operations
        .runs(REMEMBERED_RUNS)
        .await?
        .into_iter()
        .filter(|record| connections.contains(&record.connection))
        .filter_map(|record| Some((record.connection, record.plan?)))
        .filter(|(_, hash)| hash.starts_with(beginning))
        .collect();
    let mut all = found.into_iter();
    match (all.next(), all.next(), connections.as_slice()) {
        (Some(found), None, _) => Ok(found),
        (Some((one, first)), Some((other, second)), _) => Err(Problem::refused(format!(
            "{beginning} is the beginning of more than one plan's hash ({} of {one}, {} of {other}); give more of it, or \
             --connection",
            short(&first),
            short(&second),
        ))),
        (None, _, [connection]) if beginning.len() == 64 => Ok((connection.clone(), beginning.to_owned())),
        (None, ..) => Err(Problem::refused(format!(
            "no plan begins with {beginning}; `groupcast plan` makes one and prints its hash, `groupcast runs` lists \
             earlier ones"
        ))),
    }
}

/// What is approved, with the groups by ID where the plan is at hand.
fn selection(arguments: &ApplyArguments, parts: &[Part]) -> Result<Selection, Problem> {
    let mut groups = None;
    if !arguments.groups.is_empty() {
        let mut ids = Vec::new();
        for asked in &arguments.groups {
            ids.push(if parts.is_empty() {
                asked.clone()
            } else {
                group_id(asked, parts)?
            });
        }
        groups = Some(ids);
    }
    Ok(Selection {
        groups,
        release_held: arguments.release_held,
    })
}

fn group_id(asked: &str, parts: &[Part]) -> Result<String, Problem> {
    if parts.iter().any(|part| part.group.id == asked) {
        return Ok(asked.to_owned());
    }
    let named: Vec<&Part> = parts.iter().filter(|part| part.group.name == asked).collect();
    match named.as_slice() {
        [part] => Ok(part.group.id.clone()),
        [] => {
            let near = parts
                .iter()
                .map(|part| (strsim::jaro_winkler(&part.group.name, asked), &part.group.name))
                .filter(|(likeness, _)| *likeness > 0.85)
                .max_by(|(one, _), (other, _)| one.total_cmp(other))
                .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"));
            Err(Problem::refused(format!("the plan has no group `{asked}`{near}")))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|part| part.group.id.as_str()).collect();
            Err(Problem::refused(format!(
                "the plan has {} groups named `{asked}`; give the ID of the one you mean: {}",
                several.len(),
                ids.join(", ")
            )))
        }
    }
}

/// A vendor's refusal is a failure; a group that moved, or is still held, waits.
fn exit_of(outcome: &ApplyOutcome, parts: &[Part], released: bool) -> Exit {
    if outcome.report.failed > 0 || outcome.outcomes.iter().any(|one| one.settlement.is_none()) {
        Exit::Failed
    } else if !outcome.report.moved.is_empty() || !released && Totals::of(parts).approvable > 0 {
        Exit::Pending
    } else {
        Exit::Done
    }
}

fn planned(outcome: &'static str, plan: PlanOutcome) -> AppliedEntry {
    AppliedEntry {
        outcome,
        why: None,
        plan: Some(PlanEntry::from(plan)),
        apply: None,
    }
}

fn applied(plan: Option<PlanOutcome>, outcome: ApplyOutcome) -> AppliedEntry {
    AppliedEntry {
        outcome: "applied",
        why: None,
        plan: plan.map(PlanEntry::from),
        apply: Some(ApplyEntry::from(outcome)),
    }
}
